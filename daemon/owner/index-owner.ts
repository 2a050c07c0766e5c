/**
 * The owner of one open index: puts together its tree follower, scheduler and persister, and answers for its state.
 * The only place that writes to its index. Serves readers from the moment it exists, whatever it is still catching up with.
 */
import type { Batch, CommitResult, DurableIndex, IngestResult, SourceStamp } from '../../src/api.ts';
import { describeLoss, isDamage, type RepairReport } from '../../src/api.ts';
import { CairnError, isCairnError, messageOf } from '../errors.ts';
import type { IndexOwner, OwnerStatus, RunCounts, WaitOptions } from '../handlers/services.ts';
import type { Watcher } from '../watch/watcher.ts';
import { abortable } from './abortable.ts';
import type { Clock } from './clock.ts';
import { type FileRow, findStamp, isBelow, readFilesBelow, readFileTable } from './file-table.ts';
import { stateOf } from './owner-state.ts';
import { Persister, type PersisterOptions } from './persister.ts';
import type { IngestPort, OwnerLog } from './ports.ts';
import { RunMeter, SkipCounts, type Tally } from './run-meter.ts';
import { Scheduler, type SchedulerOptions } from './scheduler.ts';
import { type FollowerOptions, TreeFollower } from './tree-follower.ts';
import type { WorkQueue } from './work-queue.ts';

export interface OwnerTuning {
  readonly persister?: Partial<PersisterOptions>;
  readonly scheduler?: Partial<SchedulerOptions>;
  readonly follower?: Partial<FollowerOptions>;
}

export interface OwnerServices {
  readonly ingest: IngestPort;
  /** null: changes are found by walks only. */
  readonly watcher: Watcher | null;
  readonly queue: WorkQueue;
  readonly clock: Clock;
  readonly log: OwnerLog;
  /** Told, with no promise about how often, that status or content changed. */
  readonly onChange?: (owner: CodeIndexOwner) => void;
  readonly tuning?: OwnerTuning;
}

/** Failed files that are remembered for status. */
const MAX_FAILED = 1_000;
const PROGRESS_MS = 200;

export class CodeIndexOwner implements IndexOwner {
  readonly root: string | null;
  readonly index: DurableIndex;
  #name: string;
  readonly #services: OwnerServices;
  readonly #meter: RunMeter;
  readonly #openedAt: Tally;
  readonly #skipped = new SkipCounts();
  readonly #failedFiles = new Map<string, string>();
  /** Paths to be read again although their content is what the index has, until the result of such a reading is in the index. */
  readonly #forced = new Map<string, 'wanted' | 'read'>();
  readonly #persister: Persister;
  readonly #scheduler: Scheduler;
  readonly #follower: TreeFollower | null;
  readonly #startedEmpty: boolean;
  /** Its rows are of another embedder than ours: it answers, but takes nothing new. */
  #refusal: CairnError | null;
  #firstPass: Promise<void> | null = null;
  #caughtUp = false;
  /** Damage met in service: how often, and how often when the last finished walk read the file table. */
  #damages = 0;
  #damagesAtWalk = 0;
  #damagesWalked = 0;
  readonly #damageReasons = new Set<string>();
  /** A repair has settled what was lost of an index that has no source. */
  #isAccepted = false;
  #isClosed = false;
  #closing: Promise<void> | null = null;

  constructor(name: string, index: DurableIndex, services: OwnerServices) {
    const { clock, queue, tuning = {} } = services;
    this.#name = name;
    this.root = index.metadata.sourceRoot;
    this.index = index;
    this.#services = services;
    this.#meter = new RunMeter(clock);
    this.#openedAt = this.#meter.tally;
    this.#startedEmpty = index.stats().docs === 0;
    this.#persister = new Persister(index, clock, tuning.persister, {
      saved: (result) => this.#note('persist.saved', { ...result }),
      compacted: (result) => this.#note('persist.compacted', { ...result }),
      failed: (error, what, retryInMs) => {
        services.log.warn('persist.failed', { index: this.name, what, error, retryInMs });
        void this.reportDamage(error); // a merge reads what no query may have read for long
      },
      mayCompact: () => this.#scheduler.pendingBulk === 0,
    });
    this.#scheduler = new Scheduler(this.#schedulerPort(), queue, clock, {
      applied: (result, known) => this.#applied(result, known),
      failed: (path, reason, final) => this.#fileFailed(path, reason, final),
      blocked: (error) => this.#blocked(error),
    }, tuning.scheduler);
    this.#refusal = this.root === null ? null : embedderMismatch(index, services.ingest);
    this.#follower = this.root === null || this.#refusal !== null ? null : this.#makeFollower(this.root);
    if (this.#follower === null) this.#caughtUp = true;
  }

  get name(): string {
    return this.#name;
  }

  /** The index has another name now; nothing else changes. */
  rename(name: string): void {
    this.#name = name;
    if (this.#refusal !== null) this.#refusal = embedderMismatch(this.index, this.#services.ingest);
    this.#services.onChange?.(this);
  }

  /** Begins to follow the tree, in the background. */
  start(): void {
    if (this.#firstPass !== null) return;
    if (this.index.version > this.index.durableVersion) this.#persister.committed(); // batches that recovery replayed
    if (this.#follower === null) return;
    this.#firstPass = this.#catchUp(this.#follower);
    this.#firstPass.catch((error: unknown) => {
      // Cancelled: closed before the first walk had ended.
      if (!isCairnError(error, 'CANCELLED')) this.#services.log.warn('index.catch-up-failed', { index: this.name, error });
    });
  }

  status(): OwnerStatus {
    const { inFlight, dirty, saves, failures, lastError, lastCause } = this.#persister.status();
    const { embedderCalls, embedded, cached } = this.#meter.tally;
    return {
      ...this.#stateAndReasons(),
      pendingFiles: this.#scheduler.pending,
      watcher: this.#follower?.watcher ?? { state: 'off', reason: null, lastReconcileAt: null },
      persist: { inFlight, dirty, saves, failures, lastError, lastCause },
      embedding: { calls: embedderCalls, textsEmbedded: embedded, cacheHits: cached },
      skipped: this.#skipped.read(),
    };
  }

  /** True while there is work: files to look at, a walk, or a save. */
  get isBusy(): boolean {
    return this.#scheduler.pending > 0 || (this.#follower?.isWalking ?? false) || this.#persister.status().inFlight || (!this.#caughtUp && this.#follower?.rootPresent === true);
  }

  async settled(options: WaitOptions): Promise<RunCounts> {
    // The first build (or catching up) counts from its beginning, whoever waits for it.
    const since = this.#caughtUp ? this.#meter.tally : this.#openedAt;
    return this.#run(since, options, () => (this.#caughtUp || this.#firstPass === null ? this.#freshNow() : this.#firstPass));
  }

  /**
   * Compares every file of the tree with the file table by size and mtime (a walk), and waits until what differs is indexed. No
   * cookie file is written into the user's tree, and no event is trusted. ROOT_DETACHED, DISK_FULL … when that cannot be done now.
   */
  async fresh(signal: AbortSignal): Promise<void> {
    await abortable(this.#freshNow(), signal);
  }

  async commit(batch: Batch): Promise<CommitResult> {
    if (this.#closing !== null) throw new CairnError('NOT_SERVING', `index '${this.name}' is being closed`, { retryable: true });
    if (this.#persister.isBehind) await this.#persister.drain('writes wait for the save');
    const result = await this.index.commit(batch);
    this.#persister.committed();
    this.#services.onChange?.(this);
    return result;
  }

  async flush(): Promise<void> {
    await this.#persister.drain('flush');
  }

  async reportDamage(error: unknown): Promise<boolean> {
    if (this.#isClosed || !isDamage(error)) return false;
    try {
      const losses = this.index.losses.length;
      if (!(await this.index.quarantine(error))) return false;
      if (this.index.losses.length > losses) this.#damaged(error);
      return true;
    } catch (failure) {
      this.#services.log.warn('index.quarantine-failed', { index: this.name, error: failure, damage: error.message });
      return false;
    }
  }

  async repair(options: WaitOptions & { readonly dryRun: boolean }): Promise<RepairReport> {
    const before = this.index.losses.length;
    const report = await this.index.repair({ dryRun: options.dryRun, signal: options.signal });
    if (this.index.losses.length > before) this.#damaged(new CairnError('CORRUPT', 'found by repair'));
    if (!options.dryRun && this.#follower === null && this.index.losses.length === 0) this.#isAccepted = true;
    this.#services.onChange?.(this);
    return report;
  }

  async rebuild(options: WaitOptions): Promise<RunCounts> {
    return this.#run(this.#meter.tally, options, () => this.#rebuildNow());
  }

  /** Stops following, ends work in flight, saves if asked to. A save that fails is reported after everything is stopped. */
  close(options: { readonly persist: boolean }): Promise<void> {
    this.#closing ??= this.#close(options.persist);
    return this.#closing;
  }

  // ---- parts

  #schedulerPort() {
    const { ingest } = this.#services;
    const lexicalOnly = this.index.metadata.dimension === 0;
    return {
      known: (path: string) => this.#known(path),
      ingest: async (path: string, known: SourceStamp | null): Promise<IngestResult> => {
        const isForced = this.#forced.has(path);
        if (isForced) this.#forced.set(path, 'read');
        if (this.#follower?.isIgnored(path) === true) return { outcome: 'gone', path };
        return ingest.ingest({ root: this.root ?? '', path, known: isForced ? null : known }, { lexicalOnly });
      },
      commit: async (batch: Parameters<DurableIndex['commit']>[0]) => {
        const result = await this.index.commit(batch);
        this.#persister.committed();
        return result;
      },
      isBehind: () => this.#persister.isBehind,
      rootIsPresent: () => this.#follower?.rootIsPresent() ?? Promise.resolve(false),
    };
  }

  #makeFollower(root: string): TreeFollower {
    const { ingest, watcher, clock, log, tuning } = this.#services;
    const port = {
      root,
      watcher,
      log,
      openTree: (path: string) => ingest.openTree(path),
      snapshot: () => {
        this.#damagesAtWalk = this.#damages; // what a walk compares the tree with
        return this.index.snapshot();
      },
      enqueue: (paths: readonly string[], lane: 'interactive' | 'bulk') => this.#scheduler.enqueue(paths, lane),
      hinted: (paths: readonly string[], lane: 'interactive' | 'bulk') => this.#scheduler.enqueue(this.#withFormerFiles(paths), lane),
      foldersGone: (folders: readonly string[], interactiveMax: number) => this.#foldersGone(new Set(folders), interactiveMax),
      walked: (table: ReadonlyMap<string, FileRow>) => this.#walked(table),
    };
    return new TreeFollower(port, clock, tuning?.follower);
  }

  #known(path: string): SourceStamp | null {
    const snapshot = this.index.snapshot();
    try {
      return findStamp(snapshot, path);
    } finally {
      snapshot.release();
    }
  }

  /** Plus those directories of the paths that the index has as files: the watcher does not report such a swap. */
  #withFormerFiles(paths: readonly string[]): readonly string[] {
    const folders = new Set<string>();
    for (const path of paths) {
      for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) {
        const folder = path.slice(0, at);
        if (folders.has(folder)) break;
        folders.add(folder);
      }
    }
    const snapshot = this.index.snapshot();
    try {
      return [...paths, ...[...folders].filter((folder) => snapshot.find(folder) !== null)];
    } finally {
      snapshot.release();
    }
  }

  /** Asks for all that the index has below the folders, and for what is on its way into it. */
  async #foldersGone(folders: ReadonlySet<string>, interactiveMax: number): Promise<void> {
    const snapshot = this.index.snapshot();
    const pending = [...this.#scheduler.pendingPaths()].filter((path) => isBelow(path, folders));
    try {
      const paths = [...pending, ...(await readFilesBelow(snapshot, folders))];
      this.#scheduler.enqueue(paths, paths.length <= interactiveMax ? 'interactive' : 'bulk');
    } finally {
      snapshot.release();
    }
  }

  // ---- runs

  /** Walks until the tree was seen once and what it differed in is indexed. */
  async #catchUp(follower: TreeFollower): Promise<void> {
    try {
      // Where that fails now, rows are made all the same; they count as stale until it has been done.
      await this.#stampNewRows().catch((error: unknown) => this.#services.log.warn('index.stamp-failed', { index: this.name, error }));
      await follower.start();
      await this.#finishFirstPass();
    } catch (error) {
      this.#firstPass = null; // the next one who waits tries again
      throw error;
    }
  }

  #walked(table: ReadonlyMap<string, FileRow>): void {
    this.#damagesWalked = this.#damagesAtWalk;
    this.#skipped.reset([...table.values()].map((row) => row.note));
    this.#resumeFirstPass();
  }

  /** The first pass was cut off (no root, no space), and what cut it off is over. */
  #resumeFirstPass(): void {
    if (this.#caughtUp || this.#firstPass !== null || this.#closing !== null) return;
    this.#firstPass = this.#finishFirstPass();
    this.#firstPass.catch(() => {
      this.#firstPass = null;
    });
  }

  async #finishFirstPass(): Promise<void> {
    await this.#scheduler.barrier();
    await this.#stampNewRows();
    await this.#replaceStaleRows();
    this.#setCaughtUp();
  }

  #setCaughtUp(): void {
    if (this.#caughtUp || this.#isClosed || this.#damagesWalked < this.#damages) return;
    this.#caughtUp = true;
    void this.#settleLosses();
    if (this.#startedEmpty) this.#persister.request('first build');
    // A daemon that ended soon after a build left its many small segments behind.
    else this.#persister.wantCompaction();
    this.#services.onChange?.(this);
  }

  /** A segment left the service: its files are missing in the file table, so the next walk reads them again. */
  #damaged(damage: CairnError): void {
    this.#damages++;
    for (const loss of this.index.losses) this.#damageReasons.add(describeLoss(loss));
    this.#isAccepted = false;
    this.#services.log.warn('index.damaged', { index: this.name, error: damage, losses: this.index.losses.length });
    if (this.#follower !== null && !this.#isClosed) {
      this.#caughtUp = false;
      this.#firstPass = this.#mend(this.#follower);
      this.#firstPass.catch((error: unknown) => this.#services.log.warn('index.mend-failed', { index: this.name, error }));
    }
    this.#services.onChange?.(this);
  }

  async #mend(follower: TreeFollower): Promise<void> {
    try {
      await follower.walkNow('damage');
      await this.#finishFirstPass();
    } catch (error) {
      this.#firstPass = null; // the next walk that ends takes it up again
      throw error;
    }
  }

  /** Everything that the tree has is indexed; only then is a loss forgotten, and never while a part of the tree cannot be read. */
  async #settleLosses(): Promise<void> {
    if (this.#follower === null || this.#follower.unreadable.size > 0 || this.#failedFiles.size > 0 || this.index.losses.length === 0) return;
    for (const loss of this.index.losses) this.#damageReasons.add(describeLoss(loss));
    try {
      if (await this.index.settleLosses('indexed again from the source tree')) this.#services.log.info('index.mended', { index: this.name });
    } catch (error) {
      this.#services.log.warn('index.settle-failed', { index: this.name, error });
    }
  }

  async #freshNow(): Promise<void> {
    if (this.#refusal !== null) throw this.#refusal;
    if (this.#follower === null) return;
    await this.#follower.walkNow('fresh');
    await this.#scheduler.barrier();
    if (!this.#caughtUp) await this.#finishFirstPass();
  }

  /** From now on new rows carry the versions they are made by; the rows so far keep theirs. Before anything is read. */
  async #stampNewRows(): Promise<void> {
    const { contentVersions } = this.#services.ingest;
    const { chunker, tokenizer } = this.index.metadata.contentVersions;
    if (chunker !== contentVersions.chunker || tokenizer !== contentVersions.tokenizer) await this.index.updateMetadata({ contentVersions });
  }

  /** Files whose rows were made by another version of chunker or tokenizer are read again; the old rows serve until then. [6.16] */
  async #replaceStaleRows(): Promise<void> {
    const stale = await this.index.staleKeys(this.#services.ingest.contentVersions);
    if (stale.length === 0) return;
    this.#services.log.info('index.stale-rows', { index: this.name, files: stale.length });
    await this.#readAgain(stale);
  }

  async #rebuildNow(): Promise<void> {
    if (this.#refusal !== null) throw this.#refusal;
    if (this.#follower === null) throw new CairnError('UNSUPPORTED', `index '${this.name}' has no source tree to be built from`);
    await this.#stampNewRows();
    await this.#follower.walkNow('rebuild');
    await this.#readAgain(await this.#allPaths());
    this.#setCaughtUp();
  }

  async #readAgain(paths: readonly string[]): Promise<void> {
    for (const path of paths) this.#forced.set(path, 'wanted');
    this.#scheduler.enqueue(paths, 'bulk');
    await this.#scheduler.barrier();
  }

  async #allPaths(): Promise<string[]> {
    const snapshot = this.index.snapshot();
    try {
      return [...(await readFileTable(snapshot)).keys()];
    } finally {
      snapshot.release();
    }
  }

  async #run(since: Tally, { signal, onProgress }: WaitOptions, work: () => Promise<void>): Promise<RunCounts> {
    const report = (): void => onProgress?.(this.#meter.progress(since, this.#scheduler.pending, this.#follower?.isWalking ?? false));
    const ticker = onProgress === undefined ? null : setInterval(report, PROGRESS_MS);
    try {
      await abortable(work(), signal);
    } finally {
      if (ticker !== null) clearInterval(ticker);
    }
    const { embedded, cached, files } = this.#meter.tally;
    const { docs, chunks } = this.index.stats();
    onProgress?.({ phase: 'done', done: files - since.files, total: files - since.files, unit: 'files', chunks });
    return { files: docs, chunks, embedded: embedded - since.embedded, cached: cached - since.cached };
  }

  // ---- what happens to files

  #applied(result: IngestResult, known: SourceStamp | null): void {
    this.#meter.add(result);
    this.#skipped.apply(result, known);
    this.#failedFiles.delete(result.path);
    this.#unforce(result.path);
    if (result.outcome === 'unchanged') this.#follower?.verified(result.path, result.stamp);
    else this.#follower?.rewritten(result.path);
    this.#services.onChange?.(this);
  }

  #unforce(path: string): void {
    if (this.#forced.get(path) === 'read') this.#forced.delete(path);
  }

  #fileFailed(path: string, reason: string, final: boolean): void {
    if (final) this.#unforce(path);
    if (this.#failedFiles.size < MAX_FAILED || this.#failedFiles.has(path)) this.#failedFiles.set(path, reason);
    this.#services.log.debug('file.failed', { index: this.name, path, reason, final });
  }

  #blocked(error: unknown): void {
    if (error === null) {
      this.#services.log.info('commit.works-again', { index: this.name });
      this.#resumeFirstPass();
    } else this.#services.log.warn('commit.blocked', { index: this.name, error });
    this.#services.onChange?.(this);
  }

  #note(event: string, fields: Readonly<Record<string, unknown>>): void {
    this.#services.log.debug(event, { index: this.name, ...fields });
    this.#services.onChange?.(this);
  }

  #knownDamage(): readonly string[] {
    if (this.#isAccepted && this.index.losses.length === 0) return [];
    return [...new Set([...this.index.losses.map(describeLoss), ...this.index.recovery.degraded, ...this.#damageReasons])];
  }

  #stateAndReasons() {
    const { quarantined } = this.index.recovery;
    const degraded = this.#knownDamage();
    return stateOf({
      isClosed: this.#isClosed,
      hasRoot: this.root !== null,
      rootPresent: this.#follower?.rootPresent ?? true,
      startedEmpty: this.#startedEmpty,
      caughtUp: this.#caughtUp,
      pending: this.#scheduler.pending,
      pendingBulk: this.#scheduler.pendingBulk,
      recoveryDegraded: degraded,
      quarantined: degraded.length > 0 || this.#isAccepted ? 0 : quarantined.length,
      refusal: this.#refusal,
      persistError: this.#persister.error,
      commitError: this.#scheduler.blockedBy,
      walkError: this.#follower?.walkError ?? null,
      watchReason: this.#follower?.watcher.reason ?? null,
      unreadable: this.#follower?.unreadable ?? new Map(),
      failedFiles: this.#failedFiles,
    });
  }

  async #close(persist: boolean): Promise<void> {
    await this.#follower?.close();
    await this.#scheduler.stop();
    await this.#firstPass?.catch(() => undefined);
    this.#isClosed = true;
    const failure = persist ? await this.#persister.drain('close').then(() => null, (error: unknown) => error) : null;
    await this.#persister.stop();
    if (failure === null) return;
    const code = isCairnError(failure) ? failure.code : 'IO';
    throw new CairnError(code, `index '${this.name}' was closed without a last save: ${messageOf(failure)}`, {
      cause: failure,
      hint: 'Nothing is lost: acknowledged changes are in the log and come back when the index is opened.',
    });
  }
}

/** Vectors of two models cannot be compared: never mixed. An index without vectors takes documents whatever the embedder is. */
function embedderMismatch(index: DurableIndex, ingest: IngestPort): CairnError | null {
  const { name, embedder, dimension } = index.metadata;
  if (dimension === 0 || embedder?.fingerprint === ingest.embedder?.fingerprint) return null;
  const ours = ingest.embedder === null ? 'no embedder is available' : `the embedder is ${ingest.embedder.name} ${ingest.embedder.revision} (${ingest.embedder.fingerprint.slice(0, 8)})`;
  const its = embedder === null ? 'unknown' : `${embedder.name} ${embedder.revision} (${embedder.fingerprint.slice(0, 8)})`;
  return new CairnError('EMBEDDER_MISMATCH', `index '${name}' was made with embedder ${its}, and ${ours}: changes of its tree are not added`, {
    hint: `Use the embedder it was made with, or make it again: cairn delete ${name}, then cairn index.`,
  });
}
