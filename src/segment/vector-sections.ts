/** Writes the vector sections of a segment from row streams. Rows are copied bit by bit; nothing here computes with them. */
import type { ContainerWriter } from '../format/container-writer.ts';
import { codeStride } from '../quantize/index.ts';
import { crc32 } from '../util/crc32.ts';
import { writeColumns } from './columns.ts';
import { TAG } from './layout.ts';

/** int8 rows of one matrix, as they lie in memory. */
export interface CodeRows {
  readonly scales: Float32Array;
  readonly norms: Float32Array;
  /** Pieces of whole rows, in order. */
  codes(): Iterable<Uint8Array>;
}

export interface VectorSource {
  readonly dimension: number;
  /** f32 rows of all chunks, zeros for a doc without vectors: pieces of whole rows, in order. */
  chunkVectors(): Iterable<Uint8Array>;
  /** f32 rows of the docs that have a path vector. */
  pathVectors(): Iterable<Uint8Array>;
  readonly chunks: CodeRows;
  readonly centroids: CodeRows;
  readonly paths: CodeRows;
}

export async function writeVectors(container: ContainerWriter, source: VectorSource): Promise<void> {
  await writeRows(container, TAG.vectors, TAG.vectorChecksums, source.dimension, source.chunkVectors());
  await writeRows(container, TAG.pathVectors, TAG.pathVectorChecksums, source.dimension, source.pathVectors());
  const { chunks, centroids, paths } = source;
  await writeColumns(await container.section(TAG.quantization), [chunks.scales, chunks.norms, centroids.scales, centroids.norms, paths.scales, paths.norms]);
  await writePieces(container, TAG.chunkCodes, chunks.codes());
  await writePieces(container, TAG.centroidCodes, centroids.codes());
  await writePieces(container, TAG.pathCodes, paths.codes());
}

async function writeRows(container: ContainerWriter, tag: number, checksumTag: number, dimension: number, pieces: Iterable<Uint8Array>): Promise<void> {
  const rowBytes = dimension * 4;
  const checksums: number[] = [];
  const sink = await container.section(tag);
  for (const piece of pieces) {
    for (let at = 0; at < piece.length; at += rowBytes) checksums.push(crc32(piece.subarray(at, at + rowBytes)));
    await sink.write(piece);
  }
  await sink.end();
  await container.add(checksumTag, Uint32Array.from(checksums));
}

async function writePieces(container: ContainerWriter, tag: number, pieces: Iterable<Uint8Array>): Promise<void> {
  const sink = await container.section(tag);
  for (const piece of pieces) await sink.write(piece);
  await sink.end();
}

/** Code rows that are computed one by one; kept in pieces of this many rows, so that growing copies nothing. */
const PIECE_ROWS = 1024;

/** Collects quantized rows for a segment that is built from documents. */
export class CodeBuffer implements CodeRows {
  readonly #stride: number;
  readonly #quantize: (vector: Float32Array, codes: Int8Array, at: number) => number;
  readonly #norm: (vector: Float32Array) => number;
  readonly #pieces: Int8Array[] = [];
  readonly #scales: number[] = [];
  readonly #norms: number[] = [];

  constructor(dimension: number, quantize: (vector: Float32Array, codes: Int8Array, at: number) => number, norm: (vector: Float32Array) => number) {
    this.#stride = codeStride(dimension);
    this.#quantize = quantize;
    this.#norm = norm;
  }

  get scales(): Float32Array {
    return Float32Array.from(this.#scales);
  }
  get norms(): Float32Array {
    return Float32Array.from(this.#norms);
  }

  /** null appends a zero row. */
  append(vector: Float32Array | null): void {
    const inPiece = this.#scales.length % PIECE_ROWS;
    if (inPiece === 0) this.#pieces.push(new Int8Array(PIECE_ROWS * this.#stride));
    const piece = this.#pieces.at(-1) as Int8Array;
    this.#scales.push(vector === null ? 0 : this.#quantize(vector, piece, inPiece * this.#stride));
    this.#norms.push(vector === null ? 0 : this.#norm(vector));
  }

  *codes(): Generator<Uint8Array> {
    let left = this.#scales.length;
    for (const piece of this.#pieces) {
      const rows = Math.min(left, PIECE_ROWS);
      yield new Uint8Array(piece.buffer, 0, rows * this.#stride);
      left -= rows;
    }
  }
}
