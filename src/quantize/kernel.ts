/**
 * Chooses and loads the scan kernel. The only place that knows whether WebAssembly SIMD is there; the choice is reported
 * (`Kernel.name`), never silent.
 */
import { KERNEL_BASE64 } from './kernel.generated.ts';
import { dotRowsReference } from './reference.ts';
import { webAssembly, type SharedMemory, type WasmModule } from './webassembly.ts';

export type KernelName = 'wasm-simd' | 'reference';

/** All positions are bytes in the memory the kernel was made for; `stride` is a positive multiple of 32. */
export interface Kernel {
  readonly name: KernelName;
  /** Integer dot products of `count` rows with the query, as i32 at `out`. `wide` is room for 2 * stride bytes, aligned to 16. */
  dotRows(row: number, count: number, stride: number, query: number, wide: number, out: number): void;
}

let compiled: WasmModule | null | undefined;

/** Compiled once per thread; null where the platform has no SIMD. */
function simdModule(): WasmModule | null {
  if (compiled === undefined) {
    const bytes = Buffer.from(KERNEL_BASE64, 'base64');
    compiled = webAssembly.validate(bytes) ? new webAssembly.Module(bytes) : null;
  }
  return compiled;
}

/** `wanted` forces the reference (tests, comparison); otherwise SIMD where there is one. */
export function loadKernel(memory: SharedMemory, wanted?: KernelName): Kernel {
  const module = wanted === 'reference' ? null : simdModule();
  if (module === null) {
    return { name: 'reference', dotRows: (row, count, stride, query, _wide, out) => dotRowsReference(memory.buffer, row, count, stride, query, out) };
  }
  const { exports } = new webAssembly.Instance(module, { cairn: { memory } });
  return { name: 'wasm-simd', dotRows: exports.dotRows as Kernel['dotRows'] };
}
