/**
 * An open segment: an immutable IndexPart over one file. Postings, rows, checksums and codes are in memory; texts, exact
 * vectors and payloads are read on demand, each against its own checksum. Never writes; owns its descriptor and arena memory.
 */
import type { EnvFile } from '../env/env.ts';
import type { ContainerReader } from '../format/container-reader.ts';
import { CHUNK_KINDS, EDGE_KINDS, SYMBOL_KINDS } from '../format/doc-layout.ts';
import type { SourceStamp } from '../format/doc.ts';
import { CairnError } from '../util/errors.ts';
import type { DumpablePart } from './dump.ts';
import type { FieldReader } from './field-reader.ts';
import { DOC_CHUNK_VECTORS, DOC_PATH_VECTOR, DOC_PAYLOAD, type SegmentMeta } from './layout.ts';
import type { ChunkRow, EdgeRow, Field, SymbolRow } from './part.ts';
import type { Payloads, StoredPayload } from './payloads.ts';
import { ownersOf, type ChunkColumns, type DocRows, type EdgeColumns, type SymbolColumns } from './rows.ts';
import type { SegmentVectors } from './segment-vectors.ts';
import type { TextBlocks } from './text-blocks.ts';

/** Everything that open.ts loaded. */
export interface SegmentContent {
  readonly file: EnvFile;
  readonly container: ContainerReader;
  readonly meta: SegmentMeta;
  readonly fields: ReadonlyMap<Field, FieldReader>;
  readonly docs: DocRows;
  readonly chunks: ChunkColumns;
  readonly symbols: SymbolColumns;
  readonly edges: EdgeColumns;
  readonly texts: TextBlocks;
  readonly payloads: Payloads | null;
  readonly vectors: SegmentVectors | null;
  /** Of all sections kept in memory, the arena's not included. */
  readonly loadedBytes: number;
}

export class Segment implements DumpablePart {
  readonly id: string;
  readonly meta: SegmentMeta;
  readonly container: ContainerReader;
  readonly vectors: SegmentVectors | null;
  readonly chunkDocs: Uint32Array;
  readonly symbolDocs: Uint32Array;
  readonly chunkLengths: Uint32Array;
  readonly commentLengths: Uint32Array;
  readonly texts: TextBlocks;
  readonly #content: SegmentContent;
  /** Docs with a path vector before each doc; rows of the path vector section. */
  readonly #pathRows: Uint32Array;
  #isClosed = false;

  constructor(content: SegmentContent) {
    this.#content = content;
    this.id = content.container.header.id;
    this.meta = content.meta;
    this.container = content.container;
    this.vectors = content.vectors;
    this.texts = content.texts;
    this.chunkDocs = ownersOf(content.docs.chunkStarts);
    this.symbolDocs = ownersOf(content.docs.symbolStarts);
    this.chunkLengths = content.chunks.lengths;
    this.commentLengths = content.docs.commentLengths;
    let pathRow = 0;
    this.#pathRows = Uint32Array.from(content.docs.flags, (flags) => ((flags & DOC_PATH_VECTOR) === 0 ? pathRow : pathRow++));
  }

  get path(): string {
    return this.container.path;
  }
  get docCount(): number {
    return this.meta.docs;
  }
  get chunkCount(): number {
    return this.meta.chunks;
  }
  get symbolCount(): number {
    return this.meta.symbols;
  }
  get edgeCount(): number {
    return this.meta.edges;
  }
  get memoryBytes(): number {
    const derived = this.chunkDocs.byteLength + this.symbolDocs.byteLength + this.#pathRows.byteLength;
    return this.#content.loadedBytes + derived + (this.vectors?.memoryBytes ?? 0);
  }

  field(name: Field): FieldReader {
    return this.#content.fields.get(name) as FieldReader;
  }

  docKey(doc: number): string {
    return this.#content.docs.key(doc);
  }
  /** UTF-8 of the key, a view. */
  docKeyBytes(doc: number): Uint8Array {
    return this.#content.docs.keyBytes(doc);
  }
  docLanguage(doc: number): string {
    return this.#content.docs.language(doc);
  }
  docSource(doc: number): SourceStamp | null {
    return this.#content.docs.source(doc);
  }
  docPayload(doc: number): Uint8Array | null {
    return this.#content.docs.has(doc, DOC_PAYLOAD) ? (this.#content.payloads as Payloads).read(doc) : null;
  }
  /** Length and checksum without reading it; null when there is none. */
  storedPayload(doc: number): StoredPayload | null {
    return this.#content.docs.has(doc, DOC_PAYLOAD) ? (this.#content.payloads as Payloads).stored(doc) : null;
  }
  docHasVectors(doc: number): boolean {
    // A doc without chunks has none to show, whatever it came with.
    return this.#content.docs.has(doc, DOC_CHUNK_VECTORS);
  }
  docHasPathVector(doc: number): boolean {
    return this.#content.docs.has(doc, DOC_PATH_VECTOR);
  }
  readPathVector(doc: number): Float32Array | null {
    return this.docHasPathVector(doc) ? (this.vectors as SegmentVectors).readPathRow(this.#pathRows[doc] as number) : null;
  }
  findDoc(key: string): number {
    return this.#content.docs.find(key);
  }

  chunkStart(doc: number): number {
    return this.#content.docs.chunkStarts[doc] as number;
  }
  symbolStart(doc: number): number {
    return this.#content.docs.symbolStarts[doc] as number;
  }
  edgeStart(doc: number): number {
    return this.#content.docs.edgeStarts[doc] as number;
  }

  chunk(chunk: number): ChunkRow {
    const { startLines, endLines, kinds, symbols } = this.#content.chunks;
    this.#check(chunk, this.chunkCount, 'chunk');
    return {
      doc: this.chunkDocs[chunk] as number,
      startLine: startLines[chunk] as number,
      endLine: endLines[chunk] as number,
      kind: CHUNK_KINDS[kinds[chunk] as number] as ChunkRow['kind'],
      symbol: (symbols[chunk] as number) - 1,
    };
  }

  chunkText(chunk: number): string {
    return this.chunkTextBytes(chunk).toString('utf8');
  }
  /** A view of the cached block. */
  chunkTextBytes(chunk: number): Buffer {
    this.#check(chunk, this.chunkCount, 'chunk');
    return this.texts.bytes(chunk);
  }

  symbol(symbol: number): SymbolRow {
    const { names, qualified, kinds, startLines, endLines, parents } = this.#content.symbols;
    this.#check(symbol, this.symbolCount, 'symbol');
    return {
      doc: this.symbolDocs[symbol] as number,
      name: this.field('name').term(names[symbol] as number),
      qualified: this.field('name').term(qualified[symbol] as number),
      kind: SYMBOL_KINDS[kinds[symbol] as number] as SymbolRow['kind'],
      startLine: startLines[symbol] as number,
      endLine: endLines[symbol] as number,
      parent: (parents[symbol] as number) - 1,
    };
  }

  symbolKind(symbol: number): SymbolRow['kind'] {
    return SYMBOL_KINDS[this.#content.symbols.kinds[symbol] as number] as SymbolRow['kind'];
  }

  edge(edge: number): EdgeRow {
    const { froms, targets, lines, kinds } = this.#content.edges;
    this.#check(edge, this.edgeCount, 'edge');
    return {
      doc: this.#docOfEdge(edge),
      kind: EDGE_KINDS[kinds[edge] as number] as EdgeRow['kind'],
      from: (froms[edge] as number) - 1,
      target: this.field('target').term(targets[edge] as number),
      line: lines[edge] as number,
    };
  }

  /** Columns as they lie in memory, for the merge. */
  get columns(): Pick<SegmentContent, 'chunks' | 'symbols' | 'edges' | 'docs'> {
    return this.#content;
  }

  /** Closes the file and gives the arena its memory back. A second call does nothing. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.texts.close();
    this.vectors?.free();
    await this.#content.file.close();
  }

  #docOfEdge(edge: number): number {
    const starts = this.#content.docs.edgeStarts;
    let low = 0;
    let high = this.docCount - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((starts[middle] as number) <= edge) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #check(row: number, count: number, what: string): void {
    if (row < 0 || row >= count) throw new CairnError('INTERNAL', `${what} ${row} of ${count} in segment ${this.id}`);
  }
}
