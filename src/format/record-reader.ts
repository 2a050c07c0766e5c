/**
 * A bounds-checked cursor over the bytes of one record. Every read past `end` fails with CORRUPT naming file and offset;
 * every count is checked against the bytes that are left before anything is allocated for it.
 * Beside util/bytes.ts because a record holds thousands of small numbers and is decoded on the commit path: varints are read
 * in one loop over the buffer, and are at most 32 bits.
 */
import { CairnError } from '../util/errors.ts';

export class RecordReader {
  readonly bytes: Uint8Array;
  readonly path: string | undefined;
  readonly #buffer: Buffer;
  readonly #end: number;
  #at: number;

  constructor(bytes: Uint8Array, start: number, end: number, path?: string) {
    this.bytes = bytes;
    this.path = path;
    this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#end = end;
    this.#at = start;
  }

  get at(): number {
    return this.#at;
  }

  get left(): number {
    return this.#end - this.#at;
  }

  u8(): number {
    this.need(1);
    return this.#buffer[this.#at++] as number;
  }

  u64(): number {
    this.need(8);
    const low = this.#buffer.readUInt32LE(this.#at);
    const high = this.#buffer.readUInt32LE(this.#at + 4);
    if (high > 0x1f_ffff) throw this.corrupt('number above 2^53');
    this.#at += 8;
    return high * 0x1_0000_0000 + low;
  }

  i64(): bigint {
    this.need(8);
    this.#at += 8;
    return this.#buffer.readBigInt64LE(this.#at - 8);
  }

  varint(): number {
    const buffer = this.#buffer;
    let at = this.#at;
    let value = 0;
    let scale = 1;
    for (;;) {
      if (at >= this.#end) throw this.corrupt('ends inside a number');
      const byte = buffer[at++] as number;
      value += (byte & 127) * scale;
      if (byte < 128) break;
      scale *= 128;
      if (scale > 0x1000_0000) throw this.corrupt('number of more than 32 bits');
    }
    if (value > 0xffff_ffff) throw this.corrupt('number of more than 32 bits');
    this.#at = at;
    return value;
  }

  /** A count of items of at least `itemBytes` each, refused when more than are left or more than `limit`. */
  count(itemBytes: number, limit: number, what: string): number {
    const value = this.varint();
    if (value > limit || value * itemBytes > this.left) throw this.corrupt(`impossible number of ${what}: ${value}`);
    return value;
  }

  /** A number below `limit`. */
  below(limit: number, what: string): number {
    const value = this.varint();
    if (value >= limit) throw this.corrupt(`${what} ${value} out of range`);
    return value;
  }

  /** A view, not a copy. */
  slice(length: number): Buffer {
    this.need(length);
    this.#at += length;
    return this.#buffer.subarray(this.#at - length, this.#at);
  }

  utf8(length: number): string {
    return this.slice(length).toString('utf8');
  }

  skip(length: number): void {
    this.need(length);
    this.#at += length;
  }

  need(length: number): void {
    if (length > this.#end - this.#at) throw this.corrupt(`needs ${length} bytes, has ${this.#end - this.#at}`);
  }

  corrupt(what: string): CairnError {
    return new CairnError('CORRUPT', `damaged record: ${what}`, { path: this.path, offset: this.#at });
  }
}
