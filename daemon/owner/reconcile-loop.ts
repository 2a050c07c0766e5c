/**
 * When to walk the tree. Any number of reasons become one walk; a reason that comes during a walk makes another one afterwards
 * (the walk may have passed the place already). Owns the back-off between walks and the periodic walk; does not know how to walk.
 */
import type { Clock, Timer } from './clock.ts';

export interface ReconcileLoopOptions {
  /** Least time from the end of a walk to the start of the next one that events ask for; grows to `maxGapMs` while they keep asking. */
  readonly minGapMs: number;
  readonly maxGapMs: number;
  /** Walk without a reason after this long; a walk that costs more than 1 % of it stretches it. */
  readonly periodMs: number;
  readonly maxPeriodMs: number;
}

export const RECONCILE_DEFAULTS: ReconcileLoopOptions = { minGapMs: 5_000, maxGapMs: 60_000, periodMs: 300_000, maxPeriodMs: 3_600_000 };

/** true: the walk saw the whole tree. */
export type Walk = (reasons: readonly string[]) => Promise<boolean>;

interface Waiter {
  resolve(complete: boolean): void;
  reject(error: unknown): void;
}

export class ReconcileLoop {
  readonly #walk: Walk;
  readonly #clock: Clock;
  readonly #options: ReconcileLoopOptions;
  #reasons = new Set<string>();
  #waiters: Waiter[] = [];
  #walking: Promise<void> | null = null;
  #timer: Timer | null = null;
  #timerAt = 0;
  #stopped = false;
  #byEvents = false;
  #gapMs: number;
  #endedAt = Number.NEGATIVE_INFINITY;
  #tookMs = 0;
  #periodMs: number;
  #lastError: unknown = null;

  constructor(walk: Walk, clock: Clock, options: Partial<ReconcileLoopOptions> = {}) {
    this.#walk = walk;
    this.#clock = clock;
    this.#options = { ...RECONCILE_DEFAULTS, ...options };
    this.#gapMs = this.#options.minGapMs;
    this.#periodMs = this.#options.periodMs;
  }

  /** Wants a walk because events may have been lost. Coalesced, backed off, never forgotten. */
  request(reason: string): void {
    if (this.#stopped) return;
    this.#reasons.add(reason);
    this.#byEvents = true;
    this.#arm(this.#untilNext);
  }

  /** Walks as soon as possible and resolves when a walk that began after this call has ended; false = it could not see everything. */
  now(reason: string): Promise<boolean> {
    if (this.#stopped) return Promise.resolve(false);
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      this.#reasons.add(reason);
      this.#arm(0);
    });
  }

  /** Shortens the periodic walk while the watcher is limited, and restores it. */
  setPeriod(periodMs: number | null): void {
    this.#periodMs = periodMs ?? this.#options.periodMs;
    if (this.#timer !== null && this.#reasons.size === 0) this.#arm(this.#period);
  }

  get isWalking(): boolean {
    return this.#walking !== null;
  }

  get isWanted(): boolean {
    return this.#reasons.size > 0;
  }

  get lastError(): unknown {
    return this.#lastError;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#timer = null;
    await this.#walking;
    for (const waiter of this.#waiters.splice(0)) waiter.resolve(false);
  }

  get #untilNext(): number {
    return Math.max(SETTLE_MS, this.#endedAt + this.#gapMs - this.#clock.monotonic());
  }

  get #period(): number {
    return Math.min(this.#options.maxPeriodMs, Math.max(this.#periodMs, this.#tookMs * 100));
  }

  /** The earliest wish wins; a periodic timer gives way to a reason. */
  #arm(delayMs: number): void {
    if (this.#walking !== null || this.#stopped) return;
    const at = this.#clock.monotonic() + delayMs;
    if (this.#timer !== null && this.#timerAt <= at) return;
    this.#timer?.cancel();
    this.#timerAt = at;
    this.#timer = this.#clock.setTimer(() => {
      this.#timer = null;
      this.#walking = this.#run();
    }, delayMs);
  }

  async #run(): Promise<void> {
    const reasons = this.#reasons.size === 0 ? ['periodic'] : [...this.#reasons];
    const waiters = this.#waiters;
    this.#reasons = new Set();
    this.#waiters = [];
    const startedAt = this.#clock.monotonic();
    if (this.#byEvents) {
      // Walks that events ask for in a row come ever further apart; a quiet time resets that.
      const inARow = startedAt - this.#endedAt < 2 * this.#gapMs;
      this.#gapMs = inARow ? Math.min(this.#options.maxGapMs, this.#gapMs * 2) : this.#options.minGapMs;
      this.#byEvents = false;
    }
    try {
      const complete = await this.#walk(reasons);
      this.#lastError = null;
      for (const waiter of waiters) waiter.resolve(complete);
    } catch (error) {
      this.#lastError = error;
      for (const waiter of waiters) waiter.reject(error);
    } finally {
      this.#endedAt = this.#clock.monotonic();
      this.#tookMs = this.#endedAt - startedAt;
      this.#walking = null;
      this.#next();
    }
  }

  /** The trailing run: what was asked for during the walk is not answered by it. */
  #next(): void {
    if (this.#waiters.length > 0) this.#arm(0);
    else if (this.#reasons.size > 0) this.#arm(this.#untilNext);
    else this.#arm(this.#lastError === null ? this.#period : this.#gapMs);
  }
}

/** A burst has usually not ended when its first sign arrives. */
const SETTLE_MS = 200;
