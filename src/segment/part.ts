/**
 * The read interface that a segment and a memtable have in common. The query layer knows nothing else of storage.
 * All ids are local to the part and dense: doc 0..docCount-1, chunk 0..chunkCount-1 (chunks of one doc are contiguous),
 * symbol, edge likewise. A part is immutable while a snapshot holds it (a live memtable only grows: a snapshot remembers its counts).
 */
import type { ChunkKind, EdgeKind, SourceStamp, SymbolKind } from '../format/doc.ts';
import type { CodeMatrix } from '../quantize/types.ts';
import type { PostingsPool } from './postings-pool.ts';

export type { CodeMatrix, PreparedQuery } from '../quantize/types.ts';
export type { PostingsPool } from './postings-pool.ts';

/**
 * Inverted fields and what their postings hold:
 *  body        chunk id, term frequency
 *  path        doc id, weight of DocRecord.pathTerms
 *  comment     doc id, term frequency
 *  definition  symbol id, 1 = part of the name, 2 = whole name of a name with several parts
 *  name        symbol id, 1; terms are exact names, and qualified names where they differ
 *  pair        doc id, 1
 *  stem        doc id, 1
 *  target      edge id, 1; terms are EdgeRecord.target
 */
export type Field = 'body' | 'path' | 'comment' | 'definition' | 'name' | 'pair' | 'stem' | 'target';
export const FIELDS: readonly Field[] = ['body', 'path', 'comment', 'definition', 'name', 'pair', 'stem', 'target'];

/** Decoded postings, ids ascending. Only the first `count` entries are valid. */
export interface Postings {
  readonly count: number;
  readonly ids: Int32Array | Uint32Array;
  readonly values: Int32Array | Uint32Array;
}

export interface TermReader {
  readonly termCount: number;
  /** null when the term is absent. With a pool the postings are valid until the pool takes its arrays back. */
  lookup(term: string, pool?: PostingsPool): Postings | null;
  /** Terms that start with `prefix`, in byte order, at most `limit`. */
  withPrefix(prefix: string, limit: number): string[];
  /** All terms in byte order (memtables sort on demand). */
  terms(): Iterable<string>;
}

export interface ChunkRow {
  readonly doc: number;
  readonly startLine: number;
  readonly endLine: number;
  readonly kind: ChunkKind;
  /** Symbol id in this part, or -1. */
  readonly symbol: number;
}

export interface SymbolRow {
  readonly doc: number;
  readonly name: string;
  readonly qualified: string;
  readonly kind: SymbolKind;
  readonly startLine: number;
  readonly endLine: number;
  /** Symbol id in this part, or -1. */
  readonly parent: number;
}

export interface EdgeRow {
  readonly doc: number;
  readonly kind: EdgeKind;
  /** Symbol id in this part, or -1. */
  readonly from: number;
  readonly target: string;
  readonly line: number;
}

export interface VectorColumns {
  readonly dimension: number;
  /** One row per chunk. */
  readonly chunks: CodeMatrix;
  /** One row per doc: mean of its chunk vectors, scaled to unit length (zero for a doc without chunks). */
  readonly centroids: CodeMatrix;
  /** One row per doc: DocRecord.pathVector (zero when absent). */
  readonly paths: CodeMatrix;
  /** The stored row, bit-exact; checked against its checksum when it comes from a file (CORRUPT otherwise). */
  readVector(chunk: number): Float32Array;
}

export interface IndexPart {
  /** Segment id, or `memtable-<n>`. */
  readonly id: string;
  readonly docCount: number;
  readonly chunkCount: number;
  readonly symbolCount: number;
  readonly edgeCount: number;

  field(name: Field): TermReader;

  docKey(doc: number): string;
  docLanguage(doc: number): string;
  docSource(doc: number): SourceStamp | null;
  docPayload(doc: number): Uint8Array | null;
  /** Doc id with exactly this key (in a memtable: the newest), or -1. */
  findDoc(key: string): number;
  /** First chunk / symbol / edge id of a doc; the end is the start of doc + 1 (defined for doc = docCount too). */
  chunkStart(doc: number): number;
  symbolStart(doc: number): number;
  edgeStart(doc: number): number;

  /** Doc of each chunk and of each symbol; number of terms of each chunk; number of comment terms of each doc. Valid up to the counts above. */
  readonly chunkDocs: Uint32Array;
  readonly symbolDocs: Uint32Array;
  readonly chunkLengths: Uint32Array;
  readonly commentLengths: Uint32Array;

  chunk(chunk: number): ChunkRow;
  /** Reads and decompresses on demand; CORRUPT with path and offset when the block's checksum fails. */
  chunkText(chunk: number): string;
  symbol(symbol: number): SymbolRow;
  /** `symbol(symbol).kind` without making its names. */
  symbolKind(symbol: number): SymbolKind;
  /** Only graph questions need what `edge` and the field `target` answer from: this brings it into memory without holding up the thread. */
  loadEdges(): Promise<void>;
  edge(edge: number): EdgeRow;

  /** null in an index without vectors. */
  readonly vectors: VectorColumns | null;
  /** Bytes held in memory by this part (typed arrays, buffers, arena). */
  readonly memoryBytes: number;
}
