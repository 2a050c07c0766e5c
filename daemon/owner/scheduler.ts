/**
 * Pending paths of one index, from hint to commit. Owns the order of work: interactive before bulk, one run per path at a
 * time, the newest request wins, bounded work in flight, retry with back-off.
 * Never loses a path: it is pending until its result is committed, found unchanged, or reported as failed.
 * A path's request that arrives while the path is being read or committed makes it run again afterwards.
 */
import type { IngestResult, SourceStamp } from '../../src/api.ts';
import { CairnError, messageOf } from '../errors.ts';
import { type Backoff, backoffMs, type Clock, type Timer } from './clock.ts';
import { BATCH_DEFAULTS, Committer, type BatchLimits, type CommitEntry, type CommitOutcome, type CommitPort } from './committer.ts';
import type { Lane, WorkQueue } from './work-queue.ts';

export interface SchedulerPort extends CommitPort {
  /** The stamp that the index has for the path. */
  known(path: string): SourceStamp | null;
  ingest(path: string, known: SourceStamp | null): Promise<IngestResult>;
  /** True while writers must wait for the persist loop. */
  isBehind(): boolean;
}

export interface SchedulerHooks {
  /** The index holds this result now. */
  applied?(result: IngestResult, known: SourceStamp | null): void;
  /** Not indexed, the old document stays. `final`: not tried again before the file changes. */
  failed?(path: string, reason: string, final: boolean): void;
  /** Commits fail as a whole (disk full, poisoned log); null when they work again. */
  blocked?(error: unknown): void;
}

export interface SchedulerOptions {
  /** Retry of one path whose file could not be read now. */
  readonly retry: Backoff;
  readonly maxAttempts: number;
  /** Retry of everything after a commit failed. */
  readonly blockedRetry: Backoff;
  /** Files whose results wait for a commit; more are not started. */
  readonly maxUncommitted: number;
  /** Files of bulk work that are committed together. */
  readonly batch: BatchLimits;
}

export const SCHEDULER_DEFAULTS: SchedulerOptions = {
  retry: { minMs: 200, maxMs: 30_000 },
  maxAttempts: 6,
  blockedRetry: { minMs: 1_000, maxMs: 30_000 },
  maxUncommitted: 192,
  batch: BATCH_DEFAULTS,
};

interface Task {
  readonly path: string;
  lane: Lane;
  /** Order of the request that this run answers. */
  seq: number;
  attempts: number;
  phase: 'queued' | 'active';
  /** A newer request that came while active. */
  again: { readonly seq: number; lane: Lane } | null;
}

interface Barrier {
  readonly seq: number;
  resolve(): void;
  reject(error: unknown): void;
}

export class Scheduler {
  readonly #port: SchedulerPort;
  readonly #queue: WorkQueue;
  readonly #clock: Clock;
  readonly #hooks: SchedulerHooks;
  readonly #options: SchedulerOptions;
  readonly #random: () => number;
  readonly #committer: Committer<Entry>;

  readonly #tasks = new Map<string, Task>();
  readonly #lanes: Readonly<Record<Lane, Map<string, Task>>> = { interactive: new Map(), bulk: new Map() };
  /** Unanswered requests in order of arrival: the first key is the oldest. */
  readonly #open = new Map<number, string>();
  readonly #delayed = new Map<string, Timer>();
  #barriers: Barrier[] = [];
  #seq = 0;
  #running = 0;
  #uncommitted = 0;
  #stopped = false;
  #blockedBy: unknown = null;
  #blockedTimer: Timer | null = null;
  #behindTimer: Timer | null = null;
  #blockedCount = 0;
  #whenQuiet: (() => void) | null = null;

  constructor(port: SchedulerPort, queue: WorkQueue, clock: Clock, hooks: SchedulerHooks = {}, options: Partial<SchedulerOptions> = {}, random: () => number = Math.random) {
    this.#port = port;
    this.#queue = queue;
    this.#clock = clock;
    this.#hooks = hooks;
    this.#options = { ...SCHEDULER_DEFAULTS, ...options };
    this.#random = random;
    this.#committer = new Committer(port, clock, (entry, outcome) => this.#committed(entry, outcome), this.#options.batch);
  }

  /** Asks for these paths to be looked at. A path that waits already keeps its place, and moves to `lane` if that is faster. */
  enqueue(paths: Iterable<string>, lane: Lane): void {
    if (this.#stopped) return;
    for (const path of paths) this.#request(path, lane, 0);
    this.#pump();
  }

  /** Files whose newest request is not answered yet, those that wait for a retry included. */
  get pending(): number {
    return this.#tasks.size + this.#delayed.size;
  }

  /** Their paths. */
  *pendingPaths(): Generator<string> {
    yield* this.#tasks.keys();
    yield* this.#delayed.keys();
  }

  get pendingBulk(): number {
    return this.#lanes.bulk.size;
  }

  /** The error that stops commits, or null. */
  get blockedBy(): unknown {
    return this.#blockedBy;
  }

  /** Resolves when every path requested so far was answered once; rejects when commits are blocked or the scheduler stops. */
  barrier(): Promise<void> {
    if (this.#blockedBy !== null) return Promise.reject(this.#blockedBy);
    if (this.#open.size === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#barriers.push({ seq: this.#seq, resolve, reject });
    });
  }

  /** Drops what waits (a later reconcile finds it again), ends what runs, commits what is read. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#rejectBarriers(new CairnError('CANCELLED', 'indexing was stopped'));
    for (const timer of this.#delayed.values()) timer.cancel();
    this.#delayed.clear();
    this.#blockedTimer?.cancel();
    this.#behindTimer?.cancel();
    this.#blockedTimer = this.#behindTimer = null;
    for (const lane of Object.values(this.#lanes)) {
      for (const task of lane.values()) this.#forget(task);
      lane.clear();
    }
    this.#committer.flush();
    await new Promise<void>((resolve) => {
      this.#whenQuiet = resolve;
      this.#checkQuiet();
    });
  }

  #checkQuiet(): void {
    if (this.#running > 0 || this.#uncommitted > 0) return;
    this.#whenQuiet?.();
    this.#whenQuiet = null;
  }

  #request(path: string, lane: Lane, attempts: number): void {
    this.#delayed.get(path)?.cancel();
    this.#delayed.delete(path);
    const seq = ++this.#seq;
    const task = this.#tasks.get(path);
    if (task === undefined) {
      this.#open.set(seq, path);
      const fresh: Task = { path, lane, seq, attempts, phase: 'queued', again: null };
      this.#tasks.set(path, fresh);
      this.#lanes[lane].set(path, fresh);
      return;
    }
    if (task.phase === 'queued') {
      if (lane === 'interactive' && task.lane === 'bulk') {
        this.#lanes.bulk.delete(path);
        task.lane = lane;
        this.#lanes.interactive.set(path, task);
      }
      return; // it will read the newest content anyway
    }
    if (task.again === null) {
      this.#open.set(seq, path);
      task.again = { seq, lane };
    } else if (lane === 'interactive') task.again.lane = lane;
  }

  #take(): Task | null {
    const behind = this.#port.isBehind();
    if (behind && this.#lanes.bulk.size > 0) this.#lookAgain();
    for (const lane of ['interactive', 'bulk'] as const) {
      // While the persist loop is behind, memory must not grow: bulk work waits. Edits are few and small.
      if (lane === 'bulk' && (behind || this.#running >= this.#limit || this.#uncommitted >= this.#options.maxUncommitted)) continue;
      const next = this.#lanes[lane].values().next();
      if (next.done === true) continue;
      this.#lanes[lane].delete(next.value.path);
      return next.value;
    }
    return null;
  }

  /** Nobody has to tell when back-pressure ends. */
  #lookAgain(): void {
    this.#behindTimer ??= this.#clock.setTimer(() => {
      this.#behindTimer = null;
      this.#pump();
    }, BEHIND_POLL_MS);
  }

  /** After a failed commit one path at a time probes whether commits work again. */
  get #limit(): number {
    return this.#blockedBy === null ? this.#queue.capacity : 1;
  }

  #pump(): void {
    const most = this.#blockedBy === null ? this.#limit + 2 : 1;
    while (!this.#stopped && this.#blockedTimer === null && this.#running < most) {
      if (this.#blockedBy !== null && this.#uncommitted > 0) return;
      const task = this.#take();
      if (task === null) break;
      task.phase = 'active';
      this.#running++;
      void this.#queue.run(task.lane, () => this.#run(task));
    }
    if (this.#running === 0) this.#committer.flush(); // nothing will join the group soon
  }

  /** Never rejects. */
  async #run(task: Task): Promise<void> {
    let known: SourceStamp | null = null;
    let result: IngestResult;
    try {
      known = this.#port.known(task.path);
      result = await this.#port.ingest(task.path, known);
    } catch (error) {
      const retryable = !(error instanceof CairnError) || error.retryable || error.code === 'EMBEDDER_FAILED';
      result = { outcome: 'failed', path: task.path, reason: messageOf(error), retryable };
    }
    this.#running--;
    this.#deliver(task, known, result);
    this.#pump();
    this.#checkQuiet();
  }

  #deliver(task: Task, known: SourceStamp | null, result: IngestResult): void {
    if (result.outcome === 'failed') return this.#ingestFailed(task, result.reason, result.retryable);
    if (result.outcome === 'unchanged' || (result.outcome === 'gone' && known === null)) {
      this.#hooks.applied?.(result, known);
      return this.#answered(task);
    }
    this.#uncommitted++;
    // A probe commits alone and at once.
    this.#committer.add({ task, result, known }, task.lane === 'interactive' || this.#blockedBy !== null);
  }

  #ingestFailed(task: Task, reason: string, retryable: boolean): void {
    const attempts = task.attempts + 1;
    const final = !retryable || attempts >= this.#options.maxAttempts;
    this.#hooks.failed?.(task.path, reason, final);
    const overtaken = task.again !== null;
    this.#answered(task);
    if (!final && !overtaken && !this.#stopped) this.#retryLater(task.path, task.lane, attempts);
  }

  #retryLater(path: string, lane: Lane, attempts: number): void {
    const timer = this.#clock.setTimer(() => {
      this.#delayed.delete(path);
      this.#request(path, lane, attempts);
      this.#pump();
    }, backoffMs(this.#options.retry, attempts, this.#random));
    this.#delayed.set(path, timer);
  }

  #committed(entry: Entry, outcome: CommitOutcome): void {
    this.#uncommitted--;
    const { task, result } = entry;
    if (outcome.kind === 'done') {
      this.#unblock();
      this.#hooks.applied?.(result, entry.known);
      this.#answered(task);
    } else if (outcome.kind === 'refused') {
      this.#hooks.failed?.(task.path, outcome.reason, true);
      this.#answered(task);
    } else if (outcome.kind === 'kept') {
      this.#answered(task); // the root is not there: the file may not be gone at all
    } else {
      this.#requeue(task);
      this.#block(outcome.error);
    }
    this.#pump();
    this.#checkQuiet();
  }

  /** Back to the front of its lane's work with the same place in the order: the request is still unanswered. */
  #requeue(task: Task): void {
    if (this.#stopped) return this.#forget(task);
    task.phase = 'queued';
    if (task.again !== null) {
      this.#open.delete(task.again.seq);
      if (task.again.lane === 'interactive') task.lane = 'interactive';
      task.again = null;
    }
    this.#lanes[task.lane].set(task.path, task);
  }

  #block(error: unknown): void {
    const first = this.#blockedBy === null;
    this.#blockedBy = error;
    this.#rejectBarriers(error);
    if (this.#blockedTimer !== null || this.#stopped) return;
    this.#blockedCount++;
    this.#blockedTimer = this.#clock.setTimer(() => {
      this.#blockedTimer = null;
      this.#pump();
    }, backoffMs(this.#options.blockedRetry, this.#blockedCount, this.#random));
    if (first) this.#hooks.blocked?.(error);
  }

  #unblock(): void {
    if (this.#blockedBy === null) return;
    this.#blockedBy = null;
    this.#blockedCount = 0;
    this.#blockedTimer?.cancel();
    this.#blockedTimer = null;
    this.#hooks.blocked?.(null);
  }

  #answered(task: Task): void {
    this.#open.delete(task.seq);
    this.#tasks.delete(task.path);
    const again = task.again;
    if (again !== null && !this.#stopped) {
      const next: Task = { path: task.path, lane: again.lane, seq: again.seq, attempts: 0, phase: 'queued', again: null };
      this.#tasks.set(next.path, next);
      this.#lanes[next.lane].set(next.path, next);
    } else if (again !== null) this.#open.delete(again.seq);
    this.#resolveBarriers();
    if (this.#tasks.size === 0) this.#unblock(); // nothing is left that could not be stored
  }

  #forget(task: Task): void {
    this.#open.delete(task.seq);
    if (task.again !== null) this.#open.delete(task.again.seq);
    this.#tasks.delete(task.path);
  }

  #resolveBarriers(): void {
    if (this.#barriers.length === 0) return;
    const oldest = this.#open.keys().next();
    const reached = oldest.done === true ? Number.POSITIVE_INFINITY : oldest.value;
    this.#barriers = this.#barriers.filter((barrier) => {
      if (barrier.seq >= reached) return true;
      barrier.resolve();
      return false;
    });
  }

  #rejectBarriers(error: unknown): void {
    const waiting = this.#barriers;
    this.#barriers = [];
    for (const barrier of waiting) barrier.reject(error);
  }
}

const BEHIND_POLL_MS = 50;

interface Entry extends CommitEntry {
  readonly task: Task;
  readonly known: SourceStamp | null;
}
