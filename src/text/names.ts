/**
 * Names of definitions, and names in queries. Owns what makes a query word a symbol name.
 */
import { identifierParts } from './split.ts';
import { stem } from './stemmer.ts';
import { addTerms, textWords, wordTerms, type TermCounts } from './tokenizer.ts';

/**
 * SymbolRecord.terms: distinct terms of a definition name. The first is the whole name when there is more than one part,
 * also for names of several words (Markdown headings, `operator ==`), whose whole is the lower-case text.
 */
export function definitionTerms(name: string): string[] {
  const words = textWords(name);
  if (words.length === 0) return [];
  if (words.length === 1) return [...new Set(wordTerms(words[0] as string))];
  return [...new Set([words.join(' ').toLowerCase(), ...words.flatMap((word) => identifierParts(word)).map(stem)])];
}

/** DocRecord.commentTerms: terms of all comments of a file. */
export function commentTerms(comments: Iterable<string>): TermCounts {
  const terms = new Map<string, number>();
  let length = 0;
  for (const comment of comments) length += addTerms(terms, comment);
  return { terms, length };
}

const SEPARATOR = /::|\.|->|\\/;

/** True for a query that is one word and looks like a name in code: qualified, snake_case, inner capital, leading capital. */
export function isSymbolQuery(query: string): boolean {
  const text = query.trim();
  return !/\s/.test(text) && (SEPARATOR.test(text) || text.includes('_') || /[a-z][A-Z]/.test(text) || /^[A-Z]/.test(text));
}

const QUALIFIED = /[\p{L}_$][\p{L}\p{N}_$]*(?:(?:::|\.|->|\\)[\p{L}_$][\p{L}\p{N}_$]*)*/gu;
/** Inner capital, underscore or separator; `Word`, `URL`: a capitalised word is looked up too, since a lookup costs nothing. */
const NAME_LIKE = /[a-z][A-Z]|_|::|\.|->|[A-Z]{2,}[a-z]|^[A-Z][a-z]{2,}$|^[A-Z]{2,}$/;

/** A name that a query may mean. */
export interface QueryName {
  readonly name: string;
  readonly isQualified: boolean;
  /** Less than 1 for the last part of a qualified name, which may be someone else's. */
  readonly sure: number;
  /** A capitalised word of a sentence: most often just English, and sometimes a type. */
  readonly isWord: boolean;
}

const LAST_PART = 0.7;
const CAPITALISED = /^[A-Z][a-z]+$/;

/**
 * Names of symbols that a query may mean: all of it if it is one word, else the words that look like names; a qualified
 * name also with '.' between the parts (as SymbolRecord.qualified has it), and its last part.
 */
export function symbolNames(query: string): QueryName[] {
  const text = query.trim();
  const isSentence = /\s/.test(text);
  const words = isSentence ? (text.match(QUALIFIED) ?? []).filter((word) => NAME_LIKE.test(word)) : [text];
  const names = new Map<string, QueryName>();
  const add = (name: string, isQualified: boolean, sure: number, isWord: boolean): void => {
    if (name !== '' && (names.get(name)?.sure ?? 0) < sure) names.set(name, { name, isQualified, sure, isWord });
  };
  for (const word of words) {
    const parts = word.split(SEPARATOR).filter((part) => part !== '');
    add(word, parts.length > 1, 1, isSentence && CAPITALISED.test(word));
    if (parts.length > 1) {
      add(parts.join('.'), true, 1, false);
      add(parts[parts.length - 1] as string, false, LAST_PART, false);
    }
  }
  return [...names.values()];
}
