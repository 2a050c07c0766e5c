/** Shapes that the scan and its users share. Re-exported by segment/part.ts. */

/** A query vector prepared once for all matrices: int8 codes padded to the row stride, its scale, its exact values and its norm. */
export interface PreparedQuery {
  readonly vector: Float32Array;
  readonly norm: number;
  readonly scale: number;
  readonly codes: Int8Array;
}

/** int8 rows with one scale per row, scanned by the WASM kernel (a plain reference gives the same numbers). */
export interface CodeMatrix {
  readonly rows: number;
  /** Approximate dot products of rows [from, to) with the query, written to out[0 .. to-from). */
  dots(query: PreparedQuery, from: number, to: number, out: Float32Array): void;
  /** L2 norm of each stored (unquantized) row; 0 for a row that is absent or holds a value that is not finite. */
  readonly norms: Float32Array;
  /** Width of one code step of each row; 0 for a row without codes. Absent in a matrix that does not tell. */
  readonly scales?: Float32Array;
}
