/** Quantization: int8 codes, the arena they live in, the scan kernel. */
export { VectorArena, type ArenaOptions, type ArenaUsage } from './arena.ts';
export { CodeTable } from './code-table.ts';
export { Centroid, codeStride, prepareQuery, quantizeRow, rowNorm } from './int8.ts';
export type { KernelName } from './kernel.ts';
export type { CodeMatrix, PreparedQuery } from './types.ts';
