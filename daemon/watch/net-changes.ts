/**
 * The paths of one window, each once. Past `maxPaths` the window no longer names paths, it says 'overflow': a walk is cheaper than
 * that many hints.
 */

export interface NetWindow {
  readonly paths: readonly string[];
  /** Directories that are gone. */
  readonly folders: readonly string[];
  readonly overflow: boolean;
  readonly events: number;
}

export class NetChanges {
  readonly #maxPaths: number;
  #paths = new Set<string>();
  #folders = new Set<string>();
  #events = 0;
  #overflow = false;

  constructor(maxPaths: number) {
    this.#maxPaths = maxPaths;
  }

  changed(path: string): void {
    this.#note(this.#paths, path);
  }

  folderGone(path: string): void {
    this.#note(this.#folders, path);
  }

  /** The window so far; starts a new one. */
  take(): NetWindow {
    const window = { paths: [...this.#paths], folders: [...this.#folders], overflow: this.#overflow, events: this.#events };
    this.#paths = new Set();
    this.#folders = new Set();
    this.#events = 0;
    this.#overflow = false;
    return window;
  }

  #note(names: Set<string>, path: string): void {
    this.#events++;
    if (this.#overflow) return;
    names.add(path);
    if (this.#paths.size + this.#folders.size <= this.#maxPaths) return;
    this.#overflow = true;
    this.#paths.clear();
    this.#folders.clear();
  }
}
