/** A clock that tests move by hand. */
import type { Clock, Timer } from '../../../daemon/owner/clock.ts';

interface Armed {
  readonly at: number;
  readonly order: number;
  readonly callback: () => void;
}

/** Lets everything that only waits for promises go on. */
export async function flushPromises(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}

export class FakeClock implements Clock {
  #now = 0;
  #order = 0;
  readonly #timers = new Set<Armed>();

  now(): number {
    return 1_700_000_000_000 + this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  setTimer(callback: () => void, delayMs: number): Timer {
    const armed: Armed = { at: this.#now + Math.max(0, delayMs), order: this.#order++, callback };
    this.#timers.add(armed);
    return { cancel: () => void this.#timers.delete(armed) };
  }

  get timers(): number {
    return this.#timers.size;
  }

  /** Time passes; timers fire in order, promises settle in between. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await flushPromises();
    for (let next = this.#next(end); next !== null; next = this.#next(end)) {
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.callback();
      await flushPromises();
    }
    this.#now = end;
  }

  #next(end: number): Armed | null {
    let first: Armed | null = null;
    for (const armed of this.#timers) {
      if (armed.at <= end && (first === null || armed.at < first.at || (armed.at === first.at && armed.order < first.order))) first = armed;
    }
    return first;
  }
}
