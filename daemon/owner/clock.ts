/**
 * Time for the daemon's owners: the engine's Clock interface over the process clock, and the one back-off formula.
 * Everything in daemon/owner takes a Clock, so that tests decide when time passes.
 */
import { setTimeout as delay } from 'node:timers/promises';

export interface Timer {
  cancel(): void;
}

/** Same shape as the engine's env clock. */
export interface Clock {
  /** Wall clock, milliseconds since 1970; only for display. */
  now(): number;
  /** Monotonic milliseconds. */
  monotonic(): number;
  setTimer(callback: () => void, delayMs: number): Timer;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer: (callback, delayMs) => {
    const timer = setTimeout(callback, delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
};

export interface Backoff {
  readonly minMs: number;
  readonly maxMs: number;
}

/**
 * Delay before attempt `failures + 1`: exponential, capped, with jitter in [0.5, 1) so that several owners that fail
 * together (one full disk) do not retry together.
 */
export function backoffMs(backoff: Backoff, failures: number, random: () => number): number {
  const full = Math.min(backoff.maxMs, backoff.minMs * 2 ** Math.max(0, failures - 1));
  return full * (0.5 + random() / 2);
}

/** Gives the event loop a turn; work on the main thread is cut into slices between calls of this. */
export function yieldToLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export { delay };
