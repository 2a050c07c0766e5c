/** An append-only column of 32-bit numbers that grows by doubling. Readers take `array` anew each time: it is replaced when it grows. */
export class GrowableU32 {
  #array: Uint32Array;
  #length = 0;

  constructor(capacity = 64) {
    this.#array = new Uint32Array(capacity);
  }

  /** Valid up to `length`. */
  get array(): Uint32Array {
    return this.#array;
  }

  get length(): number {
    return this.#length;
  }

  get memoryBytes(): number {
    return this.#array.byteLength;
  }

  at(index: number): number {
    return this.#array[index] as number;
  }

  push(value: number): void {
    if (this.#length === this.#array.length) this.#grow();
    this.#array[this.#length++] = value;
  }

  set(index: number, value: number): void {
    this.#array[index] = value;
  }

  /** Forgets the entries and keeps the memory. */
  clear(): void {
    this.#length = 0;
  }

  /** Entries 0..length-1 without a copy; valid until the next `push` or `clear`. */
  view(): Uint32Array {
    return this.#array.subarray(0, this.#length);
  }

  /** Entries 0..length-1 in an array of their own. */
  toArray(): Uint32Array {
    return this.#array.slice(0, this.#length);
  }

  #grow(): void {
    const larger = new Uint32Array(Math.max(64, this.#array.length * 2));
    larger.set(this.#array);
    this.#array = larger;
  }
}
