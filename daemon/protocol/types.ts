/**
 * Wire types: plain JSON shapes of requests, results and notifications. Shared by daemon and client; imports no code.
 * Engine types never cross the wire, conversion is explicit in daemon/handlers.
 */

import type { VectorMetric } from './record-types.ts';

export type * from './record-types.ts';
export type * from './service-types.ts';

export const PROTOCOL_VERSION = 1;
export const PROTOCOL_MIN = 1;

export interface InitializeParams {
  readonly clientName: string;
  readonly clientVersion: string;
  /** Range of protocol versions that the client speaks. */
  readonly protocol: { readonly min: number; readonly max: number };
  /** Content of <data>/run/token (0600). */
  readonly token: string;
  /** Notifications that the client wants ('index/changed'); none when absent. Progress is asked for per request. */
  readonly notifications?: readonly string[];
}
export interface InitializeResult {
  readonly daemonVersion: string;
  readonly protocol: number;
  readonly pid: number;
  readonly epoch: number;
  readonly capabilities: readonly string[];
  readonly dataDir: string;
}

/** 'opening' | 'indexing' (first build) | 'catching-up' | 'ready' | 'degraded' | 'detached' | 'failed' */
export type IndexState = 'opening' | 'indexing' | 'catching-up' | 'ready' | 'degraded' | 'detached' | 'failed';

/** Either names the index: by name, or by a source root (canonicalised by the daemon). */
export interface IndexRef {
  readonly index?: string;
  readonly root?: string;
}

export interface ErrorData {
  readonly code: string;
  readonly retryable: boolean;
  readonly hint?: string;
  readonly path?: string;
}

export interface ProgressValue {
  readonly phase: 'crawl' | 'index' | 'flush' | 'verify' | 'backup' | 'restore' | 'done';
  readonly done: number;
  readonly total: number;
  readonly unit: 'files' | 'chunks' | 'bytes';
  readonly chunks?: number;
  /** Units per second over the last seconds; seconds left, when known. */
  readonly rate?: number;
  readonly etaSeconds?: number;
  readonly message?: string;
}

// ---- index/*
export interface IndexCreateParams {
  /** Of a code index: the source root. */
  readonly root?: string;
  /** 'code' by default. A vector index needs `name` and `dimension`, and has no root: clients put its records. */
  readonly kind?: 'code' | 'vector';
  readonly dimension?: number;
  /** How records of a vector index are compared; 'cosine' by default. */
  readonly metric?: VectorMetric;
  readonly name?: string;
  /** Wait until the index covers the tree (progress by $/progress with this token). */
  readonly wait?: boolean;
  readonly progressToken?: string;
  /** Index without vectors. */
  readonly lexicalOnly?: boolean;
}
export interface IndexRunResult {
  readonly index: string;
  readonly root: string | null;
  readonly state: IndexState;
  readonly files: number;
  readonly chunks: number;
  readonly embedded: number;
  readonly cached: number;
  readonly tookMs: number;
  readonly created: boolean;
}
export interface IndexSummary {
  readonly index: string;
  readonly kind: 'code' | 'vector';
  readonly root: string | null;
  readonly state: IndexState;
  readonly reasons: readonly string[];
  readonly docs: number;
  readonly chunks: number;
  readonly lsn: number;
  readonly durableLsn: number;
  readonly diskBytes: number;
  readonly modifiedAt: string;
}
export interface IndexStatus extends IndexSummary {
  readonly syncedLsn: number;
  readonly generation: number;
  readonly symbols: number;
  readonly edges: number;
  readonly vectors: number;
  readonly segments: number;
  readonly memtableChunks: number;
  readonly memoryBytes: number;
  readonly walBytes: number;
  readonly pendingFiles: number;
  readonly watcher: { readonly state: 'starting' | 'watching' | 'degraded' | 'off'; readonly reason: string | null; readonly lastReconcileAt: string | null };
  readonly persist: { readonly inFlight: boolean; readonly dirty: boolean; readonly saves: number; readonly failures: number; readonly lastError: string | null; readonly lastCause: string | null };
  readonly embedder: { readonly name: string; readonly revision: string; readonly dimension: number; readonly calls: number; readonly textsEmbedded: number; readonly cacheHits: number } | null;
  readonly recovery: { readonly replayedBatches: number; readonly tornTailBytes: number; readonly quarantined: readonly string[]; readonly durationMs: number };
  /** Files that were skipped, by reason. */
  readonly skipped: Readonly<Record<string, number>>;
  /** Damaged files that are kept in the index's directory. */
  readonly quarantine?: readonly QuarantinedFileWire[];
}

// ---- search/*
export interface SearchParams extends IndexRef {
  readonly query: string;
  readonly limit?: number;
  readonly languages?: readonly string[];
  readonly paths?: readonly string[];
  readonly kinds?: readonly string[];
  readonly codeOnly?: boolean;
  readonly explain?: boolean;
  /** Lanes to leave out. */
  readonly without?: readonly string[];
  /** Wait until changes known to the file system now are visible. */
  readonly fresh?: boolean;
}
export interface SearchHitWire {
  readonly path: string;
  readonly startLine: number;
  readonly endLine: number;
  readonly score: number;
  readonly language: string;
  readonly symbol?: { readonly name: string; readonly qualified: string; readonly kind: string; readonly line: number };
  readonly snippet: string;
  readonly explain?: { readonly lanes: readonly string[]; readonly features: Readonly<Record<string, { readonly value: number; readonly weight: number }>>; readonly penalty: number };
}
export interface AnswerMeta {
  readonly index: string;
  readonly state: IndexState;
  /** Reasons when the state is degraded, or files are still pending. */
  readonly reasons: readonly string[];
  readonly pendingFiles: number;
  readonly lsn: number;
  readonly lanes: readonly { readonly lane: string; readonly used: boolean; readonly reason: string | null }[];
  readonly tookMs: number;
}
// ---- backup/*
export interface BackupWire {
  /** `<time>-<lsn>` */
  readonly id: string;
  readonly index: string;
  readonly kind: string;
  readonly cause: string;
  readonly createdAt: string;
  readonly timeline: string;
  readonly lsn: number;
  readonly generation: number;
  readonly docs: number;
  readonly chunks: number;
  readonly vectors: number;
  readonly files: number;
  /** Length of all its files; many of them may be shared with the index and with other backups. */
  readonly bytes: number;
  /** What had to be written for it. */
  readonly bytesWritten: number;
  readonly parent: string | null;
  readonly path: string;
}
export interface BackupCreateParams extends IndexRef {
  readonly progressToken?: string;
}
export interface BackupCreateResult {
  readonly backup: BackupWire;
  readonly tookMs: number;
}
export interface BackupListResult {
  /** Oldest first, index by index. */
  readonly backups: readonly BackupWire[];
  /** Directories whose backup.json cannot be read; their bytes are left as they are. */
  readonly unreadable: readonly { readonly index: string; readonly id: string; readonly path: string; readonly code: string; readonly reason: string }[];
  /** Disk use of all of them; a file that several share counts once. */
  readonly diskBytes: number;
}
export interface BackupVerifyParams extends IndexRef {
  /** Default: the newest. */
  readonly backup?: string;
  readonly progressToken?: string;
}
export interface BackupVerifyResult {
  readonly index: string;
  readonly backup: string;
  readonly ok: boolean;
  readonly filesChecked: number;
  readonly bytesChecked: number;
  readonly damages: readonly { readonly file: string; readonly offset: number | null; readonly what: string }[];
  readonly tookMs: number;
}
export interface BackupRestoreParams extends IndexRef {
  /** Default: the newest, or with a point the newest that leads to it. */
  readonly backup?: string;
  /** Directory of a backup, inside the data directory or the configured directory of backups. */
  readonly from?: string;
  readonly toLsn?: number;
  /** ISO 8601. */
  readonly toTime?: string;
  /** Restores to a new index of this name. */
  readonly as?: string;
  readonly progressToken?: string;
}
export interface BackupRestoreResult {
  readonly index: string;
  readonly backup: string;
  readonly lsn: number;
  readonly generation: number;
  readonly docs: number;
  readonly chunks: number;
  readonly vectors: number;
  /** Backup that the replaced state is in. */
  readonly savedAs: string | null;
  /** Where the replaced files are, when they could not be backed up. */
  readonly keptAt: string | null;
  readonly tookMs: number;
}
export interface BackupPruneParams extends IndexRef {
  readonly keep?: number;
  readonly maxAgeDays?: number;
  readonly maxBytes?: number;
  readonly dryRun?: boolean;
  readonly progressToken?: string;
}
export interface BackupPruneResult {
  readonly index: string;
  readonly dryRun: boolean;
  readonly removed: readonly string[];
  readonly kept: number;
  readonly freedBytes: number;
  /** The newest backup that is right to the last byte; looked for only when something was to go. */
  readonly lastGood: string | null;
  readonly tookMs: number;
}

export interface SearchResultWire {
  readonly hits: readonly SearchHitWire[];
  readonly meta: AnswerMeta;
}

export interface GrepParams extends IndexRef {
  readonly pattern: string;
  readonly regex?: boolean;
  readonly ignoreCase?: boolean;
  readonly word?: boolean;
  readonly context?: number;
  readonly limit?: number;
  readonly languages?: readonly string[];
  readonly paths?: readonly string[];
}
export interface GrepMatch {
  readonly path: string;
  readonly line: number;
  readonly column: number;
  readonly text: string;
  readonly before: readonly string[];
  readonly after: readonly string[];
}
export interface GrepResult {
  readonly matches: readonly GrepMatch[];
  readonly truncated: boolean;
  readonly filesSearched: number;
  readonly meta: AnswerMeta;
}

export interface SymbolsParams extends IndexRef {
  readonly query: string;
  readonly limit?: number;
  readonly kinds?: readonly string[];
  readonly languages?: readonly string[];
  readonly paths?: readonly string[];
}
export interface SymbolHit {
  readonly name: string;
  readonly qualified: string;
  readonly kind: string;
  readonly path: string;
  readonly language: string;
  readonly startLine: number;
  readonly endLine: number;
}
export interface SymbolsResult {
  readonly symbols: readonly SymbolHit[];
  readonly meta: AnswerMeta;
}

// ---- index/*, continued
export interface IndexOpenParams extends Omit<IndexCreateParams, 'root' | 'kind' | 'dimension' | 'metric'> {
  readonly root: string;
  /** Take the index of the nearest enclosing root when there is one, instead of making one for `root` itself. */
  readonly enclosing?: boolean;
}
export interface FailedIndex {
  readonly index: string;
  readonly path: string;
  readonly code: string;
  readonly reason: string;
  readonly hint?: string;
}
/** A directory that may hold data and is no index: reported, never touched. */
export interface OrphanDirectory {
  readonly path: string;
  /** 'no-metadata': below indexes/, without metadata.json; `index/import` adopts it. 'deleted': kept aside by `index/delete` or an import. */
  readonly what: 'no-metadata' | 'deleted';
}
export interface IndexListResult {
  readonly indexes: readonly IndexSummary[];
  readonly orphans: readonly OrphanDirectory[];
  /** Directories that hold an index that could not be read; their bytes are untouched. */
  readonly failed: readonly FailedIndex[];
}
export interface IndexFlushResult {
  readonly index: string;
  readonly lsn: number;
  readonly durableLsn: number;
  readonly generation: number;
  readonly tookMs: number;
}
export interface IndexVerifyParams extends IndexRef {
  /** Read and check every block, not only footers, counts and checksums of files. */
  readonly deep?: boolean;
  readonly progressToken?: string;
}
export interface IndexVerifyResult {
  readonly index: string;
  /** What is there is right. What is missing since earlier damage is in `losses`. */
  readonly ok: boolean;
  /** Recorded when damaged files were put aside, and not back since. */
  readonly losses: readonly { readonly file: string; readonly docs: number | null; readonly what: string; readonly at: string }[];
  readonly state: IndexState;
  readonly reasons: readonly string[];
  readonly filesChecked: number;
  readonly bytesChecked: number;
  readonly damages: readonly { readonly file: string; readonly offset: number | null; readonly what: string }[];
  readonly tookMs: number;
}
export interface IndexRepairParams extends IndexRef {
  /** Only say what would be done. */
  readonly dryRun?: boolean;
  readonly progressToken?: string;
}
export interface RepairActionWire {
  /** What it is about. */
  readonly kind: 'rewrite-metadata' | 'rewrite-manifest' | 'quarantine-segment' | 'reopen' | 'accept-loss' | 'reindex';
  readonly file: string;
  readonly what: string;
  readonly done: boolean;
}
export interface QuarantinedFileWire {
  readonly file: string;
  readonly bytes: number;
}
export interface IndexRepairResult {
  readonly index: string;
  readonly dryRun: boolean;
  /** Empty = nothing is damaged. */
  readonly actions: readonly RepairActionWire[];
  /** Damaged files that are kept, earlier ones included. */
  readonly quarantine: readonly QuarantinedFileWire[];
  readonly state: IndexState;
  readonly reasons: readonly string[];
  /** Of the files that were read from the source tree again. */
  readonly embedded: number;
  readonly cached: number;
  readonly tookMs: number;
}
export interface SegmentWire {
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
  readonly contentVersions: { readonly chunker: number; readonly tokenizer: number };
}
export interface IndexInspectParams extends IndexRef {
  /** So many documents, in the order of their ids. Default: none. */
  readonly documents?: number;
  /** Only documents above this id: `nextDocument` of the page before. */
  readonly after?: string;
  /** With their vectors; `documents` is then at most 50. */
  readonly vectors?: boolean;
}
export interface DocumentWire {
  readonly id: string;
  readonly language: string;
  readonly chunks: number;
  /** null for records that came without a file. */
  readonly source: { readonly size: number; readonly modifiedAt: string; readonly hash: string; readonly note: string | null } | null;
  /** One for each chunk, as stored. */
  readonly vectors?: readonly (readonly number[])[];
}
export interface IndexInspectResult {
  readonly index: string;
  readonly languages: readonly { readonly language: string; readonly docs: number; readonly chunks: number }[];
  readonly documents?: readonly DocumentWire[];
  /** null at the end. */
  readonly nextDocument?: string | null;
  readonly directory: string;
  /** metadata.json as stored. */
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly generation: number;
  readonly lsn: number;
  readonly syncedLsn: number;
  readonly durableLsn: number;
  readonly docs: number;
  readonly chunks: number;
  readonly vectors: number;
  readonly symbols: number;
  readonly edges: number;
  readonly segments: readonly SegmentWire[];
  readonly memtable: { readonly chunks: number; readonly bytes: number };
  readonly walBytes: number;
  readonly diskBytes: number;
  readonly memoryBytes: number;
  /** Work since the index was opened: puts and deletes of the committed batches, batches, failed batches, batches without an ack yet, mean time to the ack, writes and syncs of the log, segments. */
  readonly incremental: { readonly operations: number; readonly batches: number; readonly failures: number; readonly pending: number; readonly meanMs: number; readonly logWrites: number; readonly logSyncs: number; readonly segments: number };
  readonly bytesWritten: { readonly wal: number; readonly flush: number; readonly compaction: number; readonly manifest: number };
  readonly recovery: { readonly generation: number; readonly replayedBatches: number; readonly tornTailBytes: number; readonly orphansRemoved: readonly string[]; readonly quarantined: readonly { readonly file: string; readonly reason: string }[]; readonly degraded: readonly string[]; readonly warnings?: readonly string[]; readonly durationMs: number };
}
export interface IndexRenameParams extends IndexRef {
  /** The new name. */
  readonly to: string;
}
export interface IndexRenameResult {
  readonly index: string;
  /** The former name. */
  readonly from: string;
  readonly tookMs: number;
}
export interface IndexDeleteParams extends IndexRef {
  /** Remove the bytes, and those kept aside under that name before (also when the index is gone). Without it the directory is kept aside and named in the result. */
  readonly purge?: boolean;
  /** With `purge`: its backups and archived log too. Also for an index that was deleted before. */
  readonly withBackups?: boolean;
}
export interface IndexDeleteResult {
  readonly index: string;
  readonly purged: boolean;
  /** Where the data is kept; null when purged. */
  readonly keptAt: string | null;
  /** Older copies of that name, kept aside before, that were purged too. */
  readonly copies: number;
  /** Backups and archived log of the index that are still there; they hold its content. null: none. */
  readonly backups: { readonly count: number; readonly bytes: number; readonly directories: readonly string[] } | null;
}
export interface IndexRebuildParams extends IndexRef {
  readonly wait?: boolean;
  readonly progressToken?: string;
}

// ---- graph/*
export interface GraphParams extends IndexRef {
  /** A symbol's name, plain or qualified (`Class.method`). */
  readonly name: string;
  /** Only definitions in files that match one of these globs. */
  readonly paths?: readonly string[];
  readonly kinds?: readonly string[];
  readonly languages?: readonly string[];
  readonly limit?: number;
}
export interface DefinitionResult {
  readonly definitions: readonly SymbolHit[];
  /** More than one definition answers to the name; they are the candidates. */
  readonly ambiguous: boolean;
  readonly meta: AnswerMeta;
}
export interface ReferenceHit {
  readonly path: string;
  readonly line: number;
  /** 'call' | 'import' | 'extends' | 'implements' | 'reference' */
  readonly kind: string;
  /** The name as written at this place. */
  readonly target: string;
  /** Symbol in whose body it stands; null at the top level of a file. */
  readonly from: SymbolHit | null;
}
export interface ReferencesResult {
  /** What the name may mean. Edges are matched by name: with several definitions a reference belongs to one of them. */
  readonly definitions: readonly SymbolHit[];
  readonly ambiguous: boolean;
  readonly references: readonly ReferenceHit[];
  readonly truncated: boolean;
  readonly meta: AnswerMeta;
}
export interface CalleeHit {
  readonly target: string;
  readonly path: string;
  readonly line: number;
  /** Definition of the caller that this call stands in. */
  readonly from: SymbolHit;
  /** Definitions that the name may mean: one = resolved, several = ambiguous, none = outside the index. */
  readonly candidates: readonly SymbolHit[];
}
export interface CalleesResult {
  readonly definitions: readonly SymbolHit[];
  readonly ambiguous: boolean;
  readonly callees: readonly CalleeHit[];
  readonly truncated: boolean;
  readonly meta: AnswerMeta;
}

// ---- notifications
export interface IndexChanged {
  readonly index: string;
  readonly state: IndexState;
  readonly lsn: number;
  readonly pendingFiles: number;
}
export interface ProgressParams {
  readonly token: string;
  readonly value: ProgressValue;
}
export interface CancelParams {
  readonly id: string | number;
}
