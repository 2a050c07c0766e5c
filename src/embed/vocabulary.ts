/**
 * A word → id table in flat typed arrays, so that one copy in a SharedArrayBuffer serves every thread.
 * Open addressing, linear probing, at most half full; keys are UTF-16 code units, compared in full (no false hit).
 */

/** FNV-1a over UTF-16 code units, 32 bits (Fowler, Noll, Vo). Extends by one unit, so all prefixes of a word cost one pass. */
export const HASH_START = 0x811c9dc5 | 0;
export const hashUnit = (hash: number, unit: number): number => Math.imul(hash ^ unit, 0x01000193);
/** FNV's low bits are weak; one xor-shift-multiply round spreads them before masking. */
const spread = (hash: number): number => {
  const h = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
  return h ^ (h >>> 13);
};

/** Words and the id of each, in parallel: two arrays of 30,000 cost far less to make than 30,000 pairs. */
export interface WordList {
  readonly words: readonly string[];
  readonly ids: readonly number[];
}

/** Sizes of the arrays of a vocabulary, to lay it out in a buffer. */
export interface VocabularyShape {
  readonly slots: number;
  readonly entries: number;
  readonly units: number;
  /** Length of the longest key, UTF-16 code units. */
  readonly longest: number;
}

export interface VocabularyArrays {
  /** Entry number + 1, or 0 for a free slot; a power of two of them. */
  readonly slots: Uint32Array;
  /** Entry e has the units ends[e - 1] .. ends[e]. */
  readonly ends: Uint32Array;
  readonly ids: Int32Array;
  readonly units: Uint16Array;
}

export function vocabularyShape({ words }: WordList): VocabularyShape {
  let units = 0;
  let longest = 0;
  for (const word of words) {
    units += word.length;
    if (word.length > longest) longest = word.length;
  }
  let slots = 16;
  while (slots < words.length * 2) slots *= 2;
  return { slots, entries: words.length, units, longest };
}

/** Fills `arrays`, which must be zeroed and of the shape of the list. */
export function fillVocabulary({ words, ids }: WordList, arrays: VocabularyArrays): void {
  const mask = arrays.slots.length - 1;
  let end = 0;
  for (let entry = 0; entry < words.length; entry++) {
    const word = words[entry] as string;
    let hash = HASH_START;
    for (let i = 0; i < word.length; i++) {
      const unit = word.charCodeAt(i);
      arrays.units[end++] = unit;
      hash = hashUnit(hash, unit);
    }
    arrays.ends[entry] = end;
    arrays.ids[entry] = ids[entry] as number;
    let slot = spread(hash) & mask;
    while (arrays.slots[slot] !== 0) slot = (slot + 1) & mask;
    arrays.slots[slot] = entry + 1;
  }
}

export class Vocabulary {
  readonly longest: number;
  readonly #arrays: VocabularyArrays;

  constructor(arrays: VocabularyArrays, longest: number) {
    this.#arrays = arrays;
    this.longest = longest;
  }

  /** Id of the word units[from..to), whose hash the caller has run along; -1 when it is not in the table. */
  find(units: Uint16Array, from: number, to: number, hash: number): number {
    const { slots, ends, ids, units: keys } = this.#arrays;
    const mask = slots.length - 1;
    const length = to - from;
    for (let slot = spread(hash) & mask; ; slot = (slot + 1) & mask) {
      const entry = (slots[slot] as number) - 1;
      if (entry < 0) return -1;
      const end = ends[entry] as number;
      const start = entry === 0 ? 0 : (ends[entry - 1] as number);
      if (end - start !== length) continue;
      let i = 0;
      while (i < length && keys[start + i] === units[from + i]) i++;
      if (i === length) return ids[entry] as number;
    }
  }
}
