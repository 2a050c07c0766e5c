/**
 * Collects the rows of a segment while it is written (docs, chunks, symbols, edges) and writes their sections.
 * Names and targets are references that are turned into term ranks only when the dictionaries are complete.
 */
import type { ContainerWriter } from '../format/container-writer.ts';
import type { SourceStamp } from '../format/doc.ts';
import { GrowableU32 } from '../format/growable-u32.ts';
import { RecordWriter } from '../format/record-writer.ts';
import { CairnError } from '../util/errors.ts';
import { writeColumns } from './columns.ts';
import { DOC_CHUNK_VECTORS, DOC_NOTE, DOC_PATH_VECTOR, DOC_PAYLOAD, DOC_SOURCE, TAG } from './layout.ts';
import { compareUtf8 } from './utf8-order.ts';

const NO_HASH = new Uint8Array(16);
/** Postings keep one bit of a 32-bit word. */
const MAX_ROWS = 0x7fff_ffff;

export interface DocFacts {
  readonly key: string;
  readonly language: string;
  readonly source: SourceStamp | null;
  readonly commentLength: number;
  readonly hasChunkVectors: boolean;
  readonly hasPathVector: boolean;
  readonly hasPayload: boolean;
}

type Rank = (reference: number) => number;

export class RowColumns {
  #lastKey: string | null = null;
  readonly #keys = new RecordWriter();
  readonly #keyEnds = new GrowableU32();
  readonly #chunkStarts = new GrowableU32();
  readonly #symbolStarts = new GrowableU32();
  readonly #edgeStarts = new GrowableU32();
  readonly #commentLengths = new GrowableU32();
  readonly #flags: number[] = [];
  readonly #languages: string[] = [];
  readonly #notes: (string | null)[] = [];
  readonly #sizes: bigint[] = [];
  readonly #times: bigint[] = [];
  readonly #hashes = new RecordWriter();
  readonly chunks = { startLines: new GrowableU32(), endLines: new GrowableU32(), symbols: new GrowableU32(), lengths: new GrowableU32(), kinds: new GrowableU32() };
  readonly symbols = {
    names: new GrowableU32(), qualified: new GrowableU32(), startLines: new GrowableU32(), endLines: new GrowableU32(), parents: new GrowableU32(), kinds: new GrowableU32(),
  };
  readonly edges = { froms: new GrowableU32(), targets: new GrowableU32(), lines: new GrowableU32(), kinds: new GrowableU32() };

  get docCount(): number {
    return this.#flags.length;
  }
  get chunkCount(): number {
    return this.chunks.kinds.length;
  }
  get symbolCount(): number {
    return this.symbols.kinds.length;
  }
  get edgeCount(): number {
    return this.edges.kinds.length;
  }

  /** Starts a doc; its chunks, symbols and edges follow. Keys must ascend in byte order (INVALID_ARGUMENT). */
  beginDoc(doc: DocFacts): void {
    if (this.#lastKey !== null && compareUtf8(this.#lastKey, doc.key) >= 0) {
      throw new CairnError('INVALID_ARGUMENT', `documents of a segment must be sorted: ${JSON.stringify(this.#lastKey)} before ${JSON.stringify(doc.key)}`);
    }
    if (Math.max(this.docCount, this.chunkCount, this.symbolCount, this.edgeCount) >= MAX_ROWS) throw new CairnError('INVALID_ARGUMENT', 'segment has too many rows');
    this.#lastKey = doc.key;
    this.#keys.utf8(doc.key);
    this.#keyEnds.push(this.#keys.length);
    this.#chunkStarts.push(this.chunkCount);
    this.#symbolStarts.push(this.symbolCount);
    this.#edgeStarts.push(this.edgeCount);
    this.#commentLengths.push(doc.commentLength);
    this.#flags.push(docFlags(doc));
    this.#languages.push(doc.language);
    this.#notes.push(doc.source?.note ?? null);
    this.#sizes.push(BigInt(doc.source?.size ?? 0));
    this.#times.push(doc.source?.mtimeNs ?? 0n);
    this.#hashes.bytes(doc.source?.hash ?? NO_HASH);
  }

  async write(container: ContainerWriter, nameRank: Rank, targetRank: Rank, textStarts: Uint32Array): Promise<void> {
    await container.add(TAG.docKeys, this.#keys.view());
    await this.#writeDocs(container);
    await writeColumns(await container.section(TAG.chunks), [
      this.chunks.startLines.toArray(), this.chunks.endLines.toArray(), this.chunks.symbols.toArray(), this.chunks.lengths.toArray(), textStarts, bytes(this.chunks.kinds),
    ]);
    const { symbols, edges } = this;
    await writeColumns(await container.section(TAG.symbols), [
      symbols.names.toArray().map(nameRank), symbols.qualified.toArray().map(nameRank),
      symbols.startLines.toArray(), symbols.endLines.toArray(), symbols.parents.toArray(), bytes(symbols.kinds),
    ]);
    await writeColumns(await container.section(TAG.edges), [edges.froms.toArray(), edges.targets.toArray().map(targetRank), edges.lines.toArray(), bytes(edges.kinds)]);
  }

  /** Languages and notes are few: a table of each, sorted, and an index per doc (notes + 1, 0 = none). */
  async #writeDocs(container: ContainerWriter): Promise<void> {
    const languages = [...new Set(this.#languages)].sort(compareUtf8);
    const notes = [...new Set(this.#notes)].filter((note) => note !== null).sort(compareUtf8);
    const labels = [...languages, ...notes].map((text) => Buffer.from(text, 'utf8'));
    let end = 0;
    const ends = Uint32Array.from(labels, (label) => (end += label.length));
    await writeColumns(await container.section(TAG.labels), [Uint32Array.of(languages.length, notes.length), ends, Buffer.concat(labels)]);

    const languageIds = new Map(languages.map((text, i) => [text, i]));
    const noteIds = new Map<string | null, number>(notes.map((text, i) => [text, i + 1]));
    await writeColumns(await container.section(TAG.docs), [
      this.#keyEnds.toArray(),
      withEnd(this.#chunkStarts, this.chunkCount),
      withEnd(this.#symbolStarts, this.symbolCount),
      withEnd(this.#edgeStarts, this.edgeCount),
      this.#commentLengths.toArray(),
      Uint32Array.from(this.#languages, (text) => languageIds.get(text) as number),
      Uint32Array.from(this.#notes, (text) => noteIds.get(text) ?? 0),
      BigUint64Array.from(this.#sizes),
      BigInt64Array.from(this.#times),
      this.#hashes.view(),
      Uint8Array.from(this.#flags),
    ]);
  }
}

function docFlags(doc: DocFacts): number {
  return (
    (doc.source === null ? 0 : DOC_SOURCE) |
    (doc.source === null || doc.source.note === null ? 0 : DOC_NOTE) |
    (doc.hasChunkVectors ? DOC_CHUNK_VECTORS : 0) |
    (doc.hasPathVector ? DOC_PATH_VECTOR : 0) |
    (doc.hasPayload ? DOC_PAYLOAD : 0)
  );
}

function withEnd(starts: GrowableU32, end: number): Uint32Array {
  const out = new Uint32Array(starts.length + 1);
  out.set(starts.array.subarray(0, starts.length));
  out[starts.length] = end;
  return out;
}

const bytes = (column: GrowableU32): Uint8Array => Uint8Array.from(column.array.subarray(0, column.length));
