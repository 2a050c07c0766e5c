/**
 * Keeps V8 from optimizing the WebAssembly of grammars. Owns two flags of this process, nothing else.
 *
 * Measured: the optimizing compiler takes 0.2 GB for the lexer of one grammar (C++, C#), 0.6 GB for Kotlin and 3.4 GB for Swift,
 * and more processor time than it saves on trees of less than some thousand files. The baseline compiler needs a few MB; parsing
 * is about a third slower, which is a twentieth of indexing. The vector kernel keeps its optimizer: the arena runs it once as it
 * is made, and code that was compiled before this call still tiers up.
 */
import { setFlagsFromString } from 'node:v8';

/** After the engine is open (its kernel is compiled) and before the first file is parsed. */
export function keepGrammarsUnoptimized(): void {
  setFlagsFromString('--no-wasm-dynamic-tiering');
  setFlagsFromString('--no-wasm-tier-up');
}
