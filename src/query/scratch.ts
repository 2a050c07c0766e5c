/**
 * Typed-array work space of a search, reused from query to query. Everything is zero between queries. Chunks and symbols come in
 * groups: whoever writes an entry marks its group, which costs no branch, and only marked groups are read and cleared. Docs are
 * noted in lists, or few enough to clear them all.
 */
import { PostingsPool } from '../segment/postings-pool.ts';
import type { PartQuery } from './statistics.ts';

/** Ids of entries in use. */
export class TouchList {
  ids = new Int32Array(256);
  count = 0;

  static of(ids: Iterable<number>): TouchList {
    const list = new TouchList();
    for (const id of ids) list.add(id);
    return list;
  }

  add(id: number): void {
    if (this.count === this.ids.length) {
      const grown = new Int32Array(this.count * 2);
      grown.set(this.ids);
      this.ids = grown;
    }
    this.ids[this.count++] = id;
  }
}

/** Entries of one group; a part begins with a new group. */
export const GROUP_SHIFT = 6;
const GROUP = 1 << GROUP_SHIFT;

/** The first id at or above `n` that begins a group. */
export function groupStart(n: number): number {
  return (n + GROUP - 1) & -GROUP;
}

/** Decoded postings kept between queries: about what a query of common words needs over 100,000 chunks. */
const POSTINGS_BYTES = 3 << 20;

export class Scratch {
  readonly postings = new PostingsPool(POSTINGS_BYTES);
  /** Per chunk: BM25, and which query words it holds (bit i = term i). */
  chunkScores = new Float32Array(0);
  chunkMasks = new Uint32Array(0);
  chunkGroups = new Uint8Array(0);
  /** Per doc: its three best chunk scores. */
  docTop = new Float32Array(0);
  /** Per doc of `docs`: the best, and half of the second best. */
  docScores = new Float64Array(0);
  readonly docs = new TouchList();
  /** Per doc: words in its path, and their idf mass. */
  pathMasks = new Uint32Array(0);
  pathMass = new Float32Array(0);
  readonly pathDocs = new TouchList();
  /** Per doc: words in its definition names; the best idf mass in one name. */
  definitionMasks = new Uint32Array(0);
  definitionBest = new Float32Array(0);
  readonly definitionDocs = new TouchList();
  /** Per symbol: idf mass of the words in its name. */
  symbolMass = new Float32Array(0);
  symbolGroups = new Uint8Array(0);
  /** Per doc: BM25 over comments, definition names, path; used without an embedder only. */
  commentScores = new Float32Array(0);
  definitionScores = new Float32Array(0);
  pathScores = new Float32Array(0);
  /** Per doc: weight of the term at hand in the path; zero again after each term. */
  pathWeights = new Uint16Array(0);
  /** Per doc: cosine of the centroid. Written wholly by each search that uses it. */
  centroids = new Float32Array(0);
  readonly nearDocs = new TouchList();
  /** Cosines of the chunks of candidates, one after the other. */
  cosines = new Float32Array(1024);
  #usedCosines = 0;
  readonly #features: Float64Array[] = [];
  #usedFeatures = 0;
  /** Per doc: 1 + index into the list of candidates. */
  slots = new Int32Array(0);
  #usedDocs = 0;

  /** Bytes kept between queries. */
  get memoryBytes(): number {
    const arrays = [
      this.chunkScores, this.chunkMasks, this.chunkGroups, this.docTop, this.docScores, this.docs.ids, this.pathMasks, this.pathMass, this.pathDocs.ids, this.definitionMasks,
      this.definitionBest, this.definitionDocs.ids, this.symbolMass, this.symbolGroups, this.commentScores, this.definitionScores, this.pathScores,
      this.pathWeights, this.centroids, this.nearDocs.ids, this.cosines, this.slots,
    ];
    return arrays.reduce((sum, array) => sum + array.byteLength, this.postings.memoryBytes);
  }

  /** Room for all rows of these parts. */
  ensure(parts: readonly PartQuery[]): void {
    const last = parts.at(-1);
    const [docs, chunks, symbols] = last === undefined ? [0, 0, 0] : [last.docBase + last.docCount, last.chunkBase + last.chunkCount, last.symbolBase + last.symbolCount];
    this.#usedDocs = docs;
    if (chunks > this.chunkScores.length) {
      const size = groupStart(roomFor(chunks));
      this.chunkScores = new Float32Array(size);
      this.chunkMasks = new Uint32Array(size);
      this.chunkGroups = new Uint8Array(size >>> GROUP_SHIFT);
    }
    if (symbols > this.symbolMass.length) {
      const size = groupStart(roomFor(symbols));
      this.symbolMass = new Float32Array(size);
      this.symbolGroups = new Uint8Array(size >>> GROUP_SHIFT);
    }
    if (docs <= this.slots.length) return;
    const size = roomFor(docs);
    this.docTop = new Float32Array(3 * size);
    this.docScores = new Float64Array(size);
    this.pathMasks = new Uint32Array(size);
    this.pathMass = new Float32Array(size);
    this.definitionMasks = new Uint32Array(size);
    this.definitionBest = new Float32Array(size);
    this.commentScores = new Float32Array(size);
    this.definitionScores = new Float32Array(size);
    this.pathScores = new Float32Array(size);
    this.pathWeights = new Uint16Array(size);
    this.centroids = new Float32Array(size);
    this.slots = new Int32Array(size);
  }

  /** Where the next `count` cosines go. What was read from `cosines` before may be out of date. */
  takeCosines(count: number): number {
    const at = this.#usedCosines;
    this.#usedCosines = at + count;
    if (this.#usedCosines > this.cosines.length) {
      const grown = new Float32Array(2 * this.#usedCosines);
      grown.set(this.cosines);
      this.cosines = grown;
    }
    return at;
  }

  /** Zeros for one candidate, valid until the next search. */
  takeFeatures(count: number): Float64Array {
    let features = this.#features[this.#usedFeatures];
    if (features === undefined || features.length !== count) features = this.#features[this.#usedFeatures] = new Float64Array(count);
    else features.fill(0);
    this.#usedFeatures++;
    return features;
  }

  reset(): void {
    clearGroups(this.chunkGroups, [this.chunkScores, this.chunkMasks]);
    clearGroups(this.symbolGroups, [this.symbolMass]);
    const end = this.#usedDocs;
    this.docTop.fill(0, 0, 3 * end);
    for (const list of [this.docs, this.pathDocs, this.definitionDocs, this.nearDocs]) list.count = 0;
    for (const array of [this.pathMasks, this.pathMass, this.definitionMasks, this.definitionBest, this.commentScores, this.definitionScores, this.pathScores, this.slots]) array.fill(0, 0, end);
    this.#usedCosines = 0;
    this.#usedFeatures = 0;
    this.postings.takeBack();
  }
}

function clearGroups(groups: Uint8Array, arrays: readonly (Float32Array | Uint32Array)[]): void {
  let marked = 0;
  for (let group = 0; group < groups.length; group++) marked += groups[group] as number;
  // One long fill is faster than many short ones.
  if (4 * marked > groups.length) for (const array of arrays) array.fill(0);
  else {
    for (let group = 0; group < groups.length; group++) {
      if (groups[group] !== 0) for (const array of arrays) array.fill(0, group << GROUP_SHIFT, (group + 1) << GROUP_SHIFT);
    }
  }
  groups.fill(0);
}

const roomFor = (n: number): number => Math.max(1024, Math.ceil(n * 1.25));

/** One scratch serves all searches of the process: a search is synchronous, so no two overlap. */
let shared: Scratch | null = null;

/** Runs `work` with a clean scratch; after an error the scratch is thrown away, not trusted. */
export function withScratch<T>(parts: readonly PartQuery[], work: (scratch: Scratch) => T): T {
  const scratch = shared ?? new Scratch();
  shared = null;
  scratch.ensure(parts);
  const result = work(scratch);
  scratch.reset();
  shared = scratch;
  return result;
}

/** Bytes that searching keeps between queries, for the figures of memory. */
export function scratchBytes(): number {
  return shared?.memoryBytes ?? 0;
}
