/** Lets so many go at the same time; the others wait for their turn, in the order in which they came. */
import { cancelled } from '../util/cancel.ts';

export class Turns {
  readonly #most: number;
  #taken = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  get taken(): number {
    return this.#taken;
  }

  /** Resolves with the function that gives the turn back. CANCELLED when the signal fires before it has come. */
  async take(signal?: AbortSignal): Promise<() => void> {
    if (this.#taken < this.#most) this.#taken++;
    else await this.#wait(signal);
    let isBack = false;
    return () => {
      if (isBack) return;
      isBack = true;
      // It goes from hand to hand, so that nobody can slip in between.
      const next = this.#waiting.shift();
      if (next === undefined) this.#taken--;
      else next();
    };
  }

  #wait(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const go = (): void => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      };
      const onAbort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(go), 1);
        reject(cancelled('the query', signal));
      };
      if (signal?.aborted === true) return reject(cancelled('the query', signal));
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(go);
    });
  }
}
