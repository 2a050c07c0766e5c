/** The scan in plain TypeScript: the definition of what kernel.wat computes, and the fallback where there is no SIMD. */
export function dotRowsReference(memory: ArrayBufferLike, row: number, count: number, stride: number, query: number, out: number): void {
  const codes = new Int8Array(memory);
  const sums = new Int32Array(memory, out, count);
  for (let r = 0; r < count; r++) {
    const start = row + r * stride;
    let sum = 0;
    for (let i = 0; i < stride; i++) sum += (codes[start + i] as number) * (codes[query + i] as number);
    sums[r] = sum;
  }
}
