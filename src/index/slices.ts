/** Cuts long main-thread work into slices: `next` gives way to the event loop when the current slice has lasted long enough. */
import { setImmediate } from 'node:timers/promises';

/** Below the 20 ms that nothing on the main thread may take, with room for the one item that is under way. */
const SLICE_MS = 6;

export class Slices {
  #until = performance.now() + SLICE_MS;

  /** Resolves at once, or after a turn of the event loop. */
  next(): Promise<void> | undefined {
    if (performance.now() < this.#until) return undefined;
    return this.#turn();
  }

  async #turn(): Promise<void> {
    await setImmediate();
    this.#until = performance.now() + SLICE_MS;
  }
}
