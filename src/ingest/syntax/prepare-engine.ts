/**
 * Which code of the parser V8 optimizes: the engine of tree-sitter yes, grammars no. Owns three flags of V8, which count for the
 * whole process, and the compiled engine, which V8 shares with every thread that loads the same bytes while it is alive.
 *
 * The optimizing compiler takes memory in proportion to the square of a function, and the lexers of grammars are single huge
 * functions: 0.2 GB for a moment over bash, C++ and C#, 0.6 GB over kotlin, 3.4 GB over swift. Baseline code of grammars costs a
 * tenth of the parsing time once the engine is optimized, and saves the time to compile them.
 *
 * A function can be optimized later if its baseline code was made while optimizing was allowed. So the engine is compiled at
 * once and completely, and everything that is compiled afterwards stays as it is. (The vector kernel is made before, when the
 * arena is.)
 */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';

/** The part of the WebAssembly interface that is needed here; the compiler's DOM library, which declares it, is not used. */
const { WebAssembly: Wasm } = globalThis as unknown as { readonly WebAssembly: { compile(bytes: Uint8Array): Promise<object> } };

let engine: Promise<object> | null = null;

/** Must have resolved before any thread of the process loads a grammar. Takes about 30 ms once, off this thread. */
export async function prepareEngine(): Promise<void> {
  engine ??= compileEngine();
  await engine;
}

async function compileEngine(): Promise<object> {
  const bytes = await readFile(fileURLToPath(import.meta.resolve('web-tree-sitter/web-tree-sitter.wasm')));
  // Compiling alone does not keep the event loop alive.
  const alive = setInterval(() => undefined, 60_000);
  try {
    setFlagsFromString('--no-wasm-lazy-compilation');
    return await Wasm.compile(bytes);
  } finally {
    clearInterval(alive);
    setFlagsFromString('--wasm-lazy-compilation');
    setFlagsFromString('--no-wasm-dynamic-tiering');
    setFlagsFromString('--no-wasm-tier-up');
  }
}
