/**
 * A growable little-endian byte buffer for encoders that write millions of small numbers (document records, postings).
 * Unlike util/bytes.ts it checks no ranges and knows only varints of at most 32 bits: its callers have checked.
 */
export class RecordWriter {
  #buffer: Buffer;
  #length = 0;

  constructor(initialBytes = 4096) {
    this.#buffer = Buffer.allocUnsafeSlow(initialBytes);
  }

  get length(): number {
    return this.#length;
  }

  u8(value: number): void {
    this.#reserve(1);
    this.#buffer[this.#length++] = value;
  }

  u16(value: number): void {
    this.#reserve(2);
    this.#length = this.#buffer.writeUInt16LE(value, this.#length);
  }

  u32(value: number): void {
    this.#reserve(4);
    this.#length = this.#buffer.writeUInt32LE(value, this.#length);
  }

  /** A non-negative safe integer as 8 bytes. */
  u64(value: number): void {
    this.u32(value % 0x1_0000_0000);
    this.u32(Math.floor(value / 0x1_0000_0000));
  }

  i64(value: bigint): void {
    this.#reserve(8);
    this.#length = this.#buffer.writeBigInt64LE(value, this.#length);
  }

  varint(value: number): void {
    this.#reserve(5);
    const buffer = this.#buffer;
    let at = this.#length;
    let rest = value;
    while (rest > 127) {
      buffer[at++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    buffer[at++] = rest;
    this.#length = at;
  }

  bytes(data: Uint8Array): void {
    this.#reserve(data.byteLength);
    this.#buffer.set(data, this.#length);
    this.#length += data.byteLength;
  }

  /** Writes the bytes of `text` and returns how many there were. */
  utf8(text: string): number {
    // Three bytes per UTF-16 unit is the most that UTF-8 takes.
    this.#reserve(text.length * 3);
    const written = this.#buffer.write(text, this.#length, 'utf8');
    this.#length += written;
    return written;
  }

  floats(values: Float32Array): void {
    this.bytes(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }

  zerosTo(multiple: number): void {
    while (this.#length % multiple !== 0) this.u8(0);
  }

  patchU8(value: number, at: number): void {
    this.#buffer[at] = value;
  }

  patchU32(value: number, at: number): void {
    this.#buffer.writeUInt32LE(value, at);
  }

  /** The bytes written so far, without a copy; valid until the next write. */
  view(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Forgets what was written and keeps the memory. */
  clear(): void {
    this.#length = 0;
  }

  /** The bytes written so far in a buffer of their own size. */
  take(): Buffer {
    const out = Buffer.allocUnsafeSlow(this.#length);
    this.#buffer.copy(out, 0, 0, this.#length);
    return out;
  }

  #reserve(bytes: number): void {
    const needed = this.#length + bytes;
    if (needed <= this.#buffer.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }
}
