/**
 * The machine-wide, content-addressed embedding cache of one embedder identity: a text that was embedded once, for any
 * index, is never embedded again. Owns the directory <data>/embeddings/<fingerprint prefix>/; one process at a time may
 * have it open (the daemon, under its writer lock).
 *
 * Invariants: a vector is given out only if checksum and key fit. A cache problem never fails its caller: reads turn into
 * misses, writes into "not cached", each counted and reported through `onWarning`.
 */
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { Env } from '../env/env.ts';
import { closeAll } from '../util/close-all.ts';
import { CairnError, isCairnError } from '../util/errors.ts';
import { CacheFile, NO_KEY, RECORDS_PER_FILE, removeCacheFile } from './cache-file.ts';
import type { CacheEntry, Recovery } from './cache-file.ts';
import { HEADER_BYTES, parseFileName, recordBytes } from './cache-format.ts';
import type { EmbedderIdentity, VectorCache } from './embedder.ts';
import { KeyTable, MAX_LOCATION } from './key-table.ts';
import { VECTOR_KEY_BYTES } from './vector-key.ts';

export interface VectorCacheOptions {
  readonly env: Env;
  /** The cache directory of all embedders, `<data>/embeddings`. */
  readonly directory: string;
  readonly identity: EmbedderIdentity;
  /** Oldest files go when the data would pass this; at least one file is kept. No limit when absent. */
  readonly maxBytes?: number | undefined;
  readonly onWarning?: ((warning: CairnError) => void) | undefined;
}

export interface VectorCacheStats {
  readonly entries: number;
  readonly files: number;
  readonly diskBytes: number;
  readonly memoryBytes: number;
  readonly hits: number;
  readonly misses: number;
  readonly stored: number;
  /** Vectors that could not be written. */
  readonly notStored: number;
  readonly damagedRecords: number;
  readonly damagedFiles: number;
  readonly tornBytes: number;
  /** Files whose keys had to be read from the data at open. */
  readonly scannedFiles: number;
  readonly evictedFiles: number;
  readonly readFailures: number;
  readonly writeFailures: number;
}

/** After a failed write, the disk is left alone for this long. */
const WRITE_PAUSE_MS = 30_000;
/** Neighbouring records are read together: gaps of a few records cost less than another read. */
const MAX_GAP_RECORDS = 3;
const MAX_RUN_BYTES = 256 * 1024;
/** Keys that are taken into memory at once: a few milliseconds. */
const LEARN_STEP = 8192;
/** With a size limit, a file is at most this part of it, so that eviction goes in small steps. */
const FILES_PER_LIMIT = 8;

/** Directory of one identity; 16 hex digits tell identities apart, the file headers carry all 64. */
export function cacheDirectory(directory: string, identity: EmbedderIdentity): string {
  return join(directory, identity.fingerprint.slice(0, 16));
}

interface Wanted {
  readonly index: number;
  readonly key: Uint8Array;
  readonly location: number;
}

interface Growing {
  readonly slot: number;
  readonly file: CacheFile;
  /** Keys of all its records, in pieces. */
  readonly keys: Buffer[];
}

type Counter = 'hits' | 'misses' | 'stored' | 'notStored' | 'damagedRecords' | 'damagedFiles' | 'tornBytes' | 'scannedFiles' | 'evictedFiles' | 'readFailures' | 'writeFailures';

export class FileVectorCache implements VectorCache {
  readonly #options: VectorCacheOptions;
  readonly #directory: string;
  readonly #recordsPerFile: number;
  /** By slot, which is part of a location; null for a file that is gone. */
  readonly #files: (CacheFile | null)[] = [];
  /** Entries that point into each slot. */
  readonly #live: number[] = [];
  readonly #table = new KeyTable((location) => this.#fileOf(location) !== null);
  readonly #counts: Record<Counter, number> = {
    hits: 0, misses: 0, stored: 0, notStored: 0, damagedRecords: 0, damagedFiles: 0, tornBytes: 0, scannedFiles: 0, evictedFiles: 0, readFailures: 0, writeFailures: 0,
  };
  /** The file that grows; null before the first store and after a failure. */
  #active: Growing | null = null;
  #nextSeq = 1;
  #queue: Promise<void> = Promise.resolve();
  #pausedUntil = -Infinity;
  #failing = false;
  #closed = false;

  private constructor(options: VectorCacheOptions) {
    this.#options = options;
    this.#directory = cacheDirectory(options.directory, options.identity);
    const perFile = Math.floor((options.maxBytes ?? Infinity) / FILES_PER_LIMIT / recordBytes(options.identity.dimension));
    this.#recordsPerFile = Math.max(1, Math.min(RECORDS_PER_FILE, perFile));
  }

  /** Fails only when the directory cannot be made or read; damaged files are dropped, counted and reported. */
  static async open(options: VectorCacheOptions): Promise<FileVectorCache> {
    const cache = new FileVectorCache(options);
    await options.env.mkdir(cache.#directory);
    const names = (await options.env.readdir(cache.#directory)).map(parseFileName).filter((name) => name !== null);
    const seqs = names.filter((name) => name.kind === 'data').map((name) => name.seq).toSorted((a, b) => a - b);
    for (const name of names) {
      cache.#nextSeq = Math.max(cache.#nextSeq, name.seq + 1);
      if (name.kind === 'keys' && !seqs.includes(name.seq)) await cache.#guard(() => removeCacheFile(options.env, cache.#directory, name.seq));
    }
    for (const seq of seqs) await cache.#openFile(seq, seq === seqs.at(-1));
    return cache;
  }

  async lookup(keys: readonly Uint8Array[]): Promise<(Float32Array | null)[]> {
    const vectors: (Float32Array | null)[] = new Array<null>(keys.length).fill(null);
    const wanted: Wanted[] = [];
    keys.forEach((key, index) => {
      checkKey(key);
      const location = this.#locate(key);
      if (location >= 0) wanted.push({ index, key, location });
    });
    let hits = 0;
    for (const run of runs(wanted.toSorted((a, b) => a.location - b.location), recordBytes(this.#options.identity.dimension))) {
      hits += await this.#readRun(run, vectors);
    }
    this.#counts.hits += hits;
    this.#counts.misses += keys.length - hits;
    return vectors;
  }

  /** Accepted in order; a key that is known already is not written again. Fails only on vectors of another dimension. */
  async store(entries: readonly CacheEntry[]): Promise<void> {
    const { dimension } = this.#options.identity;
    for (const { key, vector } of entries) {
      checkKey(key);
      if (vector.length !== dimension) throw new CairnError('DIMENSION_MISMATCH', `a vector of ${vector.length} numbers for a cache of ${dimension}`);
    }
    await this.#enqueue(() => this.#append(entries));
  }

  /** Everything stored so far is on the disk afterwards, as far as the disk takes it. */
  async flush(): Promise<void> {
    await this.#enqueue(() => this.#guardWrite(async () => this.#active?.file.sync()));
  }

  /** Writes the keys of the growing file, so that the next open is fast, and closes all files. */
  async close(): Promise<void> {
    await this.#enqueue(async () => {
      this.#closed = true;
      await this.#seal();
      const files = this.#files.splice(0).filter((file) => file !== null);
      await closeAll(files);
    });
  }

  get stats(): VectorCacheStats {
    const files = this.#files.filter((file) => file !== null);
    return {
      ...this.#counts,
      entries: this.#live.reduce((sum, count) => sum + count, 0),
      files: files.length,
      diskBytes: files.reduce((sum, file) => sum + file.bytes, 0),
      memoryBytes: this.#table.bytes + (this.#active?.file.records ?? 0) * VECTOR_KEY_BYTES,
    };
  }

  #fileOf(location: number): CacheFile | null {
    return this.#files[Math.floor(location / RECORDS_PER_FILE)] ?? null;
  }

  /** Location of a record that can be read, or -1. */
  #locate(key: Uint8Array): number {
    const location = this.#table.find(key);
    return location >= 0 && this.#fileOf(location) !== null ? location : -1;
  }

  /** One task at a time, in order; a task must not fail. */
  #enqueue(task: () => Promise<void>): Promise<void> {
    this.#queue = this.#queue.then(task);
    return this.#queue;
  }

  async #openFile(seq: number, isLast: boolean): Promise<void> {
    const { env, identity } = this.#options;
    try {
      const { file, recovery } = await CacheFile.open(env, this.#directory, seq, identity);
      const slot = this.#files.push(file) - 1;
      await this.#learn(slot, recovery);
      if (isLast && file.records < this.#recordsPerFile) this.#active = { slot, file, keys: [recovery.keys] };
      else if (recovery.scanned) await this.#guardWrite(() => file.writeKeys(recovery.keys));
    } catch (error) {
      if (!(error instanceof CairnError)) throw error;
      this.#counts.damagedFiles++;
      this.#warn(`${error.message}; its vectors will be computed again`, error);
      // Only what is certainly useless goes: a newer format or an unreadable file may be fine for somebody else.
      if (isCairnError(error, 'CORRUPT', 'TRUNCATED', 'EMBEDDER_MISMATCH')) await this.#guard(() => removeCacheFile(env, this.#directory, seq));
    }
  }

  async #learn(slot: number, recovery: Recovery): Promise<void> {
    const count = recovery.keys.length / VECTOR_KEY_BYTES;
    for (let record = 0; record < count; record++) {
      if (record % LEARN_STEP === LEARN_STEP - 1) await setImmediate();
      const key = recovery.keys.subarray(record * VECTOR_KEY_BYTES, (record + 1) * VECTOR_KEY_BYTES);
      if (!key.equals(NO_KEY)) this.#setLocation(key, slot * RECORDS_PER_FILE + record);
    }
    this.#counts.damagedRecords += recovery.damagedRecords;
    this.#counts.tornBytes += recovery.tornBytes;
    if (recovery.scanned) this.#counts.scannedFiles++;
  }

  #setLocation(key: Uint8Array, location: number): void {
    const previous = this.#locate(key);
    if (previous >= 0) this.#count(previous, -1);
    this.#count(location, 1);
    this.#table.set(key, location);
  }

  #count(location: number, change: number): void {
    const slot = Math.floor(location / RECORDS_PER_FILE);
    this.#live[slot] = (this.#live[slot] ?? 0) + change;
  }

  async #readRun(run: readonly Wanted[], vectors: (Float32Array | null)[]): Promise<number> {
    const first = (run[0] as Wanted).location;
    const keys = new Array<Uint8Array | null>((run.at(-1) as Wanted).location - first + 1).fill(null);
    for (const { location, key } of run) keys[location - first] = key;
    const file = this.#fileOf(first);
    if (file === null) return 0;
    let records: Awaited<ReturnType<CacheFile['read']>>;
    try {
      records = await file.read(first % RECORDS_PER_FILE, keys);
    } catch (error) {
      this.#counts.readFailures++;
      this.#warn(`${file.path}: cannot be read; treated as not cached`, error);
      return 0;
    }
    let hits = 0;
    for (const { index, key, location } of run) {
      const found = records[location - first];
      if (found instanceof Float32Array) {
        // The same key twice in one batch: each caller gets numbers of its own.
        vectors[index] = run.length > 1 ? found.slice() : found;
        hits++;
      } else if (found === 'unusable') this.#drop(key, location, file);
    }
    return hits;
  }

  #drop(key: Uint8Array, location: number, file: CacheFile): void {
    if (this.#table.find(key) !== location) return;
    this.#table.kill(key, location);
    this.#count(location, -1);
    this.#counts.damagedRecords++;
    this.#warn(`${file.path}: record ${location % RECORDS_PER_FILE} is damaged; its vector will be computed again`, undefined, 'CORRUPT');
  }

  async #append(entries: readonly CacheEntry[]): Promise<void> {
    const fresh = this.#unknown(entries);
    for (let at = 0; at < fresh.length; ) {
      const written = await this.#writeSome(fresh.slice(at));
      if (written === 0) {
        this.#counts.notStored += fresh.length - at;
        return;
      }
      at += written;
    }
  }

  #unknown(entries: readonly CacheEntry[]): CacheEntry[] {
    const seen = new Set<string>();
    return entries.filter(({ key }) => {
      const text = Buffer.from(key).toString('latin1');
      if (this.#locate(key) >= 0 || seen.has(text)) return false;
      seen.add(text);
      return true;
    });
  }

  /** Appends as many as the growing file takes; 0 when writing fails or is paused. */
  async #writeSome(entries: readonly CacheEntry[]): Promise<number> {
    if (this.#closed || this.#options.env.clock.monotonic() < this.#pausedUntil) return 0;
    let written = 0;
    await this.#guardWrite(async () => {
      const { slot, file, keys } = await this.#growing();
      const batch = entries.slice(0, this.#recordsPerFile - file.records);
      const first = slot * RECORDS_PER_FILE + file.records;
      await file.append(batch);
      keys.push(Buffer.concat(batch.map((entry) => entry.key)));
      batch.forEach((entry, i) => this.#setLocation(entry.key, first + i));
      this.#counts.stored += batch.length;
      written = batch.length;
    });
    return written;
  }

  async #growing(): Promise<Growing> {
    if (this.#active !== null && this.#active.file.records < this.#recordsPerFile) return this.#active;
    await this.#seal();
    await this.#evict();
    const slot = this.#files.length;
    if ((slot + 1) * RECORDS_PER_FILE > MAX_LOCATION) throw new CairnError('UNSUPPORTED', 'the embedding cache has too many files', { path: this.#directory, hint: 'Restart the daemon.' });
    const { env, identity } = this.#options;
    const file = await CacheFile.create(env, this.#directory, this.#nextSeq++, identity);
    this.#files.push(file);
    this.#active = { slot, file, keys: [] };
    return this.#active;
  }

  /** The growing file is full, or the cache closes: its keys get their file. */
  async #seal(): Promise<void> {
    const active = this.#active;
    this.#active = null;
    if (active !== null) await this.#guardWrite(() => active.file.writeKeys(Buffer.concat(active.keys)));
  }

  /** Makes room for one more file. */
  async #evict(): Promise<void> {
    const { maxBytes, identity } = this.#options;
    if (maxBytes === undefined) return;
    const next = HEADER_BYTES + this.#recordsPerFile * recordBytes(identity.dimension);
    for (const [slot, file] of this.#files.entries()) {
      if (file === null) continue;
      if (this.stats.diskBytes + next <= maxBytes) return;
      this.#files[slot] = null;
      this.#live[slot] = 0;
      this.#counts.evictedFiles++;
      await this.#guard(() => file.remove());
    }
  }

  /** A failed write closes the growing file for writing (its end is uncertain) and pauses the cache for a while. */
  async #guardWrite(task: () => Promise<void>): Promise<void> {
    try {
      await task();
      this.#failing = false;
    } catch (error) {
      if (!(error instanceof CairnError)) throw error;
      this.#counts.writeFailures++;
      this.#pausedUntil = this.#options.env.clock.monotonic() + WRITE_PAUSE_MS;
      if (error.code !== 'DISK_FULL') this.#active = null;
      if (!this.#failing) this.#warn(`embeddings are not cached for now: ${error.message}`, error);
      this.#failing = true;
    }
  }

  async #guard(task: () => Promise<void>): Promise<void> {
    try {
      await task();
    } catch (error) {
      if (!(error instanceof CairnError)) throw error;
      this.#warn(error.message, error);
    }
  }

  #warn(message: string, cause: unknown, code: 'CORRUPT' | 'IO' = 'IO'): void {
    const known = cause instanceof CairnError ? cause : undefined;
    this.#options.onWarning?.(new CairnError(known?.code ?? code, message, { path: known?.path ?? this.#directory, offset: known?.offset, cause }));
  }
}

function checkKey(key: Uint8Array): void {
  if (key.length !== VECTOR_KEY_BYTES) throw new CairnError('INVALID_ARGUMENT', `a cache key has ${VECTOR_KEY_BYTES} bytes, not ${key.length}`);
}

/** Groups wanted records, in order of their location, into stretches of one file that are read at once. */
function runs(wanted: readonly Wanted[], bytes: number): Wanted[][] {
  const groups: Wanted[][] = [];
  let group: Wanted[] = [];
  for (const next of wanted) {
    const previous = group.at(-1);
    const first = group[0];
    const joins =
      previous !== undefined && first !== undefined && next.location - previous.location <= MAX_GAP_RECORDS + 1 &&
      (next.location - first.location + 1) * bytes <= MAX_RUN_BYTES &&
      Math.floor(next.location / RECORDS_PER_FILE) === Math.floor(first.location / RECORDS_PER_FILE);
    if (!joins) groups.push((group = []));
    group.push(next);
  }
  return groups;
}
