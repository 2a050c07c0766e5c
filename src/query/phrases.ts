/**
 * Quoted phrases: a chunk must hold each of them literally, as whole words, letters compared without case. Postings narrow the
 * chunks down to those with all words; their texts are then read and compared.
 */
import { textTerms, textWords } from '../text/index.ts';
import { Bitset } from '../util/bitset.ts';
import { boundedLookup, type PartQuery } from './statistics.ts';

/** Chunk texts read per query, so that a phrase of very common words cannot hold up everyone. */
const MAX_READ = 4000;
const WORD_CHARACTER = /[\p{L}\p{M}\p{N}_]/u;

export interface PhraseResult {
  /** The parts, with scopes cut down to chunks that hold every phrase. */
  readonly parts: PartQuery[];
  /** Chunks that hold all words but were not read because the budget was spent; 0 = the answer is exact. */
  readonly unread: number;
}

/** @param phrases each with at least one word */
export function requirePhrases(parts: readonly PartQuery[], phrases: readonly string[]): PhraseResult {
  const words = phrases.flatMap((phrase) => textWords(phrase));
  const wanted = phrases.map((phrase) => phrase.toLowerCase());
  let read = 0;
  let unread = 0;
  const narrowed = parts.map((query) => {
    const chunks = new Bitset(query.chunkCount);
    const docs = new Bitset(query.docCount);
    for (const chunk of chunksWithAll(query, words)) {
      const doc = query.part.chunkDocs[chunk] as number;
      if (query.scope.docs?.has(doc) === false || query.scope.chunks?.has(chunk) === false) continue;
      if (read === MAX_READ) {
        unread++;
        continue;
      }
      read++;
      const text = query.part.chunkText(chunk).toLowerCase();
      if (!wanted.every((phrase) => holdsPhrase(text, phrase))) continue;
      chunks.add(chunk);
      docs.add(doc);
    }
    return { ...query, scope: { ...query.scope, docs, chunks } };
  });
  return { parts: narrowed, unread };
}

/** True if `text` has `phrase` and no word character continues it on either side. Both in lower case. */
function holdsPhrase(text: string, phrase: string): boolean {
  for (let at = text.indexOf(phrase); at >= 0; at = text.indexOf(phrase, at + 1)) {
    const end = at + phrase.length;
    const opens = at === 0 || !WORD_CHARACTER.test(phrase[0] as string) || !WORD_CHARACTER.test(text[at - 1] as string);
    const closes = end === text.length || !WORD_CHARACTER.test(phrase[phrase.length - 1] as string) || !WORD_CHARACTER.test(text[end] as string);
    if (opens && closes) return true;
  }
  return false;
}

function chunksWithAll(query: PartQuery, words: readonly string[]): number[] {
  let kept: number[] | null = null;
  for (const word of new Set(words.map((w) => w.toLowerCase()))) {
    const next: Set<number> = chunksWith(query, word);
    kept = kept === null ? [...next].sort((a, b) => a - b) : kept.filter((chunk) => next.has(chunk));
    if (kept.length === 0) break;
  }
  return kept ?? [];
}

/** Chunks that may hold the word in some casing: `readfile` is indexed by its stem, `readFile` by its whole. */
function chunksWith(query: PartQuery, word: string): Set<number> {
  const chunks = new Set<number>();
  for (const term of new Set([word, ...textTerms(word).slice(0, 1)])) {
    const found = boundedLookup(query.part, 'body', term, query.chunkCount);
    for (let i = 0; found !== null && i < found.count; i++) chunks.add(found.ids[i] as number);
  }
  return chunks;
}
