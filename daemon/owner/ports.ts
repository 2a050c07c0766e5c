/**
 * What an owner needs of the engine, narrow enough for doubles. daemon/main.ts gives the real ones (engine-ports.ts).
 */
import type { AdoptReport, AdoptRequest, BuildRequest, CrawledFile, Deleted, DurableIndex, EmbedderIdentity, IndexMetadata, IngestRequest, IngestResult, Metric, MigrationReport, RepairAction } from '../../src/api.ts';
import type { CairnError } from '../errors.ts';

/** A source tree; each crawl reads the ignore rules again. */
export interface SourceTree {
  /** Files that should be indexed, in slices. `unreadable` gets directories that could not be listed (relative path, reason). */
  crawl(options: { readonly signal: AbortSignal; readonly unreadable: (path: string, reason: string) => void }): AsyncIterable<readonly CrawledFile[]>;
  /** True when the rules leave this file out. */
  isIgnored(path: string): boolean;
}

export interface IngestPort {
  /** Files that can usefully be under way at the same time. */
  readonly capacity: number;
  /** Never rejects for what is in a file; rejects when the pool is closed. With `lexicalOnly` no vectors are made. */
  ingest(request: IngestRequest, options: { readonly lexicalOnly: boolean }): Promise<IngestResult>;
  openTree(root: string): Promise<SourceTree>;
  /** What new rows are made with: rows of other versions are stale. */
  readonly contentVersions: IndexMetadata['contentVersions'];
  /** null when there is no embedder: new indexes are lexical only. */
  readonly embedder: EmbedderIdentity | null;
}

export interface EngineEntry {
  readonly name: string;
  readonly directory: string;
  readonly metadata: IndexMetadata | null;
  readonly state: 'closed' | 'open' | 'failed';
  readonly error: CairnError | null;
}

export interface EnginePort {
  readonly dataDir: string;
  /** Directories below <data>/indexes without metadata.json. */
  readonly orphans: readonly string[];
  adopt(request: AdoptRequest): Promise<AdoptReport>;
  build(request: BuildRequest): Promise<void>;
  migrate(options: { readonly name?: string | undefined; readonly dryRun: boolean }): Promise<{ readonly migrated: readonly MigrationReport[]; readonly failed: readonly CairnError[] }>;
  list(): readonly EngineEntry[];
  get(name: string): Promise<DurableIndex>;
  create(definition: {
    readonly name: string;
    readonly kind: 'code' | 'vector';
    readonly dimension: number;
    readonly embedder: EmbedderIdentity | null;
    readonly sourceRoot: string | null;
    readonly distanceMetric?: Metric;
    readonly contentVersions: IndexMetadata['contentVersions'];
  }): Promise<DurableIndex>;
  delete(name: string, options: { readonly purge: boolean }): Promise<Deleted>;
  purgeCopies(name: string): Promise<number>;
  /** Paths of what is kept of indexes that were deleted or replaced. */
  keptAside(): Promise<readonly string[]>;
  /** Its backups follow. `around` wraps the renaming itself: until then it waits for its turn. */
  rename(name: string, to: string, around: (step: () => Promise<void>) => Promise<void>): Promise<void>;
  release(name: string): Promise<void>;
  restoreMetadata(name: string, options: { readonly dryRun: boolean }): Promise<RepairAction | null>;
}

export interface OwnerLog {
  debug(event: string, fields?: Readonly<Record<string, unknown>>): void;
  info(event: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(event: string, fields?: Readonly<Record<string, unknown>>): void;
}
