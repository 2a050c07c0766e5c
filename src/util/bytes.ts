/**
 * Reading and writing of little-endian records. The reader never reads past its bytes and never allocates more than the
 * bytes at hand can justify: every damaged length ends in a CairnError that names file and offset, never in a crash,
 * a hang or a huge allocation. The writer grows; both read as a list of fields.
 */
import { CairnError, type ErrorCode } from './errors.ts';
import { unzigzag, writeVarint, MAX_VARINT_BYTES, zigzag } from './varint.ts';

export interface ByteSource {
  /** Named in errors. */
  readonly path: string;
  /** Offset of the first byte in the file, so that errors give file offsets. */
  readonly base?: number;
}

export class ByteReader {
  readonly #bytes: Buffer;
  readonly #path: string;
  readonly #base: number;
  #position = 0;

  constructor(bytes: Uint8Array, source: ByteSource) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#path = source.path;
    this.#base = source.base ?? 0;
  }

  get position(): number {
    return this.#position;
  }

  get remaining(): number {
    return this.#bytes.length - this.#position;
  }

  /** The error for a damage at the current position; for checks of the caller. */
  fail(what: string, code: ErrorCode = 'CORRUPT', at: number = this.#position): CairnError {
    const offset = this.#base + at;
    return new CairnError(code, `${this.#path}: ${what} at offset ${offset}`, { path: this.#path, offset });
  }

  seek(position: number): this {
    if (!Number.isInteger(position) || position < 0 || position > this.#bytes.length) throw this.fail(`position ${position} is outside`);
    this.#position = position;
    return this;
  }

  u8(): number {
    return this.#bytes.readUInt8(this.#take(1));
  }

  u16(): number {
    return this.#bytes.readUInt16LE(this.#take(2));
  }

  u32(): number {
    return this.#bytes.readUInt32LE(this.#take(4));
  }

  i32(): number {
    return this.#bytes.readInt32LE(this.#take(4));
  }

  /** 64 bits as a number; CORRUPT from 2^53 on. */
  u64(): number {
    const at = this.#take(8);
    const value = this.#bytes.readUInt32LE(at) + this.#bytes.readUInt32LE(at + 4) * 0x1_0000_0000;
    if (!Number.isSafeInteger(value)) throw this.fail('a 64-bit number is out of range', 'CORRUPT', at);
    return value;
  }

  i64(): bigint {
    return this.#bytes.readBigInt64LE(this.#take(8));
  }

  f32(): number {
    return this.#bytes.readFloatLE(this.#take(4));
  }

  f64(): number {
    return this.#bytes.readDoubleLE(this.#take(8));
  }

  varint(): number {
    const start = this.#position;
    let value = 0;
    let scale = 1;
    for (let i = 0; i < MAX_VARINT_BYTES; i++) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (!Number.isSafeInteger(value)) break;
        return value;
      }
      scale *= 0x80;
    }
    throw this.fail('a variable-length number is too long', 'CORRUPT', start);
  }

  signedVarint(): number {
    return unzigzag(this.varint());
  }

  /** A count of items that take at least `minItemBytes` each: refused when the bytes left cannot hold them. */
  count(minItemBytes: number, max: number = Number.MAX_SAFE_INTEGER): number {
    const start = this.#position;
    const count = this.varint();
    if (count > max || count * minItemBytes > this.remaining) throw this.fail(`a count of ${count} does not fit`, 'CORRUPT', start);
    return count;
  }

  /** A view, not a copy. */
  bytes(length: number): Buffer {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** Length-prefixed bytes (varint); a view. */
  block(maxLength: number = Number.MAX_SAFE_INTEGER): Buffer {
    return this.bytes(this.count(1, maxLength));
  }

  /** Length-prefixed UTF-8 of at most `maxBytes`. */
  string(maxBytes: number = Number.MAX_SAFE_INTEGER): string {
    return this.block(maxBytes).toString('utf8');
  }

  /** Fails unless every byte was consumed. */
  end(): void {
    if (this.remaining !== 0) throw this.fail(`${this.remaining} unexpected bytes`);
  }

  #take(length: number): number {
    const at = this.#position;
    if (length > this.#bytes.length - at) throw this.fail(`${length} bytes expected, ${this.remaining} left,`, 'TRUNCATED');
    this.#position = at + length;
    return at;
  }
}

const MIN_CAPACITY = 256;

export class ByteWriter {
  #bytes: Buffer;
  #length = 0;

  constructor(capacity = MIN_CAPACITY) {
    this.#bytes = Buffer.allocUnsafe(Math.max(capacity, MIN_CAPACITY));
  }

  get length(): number {
    return this.#length;
  }

  u8(value: number): this {
    this.#bytes.writeUInt8(value, this.#reserve(1));
    return this;
  }

  u16(value: number): this {
    this.#bytes.writeUInt16LE(value, this.#reserve(2));
    return this;
  }

  u32(value: number): this {
    this.#bytes.writeUInt32LE(value, this.#reserve(4));
    return this;
  }

  i32(value: number): this {
    this.#bytes.writeInt32LE(value, this.#reserve(4));
    return this;
  }

  u64(value: number): this {
    requireUnsigned(value);
    const at = this.#reserve(8);
    this.#bytes.writeUInt32LE(value % 0x1_0000_0000, at);
    this.#bytes.writeUInt32LE(Math.floor(value / 0x1_0000_0000), at + 4);
    return this;
  }

  i64(value: bigint): this {
    this.#bytes.writeBigInt64LE(value, this.#reserve(8));
    return this;
  }

  f32(value: number): this {
    this.#bytes.writeFloatLE(value, this.#reserve(4));
    return this;
  }

  f64(value: number): this {
    this.#bytes.writeDoubleLE(value, this.#reserve(8));
    return this;
  }

  varint(value: number): this {
    requireUnsigned(value);
    this.#grow(MAX_VARINT_BYTES);
    this.#length = writeVarint(this.#bytes, this.#length, value);
    return this;
  }

  signedVarint(value: number): this {
    return this.varint(zigzag(value));
  }

  bytes(value: Uint8Array): this {
    const at = this.#reserve(value.length);
    this.#bytes.set(value, at);
    return this;
  }

  /** Length-prefixed bytes (varint). */
  block(value: Uint8Array): this {
    return this.varint(value.length).bytes(value);
  }

  /** Length-prefixed UTF-8. */
  string(value: string): this {
    const length = Buffer.byteLength(value, 'utf8');
    this.varint(length);
    this.#bytes.write(value, this.#reserve(length), 'utf8');
    return this;
  }

  zeros(count: number): this {
    const at = this.#reserve(count);
    this.#bytes.fill(0, at, at + count);
    return this;
  }

  /** Zeros up to the next multiple of `alignment`. */
  align(alignment: number): this {
    return this.zeros((alignment - (this.#length % alignment)) % alignment);
  }

  /** Overwrites four bytes that were written before (a length or checksum known only afterwards). */
  patchU32(position: number, value: number): this {
    if (position + 4 > this.#length) throw new CairnError('INTERNAL', `patch at ${position} is behind the ${this.#length} bytes written`);
    this.#bytes.writeUInt32LE(value, position);
    return this;
  }

  /** Everything written so far; a view that is valid until the next write. */
  view(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Everything written so far, as a buffer of its own. */
  finish(): Buffer {
    return Buffer.from(this.view());
  }

  /** Forgets what was written and keeps the memory. */
  clear(): this {
    this.#length = 0;
    return this;
  }

  #reserve(count: number): number {
    this.#grow(count);
    const at = this.#length;
    this.#length += count;
    return at;
  }

  #grow(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + count));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

function requireUnsigned(value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) throw new CairnError('INVALID_ARGUMENT', `${value} is not an unsigned integer below 2^53`);
}
