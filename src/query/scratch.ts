/**
 * Typed-array work space of a search, reused from query to query. Everything is zero between queries: whoever writes an entry
 * for the first time notes its id in the list beside it, and `reset` clears only those.
 */

/** Ids of entries in use. */
export class TouchList {
  ids = new Int32Array(256);
  count = 0;

  add(id: number): void {
    if (this.count === this.ids.length) {
      const grown = new Int32Array(this.count * 2);
      grown.set(this.ids);
      this.ids = grown;
    }
    this.ids[this.count++] = id;
  }
}

export class Scratch {
  /** Per chunk: BM25, and which query words it holds (bit i = term i). */
  chunkScores = new Float32Array(0);
  chunkMasks = new Uint32Array(0);
  readonly chunks = new TouchList();
  /** Per doc: its three best chunk scores. */
  docTop = new Float32Array(0);
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
  readonly symbols = new TouchList();
  /** Per doc: BM25 over comments, definition names, path; used without an embedder only. */
  commentScores = new Float32Array(0);
  definitionScores = new Float32Array(0);
  pathScores = new Float32Array(0);
  readonly textDocs = new TouchList();
  /** Per doc: weight of the term at hand in the path; zero again after each term. */
  pathWeights = new Uint16Array(0);
  /** Per doc: cosine of the centroid. Written wholly by each search that uses it. */
  centroids = new Float32Array(0);
  /** Per doc: 1 + index into the list of candidates. */
  slots = new Int32Array(0);
  readonly slotDocs = new TouchList();

  /** Room for this many of each. */
  ensure(docs: number, chunks: number, symbols: number): void {
    if (chunks > this.chunkScores.length) {
      const size = roomFor(chunks);
      this.chunkScores = new Float32Array(size);
      this.chunkMasks = new Uint32Array(size);
    }
    if (symbols > this.symbolMass.length) this.symbolMass = new Float32Array(roomFor(symbols));
    if (docs <= this.slots.length) return;
    const size = roomFor(docs);
    this.docTop = new Float32Array(3 * size);
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

  reset(): void {
    clear(this.chunks, this.chunkScores, this.chunkMasks);
    for (let i = 0; i < this.docs.count; i++) this.docTop.fill(0, 3 * (this.docs.ids[i] as number), 3 * (this.docs.ids[i] as number) + 3);
    this.docs.count = 0;
    clear(this.pathDocs, this.pathMasks, this.pathMass);
    clear(this.definitionDocs, this.definitionMasks, this.definitionBest);
    clear(this.symbols, this.symbolMass);
    clear(this.textDocs, this.commentScores, this.definitionScores, this.pathScores);
    clear(this.slotDocs, this.slots);
  }
}

function clear(list: TouchList, ...arrays: readonly (Float32Array | Uint32Array | Int32Array)[]): void {
  const { ids, count } = list;
  for (const array of arrays) for (let i = 0; i < count; i++) array[ids[i] as number] = 0;
  list.count = 0;
}

const roomFor = (n: number): number => Math.max(1024, Math.ceil(n * 1.25));

/** One scratch serves all searches of the process: a search is synchronous, so no two overlap. */
let shared: Scratch | null = null;

/** Runs `work` with a clean scratch; after an error the scratch is thrown away, not trusted. */
export function withScratch<T>(docs: number, chunks: number, symbols: number, work: (scratch: Scratch) => T): T {
  const scratch = shared ?? new Scratch();
  shared = null;
  scratch.ensure(docs, chunks, symbols);
  const result = work(scratch);
  scratch.reset();
  shared = scratch;
  return result;
}
