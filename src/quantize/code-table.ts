/**
 * A matrix of int8 rows in the arena with one scale and one norm per row. Grows in extents of equal size, so that rows never
 * move: a memtable appends to extents of 1,024 rows, a segment fills one extent of all its rows with a single copy.
 */
import { CairnError } from '../util/errors.ts';
import { SCRATCH_ROWS, type VectorArena } from './arena.ts';
import { codeStride, quantizeRow, rowNorm } from './int8.ts';
import type { CodeMatrix, PreparedQuery } from './types.ts';

const GROWING_EXTENT_ROWS = 1024;

export class CodeTable implements CodeMatrix {
  readonly dimension: number;
  readonly stride: number;
  readonly #arena: VectorArena;
  readonly #extentRows: number;
  readonly #extents: { readonly address: number; readonly codes: Int8Array }[] = [];
  #scales: Float32Array;
  #norms: Float32Array;
  #rows: number;

  private constructor(arena: VectorArena, dimension: number, extentRows: number, rows: number, scales: Float32Array, norms: Float32Array) {
    this.dimension = dimension;
    this.stride = codeStride(dimension);
    this.#arena = arena;
    this.#extentRows = extentRows;
    this.#rows = rows;
    this.#scales = scales;
    this.#norms = norms;
  }

  static growing(arena: VectorArena, dimension: number): CodeTable {
    return new CodeTable(arena, dimension, GROWING_EXTENT_ROWS, 0, new Float32Array(256), new Float32Array(256));
  }

  /** Room for exactly the rows of `scales`; the caller fills `codes()` once. */
  static fixed(arena: VectorArena, dimension: number, scales: Float32Array, norms: Float32Array): CodeTable {
    const rows = scales.length;
    const table = new CodeTable(arena, dimension, Math.max(1, rows), rows, scales, norms);
    if (rows > 0) table.#addExtent();
    return table;
  }

  get rows(): number {
    return this.#rows;
  }

  /** Valid up to `rows`. */
  get norms(): Float32Array {
    return this.#norms;
  }

  /** Valid up to `rows`. */
  get scales(): Float32Array {
    return this.#scales;
  }

  /** Bytes in the arena and beside it. */
  get memoryBytes(): number {
    return this.#extents.length * this.#extentRows * this.stride + this.#scales.byteLength + this.#norms.byteLength;
  }

  /** All codes of a fixed table, to be filled from a file. */
  codes(): Int8Array {
    return this.#extents[0]?.codes ?? new Int8Array(0);
  }

  /** Codes of one row, a view. */
  rowCodes(row: number): Int8Array {
    const at = (row % this.#extentRows) * this.stride;
    const extent = this.#extents[Math.floor(row / this.#extentRows)];
    if (row >= this.#rows || extent === undefined) throw new CairnError('INTERNAL', `row ${row} of ${this.#rows}`);
    return extent.codes.subarray(at, at + this.stride);
  }

  /** Quantizes and appends; null appends a zero row. Only for growing tables. */
  append(vector: Float32Array | null): void {
    const row = this.#rows;
    this.reserve(row + 1);
    const extent = this.#extents[Math.floor(row / this.#extentRows)];
    if (vector !== null && extent !== undefined) {
      this.#scales[row] = quantizeRow(vector, extent.codes, (row % this.#extentRows) * this.stride);
      this.#norms[row] = rowNorm(vector);
    }
    this.#rows = row + 1;
  }

  /** Makes room for `rows` rows in all, so that the next appends cannot fail. Only for growing tables. */
  reserve(rows: number): void {
    while (rows > this.#extents.length * this.#extentRows) this.#addExtent();
    while (rows > this.#scales.length) this.#growColumns();
  }

  dots(query: PreparedQuery, from: number, to: number, out: Float32Array): void {
    if (query.vector.length !== this.dimension) {
      throw new CairnError('DIMENSION_MISMATCH', `query of dimension ${query.vector.length} on vectors of dimension ${this.dimension}`);
    }
    if (from < 0 || to < from || to > this.#rows || out.length < to - from) throw new CairnError('INTERNAL', `scan of rows ${from}-${to} of ${this.#rows}`);
    for (let row = from; row < to; ) {
      const inExtent = row % this.#extentRows;
      const count = Math.min(to - row, this.#extentRows - inExtent, SCRATCH_ROWS);
      const extent = this.#extents[Math.floor(row / this.#extentRows)];
      if (extent === undefined) throw new CairnError('INTERNAL', 'code table was freed');
      const sums = this.#arena.scan(extent.address + inExtent * this.stride, count, query.codes);
      for (let i = 0; i < count; i++) out[row - from + i] = (sums[i] as number) * (this.#scales[row + i] as number) * query.scale;
      row += count;
    }
  }

  /** Gives the arena its memory back; the table must not be used again. */
  free(): void {
    for (const extent of this.#extents.splice(0)) this.#arena.free(extent.address);
  }

  #addExtent(): void {
    const bytes = this.#extentRows * this.stride;
    const address = this.#arena.alloc(bytes);
    this.#extents.push({ address, codes: this.#arena.view(address, bytes) });
  }

  #growColumns(): void {
    const grow = (old: Float32Array): Float32Array => {
      const larger = new Float32Array(old.length * 2);
      larger.set(old);
      return larger;
    };
    this.#scales = grow(this.#scales);
    this.#norms = grow(this.#norms);
  }
}
