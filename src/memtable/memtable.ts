/**
 * The memtable: documents since the last flush, searchable as they arrive. Implements IndexPart over arrays that only grow.
 *
 * Snapshots: a view remembers docCount and chunkCount of its moment. Ids are handed out in order, so everything with an id
 * at or above those counts came later and the reader of the view ignores it; postings ascend, so they can be cut there.
 * A newer document with the same key supersedes the older one, which stays readable for older views: `supersededBy` and
 * `findDocAt` answer for any view. Liveness bitsets and deletes of keys belong to the index.
 *
 * One writer thread; `add` either adds the whole document or, when it throws, nothing.
 */
import { CHUNK_KINDS, DOC_LIMITS, EDGE_KINDS, SYMBOL_KINDS } from '../format/doc-layout.ts';
import type { DocRecord, SourceStamp } from '../format/doc.ts';
import { encodeDoc } from '../format/doc-codec.ts';
import { FlatDoc } from '../format/flat-doc.ts';
import { GrowableU32 } from '../format/growable-u32.ts';
import type { VectorArena } from '../quantize/index.ts';
import type { DumpablePart } from '../segment/dump.ts';
import { Inverter } from '../segment/inverter.ts';
import type { ChunkRow, EdgeRow, Field, SymbolRow, TermReader } from '../segment/part.ts';
import { compareUtf8 } from '../segment/utf8-order.ts';
import { Bitset } from '../util/bitset.ts';
import { CairnError } from '../util/errors.ts';
import { asLsn, type Lsn } from '../util/ids.ts';
import { MemtableTerms } from './memtable-terms.ts';
import { MemtableVectors } from './memtable-vectors.ts';

export interface MemtableOptions {
  /** `memtable-<n>` */
  readonly id: string;
  /** 0 in an index without vectors. */
  readonly dimension: number;
  readonly arena: VectorArena;
}

/** One document that a flush writes. */
export interface FlushDoc {
  readonly key: string;
  readonly doc: number;
  readonly lsn: Lsn;
  /** Encoded record; not to be changed. */
  readonly bytes: Uint8Array;
}

interface DocRow {
  readonly key: string;
  readonly language: string;
  readonly source: SourceStamp | null;
  readonly lsn: Lsn;
  /** Encoded record in a buffer of its own; texts, vectors and payload are read from it. */
  readonly record: Buffer;
  readonly hasPayload: boolean;
}

export class Memtable implements DumpablePart {
  readonly id: string;
  readonly dimension: number;
  readonly vectors: MemtableVectors | null;
  readonly #inverter = new Inverter();
  readonly #terms = new Map<Field, MemtableTerms>();
  readonly #docs: DocRow[] = [];
  readonly #newest = new Map<string, number>();
  /** Doc that the same key had before, + 1; doc that replaced it, + 1. */
  readonly #older = new GrowableU32();
  readonly #newer = new GrowableU32();
  readonly #chunkStarts = new GrowableU32();
  readonly #symbolStarts = new GrowableU32();
  readonly #edgeStarts = new GrowableU32();
  readonly #commentLengths = new GrowableU32();
  readonly #chunks = chunkColumns();
  readonly #symbols = symbolColumns();
  readonly #edges = edgeColumns();
  #recordBytes = 0;
  #maxLsn = asLsn(0);

  constructor(options: MemtableOptions) {
    this.id = options.id;
    this.dimension = options.dimension;
    this.vectors = options.dimension === 0 ? null : new MemtableVectors(options.arena, options.dimension, (chunk) => this.#vectorBytes(chunk));
    for (const starts of [this.#chunkStarts, this.#symbolStarts, this.#edgeStarts]) starts.push(0);
  }

  get docCount(): number {
    return this.#docs.length;
  }
  get chunkCount(): number {
    return this.#chunks.docs.length;
  }
  get symbolCount(): number {
    return this.#symbols.docs.length;
  }
  get edgeCount(): number {
    return this.#edges.kinds.length;
  }
  /** Of the last added document. */
  get maxLsn(): Lsn {
    return this.#maxLsn;
  }
  get chunkDocs(): Uint32Array {
    return this.#chunks.docs.array;
  }
  get symbolDocs(): Uint32Array {
    return this.#symbols.docs.array;
  }
  get chunkLengths(): Uint32Array {
    return this.#chunks.lengths.array;
  }
  get commentLengths(): Uint32Array {
    return this.#commentLengths.array;
  }

  get memoryBytes(): number {
    const columns = [
      ...Object.values(this.#chunks), ...Object.values(this.#symbols), ...Object.values(this.#edges),
      this.#older, this.#newer, this.#chunkStarts, this.#symbolStarts, this.#edgeStarts, this.#commentLengths,
    ];
    const columnBytes = columns.reduce((sum, column) => sum + column.memoryBytes, 0);
    // Row object, key and source stamp of a document: about 300 bytes of heap beside the record.
    return columnBytes + this.#recordBytes + this.#docs.length * 300 + this.#inverter.memoryBytes + (this.vectors?.memoryBytes ?? 0);
  }

  /**
   * Appends a document and returns its id. With `keep` the bytes are not copied: nobody changes them any more, and what else is
   * in their buffer stays in memory with them (a batch of the index: its documents come and go together). DIMENSION_MISMATCH for vectors of another dimension, OVERLOADED when the arena or
   * an id range is full, CORRUPT for damaged bytes; then nothing was added.
   */
  add(doc: FlatDoc | DocRecord | Uint8Array, lsn: Lsn = asLsn(0), keep = false): number {
    const flat = doc instanceof FlatDoc ? doc : new FlatDoc(doc instanceof Uint8Array ? doc : encodeDoc(doc));
    this.#refuse(flat);
    this.vectors?.reserve(this.chunkCount + flat.chunkCount, this.docCount + 1);
    const bases = { doc: this.docCount, chunk: this.chunkCount, symbol: this.symbolCount, edge: this.edgeCount };
    const strings = this.#inverter.add(flat, bases);
    this.#addDoc(flat, lsn, keep);
    this.#addChunks(flat, bases.doc, bases.symbol);
    this.#addSymbols(flat, bases.doc, bases.symbol, strings);
    this.#addEdges(flat, bases.symbol, strings);
    this.vectors?.add(flat);
    for (const [starts, end] of [[this.#chunkStarts, this.chunkCount], [this.#symbolStarts, this.symbolCount], [this.#edgeStarts, this.edgeCount]] as const) {
      starts.push(end);
    }
    return bases.doc;
  }

  field(name: Field): TermReader {
    let terms = this.#terms.get(name);
    if (terms === undefined) {
      terms = new MemtableTerms(this.#inverter.strings, this.#inverter.field(name));
      this.#terms.set(name, terms);
    }
    return terms;
  }

  docKey(doc: number): string {
    return this.#row(doc).key;
  }
  docLanguage(doc: number): string {
    return this.#row(doc).language;
  }
  docSource(doc: number): SourceStamp | null {
    return this.#row(doc).source;
  }
  docLsn(doc: number): Lsn {
    return this.#row(doc).lsn;
  }
  docPayload(doc: number): Uint8Array | null {
    const row = this.#row(doc);
    return row.hasPayload ? new FlatDoc(row.record, this.id).payload() : null;
  }
  /** The encoded record as it was committed; not to be changed. */
  docBytes(doc: number): Uint8Array {
    return this.#row(doc).record;
  }

  findDoc(key: string): number {
    return this.#newest.get(key) ?? -1;
  }
  /** As `findDoc` for a view that was taken at `docCount` documents. */
  findDocAt(key: string, docCount: number): number {
    let doc = this.findDoc(key);
    while (doc >= docCount) doc = this.#older.at(doc) - 1;
    return doc;
  }
  /** The document that replaced this one in the memtable, or -1. In a view of n documents it is superseded when 0 <= result < n. */
  supersededBy(doc: number): number {
    return this.#newer.at(doc) - 1;
  }
  /** Documents of a view that no newer one of the view supersedes. Knows nothing of deletes. */
  newestAt(docCount: number): Bitset {
    const newest = Bitset.full(docCount);
    for (let doc = 0; doc < docCount; doc++) {
      const by = this.supersededBy(doc);
      if (by >= 0 && by < docCount) newest.delete(doc);
    }
    return newest;
  }
  /** The newest document of each key in key order: what a flush writes, less the deleted keys that the index knows. */
  *flushDocs(): Generator<FlushDoc> {
    const keys = [...this.#newest.keys()].sort(compareUtf8);
    for (const key of keys) {
      const doc = this.findDoc(key);
      const { lsn, record } = this.#row(doc);
      yield { key, doc, lsn, bytes: record };
    }
  }

  chunkStart(doc: number): number {
    return this.#chunkStarts.at(doc);
  }
  symbolStart(doc: number): number {
    return this.#symbolStarts.at(doc);
  }
  edgeStart(doc: number): number {
    return this.#edgeStarts.at(doc);
  }

  chunk(chunk: number): ChunkRow {
    const columns = this.#chunks;
    return {
      doc: columns.docs.at(chunk),
      startLine: columns.startLines.at(chunk),
      endLine: columns.endLines.at(chunk),
      kind: CHUNK_KINDS[columns.kinds.at(chunk)] as ChunkRow['kind'],
      symbol: columns.symbols.at(chunk) - 1,
    };
  }

  chunkText(chunk: number): string {
    const { record } = this.#row(this.#chunks.docs.at(chunk));
    return record.toString('utf8', this.#chunks.textStarts.at(chunk), this.#chunks.textEnds.at(chunk));
  }

  symbol(symbol: number): SymbolRow {
    const columns = this.#symbols;
    return {
      doc: columns.docs.at(symbol),
      name: this.#inverter.strings.text(columns.names.at(symbol)),
      qualified: this.#inverter.strings.text(columns.qualified.at(symbol)),
      kind: SYMBOL_KINDS[columns.kinds.at(symbol)] as SymbolRow['kind'],
      startLine: columns.startLines.at(symbol),
      endLine: columns.endLines.at(symbol),
      parent: columns.parents.at(symbol) - 1,
    };
  }

  symbolKind(symbol: number): SymbolRow['kind'] {
    return SYMBOL_KINDS[this.#symbols.kinds.at(symbol)] as SymbolRow['kind'];
  }

  async loadEdges(): Promise<void> {}

  edge(edge: number): EdgeRow {
    const columns = this.#edges;
    return {
      doc: columns.docs.at(edge),
      kind: EDGE_KINDS[columns.kinds.at(edge)] as EdgeRow['kind'],
      from: columns.froms.at(edge) - 1,
      target: this.#inverter.strings.text(columns.targets.at(edge)),
      line: columns.lines.at(edge),
    };
  }

  docHasVectors(doc: number): boolean {
    return this.vectors !== null && this.chunkStart(doc + 1) > this.chunkStart(doc) && this.#chunks.vectorsAt.at(this.chunkStart(doc)) > 0;
  }
  readPathVector(doc: number): Float32Array | null {
    return this.vectors?.hasPathVector(doc) ? new FlatDoc(this.#row(doc).record, this.id).pathVector() : null;
  }

  /** Gives the arena its memory back; the memtable must not be used again. */
  close(): void {
    this.vectors?.free();
  }

  #refuse(flat: FlatDoc): void {
    if (flat.dimension !== 0 && flat.dimension !== this.dimension) {
      throw new CairnError('DIMENSION_MISMATCH', `document ${JSON.stringify(flat.key)} has vectors of dimension ${flat.dimension}, the index of ${this.dimension}`);
    }
    // Postings keep one bit of a 32-bit word for themselves.
    const largest = Math.max(this.docCount, this.chunkCount + flat.chunkCount, this.symbolCount + flat.symbolCount, this.edgeCount + flat.edgeCount);
    if (largest >= 0x7fff_ffff - DOC_LIMITS.edges) throw new CairnError('OVERLOADED', `memtable ${this.id} is full`);
  }

  #addDoc(flat: FlatDoc, lsn: Lsn, keep: boolean): void {
    const doc = this.#docs.length;
    const older = this.findDoc(flat.key);
    this.#older.push(older + 1);
    this.#newer.push(0);
    if (older >= 0) this.#newer.set(older, doc + 1);
    this.#newest.set(flat.key, doc);
    this.#commentLengths.push(totalCount(flat.commentTerms));
    const { buffer, byteOffset, length } = flat.bytes;
    // The pool that small buffers share is no batch: one document would keep all of it.
    const record = keep && buffer.byteLength !== Buffer.poolSize ? Buffer.from(buffer, byteOffset, length) : ownBuffer(flat.bytes);
    this.#recordBytes += record.length;
    this.#maxLsn = lsn;
    this.#docs.push({ key: flat.key, language: flat.language, source: flat.source, lsn, record, hasPayload: flat.hasPayload });
  }

  #addChunks(flat: FlatDoc, doc: number, symbolBase: number): void {
    const columns = this.#chunks;
    for (let i = 0; i < flat.chunkCount; i++) {
      const symbol = flat.chunkSymbols[i] as number;
      columns.docs.push(doc);
      columns.startLines.push(flat.chunkStartLines[i] as number);
      columns.endLines.push(flat.chunkEndLines[i] as number);
      columns.kinds.push(flat.chunkKinds[i] as number);
      columns.symbols.push(symbol < 0 ? 0 : symbolBase + symbol + 1);
      columns.lengths.push(totalCount(flat.chunkTerms(i)));
      columns.textStarts.push(flat.textStarts[i] as number);
      columns.textEnds.push(flat.textStarts[i + 1] as number);
      columns.vectorsAt.push(flat.hasChunkVectors ? flat.chunkVectorAt(i) : 0);
    }
  }

  #addSymbols(flat: FlatDoc, doc: number, base: number, strings: Uint32Array): void {
    const columns = this.#symbols;
    for (let i = 0; i < flat.symbolCount; i++) {
      const parent = flat.symbolParents[i] as number;
      columns.docs.push(doc);
      columns.names.push(strings[flat.symbolNames[i] as number] as number);
      columns.qualified.push(strings[flat.symbolQualified[i] as number] as number);
      columns.kinds.push(flat.symbolKinds[i] as number);
      columns.startLines.push(flat.symbolStartLines[i] as number);
      columns.endLines.push(flat.symbolEndLines[i] as number);
      columns.parents.push(parent < 0 ? 0 : base + parent + 1);
    }
  }

  #addEdges(flat: FlatDoc, symbolBase: number, strings: Uint32Array): void {
    const columns = this.#edges;
    for (let i = 0; i < flat.edgeCount; i++) {
      const from = flat.edgeFroms[i] as number;
      columns.docs.push(this.docCount - 1);
      columns.kinds.push(flat.edgeKinds[i] as number);
      columns.froms.push(from < 0 ? 0 : symbolBase + from + 1);
      columns.targets.push(strings[flat.edgeTargets[i] as number] as number);
      columns.lines.push(flat.edgeLines[i] as number);
    }
  }

  #vectorBytes(chunk: number): Uint8Array | null {
    const at = this.#chunks.vectorsAt.at(chunk);
    return at === 0 ? null : this.#row(this.#chunks.docs.at(chunk)).record.subarray(at, at + this.dimension * 4);
  }

  #row(doc: number): DocRow {
    const row = this.#docs[doc];
    if (row === undefined) throw new CairnError('INTERNAL', `doc ${doc} of ${this.#docs.length} in ${this.id}`);
    return row;
  }
}

const u32 = (): GrowableU32 => new GrowableU32(256);
const chunkColumns = () => ({
  docs: u32(), startLines: u32(), endLines: u32(), kinds: u32(), symbols: u32(), lengths: u32(), textStarts: u32(), textEnds: u32(),
  /** Byte position of the vector in the record; 0 = none. */
  vectorsAt: u32(),
});
const symbolColumns = () => ({ docs: u32(), names: u32(), qualified: u32(), kinds: u32(), startLines: u32(), endLines: u32(), parents: u32() });
const edgeColumns = () => ({ docs: u32(), kinds: u32(), froms: u32(), targets: u32(), lines: u32() });

/** Sum of the counts. */
function totalCount(terms: FlatDoc['commentTerms']): number {
  let total = 0;
  for (let i = terms.start; i < terms.end; i++) total += terms.counts[i] as number;
  return total;
}

/** A record may be a slice of something larger, which must not stay in memory because of it. */
function ownBuffer(bytes: Uint8Array): Buffer {
  if (bytes.buffer.byteLength === bytes.byteLength) return Buffer.from(bytes.buffer, 0, bytes.byteLength);
  const copy = Buffer.allocUnsafeSlow(bytes.byteLength);
  copy.set(bytes);
  return copy;
}
