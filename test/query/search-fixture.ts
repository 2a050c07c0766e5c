/** Shared by the tests of the query layer: searches over small corpora, split over parts at will. */
import type { DocRecord } from '../../src/format/doc.ts';
import type { Snapshot } from '../../src/index/snapshot.ts';
import { search } from '../../src/query/search.ts';
import type { QueryVectors } from '../../src/query/semantic.ts';
import type { SearchHit, SearchRequest } from '../../src/query/types.ts';
import { snapshotOf, SimplePart } from '../support/simple-part.ts';
import { sourceDoc, type SourceOptions } from '../support/source-doc.ts';

/** A snapshot with one part from `{path: text}`. */
export function corpus(files: Readonly<Record<string, string>>, options: SourceOptions = {}): Snapshot {
  return snapshotOf([new SimplePart(docsOf(files, options))]);
}

export function docsOf(files: Readonly<Record<string, string>>, options: SourceOptions = {}): DocRecord[] {
  return Object.entries(files).map(([key, text]) => sourceDoc(key, text, options));
}

export function hitsOf(snapshot: Snapshot, query: string, more: Partial<SearchRequest> = {}, vectors: QueryVectors | null = null): readonly SearchHit[] {
  return search(snapshot, { query, limit: 10, ...more }, vectors).hits;
}

/** Files in order of their best hit. */
export function filesOf(snapshot: Snapshot, query: string, more: Partial<SearchRequest> = {}, vectors: QueryVectors | null = null): string[] {
  return [...new Set(hitsOf(snapshot, query, more, vectors).map(({ key }) => key))];
}

const TOPICS: readonly (readonly string[])[] = [
  ['crash', 'recover', 'replay', 'torn', 'restart', 'failure'],
  ['parse', 'syntax', 'token', 'grammar', 'lexer'],
  ['socket', 'connect', 'listen', 'network', 'http'],
  ['paint', 'color', 'draw', 'render', 'pixel'],
];

/** A toy embedding: one dimension per topic, so that words of one topic are near each other. */
export function embedTopics(text: string): Float32Array {
  const lower = text.toLowerCase();
  return Float32Array.from(TOPICS, (words) => words.reduce((sum, word) => sum + lower.split(word).length - 1, 0) + 0.01);
}

export function topicVectors(query: string): QueryVectors {
  return { vector: embedTopics(query), pathVector: embedTopics(query) };
}
