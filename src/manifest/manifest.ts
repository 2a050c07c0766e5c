/**
 * The manifest: the full, immutable state of one index at one generation. Types, encoding, and the checks that need no disk.
 * Layout in FORMAT.md.
 */
import type { EmbedderIdentity } from '../embed/embedder.ts';
import { MANIFEST_WORD } from '../format/constants.ts';
import { segmentFile, tombstoneFile } from '../format/file-names.ts';
import { JsonFields } from '../format/json-fields.ts';
import { decodeTextFile, encodeTextFile } from '../format/text-file.ts';
import { CairnError } from '../util/errors.ts';
import { asEpoch, asGeneration, asLsn, asSegmentId, type Epoch, type Generation, type Lsn, type SegmentId } from '../util/ids.ts';

/** The dead docs of a segment; see format/tombstones.ts. */
export interface TombstoneEntry {
  readonly file: string;
  readonly bytes: number;
  /** crc32 of the file, eight hex digits. */
  readonly checksum: string;
  readonly count: number;
}

export interface SegmentEntry {
  readonly id: SegmentId;
  readonly file: string;
  readonly bytes: number;
  /** The whole-file checksum of the container's footer, eight hex digits. */
  readonly checksum: string;
  /** Rows in the file, dead ones included. */
  readonly docs: number;
  readonly chunks: number;
  readonly symbols: number;
  readonly edges: number;
  readonly vectors: number;
  readonly minLsn: Lsn;
  readonly maxLsn: Lsn;
  readonly createdAt: string;
  readonly tombstones: TombstoneEntry | null;
}

/** Why a segment of the parent generation is not in this one. */
export type DropReason = 'compacted' | 'deleted' | 'quarantined';
export const DROP_REASONS: readonly DropReason[] = ['compacted', 'deleted', 'quarantined'];

export interface DroppedSegment {
  readonly id: SegmentId;
  readonly reason: DropReason;
}

/** What an index has lost and not yet got back; carried from generation to generation until somebody settles it. */
export interface Loss {
  /** The damaged file, relative to the index directory. */
  readonly file: string;
  readonly reason: string;
  /** Documents that were in it; null when that cannot be known (a log). */
  readonly docs: number | null;
  readonly at: string;
}

/** What the caller of `publish` decides. */
export interface ManifestDraft {
  /** Every batch up to here is inside the segments and tombstones. */
  readonly flushedLsn: Lsn;
  /** In the order that readers use. */
  readonly segments: readonly SegmentEntry[];
  /** One entry for each segment of the parent that is missing here. */
  readonly dropped: readonly DroppedSegment[];
  readonly contentVersions: { readonly chunker: number; readonly tokenizer: number };
  readonly embedder: EmbedderIdentity | null;
  /** What led to this generation: 'create', 'flush', 'compaction', 'quarantine seg-…'. */
  readonly cause: string;
  /** The logged deletes that emptied a populated index; null otherwise. Without it such a publish is refused (invariant 15). */
  readonly emptiedBy: string | null;
  /** Mirror of metadata.json, to tell damage from a change and to restore the file. Absent: as in the parent. */
  readonly metadata?: Readonly<Record<string, unknown>> | null;
  /** Absent: as in the parent. */
  readonly losses?: readonly Loss[];
}

export interface Manifest extends ManifestDraft {
  readonly generation: Generation;
  /** 0 for the first one. */
  readonly parent: Generation;
  readonly epoch: Epoch;
  readonly createdAt: string;
  readonly metadata: Readonly<Record<string, unknown>> | null;
  readonly losses: readonly Loss[];
}

export function liveDocs(manifest: Pick<ManifestDraft, 'segments'>): number {
  return manifest.segments.reduce((sum, segment) => sum + segment.docs - (segment.tombstones?.count ?? 0), 0);
}

/** Every file that the manifest names. */
export function filesOf(manifest: Pick<ManifestDraft, 'segments'>): string[] {
  return manifest.segments.flatMap((segment) => [segment.file, ...(segment.tombstones === null ? [] : [segment.tombstones.file])]);
}

export function encodeManifest(manifest: Manifest): Buffer {
  return encodeTextFile(MANIFEST_WORD, manifest);
}

const CHECKSUM = /^[0-9a-f]{8}$/;
const SEGMENT_ID = /^[0-9a-f]{16}$/;

export function decodeManifest(bytes: Uint8Array, path: string): Manifest {
  const fields = new JsonFields(decodeTextFile(MANIFEST_WORD, bytes, path), path);
  const manifest: Manifest = {
    generation: asGeneration(fields.count('generation')),
    parent: asGeneration(fields.count('parent')),
    epoch: asEpoch(fields.count('epoch')),
    createdAt: fields.string('createdAt'),
    cause: fields.string('cause'),
    flushedLsn: asLsn(fields.count('flushedLsn')),
    segments: fields.list('segments', decodeSegment),
    dropped: fields.list('dropped', (dropped) => ({ id: asSegmentId(dropped.string('id', SEGMENT_ID)), reason: dropped.oneOf('reason', DROP_REASONS) })),
    contentVersions: decodeVersions(fields.object('contentVersions')),
    embedder: fields.nullable('embedder', (name) => decodeEmbedder(fields.object(name))),
    emptiedBy: fields.nullable('emptiedBy', (name) => fields.string(name)),
    metadata: fields.optional('metadata', (name) => fields.record(name)),
    losses: fields.optional('losses', (name) => fields.list(name, decodeLoss)) ?? [],
  };
  const problem = problemOf(manifest);
  if (problem !== null) throw new CairnError('CORRUPT', `${path}: ${problem}`, { path, offset: 0 });
  return manifest;
}

function decodeSegment(fields: JsonFields): SegmentEntry {
  return {
    id: asSegmentId(fields.string('id', SEGMENT_ID)),
    file: fields.string('file'),
    bytes: fields.count('bytes'),
    checksum: fields.string('checksum', CHECKSUM),
    docs: fields.count('docs'),
    chunks: fields.count('chunks'),
    symbols: fields.count('symbols'),
    edges: fields.count('edges'),
    vectors: fields.count('vectors'),
    minLsn: asLsn(fields.count('minLsn')),
    maxLsn: asLsn(fields.count('maxLsn')),
    createdAt: fields.string('createdAt'),
    tombstones: fields.nullable('tombstones', (name) => decodeTombstone(fields.object(name))),
  };
}

function decodeTombstone(fields: JsonFields): TombstoneEntry {
  return { file: fields.string('file'), bytes: fields.count('bytes'), checksum: fields.string('checksum', CHECKSUM), count: fields.count('count') };
}

function decodeLoss(fields: JsonFields): Loss {
  return { file: fields.string('file'), reason: fields.string('reason'), docs: fields.nullable('docs', (name) => fields.count(name)), at: fields.string('at') };
}

function decodeVersions(fields: JsonFields): Manifest['contentVersions'] {
  return { chunker: fields.count('chunker'), tokenizer: fields.count('tokenizer') };
}

function decodeEmbedder(fields: JsonFields): EmbedderIdentity {
  return {
    name: fields.string('name'),
    revision: fields.string('revision'),
    dimension: fields.count('dimension'),
    normalized: fields.boolean('normalized'),
    fingerprint: fields.string('fingerprint'),
  };
}

/** The first contradiction inside a manifest, or null. Names are built, never trusted: no path of a file leads elsewhere. */
export function problemOf(manifest: Manifest): string | null {
  if (manifest.generation < 1 || manifest.parent >= manifest.generation) return `generation ${manifest.generation} cannot follow ${manifest.parent}`;
  const ids = new Set(manifest.segments.map((segment) => segment.id));
  if (ids.size !== manifest.segments.length) return 'a segment is named twice';
  if (manifest.dropped.some((dropped) => ids.has(dropped.id))) return 'a segment is both there and dropped';
  for (const segment of manifest.segments) {
    const problem = segmentProblem(segment, manifest);
    if (problem !== null) return `segment ${segment.id}: ${problem}`;
  }
  return null;
}

function segmentProblem(segment: SegmentEntry, manifest: Manifest): string | null {
  if (segment.file !== segmentFile(segment.id)) return `${segment.file} is not its file name`;
  if (segment.minLsn > segment.maxLsn || segment.maxLsn > manifest.flushedLsn) return `LSNs ${segment.minLsn} to ${segment.maxLsn} do not lie below ${manifest.flushedLsn}`;
  if (segment.vectors > segment.chunks) return `${segment.vectors} vectors for ${segment.chunks} chunks`;
  const { tombstones } = segment;
  if (tombstones === null) return null;
  if (tombstones.count < 1 || tombstones.count > segment.docs) return `${tombstones.count} of ${segment.docs} docs cannot be dead`;
  const generation = /-([0-9]+)\.tomb$/.exec(tombstones.file)?.[1];
  if (generation === undefined || tombstones.file !== tombstoneFile(segment.id, asGeneration(Number(generation)))) return `${tombstones.file} is not the name of its tombstones`;
  return null;
}
