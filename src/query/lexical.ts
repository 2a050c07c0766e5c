/**
 * Scoring by terms: BM25 of chunk texts (body plus the virtual terms of the path [4.13]), the words that chunks, paths and
 * definition names hold, and BM25 over comments, names and paths for indexes without vectors. Writes to the scratch only.
 */
import type { Bitset } from '../util/bitset.ts';
import type { Postings } from '../segment/part.ts';
import { GROUP_SHIFT, type Scratch } from './scratch.ts';
import { idf, type PartQuery, type TermStatistics, type Totals } from './statistics.ts';
import { BM25 } from './weights.ts';

const { k1 } = BM25;
/** The part of BM25's denominator that no length changes. */
const BASE = k1 * (1 - BM25.b);

/** Adds term number `bit` to the BM25 score and mask of every chunk in scope. */
export function scoreText(parts: readonly PartQuery[], term: TermStatistics, bit: number, totals: Totals, scratch: Scratch): void {
  if (term.chunkFrequency === 0) return;
  const weight = term.count * idf(totals.chunks, term.chunkFrequency) * (k1 + 1);
  const perLength = (k1 * BM25.b * totals.chunks) / totals.textLength;
  parts.forEach((query, i) => {
    const path = term.postings.path[i] ?? null;
    if (path !== null) setPathWeights(query, path, scratch);
    const body = term.postings.body[i] ?? null;
    if (body !== null) {
      if (query.scope.docs !== null || query.scope.chunks !== null) scoreBody(query, body, 1 << bit, weight, perLength, scratch);
      else scoreWholeBody(query, body, path, { bit: 1 << bit, weight, perLength, scratch });
    }
    if (path !== null) scorePathOnly(query, path, 1 << bit, weight, perLength, scratch);
  });
}

function setPathWeights(query: PartQuery, path: Postings, scratch: Scratch): void {
  for (let i = 0; i < path.count; i++) {
    const doc = path.ids[i] as number;
    if (inScope(query.scope.docs, doc)) scratch.pathWeights[query.docBase + doc] = path.values[i] as number;
  }
}

interface TermScore {
  readonly bit: number;
  readonly weight: number;
  readonly perLength: number;
  readonly scratch: Scratch;
}

/**
 * With every doc in scope, as it mostly is. Postings ascend, so those of a doc whose path has the term lie together, and between
 * such docs nothing needs to be known of docs at all. The sums are those of `scoreBody`.
 */
function scoreWholeBody(query: PartQuery, body: Postings, path: Postings | null, term: TermScore): void {
  let at = 0;
  for (let i = 0; path !== null && i < path.count; i++) {
    const doc = path.ids[i] as number;
    at = scoreRun(query, body, at, query.part.chunkStart(doc), 0, term);
    at = scoreRun(query, body, at, query.part.chunkStart(doc + 1), path.values[i] as number, term);
  }
  scoreRun(query, body, at, query.chunkCount, 0, term);
}

/** Postings from `at` on of chunks below `end`, all with the same weight of the path; returns the next one. */
function scoreRun({ columns, chunkBase }: PartQuery, { ids, values, count }: Postings, at: number, end: number, pathWeight: number, { bit, weight, perLength, scratch }: TermScore): number {
  const { chunkLengths } = columns;
  const { chunkScores, chunkMasks, chunkGroups } = scratch;
  let i = at;
  for (; i < count; i++) {
    const local = ids[i] as number;
    if (local >= end) break;
    const chunk = chunkBase + local;
    const frequency = (values[i] as number) + pathWeight;
    chunkGroups[chunk >>> GROUP_SHIFT] = 1;
    chunkMasks[chunk] = (chunkMasks[chunk] as number) | bit;
    chunkScores[chunk] = (chunkScores[chunk] as number) + (weight * frequency) / (frequency + BASE + perLength * (chunkLengths[local] as number));
  }
  return i;
}

function scoreBody(query: PartQuery, { ids, values, count }: Postings, bit: number, weight: number, perLength: number, scratch: Scratch): void {
  const { chunkDocs } = query.part;
  const { chunkLengths } = query.columns;
  const docs = query.scope.docs?.words ?? null;
  const inChunks = query.scope.chunks;
  const { chunkScores, chunkMasks, chunkGroups, pathWeights } = scratch;
  const { docBase, chunkBase } = query;
  for (let i = 0; i < count; i++) {
    const local = ids[i] as number;
    const doc = chunkDocs[local] as number;
    if (docs !== null && ((docs[doc >>> 5] as number) & (1 << (doc & 31))) === 0) continue;
    if (inChunks !== null && !inChunks.has(local)) continue;
    const chunk = chunkBase + local;
    const frequency = (values[i] as number) + (pathWeights[docBase + doc] as number);
    chunkGroups[chunk >>> GROUP_SHIFT] = 1;
    chunkMasks[chunk] = (chunkMasks[chunk] as number) | bit;
    chunkScores[chunk] = (chunkScores[chunk] as number) + (weight * frequency) / (frequency + BASE + perLength * (chunkLengths[local] as number));
  }
}

/** Chunks whose path has the term and whose text has not. Their mask bit stays 0: coverage asks for words of the text. */
function scorePathOnly(query: PartQuery, path: Postings, bit: number, weight: number, perLength: number, scratch: Scratch): void {
  const { part, columns, scope, docBase, chunkBase } = query;
  const { chunkScores, chunkMasks, chunkGroups, pathWeights } = scratch;
  for (let i = 0; i < path.count; i++) {
    const doc = path.ids[i] as number;
    const frequency = pathWeights[docBase + doc] as number;
    if (frequency === 0) continue;
    pathWeights[docBase + doc] = 0;
    const end = part.chunkStart(doc + 1);
    for (let local = part.chunkStart(doc); local < end; local++) {
      const chunk = chunkBase + local;
      if (((chunkMasks[chunk] as number) & bit) !== 0 || !inScope(scope.chunks, local)) continue;
      chunkGroups[chunk >>> GROUP_SHIFT] = 1;
      chunkMasks[chunk] = (chunkMasks[chunk] as number) | PATH_ONLY;
      chunkScores[chunk] = (chunkScores[chunk] as number) + (weight * frequency) / (frequency + BASE + perLength * (columns.chunkLengths[local] as number));
    }
  }
}

/** Mask bit of chunks that were reached through their path; the 31 bits below it are query words. */
export const PATH_ONLY = 0x80000000;

export function inScope(set: Bitset | null, id: number): boolean {
  return set === null || set.has(id);
}

/** The three best chunk scores of each doc with one, and the sum that files are chosen by. */
export function collectTops(parts: readonly PartQuery[], scratch: Scratch): void {
  const bits = { scores: new Int32Array(scratch.chunkScores.buffer), tops: new Int32Array(scratch.docTop.buffer) };
  for (const query of parts) collectTopsOf(query, scratch, bits);
}

/**
 * Scores are never negative, and such floats are ordered as their bits are: maxima of integers need no branch, which nobody could
 * foretell here.
 */
function collectTopsOf({ part, docCount, docBase, chunkBase }: PartQuery, scratch: Scratch, { scores, tops }: { readonly scores: Int32Array; readonly tops: Int32Array }): void {
  const { chunkGroups, docTop, docScores, docs } = scratch;
  let end = chunkBase + part.chunkStart(0);
  for (let local = 0; local < docCount; local++) {
    const start = end;
    end = chunkBase + part.chunkStart(local + 1);
    if (start === end || !isAnyMarked(chunkGroups, start >>> GROUP_SHIFT, (end - 1) >>> GROUP_SHIFT)) continue;
    let [first, second, third] = [0, 0, 0];
    for (let chunk = start; chunk < end; chunk++) {
      const score = scores[chunk] as number;
      // The smaller of each pair goes on to the next place. (a - b) & ((a - b) >> 31) is the negative part of a - b.
      const under = (score - first) & ((score - first) >> 31);
      const left = first + under;
      first = score - under;
      const underSecond = (left - second) & ((left - second) >> 31);
      const last = second + underSecond;
      second = left - underSecond;
      third = last - ((last - third) & ((last - third) >> 31));
    }
    if (first === 0) continue;
    const doc = docBase + local;
    docs.add(doc);
    tops[3 * doc] = first;
    tops[3 * doc + 1] = second;
    tops[3 * doc + 2] = third;
    docScores[doc] = (docTop[3 * doc] as number) + 0.5 * (docTop[3 * doc + 1] as number);
  }
}

function isAnyMarked(groups: Uint8Array, from: number, to: number): boolean {
  for (let group = from; group <= to; group++) if (groups[group] !== 0) return true;
  return false;
}

/** Words in paths: mask, and idf mass for the path candidates. */
export function scorePaths(parts: readonly PartQuery[], term: TermStatistics, bit: number, mass: number, scratch: Scratch): void {
  parts.forEach((query, i) => {
    const path = term.postings.path[i];
    if (path === null || path === undefined) return;
    for (let j = 0; j < path.count; j++) {
      const local = path.ids[j] as number;
      if (!inScope(query.scope.docs, local) || query.part.chunkStart(local) === query.part.chunkStart(local + 1)) continue;
      const doc = query.docBase + local;
      if (scratch.pathMasks[doc] === 0) scratch.pathDocs.add(doc);
      scratch.pathMasks[doc] = (scratch.pathMasks[doc] as number) | (1 << bit);
      scratch.pathMass[doc] = (scratch.pathMass[doc] as number) + mass;
    }
  });
}

const WHOLE_NAME = 2;

/** Words in definition names, members left out: mask per doc (whole names too), idf mass per symbol (parts only). */
export function scoreDefinitions(parts: readonly PartQuery[], term: TermStatistics, bit: number, mass: number, scratch: Scratch): void {
  parts.forEach((query, i) => {
    const postings = term.postings.definition[i] ?? null;
    if (postings !== null) scoreDefinitionsOf(query, postings, 1 << bit, mass, scratch);
  });
}

function scoreDefinitionsOf({ part, columns, scope, docBase, symbolBase }: PartQuery, postings: Postings, bit: number, mass: number, scratch: Scratch): void {
  const { symbolMass, symbolGroups, definitionMasks, definitionDocs } = scratch;
  const { ids, values, count } = postings;
  const { symbolDocs } = part;
  const { members } = columns;
  for (let i = 0; i < count; i++) {
    const local = ids[i] as number;
    if (members[local] === 1) continue;
    const localDoc = symbolDocs[local] as number;
    if (!inScope(scope.docs, localDoc)) continue;
    const doc = docBase + localDoc;
    const mask = definitionMasks[doc] as number;
    if (mask === 0) definitionDocs.add(doc);
    definitionMasks[doc] = mask | bit;
    if (values[i] === WHOLE_NAME) continue;
    const symbol = symbolBase + local;
    symbolGroups[symbol >>> GROUP_SHIFT] = 1;
    symbolMass[symbol] = (symbolMass[symbol] as number) + mass;
  }
}

/** The best single name of each doc. */
export function collectDefinitions(parts: readonly PartQuery[], scratch: Scratch): void {
  for (const query of parts) collectDefinitionsOf(query, scratch);
}

function collectDefinitionsOf({ part, docBase, symbolBase, symbolCount }: PartQuery, { symbolGroups, symbolMass, definitionBest }: Scratch): void {
  const { symbolDocs } = part;
  const end = symbolBase + symbolCount;
  for (let group = symbolBase >>> GROUP_SHIFT; group << GROUP_SHIFT < end; group++) {
    if (symbolGroups[group] === 0) continue;
    const groupEnd = Math.min(end, (group + 1) << GROUP_SHIFT);
    for (let symbol = group << GROUP_SHIFT; symbol < groupEnd; symbol++) {
      const mass = symbolMass[symbol] as number;
      if (mass === 0) continue;
      const doc = docBase + (symbolDocs[symbol - symbolBase] as number);
      if (mass > (definitionBest[doc] as number)) definitionBest[doc] = mass;
    }
  }
}

/** BM25 over the comments, definition names and path of each doc. */
export function scoreDocTexts(parts: readonly PartQuery[], term: TermStatistics, totals: Totals, scratch: Scratch): void {
  const field = (frequency: number, b: number, length: number): { weight: number; base: number; perLength: number } => ({
    weight: frequency === 0 ? 0 : term.count * idf(totals.docs, frequency) * (k1 + 1),
    base: k1 * (1 - b),
    perLength: length === 0 ? 0 : (k1 * b * totals.docs) / length,
  });
  const comment = field(term.commentFrequency, BM25.bComment, totals.commentLength);
  const definition = field(term.definitionFrequency, BM25.bDefinition, totals.symbols);
  const path = field(term.pathFrequency, BM25.bPath, totals.pathLength);
  parts.forEach((query, i) => {
    const { part, columns, docBase, scope } = query;
    const add = (scores: Float32Array, local: number, frequency: number, length: number, f: typeof comment): void => {
      if (!inScope(scope.docs, local)) return;
      scores[docBase + local] = (scores[docBase + local] as number) + (f.weight * frequency) / (frequency + f.base + f.perLength * length);
    };
    const comments = term.postings.comment[i] ?? null;
    for (let j = 0; comments !== null && j < comments.count; j++) {
      const doc = comments.ids[j] as number;
      add(scratch.commentScores, doc, comments.values[j] as number, part.commentLengths[doc] as number, comment);
    }
    const paths = term.postings.path[i] ?? null;
    for (let j = 0; paths !== null && j < paths.count; j++) {
      const doc = paths.ids[j] as number;
      add(scratch.pathScores, doc, paths.values[j] as number, columns.pathLengths[doc] as number, path);
    }
    const definitions = term.postings.definition[i] ?? null;
    for (let j = 0; definitions !== null && j < definitions.count; ) {
      const doc = part.symbolDocs[definitions.ids[j] as number] as number;
      let names = 0;
      for (; j < definitions.count && part.symbolDocs[definitions.ids[j] as number] === doc; j++) if (columns.members[definitions.ids[j] as number] === 0) names++;
      if (names > 0) add(scratch.definitionScores, doc, names, part.symbolStart(doc + 1) - part.symbolStart(doc), definition);
    }
  });
}

export function partOfDoc(parts: readonly PartQuery[], doc: number): PartQuery {
  for (let i = parts.length - 1; i > 0; i--) if (doc >= (parts[i] as PartQuery).docBase) return parts[i] as PartQuery;
  return parts[0] as PartQuery;
}
