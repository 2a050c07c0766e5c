/** Ends a daemon that nobody uses: no client and no work for the whole of `idleMs`. Owns one timer. */

export interface IdleOptions {
  /** null = never. */
  readonly idleMs: number | null;
  /** Connections and work of now; 0 = idle. Asked again before the exit. */
  readonly busy: () => boolean;
  readonly onIdle: () => void;
  /** How often it looks; idleness is counted in looks, so that a sleeping laptop does not wake up idle. */
  readonly everyMs?: number;
}

export class IdleWatch {
  readonly #options: IdleOptions;
  readonly #everyMs: number;
  #idleFor = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(options: IdleOptions) {
    this.#options = options;
    this.#everyMs = options.everyMs ?? Math.min(5_000, Math.max(10, (options.idleMs ?? 0) / 4));
  }

  start(): void {
    if (this.#options.idleMs === null || this.#timer !== null) return;
    this.#timer = setInterval(() => this.#look(), this.#everyMs);
    this.#timer.unref();
  }

  /** Something happened between two looks. */
  touch(): void {
    this.#idleFor = 0;
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  #look(): void {
    this.#idleFor = this.#options.busy() ? 0 : this.#idleFor + this.#everyMs;
    if (this.#options.idleMs === null || this.#idleFor < this.#options.idleMs) return;
    this.stop();
    this.#options.onIdle();
  }
}
