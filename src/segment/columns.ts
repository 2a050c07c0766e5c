/**
 * A section that is a sequence of columns: arrays of one number type, each padded with zeros to a multiple of 8 bytes.
 * Which columns, and how long, both sides know from the counts; the reader hands out views, without a copy.
 */
import type { SectionSink } from '../format/container-writer.ts';
import { GrowableU32 } from '../format/growable-u32.ts';
import { CairnError } from '../util/errors.ts';

const ALIGNMENT = 8;
const PADDING = new Uint8Array(ALIGNMENT);

const padded = (bytes: number): number => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

/** Writes columns to an open section and ends it. */
export async function writeColumns(sink: SectionSink, columns: readonly ArrayBufferView[]): Promise<void> {
  for (const column of columns) {
    await sink.write(new Uint8Array(column.buffer, column.byteOffset, column.byteLength));
    await sink.write(PADDING.subarray(0, padded(column.byteLength) - column.byteLength));
  }
  await sink.end();
}

/** Values of a streamed column that are gathered before they go to the file. */
const GATHERED = 16 * 1024;

/** Writes columns value by value, in memory of one piece. Call `next` between rows, `endColumn` after each column, `end` after all. */
export class ColumnStream {
  readonly #sink: SectionSink;
  readonly #words = new GrowableU32(GATHERED);
  #bytes = 0;

  constructor(sink: SectionSink) {
    this.#sink = sink;
  }

  push(value: number): void {
    this.#words.push(value);
  }

  /** Writes what was gathered when it is enough. */
  async next(width: 4 | 1): Promise<void> {
    if (this.#words.length >= GATHERED) await this.#flush(width);
  }

  async endColumn(width: 4 | 1): Promise<void> {
    await this.#flush(width);
    await this.#sink.write(PADDING.subarray(0, padded(this.#bytes) - this.#bytes));
    this.#bytes = 0;
  }

  /** A column that is at hand. */
  async whole(column: ArrayBufferView): Promise<void> {
    await this.#sink.write(new Uint8Array(column.buffer, column.byteOffset, column.byteLength));
    await this.#sink.write(PADDING.subarray(0, padded(column.byteLength) - column.byteLength));
  }

  end(): Promise<void> {
    return this.#sink.end();
  }

  async #flush(width: 4 | 1): Promise<void> {
    const words = this.#words.view();
    const bytes = width === 1 ? Uint8Array.from(words) : new Uint8Array(words.buffer, 0, words.byteLength);
    await this.#sink.write(bytes);
    this.#bytes += bytes.length;
    this.#words.clear();
  }
}

/** Takes columns off a loaded section in the order in which they were written. */
export class ColumnReader {
  readonly #bytes: Buffer;
  readonly #path: string;
  /** Position of the section in the file, for errors. */
  readonly #base: number;
  #at = 0;

  constructor(bytes: Buffer, path: string, base: number) {
    this.#bytes = bytes;
    this.#path = path;
    this.#base = base;
  }

  u8(count: number): Uint8Array {
    return this.bytes(count);
  }

  u32(count: number): Uint32Array {
    return new Uint32Array(this.#bytes.buffer, this.#take(count, 4), count);
  }

  f32(count: number): Float32Array {
    return new Float32Array(this.#bytes.buffer, this.#take(count, 4), count);
  }

  u64(count: number): BigUint64Array {
    return new BigUint64Array(this.#bytes.buffer, this.#take(count, 8), count);
  }

  i64(count: number): BigInt64Array {
    return new BigInt64Array(this.#bytes.buffer, this.#take(count, 8), count);
  }

  bytes(length: number): Buffer {
    return Buffer.from(this.#bytes.buffer, this.#take(length, 1), length);
  }

  /** Positions that never descend and end at `total`: checked once, so that every later read between two of them is in range. */
  ends(count: number, total: number): Uint32Array {
    const start = this.#at;
    const ends = this.u32(count);
    let last = 0;
    for (let i = 0; i < count; i++) {
      const end = ends[i] as number;
      if (end < last) throw this.corrupt('positions descend', start + i * 4);
      last = end;
    }
    if (last !== total) throw this.corrupt(`positions end at ${last}, not at ${total}`, start);
    return ends;
  }

  /** `count` + 1 positions from 0 to `total`. */
  starts(count: number, total: number): Uint32Array {
    const start = this.#at;
    const starts = this.ends(count + 1, total);
    if (starts[0] !== 0) throw this.corrupt('positions do not start at 0', start);
    return starts;
  }

  /** Indexes below `limit`. */
  below(count: number, limit: number): Uint32Array {
    const start = this.#at;
    const values = this.u32(count);
    for (let i = 0; i < count; i++) if ((values[i] as number) >= limit) throw this.corrupt(`index ${values[i]} of ${limit}`, start + i * 4);
    return values;
  }

  /** Codes of a table of `limit` entries. */
  codes(count: number, limit: number): Uint8Array {
    const start = this.#at;
    const values = this.u8(count);
    for (let i = 0; i < count; i++) if ((values[i] as number) >= limit) throw this.corrupt(`code ${values[i]} of ${limit}`, start + i);
    return values;
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw this.corrupt(`${this.#bytes.length - this.#at} bytes too many`);
  }

  corrupt(what: string, at: number = this.#at): CairnError {
    const offset = this.#base + at;
    return new CairnError('CORRUPT', `${this.#path}: ${what} at offset ${offset}`, { path: this.#path, offset });
  }

  #take(count: number, size: number): number {
    const at = this.#at;
    const next = at + padded(count * size);
    if (next > this.#bytes.length) throw this.corrupt(`column of ${count * size} bytes leaves the section`);
    this.#at = next;
    return this.#bytes.byteOffset + at;
  }
}
