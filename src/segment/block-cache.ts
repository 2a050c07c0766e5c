/** Least recently used decompressed blocks within a byte budget; one cache can serve many segments. */
const PER_ENTRY_BYTES = 200;

interface Entry {
  readonly owner: object;
  readonly key: number;
  readonly bytes: Buffer;
}

export class BlockCache {
  readonly budgetBytes: number;
  /** In order of use, the oldest first. */
  readonly #entries = new Map<string, Entry>();
  readonly #owners = new WeakMap<object, number>();
  #nextOwner = 1;
  #bytes = 0;

  constructor(budgetBytes: number) {
    this.budgetBytes = budgetBytes;
  }

  get memoryBytes(): number {
    return this.#bytes;
  }

  /** What `read` throws is thrown and not cached. A block larger than the budget is returned and not kept. */
  get(owner: object, key: number, read: () => Buffer): Buffer {
    const name = `${this.#ownerId(owner)}:${key}`;
    const known = this.#entries.get(name);
    if (known !== undefined) {
      this.#entries.delete(name);
      this.#entries.set(name, known);
      return known.bytes;
    }
    const bytes = read();
    this.#entries.set(name, { owner, key, bytes });
    this.#bytes += bytes.length + PER_ENTRY_BYTES;
    for (const [oldest, entry] of this.#entries) {
      if (this.#bytes <= this.budgetBytes) break;
      this.#remove(oldest, entry);
    }
    return bytes;
  }

  /** Forgets all blocks of one owner. */
  drop(owner: object): void {
    for (const [name, entry] of this.#entries) if (entry.owner === owner) this.#remove(name, entry);
  }

  #remove(name: string, entry: Entry): void {
    this.#entries.delete(name);
    this.#bytes -= entry.bytes.length + PER_ENTRY_BYTES;
  }

  #ownerId(owner: object): number {
    let id = this.#owners.get(owner);
    if (id === undefined) {
      id = this.#nextOwner++;
      this.#owners.set(owner, id);
    }
    return id;
  }
}
