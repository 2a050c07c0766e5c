/**
 * An open segment: an immutable IndexPart over one file. Postings, rows, checksums and codes are in memory; texts, exact
 * vectors and payloads are read on demand, each against its own checksum. Never writes; owns its descriptor and arena memory.
 */
import { CHUNK_KINDS, EDGE_KINDS, SYMBOL_KINDS } from '../format/doc-layout.ts';
import { CairnError } from '../util/errors.ts';
import { ColumnReader } from './columns.ts';
import type { DumpablePart } from './dump.ts';
import type { FieldReader } from './field-reader.ts';
import { fieldTag, TAG } from './layout.ts';
import type { ChunkRow, EdgeRow, Field, SymbolRow } from './part.ts';
import { edgeColumns, ownersOf, type EdgeColumns, type SymbolColumns } from './rows.ts';
import type { SegmentVectors } from './segment-vectors.ts';
import { StoredSegment, type StoredContent } from './stored-segment.ts';

/** Everything that reader.ts loaded. */
export interface SegmentContent extends StoredContent {
  /** All but `target`. */
  readonly fields: ReadonlyMap<Field, FieldReader>;
  readonly symbols: SymbolColumns;
  readonly vectors: SegmentVectors | null;
  /** Of all sections kept in memory, the arena's not included. */
  readonly loadedBytes: number;
}

/** A quarter of what a segment would need in memory, and searches never look at it. */
interface LoadedEdges {
  readonly targets: FieldReader;
  readonly columns: EdgeColumns;
}

export class Segment extends StoredSegment implements DumpablePart {
  readonly vectors: SegmentVectors | null;
  readonly chunkDocs: Uint32Array;
  readonly symbolDocs: Uint32Array;
  readonly chunkLengths: Uint32Array;
  readonly commentLengths: Uint32Array;
  readonly #content: SegmentContent;
  #edges: LoadedEdges | null = null;

  constructor(content: SegmentContent) {
    super(content);
    this.#content = content;
    this.vectors = content.vectors;
    this.chunkDocs = ownersOf(content.docs.chunkStarts);
    this.symbolDocs = ownersOf(content.docs.symbolStarts);
    this.chunkLengths = content.chunks.lengths;
    this.commentLengths = content.docs.commentLengths;
  }

  get memoryBytes(): number {
    const derived = this.chunkDocs.byteLength + this.symbolDocs.byteLength + this.derivedBytes;
    const edges = this.#edges === null ? 0 : [TAG.edges, fieldTag('target')].reduce((sum, tag) => sum + this.container.section(tag).length, 0);
    return this.#content.loadedBytes + derived + edges + (this.vectors?.memoryBytes ?? 0);
  }

  field(name: Field): FieldReader {
    return name === 'target' ? this.#loadedEdges.targets : (this.#content.fields.get(name) as FieldReader);
  }

  /** Without this the first `edge` or `field('target')` reads them, and holds up its thread. They stay until the segment is closed. */
  async loadEdges(): Promise<void> {
    if (this.#edges !== null) return;
    const targets = await this.container.load(fieldTag('target'));
    this.#edges = this.#edgesOf(targets, await this.container.load(TAG.edges));
  }

  readPathVector(doc: number): Float32Array | null {
    return this.docHasPathVector(doc) ? (this.vectors as SegmentVectors).readPathRow(this.pathRow(doc)) : null;
  }
  findDoc(key: string): number {
    return this.docs.find(key);
  }

  chunk(chunk: number): ChunkRow {
    const { startLines, endLines, kinds, symbols } = this.chunks;
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
    const { froms, targets, lines, kinds } = this.#loadedEdges.columns;
    this.#check(edge, this.edgeCount, 'edge');
    return {
      doc: this.#docOfEdge(edge),
      kind: EDGE_KINDS[kinds[edge] as number] as EdgeRow['kind'],
      from: (froms[edge] as number) - 1,
      target: this.field('target').term(targets[edge] as number),
      line: lines[edge] as number,
    };
  }

  /** Closes the file and gives the arena its memory back. A second call does nothing. */
  override async close(): Promise<void> {
    this.vectors?.free();
    await super.close();
  }

  get #loadedEdges(): LoadedEdges {
    return (this.#edges ??= this.#edgesOf(this.container.loadSync(fieldTag('target')), this.container.loadSync(TAG.edges)));
  }

  #edgesOf(targetSection: Buffer, edgeSection: Buffer): LoadedEdges {
    const targets = this.fieldOf('target', targetSection);
    return { targets, columns: edgeColumns(new ColumnReader(edgeSection, this.path, this.container.section(TAG.edges).offset), this.meta, targets.termCount) };
  }

  #docOfEdge(edge: number): number {
    const starts = this.docs.edgeStarts;
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
