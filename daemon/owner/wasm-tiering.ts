/**
 * Bounds what V8 spends on optimising WebAssembly. Grammars of tree-sitter are single functions of hundreds of kilobytes: tiering
 * one up with TurboFan took 450 MB for a moment and gained nothing measurable. The scan kernel is one small hot function and needs it.
 */
import { setFlagsFromString } from 'node:v8';

/**
 * Only functions with index 0 of their module are optimised: the scan kernel's only function, and of a grammar at most a small
 * one. Call it before workers start; it holds for the whole process.
 */
export function limitWasmTiering(): void {
  setFlagsFromString('--wasm-tier-up-filter=0');
}
