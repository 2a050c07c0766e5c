/**
 * Arrays for decoded postings, lent for the time of one query and used again by the next: fresh ones (hundreds of kilobytes a
 * query) are the largest part of its garbage. Not for anything that keeps postings beyond its query.
 */

/** Arrays of this many entries at least; each size is twice the one before. */
const SMALLEST = 64;

export class PostingsPool {
  /** Most bytes that stay here between queries. A query may need more; what is beyond is left to the collector. */
  readonly budgetBytes: number;
  /** By size class. */
  readonly #free: Uint32Array[][] = [];
  readonly #lent: Uint32Array[] = [];
  #freeBytes = 0;

  constructor(budgetBytes: number) {
    this.budgetBytes = budgetBytes;
  }

  get memoryBytes(): number {
    return this.#lent.reduce((sum, array) => sum + array.byteLength, this.#freeBytes);
  }

  /** Room for `count` entries or more; what is in it is left over from others. Valid until `takeBack`. */
  lend(count: number): Uint32Array {
    const level = count <= SMALLEST ? 0 : 26 - Math.clz32(count - 1);
    const known = this.#free[level]?.pop();
    if (known !== undefined) this.#freeBytes -= known.byteLength;
    const array = known ?? new Uint32Array(SMALLEST << level);
    this.#lent.push(array);
    return array;
  }

  /** Nobody uses what was lent any more. */
  takeBack(): void {
    for (const array of this.#lent) {
      if (this.#freeBytes + array.byteLength > this.budgetBytes) continue;
      const level = 26 - Math.clz32(array.length - 1);
      (this.#free[level] ??= []).push(array);
      this.#freeBytes += array.byteLength;
    }
    this.#lent.length = 0;
  }
}
