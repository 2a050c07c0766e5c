/** Thins progress: at most ten values a second go out, and always the newest one in the end. Owns at most one timer. */
import type { ProgressValue } from '../protocol/types.ts';

const EVERY_MS = 100;

export class ProgressThrottle {
  readonly #send: (value: ProgressValue) => void;
  #waiting: ProgressValue | null = null;
  #timer: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(send: (value: ProgressValue) => void) {
    this.#send = send;
  }

  push(value: ProgressValue): void {
    if (this.#closed) return;
    if (this.#timer !== null) {
      this.#waiting = value;
      return;
    }
    this.#send(value);
    this.#timer = setTimeout(() => this.#tick(), EVERY_MS);
  }

  /** Sends what waits; the response follows it. */
  close(): void {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#waiting !== null) this.#send(this.#waiting);
    this.#waiting = null;
  }

  #tick(): void {
    this.#timer = null;
    const value = this.#waiting;
    this.#waiting = null;
    if (value !== null) this.push(value);
  }
}
