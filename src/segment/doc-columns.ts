/**
 * Collects the docs of a segment while it is written, and writes their sections: keys, labels (languages and notes), doc rows.
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

/** First row of each kind that a doc has. */
export interface RowStarts {
  readonly chunk: number;
  readonly symbol: number;
  readonly edge: number;
}

export interface DocFacts {
  readonly key: string;
  readonly language: string;
  readonly source: SourceStamp | null;
  readonly commentLength: number;
  readonly hasChunkVectors: boolean;
  readonly hasPathVector: boolean;
  readonly hasPayload: boolean;
}

export class DocColumns {
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

  get count(): number {
    return this.#flags.length;
  }

  /** Keys must ascend in byte order (INVALID_ARGUMENT). */
  add(doc: DocFacts, starts: RowStarts): void {
    if (this.#lastKey !== null && compareUtf8(this.#lastKey, doc.key) >= 0) {
      throw new CairnError('INVALID_ARGUMENT', `documents of a segment must be sorted: ${JSON.stringify(this.#lastKey)} before ${JSON.stringify(doc.key)}`);
    }
    if (Math.max(this.count, starts.chunk, starts.symbol, starts.edge) >= MAX_ROWS) throw new CairnError('INVALID_ARGUMENT', 'segment has too many rows');
    this.#lastKey = doc.key;
    this.#keys.utf8(doc.key);
    this.#keyEnds.push(this.#keys.length);
    this.#chunkStarts.push(starts.chunk);
    this.#symbolStarts.push(starts.symbol);
    this.#edgeStarts.push(starts.edge);
    this.#commentLengths.push(doc.commentLength);
    this.#flags.push(docFlags(doc));
    this.#languages.push(doc.language);
    this.#notes.push(doc.source?.note ?? null);
    this.#sizes.push(BigInt(doc.source?.size ?? 0));
    this.#times.push(doc.source?.mtimeNs ?? 0n);
    this.#hashes.bytes(doc.source?.hash ?? NO_HASH);
  }

  /** Languages and notes are few: a table of each, sorted, and an index per doc (notes + 1, 0 = none). `total`: rows of the segment. */
  async write(container: ContainerWriter, total: RowStarts): Promise<void> {
    await container.add(TAG.docKeys, this.#keys.view());
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
      withEnd(this.#chunkStarts, total.chunk),
      withEnd(this.#symbolStarts, total.symbol),
      withEnd(this.#edgeStarts, total.edge),
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
