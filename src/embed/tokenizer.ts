/**
 * Text → token ids. Two implementations of one small interface: a single-pass scanner for the tokenizer of cairn's own
 * models (no intermediate strings), and a general one that follows any supported description step by step.
 * The two must agree on every text; a test compares them.
 */
import type { NormalizerStep, SplitStep, TokenizerSpec } from './tokenizer-file.ts';
import { HASH_START, hashUnit } from './vocabulary.ts';
import type { WordPiece } from './word-piece.ts';

export interface Tokenizer {
  /** Fills `out` with the ids of `text` and returns how many; ids that do not fit are left out. */
  encode(text: string, out: Int32Array): number;
}

const CAMEL_BOUNDARY = '(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])';
const CODE_WORD = '[a-z]+[0-9]*|[0-9]+|[^\\x00-\\x7f]+';

/** True if `spec` is what CodeTokenizer does; it also needs a vocabulary of ASCII words only. */
export function isCodeTokenizer(spec: TokenizerSpec): boolean {
  const [boundary, lowercase, ...others] = spec.normalizers;
  const [split, ...splits] = spec.splits;
  return (
    others.length === 0 && splits.length === 0 && lowercase?.kind === 'lowercase' && boundary?.kind === 'replace' &&
    boundary.pattern === CAMEL_BOUNDARY && boundary.content === ' ' && split?.mode === 'keep' && split.pattern === CODE_WORD
  );
}

const OTHER = 0;
const LOWER = 1;
const UPPER = 2;
const DIGIT = 3;
const CLASS = Uint8Array.from({ length: 128 }, (_, c) => {
  if (c >= 0x61 && c <= 0x7a) return LOWER;
  if (c >= 0x41 && c <= 0x5a) return UPPER;
  return c >= 0x30 && c <= 0x39 ? DIGIT : OTHER;
});
/** The only two characters outside ASCII whose lower case holds an ASCII letter: KELVIN SIGN → k, I WITH DOT → i + U+0307. */
const KELVIN = 0x212a;
const DOTTED_I = 0x130;

/**
 * camelCase and snake_case are split, digits stay with the letters before them, everything is lower-cased, punctuation
 * is dropped. Characters outside ASCII only separate: no word of such a vocabulary holds one.
 */
export class CodeTokenizer implements Tokenizer {
  readonly #wordPiece: WordPiece;
  readonly #word: Uint16Array;

  constructor(wordPiece: WordPiece) {
    this.#wordPiece = wordPiece;
    this.#word = new Uint16Array(wordPiece.maxUnits);
  }

  encode(text: string, out: Int32Array): number {
    const word = this.#word;
    const capacity = word.length;
    let count = 0;
    let length = 0;
    let hash = HASH_START;
    let previous = OTHER;
    for (let i = 0; i < text.length && count < out.length; i++) {
      let unit = text.charCodeAt(i);
      let kind = unit < 128 ? (CLASS[unit] as number) : OTHER;
      let joins = length > 0 && kind !== OTHER && (kind === DIGIT || previous !== DIGIT);
      if (kind === UPPER) {
        joins &&= previous === UPPER ? !startsWord(text, i) : previous !== LOWER;
        unit += 32;
      } else if (unit === KELVIN || unit === DOTTED_I) {
        joins = length > 0 && previous !== DIGIT;
        unit = unit === KELVIN ? 0x6b : 0x69;
        // A letter to the words, but to the camel-case rule neither lower nor upper.
        kind = KELVIN;
      }
      if (!joins && length > 0) {
        count = this.#wordPiece.append(word, length, hash, out, count);
        length = 0;
        hash = HASH_START;
      }
      previous = kind;
      if (kind === OTHER) continue;
      if (length < capacity) word[length] = unit;
      length++;
      hash = hashUnit(hash, unit);
      if (text.charCodeAt(i) === DOTTED_I) {
        count = this.#wordPiece.append(word, length, hash, out, count);
        length = 0;
        hash = HASH_START;
        previous = OTHER;
      }
    }
    return length > 0 ? this.#wordPiece.append(word, length, hash, out, count) : count;
  }
}

/** In a run of capitals, the one before a small letter begins a word (HTTPServer → http server). */
function startsWord(text: string, i: number): boolean {
  const next = i + 1 < text.length ? text.charCodeAt(i + 1) : 0;
  return next < 128 && CLASS[next] === LOWER;
}

/** Any supported description, by regular expressions. */
export class GeneralTokenizer implements Tokenizer {
  readonly #wordPiece: WordPiece;
  readonly #normalizers: readonly ((text: string) => string)[];
  readonly #splits: readonly ((words: string[]) => string[])[];
  readonly #word: Uint16Array;

  constructor(spec: TokenizerSpec, wordPiece: WordPiece) {
    this.#wordPiece = wordPiece;
    this.#normalizers = spec.normalizers.map(normalizer);
    this.#splits = spec.splits.map(splitter);
    this.#word = new Uint16Array(wordPiece.maxUnits);
  }

  encode(text: string, out: Int32Array): number {
    let normalized = text;
    for (const apply of this.#normalizers) normalized = apply(normalized);
    let words = [normalized];
    for (const split of this.#splits) words = split(words);
    let count = 0;
    for (const word of words) {
      if (word.length > this.#word.length || word.length === 0) continue;
      let hash = HASH_START;
      for (let i = 0; i < word.length; i++) hash = hashUnit(hash, (this.#word[i] = word.charCodeAt(i)));
      count = this.#wordPiece.append(this.#word, word.length, hash, out, count);
      if (count === out.length) break;
    }
    return count;
  }
}

function normalizer(step: NormalizerStep): (text: string) => string {
  switch (step.kind) {
    case 'replace': {
      const pattern = new RegExp(step.pattern, 'gu');
      return (text) => text.replace(pattern, () => step.content);
    }
    case 'lowercase':
      return (text) => text.toLowerCase();
    case 'strip-accents':
      return (text) => text.replace(/\p{Mn}/gu, '');
    case 'trim':
      return (text) => text.trim();
    case 'unicode':
      return (text) => text.normalize(step.form);
    case 'bert':
      return (text) => bertNormalize(text, step);
  }
}

/** Devlin et al. 2018, BasicTokenizer: control characters out, any white space is a blank, Chinese characters stand alone. */
function bertNormalize(text: string, step: Extract<NormalizerStep, { kind: 'bert' }>): string {
  let result = text;
  if (step.clean) result = result.replace(/[^\P{C}\t\n\r]|\ufffd/gu, '').replace(/\s/gu, ' ');
  if (step.chinese) result = result.replace(CHINESE, ' $& ');
  if (step.stripAccents) result = result.normalize('NFD').replace(/\p{Mn}/gu, '');
  return step.lowercase ? result.toLowerCase() : result;
}

const CHINESE = /[\u4e00-\u9fff\u3400-\u4dbf\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b920}-\u{2ceaf}\uf900-\ufaff\u{2f800}-\u{2fa1f}]/gu;

function splitter(step: SplitStep): (words: string[]) => string[] {
  const pattern = new RegExp(step.pattern, 'gu');
  return (words) => words.flatMap((word) => cut(word, pattern, step.mode));
}

function cut(word: string, pattern: RegExp, mode: SplitStep['mode']): string[] {
  const parts: string[] = [];
  let end = 0;
  for (const match of word.matchAll(pattern)) {
    if (mode !== 'keep' && match.index > end) parts.push(word.slice(end, match.index));
    if (mode !== 'drop' && match[0] !== '') parts.push(match[0]);
    end = match.index + match[0].length;
  }
  if (mode !== 'keep' && end < word.length) parts.push(word.slice(end));
  return parts;
}
