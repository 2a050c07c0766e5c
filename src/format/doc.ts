/**
 * The document record: the unit of replacement of every index, and the payload of a WAL `put` record.
 * A source file of a code index is one document; a record of a vector index is one document with one chunk.
 * Analysis (chunking, terms, symbols, vectors) is done before a document reaches storage, so that WAL replay,
 * flush and compaction never parse, tokenize or embed anything.
 */

export type SymbolKind =
  | 'class' | 'interface' | 'struct' | 'enum' | 'trait' | 'type' | 'module' | 'namespace' | 'object' | 'protocol'
  | 'function' | 'method' | 'constructor' | 'macro' | 'property' | 'field' | 'variable' | 'constant' | 'section';

export type EdgeKind = 'call' | 'import' | 'extends' | 'implements' | 'reference';

export type ChunkKind = 'declaration' | 'group' | 'section' | 'window' | 'record';

/** What the file looked like when it was read; the truth that reconcile compares with the disk. */
export interface SourceStamp {
  readonly size: number;
  readonly mtimeNs: bigint;
  /** First 16 bytes of SHA-256 of the content. */
  readonly hash: Uint8Array;
  /** Why the file has no chunks ('binary', 'too-large', 'minified', 'secret', 'empty', …), or how it was parsed instead ('lines: parse budget'). */
  readonly note: string | null;
}

export interface SymbolRecord {
  readonly name: string;
  /** Enclosing names joined with '.', ending in `name`. */
  readonly qualified: string;
  readonly kind: SymbolKind;
  /** 1-based, inclusive. */
  readonly startLine: number;
  readonly endLine: number;
  /** Index of the enclosing symbol in the same document, or -1. */
  readonly parent: number;
  /** Distinct terms of the name; the first is the whole name when there is more than one part. */
  readonly terms: readonly string[];
}

export interface EdgeRecord {
  readonly kind: EdgeKind;
  /** Index of the symbol in whose body it stands, or -1 for the top level of the file. */
  readonly from: number;
  /** Last part of the name as written (`c` of `a.b.c()`, `Base` of `ns.Base<T>`); for imports the module specifier. Unresolved. */
  readonly target: string;
  /** 1-based. */
  readonly line: number;
}

export interface ChunkRecord {
  /** 1-based, inclusive. */
  readonly startLine: number;
  readonly endLine: number;
  readonly kind: ChunkKind;
  /** Index of the symbol that the chunk declares (or lies in), or -1. */
  readonly symbol: number;
  readonly text: string;
  /** term → number of occurrences in the text. */
  readonly terms: ReadonlyMap<string, number>;
  /** Exactly as the embedder or the client gave it; null in an index without vectors. */
  readonly vector: Float32Array | null;
}

export interface DocRecord {
  /** Path relative to the source root with '/' separators, or the record id of a vector index. At most 4096 bytes of UTF-8. */
  readonly key: string;
  /** Lower-case language id ('typescript', 'markdown', 'text'), '' in a vector index. */
  readonly language: string;
  readonly source: SourceStamp | null;
  readonly chunks: readonly ChunkRecord[];
  readonly symbols: readonly SymbolRecord[];
  readonly edges: readonly EdgeRecord[];
  /** Terms of the path: those of the file stem count 2, those of the last three directories 1. */
  readonly pathTerms: ReadonlyMap<string, number>;
  /** Terms of all comments of the file. */
  readonly commentTerms: ReadonlyMap<string, number>;
  /** Distinct "a b" of adjacent stemmed parts inside one definition name or the stem. */
  readonly pairs: readonly string[];
  /** File stem, lower case, without `_`, `-`, `.`. */
  readonly stem: string;
  /** Embedding of the path line, see the embedder's text template. */
  readonly pathVector: Float32Array | null;
  /** Opaque bytes of a vector-index record. */
  readonly payload: Uint8Array | null;
}
