/**
 * The semantic lane: two-level vector search. Centroids of all files are scanned; chunks only of files that are candidates.
 * That gives the same ranking as scanning every chunk, at a fraction of the work.
 */
import { prepareQuery } from '../quantize/index.ts';
import type { CodeMatrix, PreparedQuery, VectorColumns } from '../segment/part.ts';
import { docTie, LANE_BIT, type Candidate, type CandidateList } from './candidates.ts';
import { inScope } from './lexical.ts';
import type { Scratch } from './scratch.ts';
import type { PartQuery } from './statistics.ts';
import { selectTop } from './top-k.ts';
import { CANDIDATES, SEMANTIC_FLOOR } from './weights.ts';

/** The embedded query: as a whole, and without stop words for the comparison with paths. */
export interface PreparedVectors {
  readonly vector: PreparedQuery;
  readonly pathVector: PreparedQuery;
}

/** The embedded query as the embedder gives it. */
export interface QueryVectors {
  readonly vector: Float32Array;
  readonly pathVector: Float32Array;
}

export function prepareVectors({ vector, pathVector }: QueryVectors): PreparedVectors {
  return { vector: prepareQuery(vector), pathVector: prepareQuery(pathVector) };
}

/** Scans the centroids of all parts and adds the nearest files. */
export function addNearest(list: CandidateList, parts: readonly PartQuery[], scratch: Scratch, vectors: PreparedVectors): void {
  const { nearDocs } = scratch;
  for (const query of parts) {
    const { part, docBase, docCount, scope } = query;
    if (part.vectors === null || docCount === 0) continue;
    const out = scratch.centroids.subarray(docBase, docBase + docCount);
    part.vectors.centroids.dots(vectors.vector, 0, docCount, out);
    toCosines(out, part.vectors.centroids, 0, docCount, vectors.vector);
    for (let local = 0; local < docCount; local++) {
      if ((out[local] as number) > 0 && inScope(scope.docs, local)) nearDocs.add(docBase + local);
    }
  }
  for (const doc of selectTop(nearDocs, CANDIDATES.semantic, { values: scratch.centroids, stride: 1 }, docTie(parts))) list.add(doc, 'semantic');
}

/** Raw values of the vector features of one candidate. */
export interface VectorValues {
  readonly max: number;
  readonly centroid: number;
  readonly path: number;
}

const NOTHING: VectorValues = { max: 0, centroid: 0, path: 0 };
let dots = new Float32Array(256);

/** Cosines of a candidate's chunks, centroid and path; notes its best chunk and its top-3 mean. */
export function vectorValues(candidate: Candidate, scratch: Scratch, vectors: PreparedVectors): VectorValues {
  const { query, local } = candidate;
  const columns = query.part.vectors;
  if (columns === null) return NOTHING;
  const from = query.part.chunkStart(local);
  const count = query.part.chunkStart(local + 1) - from;
  candidate.cosines = scratch.takeCosines(count);
  if (count > dots.length) dots = new Float32Array(2 * count);
  columns.chunks.dots(vectors.vector, from, from + count, dots);
  toCosines(dots, columns.chunks, from, from + count, vectors.vector);
  const max = noteBest(candidate, scratch, from, count);
  return { max, centroid: scratch.centroids[candidate.doc] as number, path: pathCosine(columns, local, vectors) };
}

/** Keeps the cosines that lie in `dots` with the candidate; the best of those in scope. */
function noteBest(candidate: Candidate, { cosines }: Scratch, from: number, count: number): number {
  const inChunks = candidate.query.scope.chunks;
  const at = candidate.cosines;
  let [first, second, third, best] = [0, 0, 0, -1];
  for (let i = 0; i < count; i++) {
    const cosine = dots[i] as number;
    cosines[at + i] = cosine;
    if (cosine <= third || (inChunks !== null && !inChunks.has(from + i))) continue;
    if (cosine > first) {
      third = second;
      second = first;
      first = cosine;
      best = from + i;
    } else if (cosine > second) {
      third = second;
      second = cosine;
    } else third = cosine;
  }
  candidate.bestVector = best;
  candidate.vectorTop3 = (first + second + third) / Math.max(1, Math.min(3, count));
  return first;
}

/** True when only vectors brought candidates, and none of them is near: what is left is noise, and nothing is the better answer. */
export function isNoise({ items }: CandidateList, { cosines }: Scratch): boolean {
  const isFar = ({ lanes, cosines: at, bestVector, query, local }: Candidate): boolean =>
    lanes === LANE_BIT.semantic && (bestVector < 0 || (cosines[at + bestVector - query.part.chunkStart(local)] as number) < SEMANTIC_FLOOR);
  return items.length > 0 && items.every(isFar);
}

function pathCosine(columns: VectorColumns, local: number, vectors: PreparedVectors): number {
  columns.paths.dots(vectors.pathVector, local, local + 1, dots);
  toCosines(dots, columns.paths, local, local + 1, vectors.pathVector);
  return dots[0] as number;
}

/** Turns dot products of rows [from, to) into cosines in place; a zero row or query has cosine 0, negative ones count as 0. */
function toCosines(dots: Float32Array, { norms }: CodeMatrix, from: number, to: number, query: PreparedQuery): void {
  for (let row = from; row < to; row++) {
    const scale = (norms[row] as number) * query.norm;
    dots[row - from] = scale > 0 ? Math.max(0, (dots[row - from] as number) / scale) : 0;
  }
}
