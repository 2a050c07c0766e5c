/**
 * Collection statistics of one query: counts, lengths and document frequencies, summed over the live docs of all parts, so that
 * every part is scored with the same numbers and the spread of docs over parts changes nothing. Filters do not change them.
 */
import type { PartView, Snapshot } from '../index/snapshot.ts';
import type { Field, IndexPart, Postings, PostingsPool } from '../segment/part.ts';
import type { Bitset } from '../util/bitset.ts';
import { partColumns, type PartColumns } from './part-columns.ts';
import { partScope, type CompiledFilter, type PartScope } from './filters.ts';
import { groupStart, type Scratch } from './scratch.ts';
import { FILE_IDF } from './weights.ts';

/** One part as a query sees it. Global ids are base + local id; those of chunks and symbols begin with a group of the scratch. */
export interface PartQuery {
  readonly view: PartView;
  readonly part: IndexPart;
  readonly columns: PartColumns;
  readonly scope: PartScope;
  readonly docCount: number;
  readonly chunkCount: number;
  readonly symbolCount: number;
  readonly docBase: number;
  readonly chunkBase: number;
  readonly symbolBase: number;
}

/** Sums over live docs that have chunks. */
export interface Totals {
  docs: number;
  chunks: number;
  /** Terms of all chunks, the path terms of each chunk included. */
  textLength: number;
  pathLength: number;
  commentLength: number;
  symbols: number;
}

export type SearchField = 'body' | 'path' | 'definition' | 'comment';

/** One query term: its postings in each part (by part index) and its frequencies over live docs. */
export interface TermStatistics {
  readonly term: string;
  /** Occurrences in the query. */
  readonly count: number;
  readonly postings: Readonly<Record<SearchField, readonly (Postings | null)[]>>;
  /** Chunks that hold the term in their text or path. */
  readonly chunkFrequency: number;
  /** Docs that hold it in their text; in path; in comments and definition names, 0 unless asked for. */
  readonly docFrequency: number;
  readonly pathFrequency: number;
  readonly commentFrequency: number;
  readonly definitionFrequency: number;
}

export function openParts(snapshot: Snapshot, filter: CompiledFilter): PartQuery[] {
  const parts: PartQuery[] = [];
  let docBase = 0;
  let chunkBase = 0;
  let symbolBase = 0;
  for (const view of snapshot.parts) {
    const { part, docCount, chunkCount } = view;
    const symbolCount = part.symbolStart(docCount);
    const columns = partColumns(part, docCount);
    parts.push({ view, part, columns, scope: partScope(view, filter), docCount, chunkCount, symbolCount, docBase, chunkBase, symbolBase });
    docBase += docCount;
    chunkBase = groupStart(chunkBase + chunkCount);
    symbolBase = groupStart(symbolBase + symbolCount);
  }
  return parts;
}

const totalsOf = new WeakMap<PartView, Totals>();

export function sumTotals(parts: readonly PartQuery[]): Totals {
  const sum: Totals = { docs: 0, chunks: 0, textLength: 0, pathLength: 0, commentLength: 0, symbols: 0 };
  for (const query of parts) {
    let totals = totalsOf.get(query.view);
    if (totals === undefined) {
      totals = partTotals(query);
      totalsOf.set(query.view, totals);
    }
    for (const name of Object.keys(sum) as (keyof Totals)[]) sum[name] += totals[name];
  }
  return sum;
}

function partTotals({ view, part, columns, docCount }: PartQuery): Totals {
  const sum: Totals = { docs: 0, chunks: 0, textLength: 0, pathLength: 0, commentLength: 0, symbols: 0 };
  for (let doc = 0; doc < docCount; doc++) {
    if (view.live !== null && !view.live.has(doc)) continue;
    const chunks = part.chunkStart(doc + 1) - part.chunkStart(doc);
    if (chunks === 0) continue;
    sum.docs++;
    sum.chunks += chunks;
    sum.textLength += columns.textLengths[doc] as number;
    sum.pathLength += columns.pathLengths[doc] as number;
    sum.commentLength += part.commentLengths[doc] as number;
    sum.symbols += part.symbolStart(doc + 1) - part.symbolStart(doc);
  }
  return sum;
}

/** Postings with ids below `limit` only: a live memtable may have grown since the snapshot. */
export function boundedLookup(part: IndexPart, field: Field, term: string, limit: number, pool?: PostingsPool): Postings | null {
  const found = part.field(field).lookup(term, pool);
  if (found === null) return null;
  let { count } = found;
  while (count > 0 && (found.ids[count - 1] as number) >= limit) count--;
  return count === 0 ? null : { count, ids: found.ids, values: found.values };
}

/** Postings are valid until the scratch is reset. Comments, and how many docs have the term in their names, are told only where that is asked for. */
export function termStatistics(parts: readonly PartQuery[], term: string, count: number, scratch: Scratch, withDocTexts: boolean): TermStatistics {
  const pool = scratch.postings;
  const postings: Record<SearchField, (Postings | null)[]> = { body: [], path: [], definition: [], comment: [] };
  const sum = { chunkFrequency: 0, docFrequency: 0, pathFrequency: 0, commentFrequency: 0, definitionFrequency: 0 };
  for (const query of parts) {
    const { part, docCount, chunkCount, symbolCount } = query;
    const body = boundedLookup(part, 'body', term, chunkCount, pool);
    const path = boundedLookup(part, 'path', term, docCount, pool);
    const comment = withDocTexts ? boundedLookup(part, 'comment', term, docCount, pool) : null;
    const definition = boundedLookup(part, 'definition', term, symbolCount, pool);
    postings.body.push(body);
    postings.path.push(path);
    postings.comment.push(comment);
    postings.definition.push(definition);
    const counts = countTerm(query, term, body, path, scratch);
    sum.pathFrequency += counts.pathDocs;
    sum.chunkFrequency += counts.chunks;
    sum.docFrequency += counts.docs;
    sum.commentFrequency += countDocs(query, comment, null);
    if (withDocTexts) sum.definitionFrequency += countDocs(query, definition, part.symbolDocs);
  }
  return { term, count, postings, ...sum };
}

/** Of one term in one part, over live docs. */
interface TermCounts {
  /** Chunks with the term in their text or path; docs with it in their text; docs with it in their path. */
  readonly chunks: number;
  readonly docs: number;
  readonly pathDocs: number;
}

/** Counts of a common word take as long as a pass over its postings, and common words come again and again. */
interface KnownCounts extends TermCounts {
  readonly live: Bitset | null;
  readonly bodyCount: number;
  readonly pathCount: number;
}
const COMMON_WORD = 512;
/** Per part; about 150 bytes each. */
const MAX_KNOWN = 512;
const knownCounts = new WeakMap<IndexPart, Map<string, KnownCounts>>();

function countTerm(query: PartQuery, term: string, body: Postings | null, path: Postings | null, scratch: Scratch): TermCounts {
  if (body === null || body.count < COMMON_WORD) return countPostings(query, body, path, scratch);
  const { part, view: { live } } = query;
  let known = knownCounts.get(part);
  if (known === undefined) knownCounts.set(part, (known = new Map()));
  const found = known.get(term);
  // Rows only come, in order: equal numbers of postings are the same postings. A version of the liveness never changes.
  if (found !== undefined && found.live === live && found.bodyCount === body.count && found.pathCount === (path?.count ?? 0)) return found;
  if (known.size >= MAX_KNOWN) known.clear();
  const counts = { ...countPostings(query, body, path, scratch), live, bodyCount: body.count, pathCount: path?.count ?? 0 };
  known.set(term, counts);
  return counts;
}

function countPostings(query: PartQuery, body: Postings | null, path: Postings | null, scratch: Scratch): TermCounts {
  const inPath = markPath(query, path, scratch);
  const { chunks, docs } = countText(query, body, inPath.chunks, scratch);
  unmarkPath(query, path, scratch);
  return { chunks, docs, pathDocs: inPath.docs };
}

function isLive({ view }: PartQuery, doc: number): boolean {
  return view.live === null || view.live.has(doc);
}

/** Notes the path weight of each live doc with the term in its path; how many docs and chunks those are. */
function markPath(query: PartQuery, path: Postings | null, scratch: Scratch): { docs: number; chunks: number } {
  const sum = { docs: 0, chunks: 0 };
  if (path === null) return sum;
  for (let i = 0; i < path.count; i++) {
    const doc = path.ids[i] as number;
    const chunks = query.part.chunkStart(doc + 1) - query.part.chunkStart(doc);
    if (chunks === 0 || !isLive(query, doc)) continue;
    scratch.pathWeights[query.docBase + doc] = path.values[i] as number;
    sum.docs++;
    sum.chunks += chunks;
  }
  return sum;
}

function unmarkPath(query: PartQuery, path: Postings | null, scratch: Scratch): void {
  if (path === null) return;
  for (let i = 0; i < path.count; i++) scratch.pathWeights[query.docBase + (path.ids[i] as number)] = 0;
}

/** Live chunks with the term in text or path (`pathChunks` are those whose path has it), and docs with it in their text. */
function countText(query: PartQuery, body: Postings | null, pathChunks: number, scratch: Scratch): { docs: number; chunks: number } {
  let chunks = pathChunks;
  let docs = 0;
  if (body === null) return { docs, chunks };
  const { ids, count } = body;
  const { chunkDocs } = query.part;
  const live = query.view.live?.words ?? null;
  let last = -1;
  if (live === null && pathChunks === 0) {
    for (let i = 0; i < count; i++) {
      const doc = chunkDocs[ids[i] as number] as number;
      if (doc !== last) docs++;
      last = doc;
    }
    return { docs, chunks: count };
  }
  const { pathWeights } = scratch;
  for (let i = 0; i < count; i++) {
    const doc = chunkDocs[ids[i] as number] as number;
    if (live !== null && ((live[doc >>> 5] as number) & (1 << (doc & 31))) === 0) continue;
    if (pathWeights[query.docBase + doc] === 0) chunks++;
    if (doc !== last) docs++;
    last = doc;
  }
  return { docs, chunks };
}

function countDocs(query: PartQuery, postings: Postings | null, docOf: Uint32Array | null): number {
  if (postings === null) return 0;
  let docs = 0;
  let last = -1;
  for (let i = 0; i < postings.count; i++) {
    const id = postings.ids[i] as number;
    const doc = docOf === null ? id : (docOf[id] as number);
    if (doc !== last && isLive(query, doc)) docs++;
    last = doc;
  }
  return docs;
}

/** BM25 idf, never negative (Lucene's form of Robertson and Spärck Jones). */
export function idf(total: number, frequency: number): number {
  return Math.log(1 + (total - frequency + 0.5) / (frequency + 0.5));
}

/** How much a query word counts in coverage features: idf over files with a floor. */
export function fileIdf(total: number, frequency: number): number {
  return frequency === 0 ? FILE_IDF.absent : Math.max(idf(total, frequency), FILE_IDF.floor);
}
