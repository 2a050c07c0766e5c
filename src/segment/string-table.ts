/**
 * Strings numbered in the order in which they first came, kept as UTF-8 bytes in one buffer with an open-addressing hash table
 * beside it. No JavaScript string is made for a term that is only counted: adding a document to a memtable is mostly this
 * table, and a Map of strings takes twice the time and three times the memory.
 */
import { GrowableU32 } from '../format/growable-u32.ts';
import { compareBytes } from './utf8-order.ts';

const INITIAL_SLOTS = 1024;

export class StringTable {
  #bytes = new Uint8Array(16 * 1024);
  readonly #ends = new GrowableU32();
  readonly #hashes = new GrowableU32();
  /** id + 1, 0 = free; linear probing, at most half full. The length is a power of two. */
  #slots = new Uint32Array(INITIAL_SLOTS);

  get size(): number {
    return this.#ends.length;
  }

  get memoryBytes(): number {
    return this.#bytes.byteLength + this.#ends.memoryBytes + this.#hashes.memoryBytes + this.#slots.byteLength;
  }

  /** Id of the string source[start .. end), a new one when it is not there yet. */
  idOf(source: Uint8Array, start: number, end: number): number {
    const hash = hashOf(source, start, end);
    const slot = this.#probe(source, start, end, hash);
    const found = this.#slots[slot] as number;
    return found !== 0 ? found - 1 : this.#append(source, start, end, hash, slot);
  }

  /** -1 when the string is not there. */
  find(text: string): number {
    const bytes = Buffer.from(text, 'utf8');
    return (this.#slots[this.#probe(bytes, 0, bytes.length, hashOf(bytes, 0, bytes.length))] as number) - 1;
  }

  text(id: number): string {
    return Buffer.from(this.#bytes.buffer, this.#start(id), this.#end(id) - this.#start(id)).toString('utf8');
  }

  /** A view that is valid until the next `idOf`. */
  bytesOf(id: number): Uint8Array {
    return this.#bytes.subarray(this.#start(id), this.#end(id));
  }

  /** Order of the bytes. */
  compare(a: number, b: number): number {
    const bytes = this.#bytes;
    let x = this.#start(a);
    let y = this.#start(b);
    const xEnd = this.#end(a);
    const yEnd = this.#end(b);
    while (x < xEnd && y < yEnd) {
      const difference = (bytes[x++] as number) - (bytes[y++] as number);
      if (difference !== 0) return difference;
    }
    return xEnd - x - (yEnd - y);
  }

  startsWith(id: number, prefix: Uint8Array): boolean {
    const start = this.#start(id);
    return this.#end(id) - start >= prefix.length && compareBytes(this.#bytes, start, start + prefix.length, prefix) === 0;
  }

  /** The slot of the string, or the free one where it belongs. */
  #probe(source: Uint8Array, start: number, end: number, hash: number): number {
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    for (;;) {
      const entry = this.#slots[slot] as number;
      if (entry === 0 || (this.#hashes.at(entry - 1) === hash && this.#equals(entry - 1, source, start, end))) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #equals(id: number, source: Uint8Array, start: number, end: number): boolean {
    const from = this.#start(id);
    if (this.#end(id) - from !== end - start) return false;
    const bytes = this.#bytes;
    for (let i = start, j = from; i < end; i++, j++) if (source[i] !== bytes[j]) return false;
    return true;
  }

  #append(source: Uint8Array, start: number, end: number, hash: number, slot: number): number {
    const id = this.#ends.length;
    const at = id === 0 ? 0 : this.#ends.at(id - 1);
    const length = end - start;
    if (at + length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(at + length, this.#bytes.length * 2));
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    for (let i = 0; i < length; i++) this.#bytes[at + i] = source[start + i] as number;
    this.#ends.push(at + length);
    this.#hashes.push(hash);
    this.#slots[slot] = id + 1;
    if ((id + 1) * 2 > this.#slots.length) this.#rehash();
    return id;
  }

  #rehash(): void {
    const slots = new Uint32Array(this.#slots.length * 2);
    const mask = slots.length - 1;
    for (let id = 0; id < this.size; id++) {
      let slot = this.#hashes.at(id) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = id + 1;
    }
    this.#slots = slots;
  }

  #start(id: number): number {
    return id === 0 ? 0 : this.#ends.at(id - 1);
  }

  #end(id: number): number {
    return this.#ends.at(id);
  }
}

/** FNV-1a, with its bits mixed once more because the low ones choose the slot. */
function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) >>> 0;
}
