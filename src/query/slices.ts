/** Long reads on the main thread: work in slices, and let others run in between. */
import { setImmediate } from 'node:timers/promises';
import { requireNotCancelled } from '../util/cancel.ts';

/** The longest that a query holds its thread between two yields, milliseconds. */
const SLICE_MS = 8;

export class Slices {
  readonly #signal: AbortSignal | undefined;
  readonly #deadline: number;
  #until: number;

  /** @param budgetMs time until `isOver`, counted from now */
  constructor(budgetMs: number, signal: AbortSignal | undefined) {
    this.#signal = signal;
    this.#deadline = performance.now() + budgetMs;
    this.#until = performance.now() + SLICE_MS;
  }

  get isOver(): boolean {
    return performance.now() > this.#deadline;
  }

  get leftMs(): number {
    return Math.max(0, this.#deadline - performance.now());
  }

  /** Yields when the slice is spent; throws CANCELLED when the signal says so. */
  async pause(): Promise<void> {
    if (performance.now() > this.#until) {
      await setImmediate();
      this.#until = performance.now() + SLICE_MS;
    }
    requireNotCancelled(this.#signal, 'the query');
  }
}
