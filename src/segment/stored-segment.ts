/**
 * A segment file of which only the small parts are in memory: docs, chunk rows and the indexes of texts and payloads. Everything
 * else is read when it is asked for, verified, and kept by nobody: this is how a merge reads its sources. An open `Segment`
 * is one of these with the rest in memory. Never writes; owns its descriptor.
 */
import type { EnvFile } from '../env/env.ts';
import type { ContainerReader } from '../format/container-reader.ts';
import type { SourceStamp } from '../format/doc.ts';
import { CairnError } from '../util/errors.ts';
import { FieldReader } from './field-reader.ts';
import { DOC_CHUNK_VECTORS, DOC_PATH_VECTOR, DOC_PAYLOAD, fieldTag, type SegmentMeta } from './layout.ts';
import type { Field } from './part.ts';
import type { Payloads, StoredPayload } from './payloads.ts';
import { readEdges, readSymbols, sectionLoader, type ChunkColumns, type DocRows, type EdgeColumns, type SymbolColumns } from './rows.ts';
import type { TextBlocks } from './text-blocks.ts';
import { openVectorFiles, type VectorFiles } from './vector-files.ts';

export interface StoredContent {
  readonly file: EnvFile;
  readonly container: ContainerReader;
  readonly meta: SegmentMeta;
  readonly docs: DocRows;
  readonly chunks: ChunkColumns;
  readonly texts: TextBlocks;
  readonly payloads: Payloads | null;
}

export class StoredSegment {
  readonly id: string;
  readonly meta: SegmentMeta;
  readonly container: ContainerReader;
  readonly texts: TextBlocks;
  readonly docs: DocRows;
  readonly chunks: ChunkColumns;
  readonly #file: EnvFile;
  readonly #payloads: Payloads | null;
  /** Docs with a path vector before each doc; rows of the path vector section. */
  readonly #pathRows: Uint32Array;
  #isClosed = false;

  constructor(content: StoredContent) {
    this.id = content.container.header.id;
    this.meta = content.meta;
    this.container = content.container;
    this.texts = content.texts;
    this.docs = content.docs;
    this.chunks = content.chunks;
    this.#file = content.file;
    this.#payloads = content.payloads;
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

  docKey(doc: number): string {
    return this.docs.key(doc);
  }
  /** UTF-8 of the key, a view. */
  docKeyBytes(doc: number): Uint8Array {
    return this.docs.keyBytes(doc);
  }
  docLanguage(doc: number): string {
    return this.docs.language(doc);
  }
  docSource(doc: number): SourceStamp | null {
    return this.docs.source(doc);
  }
  docPayload(doc: number): Uint8Array | null {
    return this.docs.has(doc, DOC_PAYLOAD) ? (this.#payloads as Payloads).read(doc) : null;
  }
  /** Length and checksum without reading it; null when there is none. */
  storedPayload(doc: number): StoredPayload | null {
    return this.docs.has(doc, DOC_PAYLOAD) ? (this.#payloads as Payloads).stored(doc) : null;
  }
  docHasVectors(doc: number): boolean {
    // A doc without chunks has none to show, whatever it came with.
    return this.docs.has(doc, DOC_CHUNK_VECTORS);
  }
  docHasPathVector(doc: number): boolean {
    return this.docs.has(doc, DOC_PATH_VECTOR);
  }
  /** Row of the doc among those that have a path vector. */
  pathRow(doc: number): number {
    return this.#pathRows[doc] as number;
  }

  chunkStart(doc: number): number {
    return this.docs.chunkStarts[doc] as number;
  }
  symbolStart(doc: number): number {
    return this.docs.symbolStarts[doc] as number;
  }
  edgeStart(doc: number): number {
    return this.docs.edgeStarts[doc] as number;
  }

  /** A view of the cached block. */
  chunkTextBytes(chunk: number): Buffer {
    if (chunk < 0 || chunk >= this.chunkCount) throw new CairnError('INTERNAL', `chunk ${chunk} of ${this.chunkCount} in segment ${this.id}`);
    return this.texts.bytes(chunk);
  }

  async readField(field: Field): Promise<FieldReader> {
    return this.fieldOf(field, await this.container.load(fieldTag(field)));
  }

  /** A field whose section is at hand. */
  protected fieldOf(field: Field, section: Buffer): FieldReader {
    return new FieldReader(section, this.path, this.container.section(fieldTag(field)).offset, this.#idLimit(field));
  }

  /** `nameTerms`: of the field `name`. */
  readSymbols(nameTerms: number): Promise<SymbolColumns> {
    return readSymbols(sectionLoader(this.container), this.meta, nameTerms);
  }

  /** `targetTerms`: of the field `target`. */
  readEdges(targetTerms: number): Promise<EdgeColumns> {
    return readEdges(sectionLoader(this.container), this.meta, targetTerms);
  }

  /** Only for a segment with vectors. */
  openVectors(): Promise<VectorFiles> {
    return openVectorFiles(this.container, this.meta);
  }

  /** Bytes beside the loaded sections. */
  protected get derivedBytes(): number {
    return this.#pathRows.byteLength;
  }

  /** Closes the file. A second call does nothing. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.texts.close();
    await this.#file.close();
  }

  #idLimit(field: Field): number {
    if (field === 'body') return this.chunkCount;
    if (field === 'definition' || field === 'name') return this.symbolCount;
    return field === 'target' ? this.edgeCount : this.docCount;
  }
}
