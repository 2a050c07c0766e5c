/**
 * Which grammar parses which language, and what its compiled file must hash to. Owns every file name of the grammar package;
 * a test compares the hashes, so that an upgrade of the package cannot change what is executed unnoticed.
 */
import { fileURLToPath } from 'node:url';

export type GrammarId =
  | 'typescript' | 'tsx' | 'javascript' | 'python' | 'go' | 'rust' | 'java' | 'c' | 'cpp' | 'c_sharp' | 'ruby' | 'php'
  | 'kotlin' | 'swift' | 'scala' | 'bash' | 'lua' | 'elixir' | 'haskell' | 'zig';

export interface Grammar {
  /** SHA-256 of the .wasm file, hex. */
  readonly sha256: string;
  /** Query files, concatenated in this order; capture names are explained in outline.ts. */
  readonly queries: readonly string[];
  /** Characters handed to the lexer at a time. Small where the external scanner jumps back and forth (scala: 4 times faster with 64). */
  readonly slice: number;
  /**
   * How far the lexer may look past the place where the parser stands. The scanner of swift otherwise reads to the end of
   * the file again and again; long comments and strings widen it (LexerInput in tree-sitter.ts).
   */
  readonly lookahead: number | null;
}

const grammar = (sha256: string, queries: readonly string[], slice = 1024, lookahead: number | null = null): Grammar => ({ sha256, queries, slice, lookahead });

export const GRAMMARS: Readonly<Record<GrammarId, Grammar>> = {
  typescript: grammar('78a2710a7d0f60a8c9ab92cc6e961f76cf80b3d69690140eeca8a29eba9185db', ['ecmascript', 'typescript']),
  tsx: grammar('36d947d9f19043c1108f3f8f5cfa82c25ffd681694e76a164d8b35022ded1d40', ['ecmascript', 'typescript', 'jsx']),
  javascript: grammar('fc5362de9cacbfd6c6ee11e5bf144c7adbbf26ae3703eaaba916d4b0d78da76f', ['ecmascript', 'javascript', 'jsx']),
  python: grammar('2091d112a2989c54c2157a0a9a62c06d41a5ef3e40fd71f19cde7b4663bdd028', ['python']),
  go: grammar('fd9af2da4da88b2537d4a33ce4739dd478cc5b141fdce4cdcf9a0e464b91b614', ['go']),
  rust: grammar('dc7f9b4d182af6b8332b44cfb8d24c0b25892900b006af5ce7eafdef8c976d5a', ['rust']),
  java: grammar('e430a1a344388d6d3bc9f87144dec0d204fca37fafe5f4ab23c51060972a2ac5', ['java']),
  c: grammar('7b80a64003e8ef8cde197329ee0167e9270f67663f2e6c6ef7d67b5425998aac', ['c']),
  cpp: grammar('285a0d1da90e6cdea639ddf1b925ebca567d24b68d13c418ea92f5a6b7c099dd', ['c', 'cpp']),
  c_sharp: grammar('608208861b5cacee3805c486109e05cdfcf508988c303199cbba4628b8ed4151', ['c_sharp']),
  ruby: grammar('db6b357418d4154402e48b497dfa9128d592cf9c559bff1ea1e3fcfe3a3b8d56', ['ruby']),
  php: grammar('01e0af450e9dae33a62a2d7a407240be883574a49edc031eb2bc4b1f22b69e55', ['php']),
  kotlin: grammar('82f658c6d6e07f0c2a421ab7e1308763fffa16627c7d10e9dd9f6f9a4f9ff25a', ['kotlin']),
  swift: grammar('3553bb4258b20fe3514c12a6e68d990036b9446e528283ec6ab79ede8854e791', ['swift'], 256, 8192),
  scala: grammar('b77bab5adc8f838178ba469db065fa4a1aa250c419530e85fd2e470c080515e1', ['scala'], 64),
  bash: grammar('5daf3f2ac1cea01a64cfd6878ef7d247310925a4c62238eb4b8c1feb5dce355a', ['bash']),
  lua: grammar('aedb69dbe1d27c031dde44e40e4ebb3c709adc51097be9f4114c60d6bd0262a4', ['lua']),
  elixir: grammar('1059cf0fe8666f0a0ce3d496a2e5451d736d0401186be7a20fc96fda321feb6e', ['elixir']),
  haskell: grammar('1d749bd88cfc6d93f28d777451be12a3fffe93b75fc2b8dcdd6e8d8ea9a544c7', ['haskell'], 256),
  zig: grammar('c239344ce2612c87937445deb27af5083476fea7842b7bad6cf34c4db446c48a', ['zig']),
};

/** Absolute path of the compiled grammar. */
export function grammarPath(id: GrammarId): string {
  return fileURLToPath(import.meta.resolve(`tree-sitter-wasm/${id}/tree-sitter-${id}.wasm`));
}
