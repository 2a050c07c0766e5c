/**
 * From text to terms, for indexed text and queries alike. Owns what a term is:
 * every identifier gives its whole name in lower case and, if it has several parts, the stem of each part; an identifier of
 * one part gives its stem only. CJK text, which has no spaces, gives overlapping pairs of characters.
 * Must stay fast (it reads every byte that is indexed) and pure: the same text gives the same terms on every machine.
 */
import { identifierParts } from './split.ts';
import { isStopWord } from './stop-words.ts';
import { stem } from './stemmer.ts';

/** Part of every index's identity: rows written with another version are stale. [6.16] */
export const TOKENIZER_VERSION = 1;

/** A longer word is data (base64, hashes), not a name that anyone searches for; it is left out. */
export const MAX_WORD_LENGTH = 128;

const OTHER = 0;
const START = 1;
const DIGIT = 2;

/** Class of each ASCII code: START may begin a word, DIGIT may continue one. */
const CLASS = (() => {
  const table = new Uint8Array(128);
  for (let code = 0; code < 128; code++) {
    const char = String.fromCharCode(code);
    table[code] = /[A-Za-z_]/.test(char) ? START : /[0-9]/.test(char) ? DIGIT : OTHER;
  }
  return table;
})();

const UNICODE_WORD = /[\p{L}\p{M}\p{N}_]+/uy;
const UNICODE_LETTER = /\p{L}/u;
/** Scripts written without spaces between words. */
const CJK_RUN = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}ー]+|[^\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}ー]+/gu;
const CJK = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}]/u;

/** Terms of a text with their counts; `length` is the number of terms with repetitions. */
export interface TermCounts {
  readonly terms: Map<string, number>;
  readonly length: number;
}

/** Counts the terms of `text`; the hot path of indexing. */
export function countTerms(text: string): TermCounts {
  const terms = new Map<string, number>();
  const length = addTerms(terms, text);
  return { terms, length };
}

/** Adds the terms of `text` to `into`; returns how many were added, repetitions included. */
export function addTerms(into: Map<string, number>, text: string): number {
  let length = 0;
  eachWord(text, (word) => {
    const terms = wordTerms(word);
    length += terms.length;
    for (let i = 0; i < terms.length; i++) {
      const term = terms[i] as string;
      into.set(term, (into.get(term) ?? 0) + 1);
    }
  });
  return length;
}

/** Terms of a text in order, with repetitions. */
export function textTerms(text: string): string[] {
  const out: string[] = [];
  eachWord(text, (word) => out.push(...wordTerms(word)));
  return out;
}

/** Words (identifiers as written) of a text in order. */
export function textWords(text: string): string[] {
  const out: string[] = [];
  eachWord(text, (word) => out.push(word));
  return out;
}

/** Terms of a query: stop words dropped, unless nothing else is left. */
export function queryTerms(query: string): string[] {
  const out: string[] = [];
  eachWord(query, (word) => {
    if (!isStopWord(word)) out.push(...wordTerms(word));
  });
  return out.length > 0 ? out : textTerms(query);
}

/** Terms of one identifier: the whole (if it has parts) and the stems of its parts. The array is shared: do not change it. */
export function wordTerms(word: string): readonly string[] {
  let terms = young.get(word);
  if (terms !== undefined) return terms;
  terms = old.get(word) ?? makeTerms(word);
  if (young.size >= CACHE_WORDS) {
    old = young;
    young = new Map();
  }
  young.set(word, terms);
  return terms;
}

/** Two generations of at most this many words each: words in use survive the turn-over. More is not faster and costs 20 MB a thread. */
const CACHE_WORDS = 1 << 12;
let young = new Map<string, readonly string[]>();
let old = new Map<string, readonly string[]>();

function makeTerms(slice: string): readonly string[] {
  // A slice of a large string would keep the whole text alive in the cache.
  const word = Buffer.from(slice, 'utf8').toString('utf8');
  const parts = identifierParts(word);
  return parts.length === 1 ? [stem(parts[0] as string)] : [word.toLowerCase(), ...parts.map(stem)];
}

/** How many terms `wordTerms` gives, without making them. */
export function countWordTerms(word: string): number {
  const parts = identifierParts(word).length;
  return parts === 1 ? 1 : parts + 1;
}

/** Receives a word and where it stands in the text, UTF-16 units. A pair of CJK characters is a word. */
export type WordVisitor = (word: string, start: number, end: number) => void;

/** Calls `visit` for each word in order. */
export function eachWord(text: string, visit: WordVisitor): void {
  const end = text.length;
  let i = 0;
  while (i < end) {
    const code = text.charCodeAt(i);
    if (code >= 128) {
      i = visitUnicode(text, i, i, visit);
      continue;
    }
    if (CLASS[code] !== START) {
      i++;
      continue;
    }
    const start = i++;
    let next = OTHER;
    while (i < end) {
      next = text.charCodeAt(i);
      if (next >= 128 || CLASS[next] === OTHER) break;
      i++;
    }
    if (i < end && next >= 128 && isUnicodeWordAt(text, i)) i = visitUnicode(text, start, i, visit);
    else if (i - start <= MAX_WORD_LENGTH) visit(text.slice(start, i), start, i);
  }
}

function isUnicodeWordAt(text: string, at: number): boolean {
  UNICODE_WORD.lastIndex = at;
  return UNICODE_WORD.test(text);
}

/** Handles a word from `start` that has a character outside ASCII at `at`; returns where to go on. */
function visitUnicode(text: string, start: number, at: number, visit: WordVisitor): number {
  UNICODE_WORD.lastIndex = start;
  const word = UNICODE_WORD.exec(text)?.[0];
  if (word === undefined) return at + ((text.codePointAt(at) as number) > 0xffff ? 2 : 1);
  let from = start;
  for (const run of word.match(CJK_RUN) ?? []) {
    if (CJK.test(run)) visitPairs(run, from, visit);
    else if (run.length <= MAX_WORD_LENGTH && UNICODE_LETTER.test(run)) visit(run.normalize('NFC'), from, from + run.length);
    from += run.length;
  }
  return start + word.length;
}

function visitPairs(run: string, start: number, visit: WordVisitor): void {
  const chars = Array.from(run);
  if (chars.length === 1) visit(run, start, start + run.length);
  for (let i = 0, at = start; i + 1 < chars.length; i++) {
    const pair = `${chars[i]}${chars[i + 1]}`;
    visit(pair, at, at + pair.length);
    at += (chars[i] as string).length;
  }
}
