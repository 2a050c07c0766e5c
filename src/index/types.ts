/** The public shapes of a durable index: metadata, batches, results, reports. Implemented by durable-index.ts. */
import type { EmbedderIdentity } from '../embed/embedder.ts';
import type { Loss } from '../manifest/manifest.ts';
import type { CairnError } from '../util/errors.ts';
import type { Epoch, Generation, Lsn } from '../util/ids.ts';
import type { IndexPin } from './pin.ts';
import type { Snapshot } from './snapshot.ts';

export type IndexKind = 'code' | 'vector';
export type Metric = 'cosine' | 'dot' | 'euclidean';
export type SyncMode = 'always' | 'interval' | 'off';

/** metadata.json: identity and configuration only, human-readable, atomic. Counts are never in here. [3.1] */
export interface IndexMetadata {
  readonly schemaVersion: 1;
  /** ^[a-z0-9][a-z0-9._-]{0,63}$ */
  readonly name: string;
  readonly kind: IndexKind;
  /** 0 in a lexical-only index. */
  readonly dimension: number;
  readonly distanceMetric: Metric;
  readonly vectorType: 'f32';
  readonly indexConfig: { readonly max_connections: number; readonly ef_construction: number; readonly ef_search: number; readonly max_layer: number };
  readonly embedder: EmbedderIdentity | null;
  /** Canonical source root of a code index; a hint that can be re-attached, no path inside the index decides anything. */
  readonly sourceRoot: string | null;
  /** Versions of what decides the content of rows, for the rows that are added now; older rows are stale (stale.ts). [6.16] */
  readonly contentVersions: { readonly chunker: number; readonly tokenizer: number };
  readonly createdAt: string;
  readonly modifiedAt: string;
  readonly owner: string;
  /** History that the LSNs belong to: absent in the first one, new after each restore. See `timelineOf`. */
  readonly timeline?: string;
  /** Names the log in its files (16 hex digits); new after each restore. Absent in indexes of before WAL layout 2: then nothing is checked. */
  readonly logTag?: string;
  /** Backup that this history began with. */
  readonly restoredFrom?: string;
}

/** Fencing token of the writer. Every publish calls assertHeld first and carries the epoch. */
export interface WriterLease {
  readonly epoch: Epoch;
  /** Throws FENCED when the lock is not ours any more. */
  assertHeld(): void;
}

export interface IndexOptions {
  readonly syncMode: SyncMode;
  /** Used by `interval`: the most that an ack can lose, milliseconds. */
  readonly syncIntervalMs: number;
  /** A memtable is frozen when it reaches one of these. */
  readonly memtableMaxChunks: number;
  readonly memtableMaxBytes: number;
  readonly walFileMaxBytes: number;
  /** Tiered compaction: merge when this many segments are within one tier. */
  readonly compactionFanIn: number;
  /** The log carries the wall time of its batches, and closed log files are kept in the archive before they are trimmed. */
  readonly archive: boolean;
}

export interface Batch {
  /** Encoded documents (format/doc-codec.ts). A put replaces the document with the same key. */
  readonly puts: readonly Uint8Array[];
  /** Keys; deleting an absent key is no error. */
  readonly deletes: readonly string[];
}

export interface CommitResult {
  readonly lsn: Lsn;
  /** What this ack means: 'always' = survives power loss; 'interval' / 'off' = may be lost, see FORMAT.md. */
  readonly syncMode: SyncMode;
  readonly durable: boolean;
}

export interface PersistResult {
  readonly cause: string;
  readonly generation: Generation;
  readonly segmentsAdded: number;
  readonly bytesWritten: number;
  readonly durationMs: number;
}

export interface SegmentInfo {
  readonly id: string;
  readonly file: string;
  readonly bytes: number;
  readonly checksum: string;
  readonly docs: number;
  readonly chunks: number;
  readonly tombstones: number;
  readonly minLsn: number;
  readonly maxLsn: number;
  readonly createdAt: string;
  /** Oldest versions of chunker and tokenizer that its rows were made by. */
  readonly contentVersions: IndexMetadata['contentVersions'];
}

/** Work on the index since it was opened. [1.24] */
export interface IncrementalStats {
  /** Puts and deletes of the batches that were committed. */
  readonly operations: number;
  readonly batches: number;
  /** Batches that were refused or whose commit failed. */
  readonly failures: number;
  /** Batches that wait for their ack now. */
  readonly pending: number;
  /** From the call of a commit to its ack. */
  readonly meanMs: number;
  /** Group commit: batches / logWrites share a write, batches / logSyncs a sync. */
  readonly logWrites: number;
  readonly logSyncs: number;
  readonly segments: number;
}

export interface IndexStats {
  /** LSN of the last committed batch; of the last batch whose WAL bytes are synced; of the last batch inside segments. */
  readonly version: Lsn;
  readonly syncedVersion: Lsn;
  readonly durableVersion: Lsn;
  readonly generation: Generation;
  readonly docs: number;
  readonly chunks: number;
  readonly symbols: number;
  readonly edges: number;
  readonly vectors: number;
  readonly segments: readonly SegmentInfo[];
  readonly memtableChunks: number;
  readonly memtableBytes: number;
  readonly walBytes: number;
  readonly diskBytes: number;
  readonly memoryBytes: number;
  readonly incremental: IncrementalStats;
  readonly bytesWritten: { readonly wal: number; readonly flush: number; readonly compaction: number; readonly manifest: number };
  /** Conditions that need attention although nothing acknowledged is lost: the log takes no writes, read-only, old files stay. */
  readonly warnings?: readonly string[];
}

/** What opening found; kept for status and doctor. Nothing here is silent. */
export interface RecoveryReport {
  readonly generation: Generation;
  readonly replayedBatches: number;
  readonly tornTailBytes: number;
  readonly orphansRemoved: readonly string[];
  readonly quarantined: readonly { readonly file: string; readonly reason: string }[];
  /** Reasons why the index is degraded; empty = healthy. */
  readonly degraded: readonly string[];
  /** Things that a user should know although nothing is lost: a metadata.json without checksum. */
  readonly warnings: readonly string[];
  readonly durationMs: number;
}

export interface QuarantinedFile {
  /** quarantine/<name>.<n> */
  readonly file: string;
  readonly bytes: number;
}

/** One thing that `repair` does, or would do. */
export interface RepairAction {
  readonly kind: 'quarantine-segment' | 'rewrite-manifest' | 'rewrite-metadata' | 'reopen' | 'accept-loss';
  /** Relative to the index directory. */
  readonly file: string;
  readonly what: string;
  readonly done: boolean;
}

export interface RepairReport {
  readonly actions: readonly RepairAction[];
  /** The log is damaged: closing and opening the index again cuts it at the damage. */
  readonly needsReopen: boolean;
}

export interface Damage {
  readonly file: string;
  readonly offset: number | null;
  readonly what: string;
}

export interface VerifyReport {
  readonly ok: boolean;
  readonly filesChecked: number;
  readonly bytesChecked: number;
  readonly damages: readonly Damage[];
}

/** How far a file was read, and the checksum of that part. */
export interface ScrubPosition {
  readonly file: string;
  readonly at: number;
  readonly crc: number;
}

export interface ScrubStep {
  /** null: the file is done. */
  readonly next: ScrubPosition | null;
  readonly bytes: number;
  readonly damage: CairnError | null;
}

export type MetadataChange = Partial<Pick<IndexMetadata, 'name' | 'sourceRoot' | 'embedder' | 'contentVersions'>>;

/**
 * One durable index. Commits are serialised inside; readers take snapshots and are never blocked by writers.
 * The persist loop (when to call `persist`) is the owner's business.
 */
export interface DurableIndex {
  readonly metadata: IndexMetadata;
  readonly recovery: RecoveryReport;
  readonly version: Lsn;
  readonly durableVersion: Lsn;
  /** What was lost to damage and is not back yet, also from earlier openings; empty = whole. */
  readonly losses: readonly Loss[];
  /** Atomic: all or nothing for readers and after a crash. Refuses a batch of the wrong dimension with DIMENSION_MISMATCH; with DEGRADED while losses of an index that has no source are open. */
  commit(batch: Batch): Promise<CommitResult>;
  snapshot(): Snapshot;
  /** True when the memtable has reached a limit. */
  readonly wantsPersist: boolean;
  /** One turn: freeze, flush in a worker, publish a manifest, trim the WAL. A no-op when nothing is dirty. One at a time. */
  persist(cause: string): Promise<PersistResult>;
  /** One step of the tiered policy in a worker; null when there is nothing to do. */
  compact(): Promise<PersistResult | null>;
  /** Makes every ack given so far survive power loss (matters for `interval` and `off`). */
  sync(): Promise<void>;
  verify(options: { readonly deep: boolean; readonly signal?: AbortSignal }): Promise<VerifyReport>;
  /** Reads on in one segment file (`at` 0, `crc` 0 to begin with) against its checksum. */
  scrub(position: ScrubPosition, maxBytes: number): Promise<ScrubStep>;
  /**
   * Damage met while reading: if its path is a segment in service (or its tombstones), that one is taken out and its bytes are kept;
   * snapshots that are open keep it. True when it is out of service now; false when the path is no segment.
   */
  quarantine(damage: CairnError): Promise<boolean>;
  /** What was lost is there again (or given up). False when nothing was lost. */
  settleLosses(cause: string): Promise<boolean>;
  /** Verifies everything and mends what can be mended in place; deletes nothing. Content that was lost is the owner's business. */
  repair(options: { readonly dryRun: boolean; readonly signal?: AbortSignal }): Promise<RepairReport>;
  listQuarantine(): Promise<readonly QuarantinedFile[]>;
  stats(): IndexStats;
  /** Keys of documents whose rows were not made by these versions of chunker and tokenizer. [6.16] */
  staleKeys(current: IndexMetadata['contentVersions']): Promise<readonly string[]>;
  /** Holds the state of this moment on disk: nothing of it is removed until `release`. For backups. */
  pin(): Promise<IndexPin>;
  /** `around` wraps the writing of metadata.json; while it runs nothing is published or archived. */
  updateMetadata(change: MetadataChange, around?: (write: () => Promise<void>) => Promise<void>): Promise<void>;
  /** Persists nothing by itself (call `persist` first for a clean shutdown); releases files and memory. */
  close(): Promise<void>;
}
