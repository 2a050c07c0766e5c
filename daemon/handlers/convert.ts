/** Engine and owner facts as wire shapes, used by more than one handler. Pure functions. */
import { LANGUAGE_IDS, languageNamed } from '../../src/api.ts';
import type { DocumentRow, IndexStats, LaneReport, SearchFilters, SegmentInfo, SymbolKind } from '../../src/api.ts';
import { nearest } from '../config/nearest.ts';
import { CairnError } from '../errors.ts';
import type { AnswerMeta, DocumentWire, FailedIndex, IndexStatus, IndexSummary, SegmentWire } from '../protocol/types.ts';
import type { IndexOwner, IndexOwners, KnownIndex, OwnerStatus, RunCounts } from './services.ts';

export interface FilterParams {
  readonly languages?: readonly string[];
  readonly paths?: readonly string[];
  readonly kinds?: readonly string[];
  readonly codeOnly?: boolean;
}

/** The schema has checked that kinds are symbol kinds. @throws CairnError INVALID_ARGUMENT for a language that does not exist */
export function toFilters(params: FilterParams): SearchFilters {
  return {
    languages: params.languages?.map(toLanguage),
    paths: params.paths,
    kinds: params.kinds as readonly SymbolKind[] | undefined,
    codeOnly: params.codeOnly,
  };
}

/** A filter that can match nothing is a mistake, not an empty answer. */
function toLanguage(name: string): string {
  const language = languageNamed(name);
  if (language !== null) return language;
  const close = nearest(name, LANGUAGE_IDS);
  throw new CairnError('INVALID_ARGUMENT', `languages: there is no language ${JSON.stringify(name)}`, {
    hint: close === null ? 'Name it by its id or a file extension, for example typescript or ts.' : `Did you mean ${close}?`,
  });
}

export function answerMeta(owner: IndexOwner, lsn: number, started: number, lanes: readonly LaneReport[] = []): AnswerMeta {
  const { state, reasons, pendingFiles } = owner.status();
  return { index: owner.name, state, reasons, pendingFiles, lsn, lanes, tookMs: round(performance.now() - started) };
}

export function openSummary(owner: IndexOwner, status: OwnerStatus = owner.status(), stats: IndexStats = owner.index.stats()): IndexSummary {
  return {
    index: owner.name, kind: owner.index.metadata.kind, root: owner.root, state: status.state, reasons: status.reasons,
    docs: stats.docs, chunks: stats.chunks, lsn: stats.version, durableLsn: stats.durableVersion,
    diskBytes: stats.diskBytes, modifiedAt: owner.index.metadata.modifiedAt,
  };
}

/** All known indexes. One that could not be opened is `failed`, with the reason; that list has also those without metadata. */
export function summaries(owners: Pick<IndexOwners, 'list' | 'failed'>): { readonly indexes: readonly IndexSummary[]; readonly failed: readonly FailedIndex[] } {
  const failed = owners.failed();
  const reasons = new Map(failed.map(({ index, reason }) => [index, reason]));
  return { indexes: owners.list().map((known) => summaryOf(known, reasons.get(known.name))), failed };
}

/** An index that is not open has no counts. */
function summaryOf(known: KnownIndex, failure: string | undefined): IndexSummary {
  if (known.owner !== null) return openSummary(known.owner);
  return {
    index: known.name, kind: known.kind ?? (known.root === null ? 'vector' : 'code'), root: known.root,
    state: failure === undefined ? 'opening' : 'failed', reasons: [failure ?? 'not opened yet'],
    docs: 0, chunks: 0, lsn: 0, durableLsn: 0, diskBytes: 0, modifiedAt: new Date(0).toISOString(),
  };
}

export function fullStatus(owner: IndexOwner): IndexStatus {
  const status = owner.status();
  const stats = owner.index.stats();
  const { embedder } = owner.index.metadata;
  const { recovery } = owner.index;
  return {
    ...openSummary(owner, status, stats),
    syncedLsn: stats.syncedVersion, generation: stats.generation,
    symbols: stats.symbols, edges: stats.edges, vectors: stats.vectors,
    segments: stats.segments.length, memtableChunks: stats.memtableChunks, memoryBytes: stats.memoryBytes, walBytes: stats.walBytes,
    pendingFiles: status.pendingFiles, watcher: status.watcher, persist: status.persist, skipped: status.skipped,
    embedder: embedder === null ? null : { name: embedder.name, revision: embedder.revision, dimension: embedder.dimension, ...status.embedding },
    recovery: { replayedBatches: recovery.replayedBatches, tornTailBytes: recovery.tornTailBytes, quarantined: recovery.quarantined.map(({ file }) => file), durationMs: recovery.durationMs },
  };
}

export function runResult(owner: IndexOwner, counts: RunCounts, started: number, created: boolean): {
  readonly index: string; readonly root: string | null; readonly state: IndexStatus['state']; readonly files: number; readonly chunks: number;
  readonly embedded: number; readonly cached: number; readonly tookMs: number; readonly created: boolean;
} {
  return { index: owner.name, root: owner.root, state: owner.status().state, ...counts, tookMs: round(performance.now() - started), created };
}

export function toSegment(segment: SegmentInfo): SegmentWire {
  const { id, file, bytes, checksum, docs, chunks, tombstones, minLsn, maxLsn, createdAt, contentVersions } = segment;
  return { id, file, bytes, checksum, docs, chunks, tombstones, minLsn, maxLsn, createdAt, contentVersions };
}

/** Milliseconds with three decimals. */
export const round = (ms: number): number => Math.round(ms * 1_000) / 1_000;

export function toDocument({ id, language, chunks, source, vectors }: DocumentRow): DocumentWire {
  return {
    id, language, chunks,
    source: source === null ? null : { size: source.size, modifiedAt: new Date(Number(source.mtimeNs / 1_000_000n)).toISOString(), hash: Buffer.from(source.hash).toString('hex'), note: source.note },
    ...(vectors === null ? {} : { vectors: vectors.map((vector) => Array.from(vector)) }),
  };
}
