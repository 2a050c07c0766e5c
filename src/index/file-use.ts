/** Which files of an index directory are in use by open parts and running jobs, so that garbage collection leaves them alone. */
export class FileUse {
  readonly #uses = new Map<string, number>();

  get names(): ReadonlySet<string> {
    return new Set(this.#uses.keys());
  }

  /** Returns the function that ends the use. */
  hold(name: string): () => void {
    this.#uses.set(name, (this.#uses.get(name) ?? 0) + 1);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      const left = (this.#uses.get(name) ?? 1) - 1;
      if (left === 0) this.#uses.delete(name);
      else this.#uses.set(name, left);
    };
  }
}
