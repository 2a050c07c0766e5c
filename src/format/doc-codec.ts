/**
 * Encodes and decodes document records: the payload of a WAL `put` and the unit that the memtable keeps.
 * Byte layout: FORMAT.md, "Document record". Decoding trusts nothing: checksum first, then every count and index
 * against the bytes and tables of the record. Vectors and payload are copied bit by bit, never through arithmetic.
 */
import { crc32 } from 'node:zlib';
import { CairnError } from '../util/errors.ts';
import type { ChunkRecord, DocRecord, EdgeRecord, SymbolRecord } from './doc.ts';
import {
  CHUNK_KINDS, DOC_HAS_CHUNK_VECTORS, DOC_HAS_NOTE, DOC_HAS_PATH_VECTOR, DOC_HAS_PAYLOAD, DOC_HAS_SOURCE, DOC_LIMITS,
  DOC_MAGIC, DOC_VERSION, EDGE_KINDS, SYMBOL_KINDS,
} from './doc-layout.ts';
import { FlatDoc, type Counted } from './flat-doc.ts';
import { RecordWriter } from './record-writer.ts';

export { DOC_LIMITS } from './doc-layout.ts';
export { peekDocHeader, type DocHeader } from './flat-doc.ts';

/** Fails with INVALID_ARGUMENT when the record breaks a limit or cannot be read back equal (ill-formed UTF-16, repeated terms). */
export function encodeDoc(doc: DocRecord): Uint8Array {
  return new DocEncoder(doc).encode();
}

/** Fails with CORRUPT, TRUNCATED or NEWER_FORMAT; `path` is named in the error. */
export function decodeDoc(bytes: Uint8Array, path?: string): DocRecord {
  return inflateDoc(new FlatDoc(bytes, path));
}

/** The record as plain objects, independent of the bytes it came from. */
export function inflateDoc(flat: FlatDoc): DocRecord {
  return {
    key: flat.key,
    language: flat.language,
    source: flat.source,
    chunks: Array.from({ length: flat.chunkCount }, (_, i) => inflateChunk(flat, i)),
    symbols: Array.from({ length: flat.symbolCount }, (_, i) => inflateSymbol(flat, i)),
    edges: Array.from({ length: flat.edgeCount }, (_, i) => inflateEdge(flat, i)),
    pathTerms: inflateTerms(flat, flat.pathTerms),
    commentTerms: inflateTerms(flat, flat.commentTerms),
    pairs: Array.from(flat.pairs, (id) => flat.string(id)),
    stem: flat.stem < 0 ? '' : flat.string(flat.stem),
    pathVector: flat.pathVector(),
    payload: flat.payload(),
  };
}

function inflateTerms(flat: FlatDoc, terms: Counted): Map<string, number> {
  const out = new Map<string, number>();
  for (let i = terms.start; i < terms.end; i++) out.set(flat.string(terms.ids[i] as number), terms.counts[i] as number);
  return out;
}

function inflateChunk(flat: FlatDoc, i: number): ChunkRecord {
  return {
    startLine: flat.chunkStartLines[i] as number,
    endLine: flat.chunkEndLines[i] as number,
    kind: CHUNK_KINDS[flat.chunkKinds[i] as number] as ChunkRecord['kind'],
    symbol: flat.chunkSymbols[i] as number,
    text: flat.chunkText(i),
    terms: inflateTerms(flat, flat.chunkTerms(i)),
    vector: flat.chunkVector(i),
  };
}

function inflateSymbol(flat: FlatDoc, i: number): SymbolRecord {
  const terms: string[] = [];
  for (let t = flat.symbolTermStarts[i] as number; t < (flat.symbolTermStarts[i + 1] as number); t++) {
    terms.push(flat.string(flat.symbolTermIds[t] as number));
  }
  return {
    name: flat.string(flat.symbolNames[i] as number),
    qualified: flat.string(flat.symbolQualified[i] as number),
    kind: SYMBOL_KINDS[flat.symbolKinds[i] as number] as SymbolRecord['kind'],
    startLine: flat.symbolStartLines[i] as number,
    endLine: flat.symbolEndLines[i] as number,
    parent: flat.symbolParents[i] as number,
    terms,
  };
}

function inflateEdge(flat: FlatDoc, i: number): EdgeRecord {
  return {
    kind: EDGE_KINDS[flat.edgeKinds[i] as number] as EdgeRecord['kind'],
    from: flat.edgeFroms[i] as number,
    target: flat.string(flat.edgeTargets[i] as number),
    line: flat.edgeLines[i] as number,
  };
}

class DocEncoder {
  readonly #doc: DocRecord;
  readonly #out = new RecordWriter(16 * 1024);
  /** The part after the string table; written first, because the table is known only when it is complete. */
  readonly #body = new RecordWriter(8 * 1024);
  readonly #texts: RecordWriter;
  readonly #strings = new Map<string, number>();
  readonly #dimension: number;

  constructor(doc: DocRecord) {
    this.#doc = doc;
    this.#texts = new RecordWriter(doc.chunks.reduce((sum, chunk) => sum + chunk.text.length, 64));
    this.#dimension = this.#checkVectors();
  }

  encode(): Uint8Array {
    const doc = this.#doc;
    const out = this.#out;
    this.#limit(doc.chunks.length, DOC_LIMITS.chunks, 'chunks');
    this.#limit(doc.symbols.length, DOC_LIMITS.symbols, 'symbols');
    this.#limit(doc.edges.length, DOC_LIMITS.edges, 'edges');
    this.#header();
    if (doc.source !== null) this.#source();
    this.#writeBody();
    this.#stringTable();
    out.bytes(this.#body.view());
    if (doc.payload !== null) this.#payload(doc.payload);
    out.bytes(this.#texts.view());
    out.zerosTo(4);
    out.patchU32(out.length, 20);
    for (const chunk of doc.chunks) if (chunk.vector !== null) out.floats(chunk.vector);
    if (doc.pathVector !== null) out.floats(doc.pathVector);
    this.#limit(out.length + 4, DOC_LIMITS.recordBytes, 'bytes in a record');
    out.patchU32(out.length + 4, 8);
    out.u32(crc32(out.view()));
    return out.take();
  }

  #header(): void {
    const { doc, out } = { doc: this.#doc, out: this.#out };
    out.u32(DOC_MAGIC);
    out.u8(DOC_VERSION);
    out.u8(this.#flags());
    out.u16(0);
    out.u32(0);
    out.u32(doc.chunks.length);
    out.u32(this.#dimension);
    out.u32(0);
    out.u32(0);
    out.u8(0);
    out.zerosTo(32);
    const keyBytes = this.#text(out, doc.key, DOC_LIMITS.keyBytes, 'key');
    const languageBytes = this.#text(out, doc.language, DOC_LIMITS.languageBytes, 'language');
    out.patchU8(keyBytes & 255, 6);
    out.patchU8(keyBytes >>> 8, 7);
    out.patchU8(languageBytes, 28);
  }

  #flags(): number {
    const doc = this.#doc;
    return (
      (doc.source === null ? 0 : DOC_HAS_SOURCE) |
      (doc.source === null || doc.source.note === null ? 0 : DOC_HAS_NOTE) |
      (doc.pathVector === null ? 0 : DOC_HAS_PATH_VECTOR) |
      ((doc.chunks[0]?.vector ?? null) === null ? 0 : DOC_HAS_CHUNK_VECTORS) |
      (doc.payload === null ? 0 : DOC_HAS_PAYLOAD)
    );
  }

  #source(): void {
    const source = this.#doc.source as NonNullable<DocRecord['source']>;
    if (!Number.isSafeInteger(source.size) || source.size < 0) throw this.#invalid(`source size ${source.size}`);
    if (source.hash.byteLength !== DOC_LIMITS.hashBytes) throw this.#invalid(`source hash of ${source.hash.byteLength} bytes, expected 16`);
    if (BigInt.asIntN(64, source.mtimeNs) !== source.mtimeNs) throw this.#invalid(`mtime ${source.mtimeNs} outside 64 bits`);
    this.#out.u64(source.size);
    this.#out.i64(source.mtimeNs);
    this.#out.bytes(source.hash);
    if (source.note === null) return;
    const note = new RecordWriter(64);
    this.#out.varint(this.#text(note, source.note, DOC_LIMITS.noteBytes, 'note'));
    this.#out.bytes(note.view());
  }

  #writeBody(): void {
    const doc = this.#doc;
    this.#body.varint(doc.stem === '' ? 0 : this.#id(doc.stem) + 1);
    this.#counted(doc.pathTerms);
    this.#counted(doc.commentTerms);
    this.#distinct(doc.pairs, 'pairs');
    this.#body.varint(doc.symbols.length);
    for (const symbol of doc.symbols) this.#symbol(symbol);
    this.#body.varint(doc.edges.length);
    for (const edge of doc.edges) this.#edge(edge);
    for (const chunk of doc.chunks) this.#chunk(chunk);
  }

  #symbol(symbol: SymbolRecord): void {
    const body = this.#body;
    body.varint(this.#id(symbol.name));
    body.varint(this.#id(symbol.qualified));
    body.u8(this.#kind(SYMBOL_KINDS, symbol.kind));
    this.#lines(symbol.startLine, symbol.endLine);
    this.#reference(symbol.parent);
    this.#distinct(symbol.terms, 'terms of a symbol');
  }

  #edge(edge: EdgeRecord): void {
    this.#body.u8(this.#kind(EDGE_KINDS, edge.kind));
    this.#reference(edge.from);
    this.#body.varint(this.#id(edge.target));
    this.#body.varint(this.#number(edge.line, DOC_LIMITS.line, 'line'));
  }

  #chunk(chunk: ChunkRecord): void {
    const body = this.#body;
    this.#lines(chunk.startLine, chunk.endLine);
    body.u8(this.#kind(CHUNK_KINDS, chunk.kind));
    this.#reference(chunk.symbol);
    body.varint(this.#text(this.#texts, chunk.text, DOC_LIMITS.textBytes, 'chunk text'));
    this.#counted(chunk.terms);
  }

  #counted(terms: ReadonlyMap<string, number>): void {
    this.#body.varint(terms.size);
    let total = 0;
    for (const [term, count] of terms) {
      if (count === 0) throw this.#invalid(`term ${JSON.stringify(term)} with count 0`);
      this.#body.varint(this.#id(term));
      this.#body.varint(this.#number(count, DOC_LIMITS.termCount, 'term count'));
      total += count;
    }
    this.#limit(total, 0xffff_ffff, 'terms');
  }

  #distinct(strings: readonly string[], what: string): void {
    if (new Set(strings).size !== strings.length) throw this.#invalid(`${what} repeat: ${strings.slice(0, 10).join(', ')}`);
    this.#body.varint(strings.length);
    for (const text of strings) this.#body.varint(this.#id(text));
  }

  #stringTable(): void {
    this.#limit(this.#strings.size, DOC_LIMITS.strings, 'distinct strings');
    const blob = new RecordWriter(this.#strings.size * 12 + 64);
    this.#out.varint(this.#strings.size);
    for (const text of this.#strings.keys()) this.#out.varint(this.#text(blob, text, DOC_LIMITS.stringBytes, 'term or name'));
    this.#out.bytes(blob.view());
  }

  #payload(payload: Uint8Array): void {
    this.#limit(payload.byteLength, DOC_LIMITS.payloadBytes, 'payload bytes');
    this.#out.varint(payload.byteLength);
    this.#out.bytes(payload);
  }

  #id(text: string): number {
    const known = this.#strings.get(text);
    if (known !== undefined) return known;
    const id = this.#strings.size;
    this.#strings.set(text, id);
    return id;
  }

  #lines(start: number, end: number): void {
    if (end < start) throw this.#invalid(`lines ${start}-${end}`);
    this.#body.varint(this.#number(start, DOC_LIMITS.line, 'line'));
    this.#body.varint(this.#number(end, DOC_LIMITS.line, 'line') - start);
  }

  /** Index of a symbol of this document, or -1. */
  #reference(symbol: number): void {
    if (!Number.isInteger(symbol) || symbol < -1 || symbol >= this.#doc.symbols.length) throw this.#invalid(`symbol reference ${symbol}`);
    this.#body.varint(symbol + 1);
  }

  #kind<K extends string>(table: readonly K[], kind: K): number {
    const code = table.indexOf(kind);
    if (code < 0) throw this.#invalid(`unknown kind ${JSON.stringify(kind)}`);
    return code;
  }

  #text(out: RecordWriter, text: string, limit: number, what: string): number {
    if (!text.isWellFormed()) throw this.#invalid(`${what} holds half a surrogate pair`);
    // UTF-8 needs at least one byte per UTF-16 unit; this keeps a huge string from growing the buffer first.
    this.#limit(text.length, limit, `bytes in ${what}`);
    const bytes = out.utf8(text);
    this.#limit(bytes, limit, `bytes in ${what}`);
    return bytes;
  }

  #number(value: number, limit: number, what: string): number {
    if (!Number.isInteger(value) || value < 0 || value > limit) throw this.#invalid(`${what} ${value} (allowed 0 to ${limit})`);
    return value;
  }

  #limit(value: number, limit: number, what: string): void {
    if (value > limit) throw this.#invalid(`${value} ${what} (at most ${limit})`);
  }

  /** All chunks have a vector of one dimension, or none has. Returns the dimension, 0 without vectors. */
  #checkVectors(): number {
    const vectors = this.#doc.chunks.map((chunk) => chunk.vector);
    if (vectors.some((vector) => (vector === null) !== (vectors[0] === null))) throw this.#invalid('some chunks have a vector and some have none');
    const dimension = (vectors[0] ?? this.#doc.pathVector)?.length ?? 0;
    for (const vector of [...vectors, this.#doc.pathVector]) {
      if (vector === null) continue;
      if (vector.length === 0 || vector.length !== dimension) throw this.#invalid(`vector of dimension ${vector.length} beside one of ${dimension}`);
    }
    this.#limit(dimension, DOC_LIMITS.dimension, 'dimensions');
    return dimension;
  }

  #invalid(what: string): CairnError {
    return new CairnError('INVALID_ARGUMENT', `document ${JSON.stringify(this.#doc.key.slice(0, 200))}: ${what}`, {
      hint: 'Limits of a document are listed in src/format/FORMAT.md.',
    });
  }
}
