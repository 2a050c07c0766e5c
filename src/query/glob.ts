/**
 * Path globs of filters: `*` and `?` within one path segment, `**` across segments, `[a-z]`, `[!a-z]`, `{a,b}`, `\` escapes.
 * As in .gitignore, a pattern without '/' matches at any depth, and a pattern that matches a directory matches all below it.
 * Matching never backtracks further than to the last `*` and the last `**`, so its cost is bounded by pattern × path.
 */
import { CairnError } from '../util/errors.ts';

/** Alternatives of all braces of a pattern; more would be a mistake or an attack. */
const MAX_ALTERNATIVES = 256;
const MAX_PATTERN_LENGTH = 4096;

type Token =
  | { readonly type: 'char'; readonly code: number }
  | { readonly type: 'any' | 'star' | 'all' | 'deep' }
  | { readonly type: 'set'; readonly negated: boolean; readonly ranges: readonly (readonly [number, number])[] };

const SLASH = 47;

/** Compiles one pattern (without a leading '!') to a predicate over keys; INVALID_ARGUMENT for a pattern that makes no sense. */
export function compileGlob(pattern: string): (path: string) => boolean {
  if (pattern === '' || pattern.length > MAX_PATTERN_LENGTH) throw bad(pattern, 'it is empty or longer than 4096 characters');
  const programs = expandBraces(pattern).map(parse);
  return (path) => programs.some((tokens) => matches(tokens, path));
}

/**
 * Predicate for a list of globs: a path passes when it matches a positive one (if there is any) and no negative one
 * (leading '!').
 */
export function compileGlobs(patterns: readonly string[]): (path: string) => boolean {
  const positive = patterns.filter((pattern) => !pattern.startsWith('!')).map(compileGlob);
  const negative = patterns.filter((pattern) => pattern.startsWith('!')).map((pattern) => compileGlob(pattern.slice(1)));
  return (path) => (positive.length === 0 || positive.some((match) => match(path))) && !negative.some((match) => match(path));
}

function bad(pattern: string, why: string): CairnError {
  const shown = pattern.length > 80 ? `${pattern.slice(0, 80)}…` : pattern;
  return new CairnError('INVALID_ARGUMENT', `bad path pattern '${shown}': ${why}`, { hint: "Use globs such as 'src/**/*.ts', '*.{c,h}' or '!test/**'." });
}

function expandBraces(pattern: string): string[] {
  let done: string[] = [];
  const open = [pattern];
  while (open.length > 0) {
    const next = open.pop() as string;
    const brace = findBrace(next, pattern);
    if (brace === null) done.push(next);
    else for (const option of brace.options) open.push(next.slice(0, brace.start) + option + next.slice(brace.end));
    if (done.length + open.length > MAX_ALTERNATIVES) throw bad(pattern, `its braces give more than ${MAX_ALTERNATIVES} alternatives`);
  }
  done = done.reverse();
  return done;
}

/** First brace group with a comma, its options, and where it ends. `{x}` without a comma is literal. */
function findBrace(text: string, whole: string): { start: number; end: number; options: string[] } | null {
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === '{') {
      const group = readBrace(text, i, whole);
      if (group.options.length > 1) return group;
      i = group.end - 1;
    }
  }
  return null;
}

function readBrace(text: string, start: number, whole: string): { start: number; end: number; options: string[] } {
  const options: string[] = [];
  let depth = 0;
  let from = start + 1;
  for (let i = start; i < text.length; i++) {
    const char = text[i];
    if (char === '\\') i++;
    else if (char === '{') depth++;
    else if (char === ',' && depth === 1) {
      options.push(text.slice(from, i));
      from = i + 1;
    } else if (char === '}' && --depth === 0) {
      options.push(text.slice(from, i));
      return { start, end: i + 1, options };
    }
  }
  throw bad(whole, "a '{' is not closed");
}

function parse(source: string): readonly Token[] {
  let pattern = source.startsWith('./') ? source.slice(2) : source;
  const anchored = pattern.replace(/\/+$/, '').includes('/');
  pattern = pattern.replace(/^\/+/, '').replace(/\/+$/, '');
  const tokens: Token[] = anchored ? [] : [{ type: 'deep' }];
  for (let i = 0; i < pattern.length; ) {
    const char = pattern[i] as string;
    if (char === '*') i = parseStars(pattern, i, tokens);
    else if (char === '?') {
      tokens.push({ type: 'any' });
      i++;
    } else if (char === '[') i = parseSet(pattern, i, tokens, source);
    else {
      if (char === '\\') i++;
      tokens.push({ type: 'char', code: pattern.charCodeAt(Math.min(i, pattern.length - 1)) });
      i++;
    }
  }
  return tokens;
}

function parseStars(pattern: string, start: number, tokens: Token[]): number {
  let end = start;
  while (pattern[end] === '*') end++;
  if (end - start === 1) tokens.push({ type: 'star' });
  else if (pattern[end] === '/' && (start === 0 || pattern[start - 1] === '/')) {
    tokens.push({ type: 'deep' });
    end++;
  } else tokens.push({ type: 'all' });
  return end;
}

function parseSet(pattern: string, start: number, tokens: Token[], source: string): number {
  let i = start + 1;
  const negated = pattern[i] === '!' || pattern[i] === '^';
  if (negated) i++;
  const ranges: [number, number][] = [];
  for (let first = true; first || pattern[i] !== ']'; first = false) {
    if (i >= pattern.length) throw bad(source, "a '[' is not closed");
    if (pattern[i] === '\\') i++;
    const from = pattern.charCodeAt(i);
    const isRange = pattern[i + 1] === '-' && i + 2 < pattern.length && pattern[i + 2] !== ']';
    ranges.push([from, isRange ? pattern.charCodeAt(i + 2) : from]);
    i += isRange ? 3 : 1;
  }
  tokens.push({ type: 'set', negated, ranges });
  return i + 1;
}

/**
 * Matches with two fall-back points, the last star (which stops at '/') and the last `**`. Going back to an earlier one of the
 * same kind is never needed: the later one can take over whatever the earlier one would have eaten.
 */
function matches(tokens: readonly Token[], path: string): boolean {
  let t = 0;
  let p = 0;
  let starToken = -1;
  let starPath = -1;
  let deepToken = -1;
  let deepPath = -1;
  for (;;) {
    const token = tokens[t];
    if (token === undefined) {
      if (p === path.length || path.charCodeAt(p) === SLASH) return true;
    } else if (token.type === 'star') {
      starToken = ++t;
      starPath = p;
      continue;
    } else if (token.type === 'all' || token.type === 'deep') {
      deepToken = t++;
      deepPath = p;
      starToken = -1;
      continue;
    } else if (p < path.length && accepts(token, path.charCodeAt(p))) {
      t++;
      p++;
      continue;
    }
    if (starToken >= 0 && starPath < path.length && path.charCodeAt(starPath) !== SLASH) {
      p = ++starPath;
      t = starToken;
      continue;
    }
    if (deepToken < 0) return false;
    deepPath = (tokens[deepToken] as Token).type === 'deep' ? path.indexOf('/', deepPath) + 1 : deepPath + 1;
    if (deepPath === 0 || deepPath > path.length) return false;
    p = deepPath;
    t = deepToken + 1;
    starToken = -1;
  }
}

function accepts(token: Token, code: number): boolean {
  if (token.type === 'char') return token.code === code;
  if (code === SLASH) return false;
  if (token.type !== 'set') return true;
  return token.ranges.some(([from, to]) => code >= from && code <= to) !== token.negated;
}
