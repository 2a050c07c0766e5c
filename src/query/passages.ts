/**
 * Which chunks of a file that was found are shown, best first. The rule and its weights were fitted on questions made of doc
 * comments whose functions had them taken away, and of the same with them left in: scripts/bench/passages.ts.
 */
import type { Candidate } from './candidates.ts';
import type { QueryPlan } from './query-plan.ts';
import type { Scratch } from './scratch.ts';
import { FEATURES, PASSAGE } from './weights.ts';

export interface PassageContext {
  readonly plan: QueryPlan;
  readonly scratch: Scratch;
  /** Sum of the idf masses of the query words. */
  readonly totalMass: number;
}

export interface Passages {
  readonly first: number;
  /** Other chunks that hold words of the query; best first. */
  readonly others: readonly number[];
  /** Worth of a chunk among those of its file. */
  readonly value: (chunk: number) => number;
}

const CHUNK_COVER = FEATURES.indexOf('chunkCover');

export function rankPassages(candidate: Candidate, context: PassageContext): Passages {
  const { query, local } = candidate;
  const [from, to] = [query.part.chunkStart(local), query.part.chunkStart(local + 1)];
  const defining = definingChunk(candidate);
  const values = passageValues(candidate, defining, context);
  const value = (chunk: number): number => values[chunk - from] as number;
  // One word is the name itself; in a sentence a name is often only the thing that something is done with.
  const first = context.plan.isSingleWord && defining !== null ? defining : bestChunk(candidate, value);
  const others: number[] = [];
  for (let chunk = from; chunk < to; chunk++) {
    if (chunk !== first && (context.scratch.chunkScores[query.chunkBase + chunk] as number) > 0) others.push(chunk);
  }
  others.sort((a, b) => value(b) - value(a) || a - b);
  return { first, others, value };
}

/**
 * Text and vector relative to the file's best; the share of the query in one name that the chunk declares; a little for the
 * definition of a name in the query. Where no chunk holds most words of the query, its text decides little.
 */
function passageValues(candidate: Candidate, defining: number | null, context: PassageContext): Float64Array {
  const { query, local, bestText, bestVector, cosines, features } = candidate;
  const { chunkScores, cosines: allCosines } = context.scratch;
  const from = query.part.chunkStart(local);
  const topText = bestText >= 0 ? (chunkScores[query.chunkBase + bestText] as number) : 0;
  const topVector = bestVector >= 0 ? (allCosines[cosines + bestVector - from] as number) : 0;
  const textWeight = PASSAGE.text + PASSAGE.textWhereCovered * (features[CHUNK_COVER] as number) ** PASSAGE.coverPower;
  const names = nameShares(candidate, context);
  return Float64Array.from({ length: query.part.chunkStart(local + 1) - from }, (_, i) => {
    const text = topText > 0 ? (chunkScores[query.chunkBase + from + i] as number) / topText : 0;
    const vector = topVector > 0 ? (allCosines[cosines + i] as number) / topVector : 0;
    return textWeight * text + PASSAGE.vector * vector + PASSAGE.name * (names.get(from + i) ?? 0) + (from + i === defining ? PASSAGE.definition : 0);
  });
}

/** Of the chunks that declare a name with words of the query: the greatest share of the query's idf mass in one name. */
function nameShares({ query, local }: Candidate, { scratch, totalMass }: PassageContext): Map<number, number> {
  const { part, symbolBase } = query;
  const shares = new Map<number, number>();
  for (let id = part.symbolStart(local); id < part.symbolStart(local + 1); id++) {
    const mass = scratch.symbolMass[symbolBase + id] as number;
    if (mass === 0) continue;
    const chunk = chunkAt(query.part, local, part.symbol(id).startLine);
    if (chunk !== null) shares.set(chunk, Math.max(shares.get(chunk) ?? 0, mass / totalMass));
  }
  return shares;
}

/** The chunk in which the name begins that the query has and this file defines. */
function definingChunk({ query, local, nameSymbol }: Candidate): number | null {
  if (nameSymbol < 0) return null;
  const chunk = chunkAt(query.part, local, query.part.symbol(nameSymbol).startLine);
  return chunk !== null && query.scope.chunks?.has(chunk) !== false ? chunk : null;
}

/** Chunks of a file ascend and do not overlap. */
function chunkAt(part: Candidate['query']['part'], local: number, line: number): number | null {
  let low = part.chunkStart(local);
  let high = part.chunkStart(local + 1) - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const { startLine, endLine } = part.chunk(middle);
    if (endLine < line) low = middle + 1;
    else if (startLine > line) high = middle - 1;
    else return middle;
  }
  return null;
}

/** Every candidate has a chunk in scope; of equal ones the first, which stands in for a file that was found by its name alone. */
function bestChunk({ query, local }: Candidate, value: (chunk: number) => number): number {
  let best = -1;
  for (let chunk = query.part.chunkStart(local); chunk < query.part.chunkStart(local + 1); chunk++) {
    if (query.scope.chunks?.has(chunk) !== false && (best < 0 || value(chunk) > value(best))) best = chunk;
  }
  return best;
}
