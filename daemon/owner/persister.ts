/**
 * The persist loop of one index: decides when committed batches move from WAL and memtable into segments.
 * Owns the dirty/in-flight flags. Never runs two saves at once, never drops a request, never gives up on a failed save.
 * Invariant: `#wanted` and `#saving` are tested and set in one synchronous step (`#kick`), and every exit path of a save
 * passes the `finally` that clears `#saving` and looks at `#wanted` again: there is no moment in which a request is
 * recorded and nobody is going to look at it.
 */
import { type Backoff, backoffMs, type Clock, type Timer } from './clock.ts';
import type { DurableIndex, PersistResult } from '../../src/api.ts';
import { CairnError, isCairnError, messageOf } from '../errors.ts';

export type PersistTarget = Pick<DurableIndex, 'version' | 'durableVersion' | 'wantsPersist' | 'persist' | 'compact'>;

export interface PersisterOptions {
  /** A dirty memtable is saved after this long without a commit, and at the latest `maxAgeMs` after its first one. */
  readonly quietMs: number;
  readonly maxAgeMs: number;
  readonly retry: Backoff;
  /** Pause before a compaction step. */
  readonly compactDelayMs: number;
}

/** The WAL already makes acks durable: a save only bounds replay and memory, so a single edit does not deserve a segment at once. */
export const PERSISTER_DEFAULTS: PersisterOptions = { quietMs: 20_000, maxAgeMs: 120_000, retry: { minMs: 500, maxMs: 60_000 }, compactDelayMs: 1_000 };

export interface PersisterHooks {
  saved?(result: PersistResult): void;
  compacted?(result: PersistResult): void;
  failed?(error: unknown, what: 'persist' | 'compact', retryInMs: number | null): void;
  /** Compaction waits while this is false (bulk indexing needs the cores). */
  mayCompact?(): boolean;
}

export interface PersistStatus {
  readonly inFlight: boolean;
  readonly dirty: boolean;
  readonly saves: number;
  readonly compactions: number;
  readonly failures: number;
  /** Failures since the last success; 0 = healthy. */
  readonly failing: number;
  readonly lastError: string | null;
  readonly lastCause: string | null;
}

interface Waiter {
  readonly version: number;
  resolve(): void;
  reject(error: unknown): void;
}

export class Persister {
  readonly #target: PersistTarget;
  readonly #clock: Clock;
  readonly #options: PersisterOptions;
  readonly #hooks: PersisterHooks;
  readonly #random: () => number;

  /** Cause of the save that is wanted; the first request names it, later ones join it. */
  #wanted: string | null = null;
  #saving: Promise<void> | null = null;
  #compacting: Promise<void> | null = null;
  #compactWanted = false;
  #stopped = false;
  #fenced = false;
  #waiters: Waiter[] = [];
  #ageTimer: Timer | null = null;
  #retryTimer: Timer | null = null;
  #compactTimer: Timer | null = null;
  #firstDirtyAt = 0;
  #lastCommitAt = 0;
  #saves = 0;
  #compactions = 0;
  #failures = 0;
  #failing = 0;
  #compactFailing = 0;
  #lastError: unknown = null;
  #lastCause: string | null = null;

  constructor(target: PersistTarget, clock: Clock, options: Partial<PersisterOptions> = {}, hooks: PersisterHooks = {}, random: () => number = Math.random) {
    this.#target = target;
    this.#clock = clock;
    this.#options = { ...PERSISTER_DEFAULTS, ...options };
    this.#hooks = hooks;
    this.#random = random;
  }

  /** Call after every commit. */
  committed(): void {
    this.#lastCommitAt = this.#clock.monotonic();
    if (this.#target.wantsPersist) this.request('size');
    else this.#armAge();
  }

  /** Wants a save; `cause` shows in status and in the manifest. During back-off it waits for the retry. */
  request(cause: string): void {
    this.#wanted ??= cause;
    this.#kick();
  }

  /**
   * Barrier: resolves when everything committed before this call is in segments. Retries at once when backing off.
   * Rejects with the error when the save fails; the work stays and is retried.
   */
  drain(cause = 'drain'): Promise<void> {
    const version = this.#target.version;
    if (this.#target.durableVersion >= version) return Promise.resolve();
    if (this.#stopped) return Promise.reject(new CairnError('CANCELLED', 'the persist loop has stopped'));
    if (this.#fenced) return Promise.reject(this.#lastError);
    return new Promise((resolve, reject) => {
      this.#waiters.push({ version, resolve, reject });
      this.#cancelRetry();
      this.request(cause);
    });
  }

  /** No new saves or compaction steps; resolves when the running ones have ended. Does not save: drain first. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelRetry();
    this.#ageTimer?.cancel();
    this.#compactTimer?.cancel();
    this.#ageTimer = this.#compactTimer = null;
    await this.#saving;
    await this.#compacting;
    this.#settle(new CairnError('CANCELLED', 'the persist loop was stopped before the save'));
  }

  status(): PersistStatus {
    return {
      inFlight: this.#saving !== null,
      dirty: this.#isDirty || this.#wanted !== null,
      saves: this.#saves,
      compactions: this.#compactions,
      failures: this.#failures,
      failing: this.#failing,
      lastError: this.#lastError === null ? null : messageOf(this.#lastError),
      lastCause: this.#lastCause,
    };
  }

  /** The last failure while saves fail, else null. */
  get error(): unknown {
    return this.#failing > 0 ? this.#lastError : null;
  }

  /** A memtable is full again while the save of the one before it still runs, or saves fail: writers must wait. */
  get isBehind(): boolean {
    return this.#target.wantsPersist && (this.#saving !== null || this.#failing > 0);
  }

  get #isDirty(): boolean {
    return this.#target.version > this.#target.durableVersion;
  }

  /** Check and clear in one synchronous step. */
  #kick(): void {
    if (this.#wanted === null || this.#saving !== null || this.#retryTimer !== null || this.#stopped || this.#fenced) return;
    const cause = this.#wanted;
    this.#wanted = null;
    // Asked for while a save was running that took it along: a later commit asks again.
    if (!this.#isDirty) return;
    this.#saving = this.#save(cause);
  }

  async #save(cause: string): Promise<void> {
    const before = this.#target.durableVersion;
    this.#lastCause = cause;
    this.#firstDirtyAt = this.#clock.monotonic();
    try {
      // One turn first: `#saving` must be set before `finally` can clear it.
      await Promise.resolve();
      const result = await this.#target.persist(cause);
      if (this.#target.durableVersion <= before) {
        throw new CairnError('INTERNAL', `a save (${cause}) reported success but the durable version stayed at ${before}`);
      }
      this.#succeeded(result);
    } catch (error) {
      this.#failed(error, cause);
    } finally {
      this.#saving = null;
      if (this.#wanted !== null) this.#kick();
    }
  }

  #succeeded(result: PersistResult): void {
    this.#saves++;
    this.#failing = 0;
    this.#ageTimer?.cancel();
    this.#ageTimer = null;
    this.#settle(null);
    if (this.#target.wantsPersist) this.#wanted ??= 'size';
    else if (this.#waiters.length > 0) this.#wanted ??= 'drain';
    else if (this.#isDirty) this.#armAge();
    this.wantCompaction();
    this.#hooks.saved?.(result);
  }

  /** Keeps the work, tells those who wait for it, and tries again later. Only a fenced writer has nothing to retry. */
  #failed(error: unknown, cause: string): void {
    this.#failures++;
    this.#failing++;
    this.#lastError = error;
    this.#wanted = cause;
    this.#fenced ||= isCairnError(error, 'FENCED');
    const retryIn = this.#fenced || this.#stopped ? null : backoffMs(this.#options.retry, this.#failing, this.#random);
    if (retryIn !== null) this.#retryTimer = this.#clock.setTimer(() => this.#retry(), retryIn);
    this.#settle(error);
    this.#hooks.failed?.(error, 'persist', retryIn);
  }

  #retry(): void {
    this.#retryTimer = null;
    this.#kick();
  }

  #cancelRetry(): void {
    this.#retryTimer?.cancel();
    this.#retryTimer = null;
  }

  /** Answers the drains that are satisfied, or all of them with `error`. */
  #settle(error: unknown): void {
    const waiting = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiting) {
      if (this.#target.durableVersion >= waiter.version) waiter.resolve();
      else if (error !== null) waiter.reject(error);
      else this.#waiters.push(waiter);
    }
  }

  /** One timer serves any number of commits: it re-arms itself until the index was quiet, or old enough. */
  #armAge(): void {
    if (this.#ageTimer !== null || this.#stopped) return;
    this.#firstDirtyAt = this.#clock.monotonic();
    this.#waitForAge(this.#options.quietMs);
  }

  #waitForAge(delayMs: number): void {
    this.#ageTimer = this.#clock.setTimer(() => {
      this.#ageTimer = null;
      const now = this.#clock.monotonic();
      const left = Math.min(this.#lastCommitAt + this.#options.quietMs, this.#firstDirtyAt + this.#options.maxAgeMs) - now;
      if (left > 0) this.#waitForAge(left);
      else if (this.#isDirty) this.request('age');
    }, Math.min(delayMs, this.#options.maxAgeMs));
  }

  /** Asks for a look at the segments; every save asks too. */
  wantCompaction(): void {
    this.#compactWanted = true;
    this.#armCompaction(this.#options.compactDelayMs);
  }

  #armCompaction(delayMs: number): void {
    if (this.#compactTimer !== null || this.#compacting !== null || this.#stopped) return;
    this.#compactTimer = this.#clock.setTimer(() => {
      this.#compactTimer = null;
      if (!this.#compactWanted || this.#stopped) return;
      // Lower priority: a save or a bulk build goes first, the step is looked at again later.
      if (this.#saving !== null || this.#wanted !== null || this.#hooks.mayCompact?.() === false) this.#armCompaction(this.#options.compactDelayMs);
      else this.#compacting = this.#compact();
    }, delayMs);
  }

  /** One step; more steps follow as long as the policy finds work. */
  async #compact(): Promise<void> {
    let next: number | null = null;
    try {
      await Promise.resolve();
      this.#compactWanted = false;
      const result = await this.#target.compact();
      this.#compactFailing = 0;
      if (result !== null) {
        this.#compactions++;
        this.#hooks.compacted?.(result);
        next = this.#options.compactDelayMs;
      }
    } catch (error) {
      this.#failures++;
      this.#compactFailing++;
      this.#lastError = error;
      this.#fenced ||= isCairnError(error, 'FENCED');
      next = this.#fenced ? null : backoffMs(this.#options.retry, this.#compactFailing, this.#random);
      this.#hooks.failed?.(error, 'compact', next);
    } finally {
      this.#compacting = null;
      this.#compactWanted ||= next !== null;
      if (this.#compactWanted) this.#armCompaction(next ?? this.#options.compactDelayMs);
    }
  }
}
