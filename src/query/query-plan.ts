/**
 * From a request to what the ranking looks for: terms, names, phrases, and which side files the query asks for.
 * Owns the validation of a search request.
 */
import { isStopWord, isSymbolQuery, queryTerms, symbolNames, textWords, type QueryName, type SideKind } from '../text/index.ts';
import { CairnError } from '../util/errors.ts';
import type { SearchRequest } from './types.ts';

/** One bit each in the masks that say which query words a chunk or file holds. */
export const MAX_TERMS = 31;
/** Longer queries (pasted code) are cut here before their rarest terms are chosen. */
const MAX_CONSIDERED = 512;
const MAX_NAMES = 64;
export const MAX_LIMIT = 1000;

export interface QueryPlan {
  /** Without phrase quotes. */
  readonly text: string;
  /** Distinct terms in query order, and how often each occurs. */
  readonly terms: readonly string[];
  readonly counts: readonly number[];
  /** Per term: it only names the project. */
  readonly isProject: readonly boolean[];
  /** Adjacent terms, "a b". */
  readonly pairs: readonly string[];
  /** Names of symbols that the query may mean, as written. */
  readonly names: readonly QueryName[];
  /** Words with a '.' or '/': candidates for file names and paths. */
  readonly fileNames: readonly string[];
  /** Substrings that a chunk must hold, any case. */
  readonly phrases: readonly string[];
  /** True for a query of one word without spaces. */
  readonly isSingleWord: boolean;
  readonly isSymbol: boolean;
  readonly lifted: ReadonlySet<SideKind>;
}

export function planQuery(request: SearchRequest): QueryPlan {
  validate(request);
  const { text, phrases } = splitPhrases(request.query);
  const all = queryTerms(text).slice(0, MAX_CONSIDERED);
  const terms = [...new Set(all)];
  return {
    text,
    terms,
    counts: terms.map((term) => all.reduce((n, other) => (other === term ? n + 1 : n), 0)),
    isProject: namesProject(terms, request.projectTerms ?? []),
    pairs: all.slice(1).map((term, i) => `${all[i]} ${term}`),
    names: symbolNames(text.slice(0, 4096)).slice(0, MAX_NAMES),
    fileNames: fileNames(text),
    phrases,
    isSingleWord: !/\s/.test(text.trim()),
    isSymbol: isSymbolQuery(text),
    lifted: liftedKinds(text, request.filters?.paths ?? []),
  };
}

/** The plan with only these terms (for queries of more terms than there are mask bits). */
export function withTerms(plan: QueryPlan, kept: readonly number[]): QueryPlan {
  return { ...plan, terms: kept.map((i) => plan.terms[i] as string), counts: kept.map((i) => plan.counts[i] as number), isProject: kept.map((i) => plan.isProject[i] as boolean) };
}

/** Of a query that has other words too; a query that is nothing but the project's name means it. */
function namesProject(terms: readonly string[], projectTerms: readonly string[]): boolean[] {
  const hasOthers = terms.some((term) => !projectTerms.includes(term));
  return terms.map((term) => hasOthers && projectTerms.includes(term));
}

/** Query words without stop words, as the path embedding wants them; the query itself if nothing is left. */
export function pathQueryText(query: string): string {
  return textWords(query).filter((word) => !isStopWord(word)).join(' ') || query;
}

function validate(request: SearchRequest): void {
  if (request.query.trim() === '') {
    throw new CairnError('INVALID_ARGUMENT', 'the query is empty', { hint: 'Give a few words, a symbol name or a file name to look for.' });
  }
  if (!Number.isInteger(request.limit) || request.limit < 1 || request.limit > MAX_LIMIT) {
    throw new CairnError('INVALID_ARGUMENT', `limit ${request.limit} is not a whole number from 1 to ${MAX_LIMIT}`, { hint: 'Ask for 10 results, say.' });
  }
}

/** `"exact words"` are phrases; a lone quote, and quotes around punctuation, are ordinary characters. The words of a phrase also rank. */
function splitPhrases(query: string): { text: string; phrases: string[] } {
  const phrases: string[] = [];
  const text = query.replace(/"([^"\n]*)"/g, (_, phrase: string) => {
    if (textWords(phrase).length > 0) phrases.push(phrase);
    return ` ${phrase} `;
  });
  return { text: phrases.length > 0 ? text.trim() : query.trim(), phrases: phrases.slice(0, 16) };
}

function fileNames(text: string): string[] {
  return (text.slice(0, 4096).match(/[^\s"'`,;:()<>]+/g) ?? [])
    .filter((word) => /[./]/.test(word))
    .map((word) => word.replace(/^(?:\.?\/)+/, '').replace(/[./]+$/, ''))
    .filter((word) => word !== '')
    .slice(0, 16);
}

const ASKS_TESTS = /\b(tests?|testing|specs?|unit ?tests?|fixtures?|mocks?)\b/i;
const ASKS_EXAMPLES = /\b(examples?|samples?|demos?|bench|benches|benchmarks?|benchmarking|legacy|compat|compatibility|tutorials?)\b/i;
const ASKS_BARRELS = /__init__|package-info|\bre-?exports?\b/i;
const ASKS_TYPINGS = /\.d\.ts\b|\btypings?\b|\btype (declarations?|definitions?)\b/i;
const ASKS_WINDOWS = /\b(windows|win|win32|win64|winapi|winsock|iocp|msvc|ntdll|powershell)\b/i;
const ASKS_CHANGELOG = /\b(change ?logs?|changes|history|releases?|released|news)\b/i;

/** Side files that the query or a positive path filter asks for. */
function liftedKinds(text: string, globs: readonly string[]): ReadonlySet<SideKind> {
  const wanted = [text, ...globs.filter((glob) => !glob.startsWith('!')).map((glob) => glob.replace(/[_/]/g, ' '))].join('\n');
  const kinds = new Set<SideKind>();
  if (ASKS_TESTS.test(wanted)) kinds.add('test');
  if (ASKS_EXAMPLES.test(wanted)) kinds.add('example');
  if (ASKS_BARRELS.test(wanted) || globs.some((glob) => glob.includes('__init__'))) kinds.add('barrel');
  if (ASKS_TYPINGS.test(wanted)) kinds.add('typings');
  if (ASKS_CHANGELOG.test(wanted)) kinds.add('changelog');
  if (ASKS_WINDOWS.test(wanted)) kinds.add('windows');
  return kinds;
}
