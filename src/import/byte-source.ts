/** Reads a large file from front to back in pieces, with its position. Holds one piece, whatever the size of the file. */
import type { EnvFile } from '../env/env.ts';

const PIECE_BYTES = 1 << 20;

export class ByteSource {
  readonly #file: EnvFile;
  readonly size: number;
  #piece: Buffer = Buffer.alloc(0);
  #at = 0;
  /** Position of the next byte in the file. */
  #position = 0;

  private constructor(file: EnvFile, size: number) {
    this.#file = file;
    this.size = size;
  }

  static async of(file: EnvFile): Promise<ByteSource> {
    return new ByteSource(file, await file.size());
  }

  get position(): number {
    return this.#position;
  }

  get left(): number {
    return this.size - this.#position;
  }

  /** The next `length` bytes, or null when fewer are left. The view is valid until the next call. */
  async take(length: number): Promise<Buffer | null> {
    if (this.left < length) return null;
    if (this.#piece.length - this.#at < length) {
      this.#piece = await this.#file.read(this.#position, Math.max(length, PIECE_BYTES));
      this.#at = 0;
      if (this.#piece.length < length) return null; // the file shrank
    }
    const bytes = this.#piece.subarray(this.#at, this.#at + length);
    this.#at += length;
    this.#position += length;
    return bytes;
  }

  /** What comes next, up to a piece; empty at the end. */
  async takeSome(): Promise<Buffer> {
    const ready = this.#piece.length - this.#at;
    return (await this.take(Math.min(this.left, ready > 0 ? ready : PIECE_BYTES))) ?? Buffer.alloc(0);
  }
}

/** f32 values from bytes at any address. Always little-endian, as the files are. */
export function floatsOf(bytes: Buffer, at: number, count: number): Float32Array {
  const floats = new Float32Array(count);
  for (let i = 0; i < count; i++) floats[i] = bytes.readFloatLE(at + i * 4);
  return floats;
}
