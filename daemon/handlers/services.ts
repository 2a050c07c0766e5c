/**
 * What handlers ask of the rest of the daemon. daemon/owner implements IndexOwner and IndexOwners; daemon/main.ts puts all
 * together. Interfaces only: handlers are tested against doubles of these.
 */
import type { Backups, Batch, CommitResult, Deleted, DurableIndex, Embedder, ForeignLayout, ImportReport, IndexKind, Metric, MigrationReport, RepairAction, RepairReport } from '../../src/api.ts';
import type { CairnError } from '../errors.ts';
import type { Config } from '../config/config.ts';
import type { Metrics } from '../rpc/metrics.ts';
import type { DaemonState, FailedIndex, IndexState, IndexStatus, OrphanDirectory, ProgressValue, ScrubWire } from '../protocol/types.ts';

/** How an owner is doing; cheap, never waits. */
export interface OwnerStatus {
  readonly state: IndexState;
  /** Why it is degraded, or what is pending; empty = nothing to say. */
  readonly reasons: readonly string[];
  /** Files whose change is known but not yet visible in search. */
  readonly pendingFiles: number;
  readonly watcher: IndexStatus['watcher'];
  readonly persist: IndexStatus['persist'];
  readonly embedding: { readonly calls: number; readonly textsEmbedded: number; readonly cacheHits: number };
  readonly skipped: Readonly<Record<string, number>>;
}

/** What one run over the tree did. */
export interface RunCounts {
  readonly files: number;
  readonly chunks: number;
  readonly embedded: number;
  readonly cached: number;
}

export interface WaitOptions {
  readonly signal: AbortSignal;
  readonly onProgress?: (value: ProgressValue) => void;
}

/** One open index. */
export interface IndexOwner {
  readonly name: string;
  /** Canonical source root; null in a vector index. */
  readonly root: string | null;
  readonly index: DurableIndex;
  status(): OwnerStatus;
  /** Resolves when the index covers the tree as it is now (first build, or catching up). */
  settled(options: WaitOptions): Promise<RunCounts>;
  /** Resolves when every change that the file system shows at the time of the call is visible in a new snapshot. */
  fresh(signal: AbortSignal): Promise<void>;
  /** For records that clients put. Waits while saves cannot keep up; fails with why they fail. */
  commit(batch: Batch): Promise<CommitResult>;
  /** Barrier: everything committed before the call is in segments and published. */
  flush(): Promise<void>;
  /**
   * Damage that a reader met. True when the segment it lies in is out of service now: asking again answers from the rest. What was
   * lost is read from the source tree again in the background.
   */
  reportDamage(error: unknown): Promise<boolean>;
  /** Verifies everything and mends in place what can be; `settled` waits for what has to be read from the tree again. */
  repair(options: WaitOptions & { readonly dryRun: boolean }): Promise<RepairReport>;
  /** Reads every file of the tree again, whatever the file table says; the old rows serve until replaced. */
  rebuild(options: WaitOptions): Promise<RunCounts>;
}

/** An index that is known, open or not. */
export interface KnownIndex {
  readonly name: string;
  readonly root: string | null;
  readonly kind?: IndexKind;
  /** Directory of the index in the data directory. */
  readonly directory: string;
  /** null until it is open. */
  readonly owner: IndexOwner | null;
}

export interface IndexOwners {
  /** Known indexes, by name. */
  list(): readonly KnownIndex[];
  /** Directories that hold an index that could not be read or opened. */
  failed(): readonly FailedIndex[];
  /** Directories that may hold data and are no index. */
  orphans(): Promise<readonly OrphanDirectory[]>;
  /**
   * By name, or by the nearest enclosing source root of `root` (any path inside a tree; canonicalised here). Opens it when needed.
   * Fails with NOT_FOUND (hint: index it), INVALID_ARGUMENT (neither given, and not exactly one index), or why opening failed.
   */
  resolve(ref: { readonly index?: string; readonly root?: string }, signal?: AbortSignal): Promise<IndexOwner>;
  /** The index whose source root is exactly this directory, opened; null when there is none, or it is deleted meanwhile. */
  find(root: string): Promise<IndexOwner | null>;
  /** Fails with ALREADY_EXISTS (root or name), ROOT_NOT_FOUND, ROOT_NOT_DIRECTORY, ROOT_UNREADABLE. Indexing starts in the background. */
  create(options: { readonly root: string; readonly name?: string; readonly lexicalOnly?: boolean }): Promise<IndexOwner>;
  /** An index whose records clients put. Fails with ALREADY_EXISTS. */
  createVectors(options: { readonly name: string; readonly dimension: number; readonly metric: Metric }): Promise<IndexOwner>;
  /** Gives an index another name; it goes on as it is. Fails with NOT_FOUND, ALREADY_EXISTS, or why it cannot be opened. */
  rename(name: string, to: string): Promise<IndexOwner>;
  /** Stops the owner; keeps the directory aside unless `purge`, which takes along what was kept aside under that name before. */
  remove(name: string, options: { readonly purge: boolean }): Promise<Deleted>;
  /** Removes what was kept aside of indexes of this name; returns how many. */
  purgeCopies(name: string): Promise<number>;
  /** Opens known indexes in the background, most recently used first. */
  warmUp(): void;
  /** Mends the metadata.json of an index that cannot be opened because of it, or of a directory without one. null: nothing to mend. */
  restoreMetadata(name: string, options: { readonly dryRun: boolean }): Promise<RepairAction | null>;
  /** Closes an index and opens it again, so that recovery looks at its files. */
  reopen(name: string): Promise<IndexOwner>;
  /** Stops the owner (if there is one), runs `work` while nobody can open the index, then opens it again if it was known before. */
  replace<T>(name: string, work: () => Promise<T>): Promise<T>;
  /** True while any owner has something to do. */
  isBusy(): boolean;
  /**
   * Stops all owners: watchers, queued work, then (with `persist`) everything committed goes to segments. Resolves when files
   * are closed, at the latest about `deadlineMs` from now.
   */
  close(options: { readonly persist: boolean; readonly deadlineMs: number }): Promise<void>;
}

/** Facts about this process that several handlers report. */
export interface DaemonInfo {
  readonly version: string;
  readonly pid: number;
  readonly epoch: number;
  readonly startedAt: Date;
  readonly dataDir: string;
  readonly socket: string;
  readonly logFile: string;
  state(): DaemonState;
  connections(): number;
  inFlight(): number;
  /** Delay of the event loop, milliseconds. */
  loopDelay(): { readonly p50Ms: number; readonly p99Ms: number; readonly maxMs: number };
  /** What the background check of stored rows has done since the start. */
  scrub(): ScrubWire;
  warnings(): readonly string[];
  /** Begins the drain after the current response went out. */
  requestStop(reason: string): void;
}

/** The embedder of queries. Loading it takes a moment, so it is loaded in the background and waited for when needed. */
export interface QueryEmbedder {
  /** null while it loads and when it cannot be loaded. */
  current(): Embedder | null;
  /** The embedder, or why there is none. Never rejects. */
  ready(): Promise<{ readonly embedder: Embedder | null; readonly problem: string | null }>;
}

export interface ImportRequest {
  readonly path: string;
  readonly from: 'cairn' | ForeignLayout;
  readonly name?: string | undefined;
  readonly root?: string | undefined;
  readonly kind?: IndexKind | undefined;
  readonly dimension?: number | undefined;
  readonly metric?: Metric | undefined;
  readonly signal: AbortSignal;
  readonly onProgress?: (value: ProgressValue) => void;
}

export interface ImportOutcome extends ImportReport {
  readonly index: string;
  readonly kind: IndexKind;
  readonly documents: number;
  readonly embedded: number;
  readonly cached: number;
  readonly metadataFrom: 'file' | 'manifest' | 'rows' | null;
}

/** Takes indexes in: all of one, or nothing. */
export interface IndexImporter {
  import(request: ImportRequest): Promise<ImportOutcome>;
  /** Brings old metadata to the present schema. */
  migrate(options: { readonly name?: string | undefined; readonly dryRun: boolean }): Promise<{ readonly migrated: readonly MigrationReport[]; readonly failed: readonly CairnError[] }>;
}

export interface Services {
  readonly info: DaemonInfo;
  readonly config: Config;
  readonly metrics: Metrics;
  readonly owners: IndexOwners;
  readonly embedder: QueryEmbedder;
  readonly importer: IndexImporter;
  readonly backups: Backups;
}
