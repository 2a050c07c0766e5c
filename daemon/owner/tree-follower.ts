/**
 * Keeps one index in step with its source tree: a watcher for speed, walks for the truth. Owns the watch, the walk loop and what
 * is known of the root; hands paths to the scheduler and never touches the index itself.
 * Invariant: the watch is asked for before the first walk begins, and every sign of loss asks for another walk. (11)
 */
import type { Snapshot } from '../../src/api.ts';
import { CairnError, isCairnError } from '../errors.ts';
import type { IndexStatus } from '../protocol/types.ts';
import { rootIdentity } from '../watch/root-identity.ts';
import type { WatchEvent, WatchHandle, Watcher } from '../watch/watcher.ts';
import type { Clock } from './clock.ts';
import { type FileRow, readFileTable, type Seen } from './file-table.ts';
import type { OwnerLog, SourceTree } from './ports.ts';
import { ReconcileLoop, type ReconcileLoopOptions } from './reconcile-loop.ts';
import { detached, reconcile } from './reconcile.ts';
import type { Lane } from './work-queue.ts';

export interface FollowerOptions extends Partial<ReconcileLoopOptions> {
  /** Walk period while the watcher cannot see everything. */
  readonly degradedPeriodMs: number;
  /** The first walk waits this long for the watcher; if it takes longer, there is another walk when it is ready. */
  readonly readyGraceMs: number;
  /** A window with more changed paths than this is bulk work. */
  readonly interactiveMax: number;
}

export const FOLLOWER_DEFAULTS: FollowerOptions = { degradedPeriodMs: 30_000, readyGraceMs: 1_000, interactiveMax: 64 };

export interface FollowerPort {
  readonly root: string;
  /** null: changes are found by walks only. */
  readonly watcher: Watcher | null;
  openTree(root: string): Promise<SourceTree>;
  snapshot(): Snapshot;
  enqueue(paths: readonly string[], lane: Lane): void;
  /** The same for paths that the watcher named: their directories may have been files before. */
  hinted(paths: readonly string[], lane: Lane): void;
  /** These directories went, with all that was in them. Rejects when the index cannot be read. */
  foldersGone(folders: readonly string[], interactiveMax: number): Promise<void>;
  /** A walk ended; the table is what the index held when it began. */
  walked(table: ReadonlyMap<string, FileRow>): void;
  readonly log: OwnerLog;
}

type WatcherState = IndexStatus['watcher']['state'];

export class TreeFollower {
  readonly #port: FollowerPort;
  readonly #options: FollowerOptions;
  readonly #loop: ReconcileLoop;
  readonly #clock: Clock;
  readonly #abort = new AbortController();
  /** Files whose content was found equal although the row has another stamp: a row is not rewritten for a new mtime. */
  readonly #verified = new Map<string, Seen>();
  #watch: WatchHandle | null = null;
  #tree: SourceTree | null = null;
  #walkedIdentity: string | null = null;
  #rootPresent = true;
  #watcherState: WatcherState;
  #watchReason: string | null = null;
  #walkError: unknown = null;
  #unreadable: ReadonlyMap<string, string> = new Map();
  #lastWalkAt: string | null = null;
  #watcherReady: () => void = () => undefined;

  constructor(port: FollowerPort, clock: Clock, options: Partial<FollowerOptions> = {}) {
    this.#port = port;
    this.#clock = clock;
    this.#options = { ...FOLLOWER_DEFAULTS, ...options };
    this.#loop = new ReconcileLoop((reasons) => this.#walk(reasons), clock, options);
    this.#watcherState = port.watcher === null ? 'off' : 'starting';
    if (port.watcher === null) this.#loop.setPeriod(this.#options.degradedPeriodMs);
  }

  /** Starts the watch, then walks. Resolves after the first walk; rejects when it failed (it is tried again by itself). */
  async start(): Promise<void> {
    const ready = new Promise<void>((resolve) => {
      this.#watcherReady = resolve;
    });
    if (this.#port.watcher !== null) {
      this.#watch = this.#port.watcher.watch(this.#port.root, (event) => this.#onEvent(event));
      const grace = this.#clock.setTimer(() => this.#watcherReady(), this.#options.readyGraceMs);
      await ready;
      grace.cancel();
      if (this.#watcherState === 'starting') this.#loop.request('watcher not ready at the first walk');
    }
    this.#watcherReady = () => this.#loop.request('watcher ready');
    await this.walkNow('start');
  }

  /** A walk that begins after this call. Rejects with ROOT_DETACHED, CANCELLED (closed), or why the tree cannot be walked. */
  async walkNow(reason: string): Promise<void> {
    await this.#loop.now(reason);
    if (this.#abort.signal.aborted) throw new CairnError('CANCELLED', `${this.#port.root} is not followed any more`);
  }

  /** What the current rules say; ingest asks before it reads. */
  isIgnored(path: string): boolean {
    return this.#tree?.isIgnored(path) ?? false;
  }

  /** The file was read and holds what the index has. */
  verified(path: string, seen: Seen): void {
    this.#verified.set(path, { size: seen.size, mtimeNs: seen.mtimeNs });
  }

  /** The row was written or removed. */
  rewritten(path: string): void {
    this.#verified.delete(path);
  }

  /** The root is there and is the directory that the last walk saw: only then may rows be deleted. */
  async rootIsPresent(): Promise<boolean> {
    const identity = await rootIdentity(this.#port.root);
    return identity !== null && identity === this.#walkedIdentity;
  }

  get rootPresent(): boolean {
    return this.#rootPresent;
  }

  get walkError(): unknown {
    return this.#walkError;
  }

  get unreadable(): ReadonlyMap<string, string> {
    return this.#unreadable;
  }

  get isWalking(): boolean {
    return this.#loop.isWalking;
  }

  get watcher(): IndexStatus['watcher'] {
    return { state: this.#watcherState, reason: this.#watchReason, lastReconcileAt: this.#lastWalkAt };
  }

  async close(): Promise<void> {
    this.#abort.abort();
    this.#watcherReady();
    await this.#watch?.close();
    await this.#loop.stop();
  }

  #onEvent(event: WatchEvent): void {
    switch (event.type) {
      case 'ready':
        this.#watcherState = this.#watchReason === null ? 'watching' : 'degraded';
        this.#watcherReady();
        this.#watcherReady = () => undefined;
        break;
      case 'changed':
        this.#port.hinted(event.paths, event.paths.length <= this.#options.interactiveMax ? 'interactive' : 'bulk');
        break;
      case 'gone':
        this.#port.foldersGone(event.folders, this.#options.interactiveMax).catch(() => this.#loop.request('folders gone'));
        break;
      case 'lost':
        this.#port.log.info('watch.lost', { root: this.#port.root, reason: event.reason, detail: event.detail });
        // Something that a person just did; the others come in storms.
        if (event.reason === 'rules' || event.reason === 'root' || event.reason === 'swap') this.#walkSoon(event.reason);
        else this.#loop.request(event.reason);
        break;
      case 'degraded':
        this.#watchReason = event.reason;
        this.#watcherState = event.reason === null ? 'watching' : 'degraded';
        this.#loop.setPeriod(event.reason === null ? null : this.#options.degradedPeriodMs);
        if (event.reason !== null) this.#port.log.warn('watch.degraded', { root: this.#port.root, reason: event.reason });
        break;
      case 'root':
        this.#setRootPresent(event.present);
        if (!event.present) this.#watcherReady();
        break;
    }
  }

  #walkSoon(reason: string): void {
    this.#loop.now(reason).catch(() => undefined); // the walk itself records why it failed
  }

  #setRootPresent(present: boolean): void {
    if (present === this.#rootPresent) return;
    this.#rootPresent = present;
    this.#port.log.info(present ? 'root.attached' : 'root.detached', { root: this.#port.root });
    if (present) this.#walkSoon('root');
  }

  async #walk(reasons: readonly string[]): Promise<boolean> {
    const { root, log } = this.#port;
    const startedAt = this.#clock.monotonic();
    try {
      this.#tree ??= await this.#openTree(root); // each crawl reads the rules again
      let table: ReadonlyMap<string, FileRow> = new Map();
      const report = await reconcile({
        root,
        tree: this.#tree,
        signal: this.#abort.signal,
        rootIdentity: () => rootIdentity(root),
        indexedIdentity: this.#walkedIdentity,
        fileTable: async () => (table = await this.#readTable()),
        isVerified: (path, seen) => isSame(this.#verified.get(path), seen),
        changed: (paths) => this.#port.enqueue(paths, 'bulk'),
      });
      this.#walkedIdentity = report.identity;
      this.#rootPresent = true;
      this.#walkError = null;
      this.#unreadable = report.unreadable;
      this.#lastWalkAt = new Date(this.#clock.now()).toISOString();
      this.#port.walked(table);
      const { files, added, changed, gone } = report;
      // Only now: deletes are refused unless the root is the one that was walked.
      if (gone.length > 0) this.#port.enqueue(gone, 'bulk');
      const level = added + changed + gone.length > 0 ? 'info' : 'debug';
      log[level]('walk.done', { root, reasons, files, added, changed, gone: gone.length, unreadable: report.unreadable.size, ms: Math.round(this.#clock.monotonic() - startedAt) });
      return report.unreadable.size === 0;
    } catch (error) {
      if (this.#abort.signal.aborted) return false;
      this.#walkError = error;
      if (isCairnError(error, 'ROOT_DETACHED')) this.#rootPresent = false;
      log.warn('walk.failed', { root, reasons, error });
      throw error;
    }
  }

  /** A root that was indexed and is not there now is no misspelt path. */
  async #openTree(root: string): Promise<SourceTree> {
    try {
      return await this.#port.openTree(root);
    } catch (error) {
      if (isCairnError(error, 'ROOT_NOT_FOUND')) throw detached(root, 'is not there');
      if (isCairnError(error, 'ROOT_NOT_DIRECTORY')) throw detached(root, 'is not a directory');
      throw error;
    }
  }

  async #readTable(): Promise<Map<string, FileRow>> {
    const snapshot = this.#port.snapshot();
    try {
      return await readFileTable(snapshot);
    } finally {
      snapshot.release();
    }
  }
}

function isSame(a: Seen | undefined, b: Seen): boolean {
  return a !== undefined && a.size === b.size && a.mtimeNs === b.mtimeNs;
}
