/**
 * One data file of the embedding cache: opening with recovery, appending, reading, closing. Never gives out a record whose
 * checksum or key does not fit. Appends are the caller's to serialise; reads may run at any time, also while the file is
 * being closed (it closes when the last read is done).
 */
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { Env, EnvFile } from '../env/env.ts';
import { CairnError } from '../util/errors.ts';
import { HEADER_BYTES, decodeHeader, encodeHeader, encodeRecord, fileName, isRecordIntact, recordBytes, recordVector } from './cache-format.ts';
import type { CacheIdentity } from './cache-format.ts';
import { VECTOR_KEY_BYTES } from './vector-key.ts';

/** Records of a file are numbered below this; fixed, because it is part of a location. */
export const RECORDS_PER_FILE = 65_536;
/** Stands for "this record is not to be used" in a list of keys: no hash of a text is zero. */
export const NO_KEY = Buffer.alloc(VECTOR_KEY_BYTES);
/** Recovery reads this much at a time, so that it never holds the thread for long. */
const SCAN_BYTES = 1 << 20;

export interface CacheEntry {
  readonly key: Uint8Array;
  readonly vector: Float32Array;
}

/** What opening found. */
export interface Recovery {
  /** Key of each record; NO_KEY for a damaged one. */
  readonly keys: Buffer;
  /** Damaged records in front of the last intact one, of those that were scanned. */
  readonly damagedRecords: number;
  /** Bytes after the last intact record of a file that was scanned. */
  readonly tornBytes: number;
  /** True when the keys file was missing or unusable and the data were read instead. */
  readonly scanned: boolean;
}

export class CacheFile {
  readonly seq: number;
  readonly path: string;
  readonly #env: Env;
  readonly #directory: string;
  readonly #identity: CacheIdentity;
  readonly #file: EnvFile;
  readonly #recordBytes: number;
  #records: number;
  #readers = 0;
  #closing: (() => void) | null = null;
  #closed = false;

  private constructor(env: Env, directory: string, seq: number, identity: CacheIdentity, file: EnvFile, records: number) {
    this.#env = env;
    this.#directory = directory;
    this.seq = seq;
    this.path = file.path;
    this.#identity = identity;
    this.#file = file;
    this.#recordBytes = recordBytes(identity.dimension);
    this.#records = records;
  }

  static async create(env: Env, directory: string, seq: number, identity: CacheIdentity): Promise<CacheFile> {
    const path = join(directory, fileName('data', seq));
    const file = await env.open(path, 'create');
    try {
      await file.write(encodeHeader('data', identity), 0);
    } catch (error) {
      await file.close();
      await env.unlink(path).catch(() => undefined); // best effort: a file without a header is dropped at the next open
      throw error;
    }
    return new CacheFile(env, directory, seq, identity, file, 0);
  }

  /** Fails as decodeHeader does when the file cannot be used at all. */
  static async open(env: Env, directory: string, seq: number, identity: CacheIdentity): Promise<{ readonly file: CacheFile; readonly recovery: Recovery }> {
    const path = join(directory, fileName('data', seq));
    const file = await env.open(path, 'update');
    try {
      decodeHeader('data', await file.read(0, HEADER_BYTES), identity, path);
      const whole = Math.min(RECORDS_PER_FILE, Math.floor(((await file.size()) - HEADER_BYTES) / recordBytes(identity.dimension)));
      const known = await readKeys(env, join(directory, fileName('keys', seq)), identity, whole);
      const opened = new CacheFile(env, directory, seq, identity, file, known === null ? 0 : known.length / VECTOR_KEY_BYTES);
      return { file: opened, recovery: await opened.#recover(known ?? Buffer.alloc(0), whole, known === null) };
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Number of records, intact or not. */
  get records(): number {
    return this.#records;
  }

  get bytes(): number {
    return HEADER_BYTES + this.#records * this.#recordBytes;
  }

  get room(): number {
    return RECORDS_PER_FILE - this.#records;
  }

  /** Appends `entries` (no more than `room`); after a failure nothing of them counts and the next append overwrites. */
  async append(entries: readonly CacheEntry[]): Promise<void> {
    const bytes = Buffer.allocUnsafe(entries.length * this.#recordBytes);
    entries.forEach((entry, i) => encodeRecord(bytes, i * this.#recordBytes, entry.key, entry.vector));
    await this.#file.write(bytes, this.bytes);
    this.#records += entries.length;
  }

  /**
   * Records from `first` on: the vector, or 'unusable' if the checksum is wrong or the record has another key. `keys[i]` is
   * the key expected of record first + i, null for one that is not wanted. All null once the file is closed.
   */
  async read(first: number, keys: readonly (Uint8Array | null)[]): Promise<(Float32Array | 'unusable' | null)[]> {
    if (this.#closed) return keys.map(() => null);
    this.#readers++;
    try {
      const bytes = await this.#file.read(HEADER_BYTES + first * this.#recordBytes, keys.length * this.#recordBytes);
      return keys.map((key, i) => (key === null ? null : this.#decode(bytes, i, key)));
    } finally {
      this.#readers--;
      if (this.#readers === 0) this.#closing?.();
    }
  }

  #decode(bytes: Buffer, i: number, key: Uint8Array): Float32Array | 'unusable' {
    const record = bytes.subarray(i * this.#recordBytes, (i + 1) * this.#recordBytes);
    if (record.length < this.#recordBytes || !isRecordIntact(record)) return 'unusable';
    if (record.compare(key, 0, VECTOR_KEY_BYTES, 0, VECTOR_KEY_BYTES) !== 0) return 'unusable';
    return recordVector(record, this.#identity.dimension);
  }

  async sync(): Promise<void> {
    await this.#file.datasync();
  }

  /** Data first, then the keys file: what it names is on the disk. */
  async writeKeys(keys: Buffer): Promise<void> {
    await this.sync();
    const path = join(this.#directory, fileName('keys', this.seq));
    if ((await this.#env.stat(path)) !== null) await this.#env.unlink(path);
    const file = await this.#env.open(path, 'create');
    try {
      await file.write(Buffer.concat([encodeHeader('keys', this.#identity, { count: keys.length / VECTOR_KEY_BYTES, keysCrc: crc32(keys) }), keys]), 0);
      await file.datasync();
    } finally {
      await file.close();
    }
  }

  /** Waits for reads that are under way. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#readers > 0) await new Promise<void>((done) => (this.#closing = done));
    await this.#file.close();
  }

  async remove(): Promise<void> {
    await this.close();
    await removeCacheFile(this.#env, this.#directory, this.seq);
  }

  /** Reads the records after the known ones; cuts what follows the last intact one. */
  async #recover(known: Buffer, whole: number, scanned: boolean): Promise<Recovery> {
    const first = known.length / VECTOR_KEY_BYTES;
    const keys = Buffer.concat([known, Buffer.alloc((whole - first) * VECTOR_KEY_BYTES)]);
    let end = first;
    let intact = 0;
    const step = Math.max(1, Math.floor(SCAN_BYTES / this.#recordBytes));
    for (let at = first; at < whole; at += step) {
      const bytes = await this.#file.read(HEADER_BYTES + at * this.#recordBytes, Math.min(step, whole - at) * this.#recordBytes);
      for (let i = 0; (i + 1) * this.#recordBytes <= bytes.length; i++) {
        const record = bytes.subarray(i * this.#recordBytes, (i + 1) * this.#recordBytes);
        if (!isRecordIntact(record)) continue;
        record.copy(keys, (at + i) * VECTOR_KEY_BYTES, 0, VECTOR_KEY_BYTES);
        end = at + i + 1;
        intact++;
      }
    }
    this.#records = end;
    const tornBytes = Math.max(0, (await this.#file.size()) - this.bytes);
    if (tornBytes > 0) await this.#file.truncate(this.bytes);
    return { keys: keys.subarray(0, end * VECTOR_KEY_BYTES), damagedRecords: end - first - intact, tornBytes, scanned };
  }
}

/** Removes a data file and its keys file, whatever of them exists. */
export async function removeCacheFile(env: Env, directory: string, seq: number): Promise<void> {
  for (const kind of ['keys', 'data'] as const) {
    const path = join(directory, fileName(kind, seq));
    if ((await env.stat(path)) !== null) await env.unlink(path);
  }
}

/** The keys of the first records, or null when the keys file is missing, damaged or says more than the data hold. */
async function readKeys(env: Env, path: string, identity: CacheIdentity, records: number): Promise<Buffer | null> {
  if ((await env.stat(path)) === null) return null;
  try {
    const bytes = await env.readFile(path, HEADER_BYTES + RECORDS_PER_FILE * VECTOR_KEY_BYTES);
    const header = decodeHeader('keys', bytes, identity, path);
    const keys = bytes.subarray(HEADER_BYTES);
    const fits = header.count <= records && keys.length === header.count * VECTOR_KEY_BYTES && crc32(keys) === header.keysCrc;
    return fits ? keys : null;
  } catch (error) {
    if (error instanceof CairnError) return null; // derived data: the caller reads the records instead, and counts it
    throw error;
  }
}
