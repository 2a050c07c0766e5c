/**
 * Which docs of one part are live, with exact counts. Copy-on-write: a version that was handed out never changes,
 * so a snapshot keeps the liveness of its LSN for as long as it likes. One writer (the committer).
 * A bit at or above the number of docs the version was taken at is always 0.
 */
import type { IndexPart } from '../segment/part.ts';
import { Bitset } from '../util/bitset.ts';

export interface LiveCounts {
  readonly docs: number;
  readonly chunks: number;
  readonly symbols: number;
  readonly edges: number;
}

export const NO_ROWS: LiveCounts = { docs: 0, chunks: 0, symbols: 0, edges: 0 };

export class LiveSet {
  readonly #part: IndexPart;
  #bits: Bitset;
  /** True while `#bits` is also held by a reader. */
  #isShared = false;
  #counts: LiveCounts;
  /** Docs 0..#known-1 have been added (or were there from the start). */
  #known: number;

  private constructor(part: IndexPart, bits: Bitset, known: number, counts: LiveCounts) {
    this.#part = part;
    this.#bits = bits;
    this.#known = known;
    this.#counts = counts;
  }

  /** Liveness of a part that still grows; docs come in by `add`. */
  static growing(part: IndexPart): LiveSet {
    return new LiveSet(part, new Bitset(1024), 0, NO_ROWS);
  }

  /** Liveness of a complete part: all docs, or those of `live`, which this object may share with others but never changes. */
  static of(part: IndexPart, live: Bitset | null): LiveSet {
    const all: LiveCounts = { docs: part.docCount, chunks: part.chunkCount, symbols: part.symbolCount, edges: part.edgeCount };
    const set = new LiveSet(part, live ?? Bitset.full(part.docCount), part.docCount, all);
    if (live !== null) {
      set.#isShared = true;
      for (const doc of zeros(live, part.docCount)) set.#counts = minus(set.#counts, rowsOf(part, doc));
    }
    return set;
  }

  get counts(): LiveCounts {
    return this.#counts;
  }

  get areAllLive(): boolean {
    return this.#counts.docs === this.#known;
  }

  has(doc: number): boolean {
    return doc < this.#bits.length && this.#bits.has(doc);
  }

  /** The next doc of a growing part; docs are added in order. `isLive` false: it was replaced within its own batch. */
  add(doc: number, isLive: boolean): void {
    this.#known = doc + 1;
    if (!isLive) return;
    this.#own(doc + 1);
    this.#bits.add(doc);
    this.#counts = plus(this.#counts, rowsOf(this.#part, doc));
  }

  /** Marks a doc dead; true if it was live. */
  kill(doc: number): boolean {
    if (!this.has(doc)) return false;
    this.#own(0);
    this.#bits.delete(doc);
    this.#counts = minus(this.#counts, rowsOf(this.#part, doc));
    return true;
  }

  /** The current version, immutable from now on. */
  share(): Bitset {
    this.#isShared = true;
    return this.#bits;
  }

  #own(minLength: number): void {
    const length = this.#bits.length >= minLength ? this.#bits.length : Math.max(minLength, this.#bits.length * 2);
    if (!this.#isShared && length === this.#bits.length) return;
    const words = new Uint32Array((length + 31) >>> 5);
    words.set(this.#bits.words);
    this.#bits = new Bitset(length, words);
    this.#isShared = false;
  }
}

/** Docs below `length` whose bit is 0, ascending. */
export function* zeros(bits: Bitset, length: number): Iterable<number> {
  for (let word = 0; word * 32 < length; word++) {
    let missing = ~(bits.words[word] ?? 0);
    while (missing !== 0) {
      const doc = word * 32 + (31 - Math.clz32(missing & -missing));
      if (doc >= length) return;
      yield doc;
      missing &= missing - 1;
    }
  }
}

function rowsOf(part: IndexPart, doc: number): LiveCounts {
  return {
    docs: 1,
    chunks: part.chunkStart(doc + 1) - part.chunkStart(doc),
    symbols: part.symbolStart(doc + 1) - part.symbolStart(doc),
    edges: part.edgeStart(doc + 1) - part.edgeStart(doc),
  };
}

export function plus(a: LiveCounts, b: LiveCounts): LiveCounts {
  return { docs: a.docs + b.docs, chunks: a.chunks + b.chunks, symbols: a.symbols + b.symbols, edges: a.edges + b.edges };
}

function minus(a: LiveCounts, b: LiveCounts): LiveCounts {
  return { docs: a.docs - b.docs, chunks: a.chunks - b.chunks, symbols: a.symbols - b.symbols, edges: a.edges - b.edges };
}
