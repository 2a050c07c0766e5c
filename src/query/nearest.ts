/**
 * Exact nearest records of a vector index. Two stages: the int8 codes of every record give a lower and an upper bound of its
 * score; only records that may still be among the best are read as stored and scored in f64. The result equals that of scoring
 * every record, ties by key, whatever parts the records lie in.
 *
 * Bounds: with v = s·c + e (|e_i| <= s/2) and q = t·d + f (|f_i| <= t/2), the integer dot product s·t·(c·d) differs from v·q by
 * at most s/2·|q|_1 + t/2·|s·c|_1, and |s·c|_1 <= sqrt(n)·|v| + n·s/2.
 */
import type { Metric } from '../index/types.ts';
import type { PartView, Snapshot } from '../index/snapshot.ts';
import { prepareQuery, type PreparedQuery } from '../quantize/index.ts';
import { CairnError } from '../util/errors.ts';
import { Slices } from './slices.ts';

export interface NearestRequest {
  readonly vector: Float32Array;
  readonly metric: Metric;
  readonly limit: number;
  /** Only records whose key begins so; '' or absent = all. */
  readonly prefix?: string | undefined;
}

export interface NearestHit {
  readonly view: PartView;
  readonly doc: number;
  readonly key: string;
  /** Larger is nearer: cosine, dot product, or the negative distance. */
  readonly score: number;
}

export interface NearestResult {
  readonly hits: readonly NearestHit[];
  /** Records whose codes were compared, and whose stored vector was read. */
  readonly scanned: number;
  readonly rescored: number;
}

interface Bounded {
  readonly view: PartView;
  readonly doc: number;
  readonly chunk: number;
  readonly upper: number;
}

const ROWS_PER_STEP = 16_384;
/** Norms and scales are rounded to f32, sums to whatever the order gives: far above their error, far below the bounds. */
const SLACK = 1e-6;
/** Below it a scale has lost its precision, and the codes say nothing. */
const MIN_SCALE = 1e-35;
const MAX_NORM = 3e38;

/** DIMENSION_MISMATCH, INVALID_ARGUMENT (not finite; no direction with cosine), CANCELLED. */
export async function nearest(snapshot: Snapshot, request: NearestRequest, signal?: AbortSignal): Promise<NearestResult> {
  const query = prepareQuery(request.vector);
  const scorer = new Scorer(request, query);
  const slices = new Slices(Number.POSITIVE_INFINITY, signal);
  const best = new LowerBounds(request.limit);
  const bounded: Bounded[] = [];
  let scanned = 0;
  for (const view of snapshot.parts) {
    const { vectors } = view.part;
    if (vectors === null) continue;
    if (vectors.dimension !== request.vector.length) throw new CairnError('DIMENSION_MISMATCH', `the query has ${request.vector.length} dimensions, the index ${vectors.dimension}`);
    const dots = new Float32Array(ROWS_PER_STEP);
    for (let from = 0; from < view.chunkCount; from += ROWS_PER_STEP) {
      const to = Math.min(view.chunkCount, from + ROWS_PER_STEP);
      await slices.pause();
      vectors.chunks.dots(query, from, to, dots);
      for (let chunk = from; chunk < to; chunk++) {
        const doc = view.part.chunkDocs[chunk] as number;
        if (!isWanted(view, doc, request.prefix)) continue;
        scanned++;
        const { lower, upper } = scorer.bounds(dots[chunk - from] as number, vectors.chunks.norms[chunk] as number, vectors.chunks.scales?.[chunk]);
        if (upper < best.worst) continue;
        best.add(lower);
        bounded.push({ view, doc, chunk, upper });
      }
    }
  }
  const candidates = bounded.filter(({ upper }) => upper >= best.worst).sort((a, b) => b.upper - a.upper);
  return { ...(await rescore(candidates, scorer, request.limit, slices)), scanned };
}

function isWanted(view: PartView, doc: number, prefix: string | undefined): boolean {
  if (doc >= view.docCount || (view.live !== null && !view.live.has(doc))) return false;
  return prefix === undefined || prefix === '' || view.part.docKey(doc).startsWith(prefix);
}

/** Reads candidates, most promising first, until none of the rest can be among the best. */
async function rescore(candidates: readonly Bounded[], scorer: Scorer, limit: number, slices: Slices): Promise<{ readonly hits: NearestHit[]; readonly rescored: number }> {
  let hits: NearestHit[] = [];
  let worst = Number.NEGATIVE_INFINITY;
  let rescored = 0;
  const cut = (): void => {
    hits = hits.sort((a, b) => b.score - a.score || (a.key < b.key ? -1 : 1)).slice(0, limit);
    if (hits.length === limit) worst = hits.at(-1)?.score ?? worst;
  };
  for (const { view, doc, chunk, upper } of candidates) {
    if (upper < worst) break;
    await slices.pause();
    rescored++;
    const score = scorer.exact(view.part.vectors?.readVector(chunk) ?? new Float32Array(0));
    if (score >= worst) hits.push({ view, doc, key: view.part.docKey(doc), score });
    if (hits.length >= 2 * limit || (hits.length >= limit && worst === Number.NEGATIVE_INFINITY)) cut();
  }
  cut();
  return { hits, rescored };
}

/** Similarity of two vectors in f64, from the stored values. A vector without direction has cosine 0 with everything. */
export function exactScore(a: Float32Array, b: Float32Array, metric: Metric): number {
  let dot = 0;
  let aa = 0;
  let bb = 0;
  let distance = 0;
  for (let i = 0; i < a.length; i++) {
    const x = a[i] as number;
    const y = b[i] as number;
    dot += x * y;
    aa += x * x;
    bb += y * y;
    distance += (x - y) * (x - y);
  }
  if (metric === 'dot') return dot;
  if (metric === 'euclidean') return -Math.sqrt(distance);
  return aa === 0 || bb === 0 ? 0 : dot / (Math.sqrt(aa) * Math.sqrt(bb));
}

class Scorer {
  readonly #vector: Float32Array;
  readonly #metric: Metric;
  readonly #query: PreparedQuery;
  /** |q|_1, sqrt(n), n. */
  readonly #sum: number;
  readonly #root: number;
  readonly #dimension: number;
  readonly #blind: boolean;

  constructor({ vector, metric }: NearestRequest, query: PreparedQuery) {
    this.#vector = vector;
    this.#metric = metric;
    this.#query = query;
    this.#sum = vector.reduce((sum, value) => sum + Math.abs(value), 0);
    this.#dimension = vector.length;
    this.#root = Math.sqrt(vector.length);
    const isZero = query.norm === 0;
    if (isZero && metric === 'cosine') throw new CairnError('INVALID_ARGUMENT', 'a query of zeros has no direction, so cosine cannot compare it');
    this.#blind = (!isZero && query.scale < MIN_SCALE) || query.norm > MAX_NORM;
  }

  exact(row: Float32Array): number {
    return exactScore(row, this.#vector, this.#metric);
  }

  /** `dot` is the approximate dot product of a row, `norm` its length, `scale` that of its codes when it is known. */
  bounds(dot: number, norm: number, scale: number = norm / 127): { readonly lower: number; readonly upper: number } {
    if (norm === 0) return this.#of(0, 0, 0);
    if (this.#blind || scale < MIN_SCALE || norm > MAX_NORM || !Number.isFinite(dot)) return { lower: Number.NEGATIVE_INFINITY, upper: Number.POSITIVE_INFINITY };
    const spread = this.#root * norm + (this.#dimension * scale) / 2;
    const error = ((scale * this.#sum) / 2 + (this.#query.scale * spread) / 2) * (1 + SLACK) + SLACK * norm * this.#query.norm;
    return this.#of(dot, norm, error);
  }

  #of(dot: number, norm: number, error: number): { readonly lower: number; readonly upper: number } {
    const q = this.#query.norm;
    if (this.#metric === 'dot') return { lower: dot - error, upper: dot + error };
    if (this.#metric === 'cosine') {
      const length = norm * q;
      return length === 0 ? { lower: 0, upper: 0 } : { lower: (dot - error) / length - SLACK, upper: (dot + error) / length + SLACK };
    }
    const squares = norm * norm + q * q;
    const slack = SLACK * squares;
    return { lower: -Math.sqrt(Math.max(0, squares - 2 * (dot - error) + slack)), upper: -Math.sqrt(Math.max(0, squares - 2 * (dot + error) - slack)) };
  }
}

/** The `limit` largest lower bounds so far; `worst` is the smallest of them once there are enough. A binary heap. */
class LowerBounds {
  readonly #limit: number;
  readonly #heap: number[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  get worst(): number {
    return this.#heap.length < this.#limit ? Number.NEGATIVE_INFINITY : (this.#heap[0] as number);
  }

  add(value: number): void {
    const heap = this.#heap;
    if (heap.length < this.#limit) {
      heap.push(value);
      this.#up(heap.length - 1);
    } else if (value > (heap[0] as number)) {
      heap[0] = value;
      this.#down();
    }
  }

  #up(from: number): void {
    const heap = this.#heap;
    for (let at = from; at > 0; ) {
      const parent = (at - 1) >> 1;
      if ((heap[parent] as number) <= (heap[at] as number)) return;
      [heap[at], heap[parent]] = [heap[parent] as number, heap[at] as number];
      at = parent;
    }
  }

  #down(): void {
    const heap = this.#heap;
    for (let at = 0; ; ) {
      let child = 2 * at + 1;
      if (child >= heap.length) return;
      if (child + 1 < heap.length && (heap[child + 1] as number) < (heap[child] as number)) child++;
      if ((heap[at] as number) <= (heap[child] as number)) return;
      [heap[at], heap[child]] = [heap[child] as number, heap[at] as number];
      at = child;
    }
  }
}
