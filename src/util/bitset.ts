/** A fixed-length set of small integers, 32 to a word. */
export class Bitset {
  readonly length: number;
  readonly words: Uint32Array;

  constructor(length: number, words: Uint32Array = new Uint32Array((length + 31) >>> 5)) {
    this.length = length;
    this.words = words;
  }

  /** All of 0..length-1. */
  static full(length: number): Bitset {
    const set = new Bitset(length);
    set.words.fill(0xffffffff);
    const tail = length & 31;
    if (tail !== 0) set.words[set.words.length - 1] = (1 << tail) - 1;
    return set;
  }

  has(i: number): boolean {
    return ((this.words[i >>> 5] ?? 0) & (1 << (i & 31))) !== 0;
  }

  add(i: number): void {
    const word = i >>> 5;
    this.words[word] = (this.words[word] ?? 0) | (1 << (i & 31));
  }

  delete(i: number): void {
    const word = i >>> 5;
    this.words[word] = (this.words[word] ?? 0) & ~(1 << (i & 31));
  }

  clone(): Bitset {
    return new Bitset(this.length, this.words.slice());
  }

  count(): number {
    let total = 0;
    for (let word of this.words) {
      word -= (word >>> 1) & 0x55555555;
      word = (word & 0x33333333) + ((word >>> 2) & 0x33333333);
      total += Math.imul((word + (word >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
    }
    return total;
  }
}
