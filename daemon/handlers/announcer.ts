/** `index/changed`, thinned: at most a few a second for each index, and always one after the last change. Owns its timers. */

const EVERY_MS = 200;

export class ChangeAnnouncer {
  readonly #announce: (index: string) => void;
  readonly #timers = new Map<string, NodeJS.Timeout>();
  #closed = false;

  constructor(announce: (index: string) => void) {
    this.#announce = announce;
  }

  changed(index: string): void {
    if (this.#closed || this.#timers.has(index)) return;
    const timer = setTimeout(() => {
      this.#timers.delete(index);
      this.#announce(index);
    }, EVERY_MS);
    timer.unref();
    this.#timers.set(index, timer);
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }
}
