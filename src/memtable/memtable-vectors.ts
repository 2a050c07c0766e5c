/** Vectors of a memtable: int8 codes in the arena, quantized as documents arrive; the exact rows stay in the encoded records. */
import type { FlatDoc } from '../format/flat-doc.ts';
import { Centroid, CodeTable, type VectorArena } from '../quantize/index.ts';
import type { VectorColumns } from '../segment/part.ts';

export class MemtableVectors implements VectorColumns {
  readonly dimension: number;
  readonly chunks: CodeTable;
  readonly centroids: CodeTable;
  readonly paths: CodeTable;
  readonly #centroid: Centroid;
  /** The row that is being added. */
  readonly #row: Float32Array;
  readonly #bytesOf: (chunk: number) => Uint8Array | null;
  readonly #pathVectors: boolean[] = [];

  /** `bytesOf` gives the stored bytes of a chunk's vector, null when its document came without vectors. */
  constructor(arena: VectorArena, dimension: number, bytesOf: (chunk: number) => Uint8Array | null) {
    this.dimension = dimension;
    this.chunks = CodeTable.growing(arena, dimension);
    this.centroids = CodeTable.growing(arena, dimension);
    this.paths = CodeTable.growing(arena, dimension);
    this.#centroid = new Centroid(dimension);
    this.#row = new Float32Array(dimension);
    this.#bytesOf = bytesOf;
  }

  get memoryBytes(): number {
    return this.chunks.memoryBytes + this.centroids.memoryBytes + this.paths.memoryBytes;
  }

  /** Room for so many rows in all; the only step of adding that can fail. */
  reserve(chunks: number, docs: number): void {
    this.chunks.reserve(chunks);
    this.centroids.reserve(docs);
    this.paths.reserve(docs);
  }

  add(flat: FlatDoc): void {
    for (let i = 0; i < flat.chunkCount; i++) {
      const vector = flat.chunkVector(i, this.#row);
      this.chunks.append(vector);
      if (vector !== null) this.#centroid.add(vector);
    }
    this.centroids.append(this.#centroid.finish());
    this.paths.append(flat.pathVector(this.#row));
    this.#pathVectors.push(flat.hasPathVector);
  }

  hasPathVector(doc: number): boolean {
    return this.#pathVectors[doc] ?? false;
  }

  /** Zeros for a chunk whose document came without vectors. */
  readVector(chunk: number): Float32Array {
    const copy = new Uint8Array(this.dimension * 4);
    const bytes = this.#bytesOf(chunk);
    if (bytes !== null) copy.set(bytes);
    return new Float32Array(copy.buffer);
  }

  free(): void {
    for (const table of [this.chunks, this.centroids, this.paths]) table.free();
  }
}
