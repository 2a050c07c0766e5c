/**
 * WordPiece: a word is one id if the vocabulary has it whole, else it is spelled greedily with the longest pieces
 * (Wu et al. 2016, "Google's Neural Machine Translation System"). A word that cannot be spelled gives no id at all.
 */
import { HASH_START, hashUnit } from './vocabulary.ts';
import type { Vocabulary } from './vocabulary.ts';

export interface WordPieceLimits {
  /** Words of more code points are not spelled. */
  readonly maxWordChars: number;
  /** Id of the unknown token, never given out; -1 when there is none. */
  readonly unknownId: number;
}

export class WordPiece {
  /** Longest word worth collecting: one that is longer is neither a key nor short enough to spell. */
  readonly maxUnits: number;
  readonly #words: Vocabulary;
  readonly #pieces: Vocabulary;
  readonly #limits: WordPieceLimits;
  readonly #hashes: Int32Array;

  /** `words` holds every key as it is, `pieces` the continuation keys without their prefix. */
  constructor(words: Vocabulary, pieces: Vocabulary, limits: WordPieceLimits) {
    this.#words = words;
    this.#pieces = pieces;
    this.#limits = limits;
    this.maxUnits = Math.max(words.longest, 2 * limits.maxWordChars);
    this.#hashes = new Int32Array(this.maxUnits + 1);
  }

  /**
   * Appends the ids of units[0..length) to `out` from `count` on and returns the new count. `hash` is the word's hash.
   * Stops at the end of `out`; ids past it are lost on purpose (truncation to the model's maximum).
   */
  append(units: Uint16Array, length: number, hash: number, out: Int32Array, count: number): number {
    const whole = this.#words.find(units, 0, length, hash);
    if (whole >= 0 && whole !== this.#limits.unknownId) {
      if (count < out.length) out[count++] = whole;
      return count;
    }
    if (length > this.maxUnits || codePoints(units, length) > this.#limits.maxWordChars) return count;
    return this.#spell(units, length, out, count);
  }

  #spell(units: Uint16Array, length: number, out: Int32Array, first: number): number {
    let count = first;
    for (let start = 0; start < length; ) {
      const table = start === 0 ? this.#words : this.#pieces;
      const end = this.#longestPiece(table, units, start, length);
      if (end === start) return first;
      if (count < out.length) out[count++] = this.#lastId;
      start = end;
    }
    return count;
  }

  #lastId = -1;

  #longestPiece(table: Vocabulary, units: Uint16Array, start: number, length: number): number {
    const limit = Math.min(length, start + table.longest);
    const hashes = this.#hashes;
    let hash = HASH_START;
    for (let i = start; i < limit; i++) hashes[i + 1] = hash = hashUnit(hash, units[i] as number);
    for (let end = limit; end > start; end--) {
      this.#lastId = table.find(units, start, end, hashes[end] as number);
      if (this.#lastId >= 0) return end;
    }
    return start;
  }
}

function codePoints(units: Uint16Array, length: number): number {
  let count = length;
  for (let i = 1; i < length; i++) {
    if (((units[i] as number) & 0xfc00) === 0xdc00 && ((units[i - 1] as number) & 0xfc00) === 0xd800) count--;
  }
  return count;
}
