/**
 * Reduces the raw events of one window to the net change of each path, by written rules:
 *   first event add,  last event remove  → nothing happened (a temporary file)
 *   first event remove, last event add   → changed (an atomic save)
 *   anything else                        → the path, once
 * A path that was a file and is a directory now (or the reverse) counts as changed. Directories are not
 * reported: their files are. Past `maxPaths` the window no longer names paths, it says 'overflow': a walk is cheaper than that
 * many hints.
 */

export type RawKind = 'add' | 'change' | 'remove';

export interface NetWindow {
  readonly paths: readonly string[];
  readonly overflow: boolean;
  readonly events: number;
}

interface Change {
  readonly first: RawKind;
  last: RawKind;
}

export class NetChanges {
  readonly #maxPaths: number;
  #changes = new Map<string, Change>();
  #events = 0;
  #overflow = false;

  constructor(maxPaths: number) {
    this.#maxPaths = maxPaths;
  }

  get isEmpty(): boolean {
    return this.#events === 0;
  }

  note(path: string, kind: RawKind): void {
    this.#events++;
    if (this.#overflow) return;
    const change = this.#changes.get(path);
    if (change !== undefined) change.last = kind;
    else if (this.#changes.size < this.#maxPaths) this.#changes.set(path, { first: kind, last: kind });
    else {
      this.#overflow = true;
      this.#changes.clear();
    }
  }

  /** The window so far; starts a new one. */
  take(): NetWindow {
    const window = { paths: [...this.#changes].filter(([, change]) => !isTransient(change)).map(([path]) => path), overflow: this.#overflow, events: this.#events };
    this.#changes = new Map();
    this.#events = 0;
    this.#overflow = false;
    return window;
  }
}

function isTransient({ first, last }: Change): boolean {
  return first === 'add' && last === 'remove';
}
