/**
 * A document record decoded into typed arrays over one string table, without per-term objects: what the memtable and the
 * segment writer read. Texts, vectors and payload stay in the record's bytes until asked for.
 * The constructor checks everything (checksum, counts, indexes), so that later reads cannot fail.
 */
import { isUtf8 } from 'node:buffer';
import { crc32 } from 'node:zlib';
import { CairnError } from '../util/errors.ts';
import type { SourceStamp } from './doc.ts';
import {
  CHUNK_KINDS, DOC_HAS_CHUNK_VECTORS, DOC_HAS_NOTE, DOC_HAS_PATH_VECTOR, DOC_HAS_PAYLOAD, DOC_HAS_SOURCE, DOC_HEADER_BYTES,
  DOC_KNOWN_FLAGS, DOC_LIMITS, DOC_MAGIC, DOC_TRAILER_BYTES, DOC_VERSION, EDGE_KINDS, SYMBOL_KINDS,
} from './doc-layout.ts';
import { GrowableU32 } from './growable-u32.ts';
import { RecordReader } from './record-reader.ts';

export interface DocHeader {
  readonly key: string;
  readonly language: string;
  readonly chunkCount: number;
  /** 0 when the record has no vectors. */
  readonly dimension: number;
}

/** Entries [start, end) of parallel arrays: string id and number of occurrences. */
export interface Counted {
  readonly ids: Uint32Array;
  readonly counts: Uint32Array;
  readonly start: number;
  readonly end: number;
}

interface RawHeader extends DocHeader {
  readonly flags: number;
  readonly vectorsAt: number;
  /** First byte after key and language. */
  readonly bodyAt: number;
}

/** Key, language, chunk count and dimension; checks the header and the length, not the checksum. */
export function peekDocHeader(bytes: Uint8Array, path?: string): DocHeader {
  const { key, language, chunkCount, dimension } = readHeader(bytes, path);
  return { key, language, chunkCount, dimension };
}

function readHeader(bytes: Uint8Array, path: string | undefined): RawHeader {
  const fail = (code: 'CORRUPT' | 'TRUNCATED' | 'NEWER_FORMAT', what: string, offset: number): CairnError =>
    new CairnError(code, `document record: ${what}`, { path, offset });
  if (bytes.byteLength < DOC_HEADER_BYTES + DOC_TRAILER_BYTES) throw fail('TRUNCATED', `${bytes.byteLength} bytes`, bytes.byteLength);
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.readUInt32LE(0) !== DOC_MAGIC) throw fail('CORRUPT', 'wrong magic', 0);
  const version = view.readUInt8(4);
  if (version > DOC_VERSION) throw fail('NEWER_FORMAT', `version ${version}, this program reads up to ${DOC_VERSION}`, 4);
  const length = view.readUInt32LE(8);
  if (length > view.length) throw fail('TRUNCATED', `${view.length} of ${length} bytes`, view.length);
  const flags = view.readUInt8(5);
  const keyEnd = DOC_HEADER_BYTES + view.readUInt16LE(6);
  const bodyAt = keyEnd + view.readUInt8(28);
  const chunkCount = view.readUInt32LE(12);
  const dimension = view.readUInt32LE(16);
  const vectorsAt = view.readUInt32LE(20);
  const impossible =
    version === 0 || length !== view.length || (flags & ~DOC_KNOWN_FLAGS) !== 0 || view.readUInt32LE(24) !== 0 || view.readUIntBE(29, 3) !== 0 ||
    keyEnd - DOC_HEADER_BYTES > DOC_LIMITS.keyBytes || bodyAt - keyEnd > DOC_LIMITS.languageBytes || chunkCount > DOC_LIMITS.chunks ||
    dimension > DOC_LIMITS.dimension || vectorsAt % 4 !== 0 || bodyAt > vectorsAt || vectorsAt > length - DOC_TRAILER_BYTES ||
    (dimension === 0) !== ((flags & (DOC_HAS_CHUNK_VECTORS | DOC_HAS_PATH_VECTOR)) === 0);
  if (impossible) throw fail('CORRUPT', 'impossible header', 0);
  return {
    key: view.toString('utf8', DOC_HEADER_BYTES, keyEnd),
    language: view.toString('utf8', keyEnd, bodyAt),
    chunkCount, dimension, flags, vectorsAt, bodyAt,
  };
}

export class FlatDoc {
  readonly bytes: Uint8Array;
  readonly key: string;
  readonly language: string;
  readonly dimension: number;
  readonly source: SourceStamp | null;

  readonly stringCount: number;
  /** Bytes of all strings; string i is [stringEnds[i - 1], stringEnds[i]) of them. */
  readonly stringBytes: Buffer;
  readonly stringEnds: Uint32Array;
  readonly #buffer: Buffer;

  /** String id of the stem, -1 when it is empty. */
  readonly stem: number;
  readonly pathTerms: Counted;
  readonly commentTerms: Counted;
  readonly pairs: Uint32Array;

  readonly symbolCount: number;
  readonly symbolNames: Uint32Array;
  readonly symbolQualified: Uint32Array;
  readonly symbolKinds: Uint8Array;
  readonly symbolStartLines: Uint32Array;
  readonly symbolEndLines: Uint32Array;
  readonly symbolParents: Int32Array;
  readonly symbolTermStarts: Uint32Array;
  readonly symbolTermIds: Uint32Array;

  readonly edgeCount: number;
  readonly edgeKinds: Uint8Array;
  readonly edgeFroms: Int32Array;
  readonly edgeTargets: Uint32Array;
  readonly edgeLines: Uint32Array;

  readonly chunkCount: number;
  readonly chunkStartLines: Uint32Array;
  readonly chunkEndLines: Uint32Array;
  readonly chunkKinds: Uint8Array;
  readonly chunkSymbols: Int32Array;
  /** Byte position of each text in the record; one more entry for the end. */
  readonly textStarts: Uint32Array;
  readonly #chunkTermStarts: Uint32Array;
  readonly #chunkTermIds: Uint32Array;
  readonly #chunkTermCounts: Uint32Array;

  readonly hasChunkVectors: boolean;
  readonly hasPathVector: boolean;
  readonly #vectorsAt: number;
  readonly #payload: Uint8Array | null;

  constructor(bytes: Uint8Array, path?: string) {
    const header = readHeader(bytes, path);
    this.bytes = bytes;
    this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const crcAt = bytes.byteLength - DOC_TRAILER_BYTES;
    if (crc32(this.#buffer.subarray(0, crcAt)) !== this.#buffer.readUInt32LE(crcAt)) {
      throw new CairnError('CORRUPT', 'document record: checksum differs', { path, offset: crcAt });
    }
    this.key = header.key;
    this.language = header.language;
    this.dimension = header.dimension;
    this.chunkCount = header.chunkCount;
    this.hasChunkVectors = (header.flags & DOC_HAS_CHUNK_VECTORS) !== 0;
    this.hasPathVector = (header.flags & DOC_HAS_PATH_VECTOR) !== 0;
    this.#vectorsAt = header.vectorsAt;

    const input = new RecordReader(bytes, header.bodyAt, header.vectorsAt, path);
    if (!isUtf8(this.#buffer.subarray(DOC_HEADER_BYTES, header.bodyAt))) throw input.corrupt('key or language is not UTF-8');
    this.source = readSource(input, header.flags);

    this.stringEnds = readStringEnds(input);
    this.stringCount = this.stringEnds.length;
    this.stringBytes = input.slice(this.stringEnds.at(-1) ?? 0);
    this.#checkStrings(input);

    const strings = this.stringCount;
    this.stem = input.below(strings + 1, 'stem') - 1;
    const repeats = new Repeats(strings);
    this.pathTerms = readCounted(input, strings, repeats);
    this.commentTerms = readCounted(input, strings, repeats);
    this.pairs = new Uint32Array(input.count(1, strings, 'pairs'));
    repeats.nextList();
    for (let i = 0; i < this.pairs.length; i++) this.pairs[i] = repeats.check(input, input.below(strings, 'string'));

    const symbols = (this.symbolCount = input.count(7, DOC_LIMITS.symbols, 'symbols'));
    this.symbolNames = new Uint32Array(symbols);
    this.symbolQualified = new Uint32Array(symbols);
    this.symbolKinds = new Uint8Array(symbols);
    this.symbolStartLines = new Uint32Array(symbols);
    this.symbolEndLines = new Uint32Array(symbols);
    this.symbolParents = new Int32Array(symbols);
    this.symbolTermStarts = new Uint32Array(symbols + 1);
    this.symbolTermIds = this.#readSymbols(input, repeats);

    const edges = (this.edgeCount = input.count(4, DOC_LIMITS.edges, 'edges'));
    this.edgeKinds = new Uint8Array(edges);
    this.edgeFroms = new Int32Array(edges);
    this.edgeTargets = new Uint32Array(edges);
    this.edgeLines = new Uint32Array(edges);
    this.#readEdges(input);

    const chunks = this.chunkCount;
    if (chunks * 6 > input.left) throw input.corrupt(`impossible number of chunks: ${chunks}`);
    this.chunkStartLines = new Uint32Array(chunks);
    this.chunkEndLines = new Uint32Array(chunks);
    this.chunkKinds = new Uint8Array(chunks);
    this.chunkSymbols = new Int32Array(chunks);
    this.textStarts = new Uint32Array(chunks + 1);
    this.#chunkTermStarts = new Uint32Array(chunks + 1);
    [this.#chunkTermIds, this.#chunkTermCounts] = this.#readChunks(input, repeats);

    this.#payload = (header.flags & DOC_HAS_PAYLOAD) === 0 ? null : input.slice(input.count(1, DOC_LIMITS.payloadBytes, 'payload bytes'));
    this.#placeTexts(input);
    this.#checkTail(input);
  }

  get hasPayload(): boolean {
    return this.#payload !== null;
  }

  string(id: number): string {
    return this.stringBytes.toString('utf8', id === 0 ? 0 : this.stringEnds[id - 1], this.stringEnds[id]);
  }

  chunkTerms(chunk: number): Counted {
    return {
      ids: this.#chunkTermIds,
      counts: this.#chunkTermCounts,
      start: this.#chunkTermStarts[chunk] as number,
      end: this.#chunkTermStarts[chunk + 1] as number,
    };
  }

  chunkText(chunk: number): string {
    return this.#buffer.toString('utf8', this.textStarts[chunk], this.textStarts[chunk + 1]);
  }

  /** UTF-8 of the text, a view into the record. */
  chunkTextBytes(chunk: number): Uint8Array {
    return this.#buffer.subarray(this.textStarts[chunk], this.textStarts[chunk + 1]);
  }

  /** A copy, bit-exact; in `into` where one is given. */
  chunkVector(chunk: number, into?: Float32Array): Float32Array | null {
    return this.hasChunkVectors ? this.#floats(this.#vectorsAt + chunk * this.dimension * 4, into) : null;
  }

  /** The same of the path. */
  pathVector(into?: Float32Array): Float32Array | null {
    const chunkRows = this.hasChunkVectors ? this.chunkCount : 0;
    return this.hasPathVector ? this.#floats(this.#vectorsAt + chunkRows * this.dimension * 4, into) : null;
  }

  /** Byte position of the row of a chunk in the record; only with hasChunkVectors. */
  chunkVectorAt(chunk: number): number {
    return this.#vectorsAt + chunk * this.dimension * 4;
  }

  /** A copy. */
  payload(): Uint8Array | null {
    return this.#payload === null ? null : Uint8Array.from(this.#payload);
  }

  #floats(at: number, into: Float32Array = new Float32Array(this.dimension)): Float32Array {
    const bytes = this.dimension * 4;
    new Uint8Array(into.buffer, into.byteOffset, bytes).set(this.#buffer.subarray(at, at + bytes));
    return into;
  }

  #checkStrings(input: RecordReader): void {
    if (!isUtf8(this.stringBytes)) throw input.corrupt('string table is not UTF-8');
    for (const end of this.stringEnds) {
      if (end < this.stringBytes.length && ((this.stringBytes[end] as number) & 0xc0) === 0x80) throw input.corrupt('string ends inside a character');
    }
  }

  #readSymbols(input: RecordReader, repeats: Repeats): Uint32Array {
    const terms = new GrowableU32(Math.min(this.symbolCount * 3, input.left));
    for (let i = 0; i < this.symbolCount; i++) {
      this.symbolNames[i] = input.below(this.stringCount, 'string');
      this.symbolQualified[i] = input.below(this.stringCount, 'string');
      this.symbolKinds[i] = input.below(SYMBOL_KINDS.length, 'symbol kind');
      this.symbolStartLines[i] = input.varint();
      this.symbolEndLines[i] = endLine(input, this.symbolStartLines[i] as number);
      this.symbolParents[i] = input.below(this.symbolCount + 1, 'parent symbol') - 1;
      const count = input.count(1, this.stringCount, 'terms');
      repeats.nextList();
      for (let t = 0; t < count; t++) terms.push(repeats.check(input, input.below(this.stringCount, 'string')));
      this.symbolTermStarts[i + 1] = terms.length;
    }
    return terms.array;
  }

  #readEdges(input: RecordReader): void {
    for (let i = 0; i < this.edgeCount; i++) {
      this.edgeKinds[i] = input.below(EDGE_KINDS.length, 'edge kind');
      this.edgeFroms[i] = input.below(this.symbolCount + 1, 'symbol') - 1;
      this.edgeTargets[i] = input.below(this.stringCount, 'string');
      this.edgeLines[i] = input.varint();
    }
  }

  #readChunks(input: RecordReader, repeats: Repeats): [Uint32Array, Uint32Array] {
    // A term takes at least two bytes: a damaged chunk count cannot ask for more than the record could hold.
    const capacity = Math.min(this.chunkCount * 48, input.left >>> 1);
    const ids = new GrowableU32(capacity);
    const counts = new GrowableU32(capacity);
    let text = 0;
    for (let i = 0; i < this.chunkCount; i++) {
      this.chunkStartLines[i] = input.varint();
      this.chunkEndLines[i] = endLine(input, this.chunkStartLines[i] as number);
      this.chunkKinds[i] = input.below(CHUNK_KINDS.length, 'chunk kind');
      this.chunkSymbols[i] = input.below(this.symbolCount + 1, 'symbol') - 1;
      // Lengths for now: #placeTexts turns them into positions, once it is known where the texts stand.
      const bytes = input.below(DOC_LIMITS.textBytes + 1, 'text length');
      text += bytes;
      if (text > input.bytes.byteLength) throw input.corrupt('texts longer than the record');
      this.textStarts[i + 1] = text;
      readTerms(input, this.stringCount, repeats, ids, counts);
      this.#chunkTermStarts[i + 1] = ids.length;
    }
    return [ids.array, counts.array];
  }

  #placeTexts(input: RecordReader): void {
    const start = input.at;
    const total = this.textStarts[this.chunkCount] as number;
    const bytes = input.slice(total);
    if (!isUtf8(bytes)) throw input.corrupt('text is not UTF-8');
    for (let i = 0; i <= this.chunkCount; i++) {
      const at = this.textStarts[i] as number;
      if (at < total && ((bytes[at] as number) & 0xc0) === 0x80) throw input.corrupt('text ends inside a character');
      this.textStarts[i] = at + start;
    }
  }

  #checkTail(input: RecordReader): void {
    if (input.left > 3) throw input.corrupt(`${input.left} bytes too many`);
    while (input.left > 0) if (input.u8() !== 0) throw input.corrupt('padding is not zero');
    const rows = (this.hasChunkVectors ? this.chunkCount : 0) + (this.hasPathVector ? 1 : 0);
    const room = this.bytes.byteLength - DOC_TRAILER_BYTES - this.#vectorsAt;
    if (rows * this.dimension * 4 !== room) throw input.corrupt(`${room} bytes for ${rows} vectors`);
  }
}

function readSource(input: RecordReader, flags: number): SourceStamp | null {
  if ((flags & DOC_HAS_SOURCE) === 0) {
    if ((flags & DOC_HAS_NOTE) !== 0) throw input.corrupt('note without source');
    return null;
  }
  const size = input.u64();
  const mtimeNs = input.i64();
  const hash = Uint8Array.from(input.slice(DOC_LIMITS.hashBytes));
  const note = (flags & DOC_HAS_NOTE) === 0 ? null : input.utf8(input.count(1, DOC_LIMITS.noteBytes, 'note bytes'));
  return { size, mtimeNs, hash, note };
}

function readStringEnds(input: RecordReader): Uint32Array {
  const ends = new Uint32Array(input.count(1, DOC_LIMITS.strings, 'strings'));
  let end = 0;
  for (let i = 0; i < ends.length; i++) ends[i] = end += input.below(DOC_LIMITS.stringBytes + 1, 'string length');
  input.need(end);
  return ends;
}

function readCounted(input: RecordReader, strings: number, repeats: Repeats): Counted {
  const ids = new GrowableU32(16);
  const counts = new GrowableU32(16);
  readTerms(input, strings, repeats, ids, counts);
  return { ids: ids.array, counts: counts.array, start: 0, end: ids.length };
}

function readTerms(input: RecordReader, strings: number, repeats: Repeats, ids: GrowableU32, counts: GrowableU32): void {
  const size = input.count(2, strings, 'terms');
  repeats.nextList();
  let total = 0;
  for (let i = 0; i < size; i++) {
    ids.push(repeats.check(input, input.below(strings, 'string')));
    const count = input.below(DOC_LIMITS.termCount + 1, 'term count');
    if (count === 0) throw input.corrupt('term count 0');
    counts.push(count);
    total += count;
  }
  if (total > 0xffff_ffff) throw input.corrupt('too many terms');
}

/** Refuses a string that stands twice in one list, because postings would repeat: remembers in which list each was last. */
class Repeats {
  readonly #lists: Uint32Array;
  #list = 0;

  constructor(strings: number) {
    this.#lists = new Uint32Array(strings);
  }

  nextList(): void {
    this.#list += 1;
  }

  check(input: RecordReader, id: number): number {
    if (this.#lists[id] === this.#list) throw input.corrupt('repeated term');
    this.#lists[id] = this.#list;
    return id;
  }
}

function endLine(input: RecordReader, start: number): number {
  const end = start + input.varint();
  if (end > DOC_LIMITS.line) throw input.corrupt('line above 32 bits');
  return end;
}
