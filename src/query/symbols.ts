/**
 * Symbol search by name: exact, prefix, parts of the name, camel humps (`gUN` finds `getUserName`), letters in order.
 * Better kinds of match come first; filters apply before anything is cut.
 */
import type { SymbolKind } from '../format/doc.ts';
import type { Snapshot } from '../index/snapshot.ts';
import { identifierParts } from '../text/split.ts';
import { pathPenalty, textTerms } from '../text/index.ts';
import { CairnError } from '../util/errors.ts';
import { kindWorth } from './candidates.ts';
import { compileFilter } from './filters.ts';
import { Slices } from './slices.ts';
import { boundedLookup, openParts, type PartQuery } from './statistics.ts';
import type { SearchFilters } from './types.ts';

export interface SymbolRequest {
  readonly query: string;
  /** 1..1000 */
  readonly limit: number;
  readonly filters?: SearchFilters | undefined;
  /** Only symbols with exactly this name or qualified name. */
  readonly exact?: boolean | undefined;
}

export type SymbolMatch = 'exact' | 'case' | 'prefix' | 'words' | 'humps' | 'letters';

export interface SymbolHit {
  readonly key: string;
  readonly language: string;
  readonly name: string;
  readonly qualified: string;
  readonly kind: SymbolKind;
  readonly startLine: number;
  readonly endLine: number;
  readonly match: SymbolMatch;
  /** 0..1 */
  readonly score: number;
}

/** Base score of each kind of match; what remains up to the next better kind is for closeness and for the kind of symbol. */
const BASE: Readonly<Record<SymbolMatch, number>> = { exact: 0.9, case: 0.8, prefix: 0.65, words: 0.5, humps: 0.4, letters: 0.2 };
const FUZZY_TERMS = 200_000;
const MAX_QUERY = 256;

/**
 * Finds symbols, best first.
 * @throws INVALID_ARGUMENT for an empty query or a bad limit; CANCELLED
 */
export async function searchSymbols(snapshot: Snapshot, request: SymbolRequest, signal?: AbortSignal): Promise<SymbolHit[]> {
  const query = validate(request);
  const slices = new Slices(Number.POSITIVE_INFINITY, signal);
  const parts = openParts(snapshot, compileFilter({ ...request.filters, kinds: undefined }));
  const kinds = new Set<string>(request.filters?.kinds ?? []);
  const hits = new Map<string, SymbolHit>();
  for (const part of parts) {
    const found = request.exact === true ? exactIds(part, query) : await allIds(part, query, request.limit, slices);
    for (const id of found) {
      await slices.pause();
      const hit = toHit(part, id, query, kinds);
      if (hit !== null && (request.exact !== true || hit.match === 'exact')) hits.set(`${hit.key}\n${hit.startLine}\n${hit.qualified}`, hit);
    }
  }
  return [...hits.values()].sort(compareHits).slice(0, request.limit);
}

function validate({ query, limit }: SymbolRequest): string {
  const text = query.trim().slice(0, MAX_QUERY).replace(/::|->|(?<=[\w$])#/g, '.');
  if (text === '') throw new CairnError('INVALID_ARGUMENT', 'the symbol query is empty', { hint: 'Give a name, its beginning, or its capitals.' });
  if (!Number.isInteger(limit) || limit < 1 || limit > 1000) {
    throw new CairnError('INVALID_ARGUMENT', `limit ${limit} is not a whole number from 1 to 1000`, { hint: 'Ask for 20 results, say.' });
  }
  return text;
}

function compareHits(a: SymbolHit, b: SymbolHit): number {
  if (a.score !== b.score) return b.score - a.score;
  if (a.name.length !== b.name.length) return a.name.length - b.name.length;
  return a.key === b.key ? a.startLine - b.startLine : a.key < b.key ? -1 : 1;
}

function exactIds(part: PartQuery, query: string): Set<number> {
  return idsOf(part, 'name', [query]);
}

function idsOf(part: PartQuery, field: 'name' | 'definition', terms: Iterable<string>, into = new Set<number>()): Set<number> {
  for (const term of terms) {
    const found = boundedLookup(part.part, field, term, part.symbolCount);
    for (let i = 0; found !== null && i < found.count; i++) {
      const id = found.ids[i] as number;
      if (part.scope.docs?.has(part.part.symbolDocs[id] as number) !== false) into.add(id);
    }
  }
  return into;
}

/** Symbols that may match: cheap lookups first; the whole dictionary only when those leave the page unfilled. */
async function allIds(part: PartQuery, query: string, limit: number, slices: Slices): Promise<Set<number>> {
  const lower = query.toLowerCase();
  const definitions = part.part.field('definition');
  const ids = idsOf(part, 'name', [query, ...part.part.field('name').withPrefix(query, 4 * limit)]);
  idsOf(part, 'definition', [...textTerms(query), ...definitions.withPrefix(lower, 4 * limit)], ids);
  if (ids.size >= limit) return ids;
  const letters = lower.replace(/[^\p{L}\p{N}]/gu, '');
  if (letters.length < 2) return ids;
  const fuzzy: string[] = [];
  let seen = 0;
  for (const term of definitions.terms()) {
    if ((++seen & 255) === 0) await slices.pause();
    if (seen > FUZZY_TERMS) break;
    if (term.length > letters.length && isSubsequence(letters, term)) fuzzy.push(term);
  }
  return idsOf(part, 'definition', fuzzy, ids);
}

function isSubsequence(letters: string, text: string): boolean {
  let at = -1;
  for (let i = 0; i < letters.length; i++) {
    at = text.indexOf(letters[i] as string, at + 1);
    if (at < 0) return false;
  }
  return true;
}

function toHit({ part }: PartQuery, id: number, query: string, kinds: ReadonlySet<string>): SymbolHit | null {
  const { doc, name, qualified, kind, startLine, endLine } = part.symbol(id);
  if (kinds.size > 0 && !kinds.has(kind)) return null;
  const found = matchName(query, name, qualified);
  if (found === null) return null;
  const key = part.docKey(doc);
  // Less than the distance between two kinds of match: kind of symbol and side files only order equals.
  const score = BASE[found.match] + found.closeness * 0.06 + 0.02 * kindWorth(kind) + 0.02 * pathPenalty(key);
  return { key, language: part.docLanguage(doc), name, qualified, kind, startLine, endLine, match: found.match, score };
}

/** How a query matches a name, or null. `closeness` 0..1 is the share of the name that the query spells out. */
export function matchName(query: string, name: string, qualified: string): { match: SymbolMatch; closeness: number } | null {
  if (name === query || qualified === query || qualified.endsWith(`.${query}`)) return { match: 'exact', closeness: 1 };
  const lower = query.toLowerCase();
  const lowerName = name.toLowerCase();
  const closeness = Math.min(1, lower.length / Math.max(1, name.length));
  if (lowerName === lower || qualified.toLowerCase() === lower || plain(lowerName) === plain(lower)) return { match: 'case', closeness: 1 };
  if (lowerName.startsWith(lower)) return { match: 'prefix', closeness };
  if (holdsWords(query, name)) return { match: 'words', closeness };
  const letters = plain(lower);
  if (letters.length < 2) return null;
  if (matchesHumps(letters, name)) return { match: 'humps', closeness };
  return isSubsequence(letters, plain(lowerName)) ? { match: 'letters', closeness: closeness * spread(letters, plain(lowerName)) } : null;
}

const plain = (text: string): string => text.replace(/[^\p{L}\p{N}]/gu, '');

/** Every word of the query is a word of the name, stemmed. */
function holdsWords(query: string, name: string): boolean {
  const words = new Set(textTerms(name));
  const wanted = query.split(/[^\p{L}\p{N}_]+/u).filter((word) => word !== '').flatMap((word) => textTerms(word).slice(-identifierParts(word).length));
  return wanted.length > 0 && wanted.every((term) => words.has(term));
}

/** The letters are beginnings of the name's parts, in order: `gun`, `getun` and `gUserN` match `getUserName`. */
export function matchesHumps(letters: string, name: string): boolean {
  const parts = name.split(/[^\p{L}\p{N}_]+/u).flatMap((word) => identifierParts(word)).filter((part) => part !== '');
  /** Letters matched so far that are possible after each part. */
  let reached = new Set([0]);
  for (const part of parts) {
    const next = new Set(reached);
    for (const at of reached) {
      for (let n = 1; n <= part.length && letters[at + n - 1] === part[n - 1] && at + n <= letters.length; n++) next.add(at + n);
    }
    reached = next;
    if (reached.has(letters.length)) return true;
  }
  return false;
}

/** 1 when the letters stand together, less the more they are spread out. */
function spread(letters: string, text: string): number {
  let at = -1;
  let first = -1;
  for (const letter of letters) {
    at = text.indexOf(letter, at + 1);
    if (first < 0) first = at;
  }
  return letters.length / Math.max(letters.length, at - first + 1);
}
