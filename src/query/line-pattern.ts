/**
 * What grep looks for in one line: a literal, or a regular expression of JavaScript. A pattern is matched against each line by
 * itself, so `^` and `$` are the ends of a line and no match spans lines.
 */
import { textTerms, textWords } from '../text/index.ts';
import { CairnError } from '../util/errors.ts';

export interface PatternRequest {
  readonly pattern: string;
  readonly isRegex: boolean;
  readonly ignoreCase: boolean;
  /** The match must not continue a word on either side. */
  readonly wholeWord: boolean;
}

/** A compiled pattern in a form that can be sent to a worker. */
export interface LinePattern {
  readonly source: string;
  readonly flags: string;
  /** True when matching is linear in the line, so that it may run on the caller's thread. */
  readonly isLiteral: boolean;
  /** Each matching chunk holds at least one term of every group; empty = nothing is sure. */
  readonly sureTerms: readonly (readonly string[])[];
}

const MAX_PATTERN_LENGTH = 4096;
const WORD_EDGE = '(?<![\\p{L}\\p{N}_])';
const WORD_END = '(?![\\p{L}\\p{N}_])';

export function compilePattern(request: PatternRequest): LinePattern {
  const { pattern, isRegex, ignoreCase, wholeWord } = request;
  if (pattern === '') throw invalid('the pattern is empty', 'Give the text or the regular expression to look for.');
  if (pattern.length > MAX_PATTERN_LENGTH) throw invalid(`the pattern is longer than ${MAX_PATTERN_LENGTH} characters`, 'Look for a part of it.');
  if (!isRegex && /[\r\n]/.test(pattern)) throw invalid('a pattern cannot span lines', 'Look for one of its lines.');
  const body = isRegex ? pattern : escape(pattern);
  const { source, flags } = compile(body, wholeWord, ignoreCase ? 'i' : '');
  const words = isRegex ? regexWords(pattern, wholeWord) : literalWords(pattern, wholeWord);
  return { source, flags, isLiteral: !isRegex, sureTerms: words.map((word) => wordAlternatives(word, ignoreCase)) };
}

/** Unicode mode where the pattern allows it; `\\-` and other needless escapes are legal only without. */
function compile(body: string, wholeWord: boolean, more: string): { source: string; flags: string } {
  const source = wholeWord ? `${WORD_EDGE}(?:${body})${WORD_END}` : body;
  if (isValid(source, `gu${more}`)) return { source, flags: `gu${more}` };
  const plain = wholeWord ? `(?<!\\w)(?:${body})(?!\\w)` : body;
  try {
    new RegExp(plain, `g${more}`);
    return { source: plain, flags: `g${more}` };
  } catch (error) {
    throw invalid(`the regular expression is not valid: ${(error as Error).message}`, 'Escape special characters with a backslash, or look for the text literally.');
  }
}

function isValid(source: string, flags: string): boolean {
  try {
    new RegExp(source, flags);
    return true;
  } catch {
    return false;
  }
}

function invalid(message: string, hint: string): CairnError {
  return new CairnError('INVALID_ARGUMENT', message, { hint });
}

function escape(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}

/** Terms of which a chunk with this word has at least one. Without case, `readfile` may be indexed by its stem or as a whole. */
function wordAlternatives(word: string, ignoreCase: boolean): string[] {
  const exact = textTerms(word).slice(0, 1);
  if (!ignoreCase) return exact;
  const lower = word.toLowerCase();
  return [...new Set([lower, ...textTerms(lower).slice(0, 1)])];
}

/** Words of a literal that cannot be the end of a longer word in the text. Words beyond ASCII are left out: they may be normalised. */
function literalWords(pattern: string, wholeWord: boolean): string[] {
  const isWordAt = (char: string): boolean => /[\p{L}\p{M}\p{N}_]/u.test(char);
  const words = [...pattern.matchAll(/[\p{L}\p{M}\p{N}_]+/gu)].filter(({ index, 0: word }) => {
    const end = index + word.length;
    const opens = index > 0 ? !isWordAt(pattern[index - 1] as string) : wholeWord;
    const closes = end < pattern.length ? !isWordAt(pattern[end] as string) : wholeWord;
    return opens && closes;
  });
  return words.map(({ 0: word }) => word).filter(isSureWord);
}

/** The indexer takes a word like this as one word, whatever stands around it. */
function isSureWord(word: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(word) && word.length <= 128 && textWords(word).length === 1;
}

/**
 * Words that every match of a regular expression holds in full: runs of plain word characters at the top level, with
 * something that is surely no ASCII word character on both sides. Anything not understood ends the search for words.
 */
function regexWords(pattern: string, wholeWord: boolean): string[] {
  if (/[|]/.test(pattern.replace(/\\./g, ''))) return [];
  const tokens = tokenizeRegex(pattern);
  if (tokens === null) return [];
  const words: string[] = [];
  let word = '';
  let opens = wholeWord;
  for (const token of [...tokens, wholeWord ? ' ' : null]) {
    if (token !== null && /^\w$/.test(token)) {
      word += token;
      continue;
    }
    const isEdge = token !== null;
    if (word !== '' && opens && isEdge) words.push(word);
    word = '';
    opens = isEdge;
  }
  return words.filter(isSureWord);
}

/** One entry per top-level item: a word character, ' ' for what is surely none (or a boundary), null for anything else. */
function tokenizeRegex(pattern: string): (string | null)[] | null {
  const tokens: (string | null)[] = [];
  for (let i = 0; i < pattern.length; ) {
    const item = readItem(pattern, i);
    if (item === null) return null;
    const quantifier = /^(?:[*+?]|\{\d*,?\d*\})\??/.exec(pattern.slice(item.end))?.[0] ?? '';
    // A repeated or optional item is no sure neighbour, except a separator that occurs at least once.
    const isSure = quantifier === '' || (item.token === ' ' && quantifier.startsWith('+'));
    tokens.push(isSure ? item.token : null);
    i = item.end + quantifier.length;
  }
  return tokens;
}

function readItem(pattern: string, at: number): { token: string | null; end: number } | null {
  const char = pattern[at] as string;
  if (char === '\\') return { token: escapeToken(pattern[at + 1] ?? ''), end: escapeEnd(pattern, at) };
  if (char === '(') return skipGroup(pattern, at);
  if (char === '[') return skipClass(pattern, at);
  if (char === '^' || char === '$') return { token: ' ', end: at + 1 };
  if (char === '.') return { token: null, end: at + 1 };
  return { token: /\w/.test(char) ? char : char.charCodeAt(0) < 128 ? ' ' : null, end: at + 1 };
}

function escapeToken(char: string): string | null {
  if (/[bsWtnr]/.test(char)) return ' ';
  return /[A-Za-z0-9]/.test(char) ? null : ' ';
}

function escapeEnd(pattern: string, at: number): number {
  const long = /^\\(?:x[\da-fA-F]{2}|u[\da-fA-F]{4}|[upPk](?:\{[^}]*\}|<[^>]*>)|c[A-Za-z]|\d+)/.exec(pattern.slice(at))?.[0];
  return at + (long?.length ?? 2);
}

function skipClass(pattern: string, at: number): { token: null; end: number } | null {
  for (let i = at + 1; i < pattern.length; i++) {
    if (pattern[i] === '\\') i++;
    else if (pattern[i] === ']') return { token: null, end: i + 1 };
  }
  return null;
}

function skipGroup(pattern: string, at: number): { token: null; end: number } | null {
  let depth = 0;
  for (let i = at; i < pattern.length; i++) {
    const char = pattern[i];
    if (char === '\\') i++;
    else if (char === '[') i = (skipClass(pattern, i)?.end ?? pattern.length) - 1;
    else if (char === '(') depth++;
    else if (char === ')' && --depth === 0) return { token: null, end: i + 1 };
  }
  return null;
}
