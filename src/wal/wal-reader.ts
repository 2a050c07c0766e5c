/**
 * Reads WAL files in LSN order and decides what a bad record means. Changes nothing on disk, so a worker may use it on closed
 * files. The rules (also in FORMAT.md):
 *  1. Files are ordered by the first LSN in their name. A file ends where the next one begins: what it holds from that LSN on
 *     is superseded (the writer went on in a new file after a failed write or sync).
 *  2. LSNs are continuous, within a file and from file to file. A gap above `after` is CORRUPT.
 *  3. In a file that is not the last, a bad record before its end is CORRUPT.
 *  4. In the last file a bad record ends the log (torn tail), unless a valid record behind it says that the bad one was
 *     already synced, or it lies below the header's baseLength: then it is CORRUPT. Nothing is skipped silently.
 *  5. A file whose header names another log is CORRUPT as a whole.
 *  6. Unknown types below WAL_OPTIONAL_FROM are refused with NEWER_FORMAT, others are skipped; those carry the LSN that comes
 *     next and take none.
 */
import type { Env, EnvFile } from '../env/env.ts';
import { WAL_ALIGNMENT, WAL_HEADER_BYTES, WAL_OPTIONAL_FROM, WAL_RECORD_HEADER_BYTES, WAL_TYPE_BATCH, WAL_TYPE_SEAL } from '../format/constants.ts';
import { CairnError } from '../util/errors.ts';
import { asLsn, type Epoch, type Lsn } from '../util/ids.ts';
import { checkRecord, decodeWalHeader, LOG_TAG_OFFSET, peekRecord, recordBytes, type LogTag, type RecordHeader, type WalHeader, type WalRecord } from './record.ts';
import { isPassed, listWalFiles, type WalFileInfo } from './wal-files.ts';

export interface ReplayRange {
  /** Records up to and including this LSN are not handed out. */
  readonly after: Lsn;
  /** The log that is expected; a file that names another one is CORRUPT. null: any. Files without a tag are taken as before. */
  readonly tag: LogTag | null;
  /** Stop after this LSN, which must be there (CORRUPT otherwise). Absent: to the end of the log. */
  readonly upTo?: Lsn;
  /** Sees the records that take no LSN (seal, time), in their place, in all files that are read. */
  readonly onMark?: (record: WalRecord) => void;
}

/** Where the last file ends; what recovery works with. */
export interface WalTail {
  readonly file: WalFileInfo;
  readonly header: WalHeader;
  /** End of the last good record. */
  readonly goodBytes: number;
  readonly tornBytes: number;
  readonly sealed: boolean;
  /** Highest LSN in this file, or firstLsn - 1. */
  readonly lastLsn: Lsn;
}

export interface ReplayReport {
  /** Highest LSN found, or `after` when the log holds nothing above it. */
  readonly lastLsn: Lsn;
  readonly records: number;
  readonly payloadBytes: number;
  readonly filesRead: number;
  /** Records in older files that a newer file replaced. */
  readonly supersededBytes: number;
  readonly maxEpoch: Epoch;
  /** null when the directory holds no WAL file, or when `upTo` ended the replay. */
  readonly tail: WalTail | null;
}

/** A record and where it is. */
export interface FoundRecord extends WalRecord {
  readonly path: string;
  /** Of the payload, in the file. */
  readonly payloadAt: number;
}

/** Called in LSN order for every record above `after` that takes an LSN. */
export type ReplayHandler = (record: FoundRecord) => void | Promise<void>;

export async function replayWal(env: Env, dir: string, range: ReplayRange, handler: ReplayHandler): Promise<ReplayReport> {
  const files = await listWalFiles(env, dir);
  const replay = new Replay(range, handler);
  for (const [i, file] of files.entries()) {
    const next = files[i + 1];
    if (isPassed(next, range.after)) continue;
    await replay.file(env, file, next);
    if (replay.done) break;
  }
  return replay.report(dir);
}

class Replay {
  readonly #range: ReplayRange;
  readonly #handler: ReplayHandler;
  #lastLsn: number;
  #records = 0;
  #payloadBytes = 0;
  #filesRead = 0;
  #supersededBytes = 0;
  #maxEpoch = 0;
  #tail: WalTail | null = null;

  constructor(range: ReplayRange, handler: ReplayHandler) {
    this.#range = range;
    this.#handler = handler;
    this.#lastLsn = range.after;
  }

  get done(): boolean {
    return this.#range.upTo !== undefined && this.#lastLsn >= this.#range.upTo;
  }

  report(dir: string): ReplayReport {
    if (this.#range.upTo !== undefined && !this.done) {
      throw new CairnError('CORRUPT', `${dir}: the log ends at LSN ${this.#lastLsn}, ${this.#range.upTo} was written`, { path: dir });
    }
    return {
      lastLsn: asLsn(this.#lastLsn),
      records: this.#records,
      payloadBytes: this.#payloadBytes,
      filesRead: this.#filesRead,
      supersededBytes: this.#supersededBytes,
      maxEpoch: this.#maxEpoch as Epoch,
      tail: this.done ? null : this.#tail,
    };
  }

  async file(env: Env, info: WalFileInfo, next: WalFileInfo | undefined): Promise<void> {
    const file = await env.open(info.path, 'read');
    try {
      this.#filesRead++;
      const reader = await WalFileReader.open(file, info.firstLsn, this.#range.tag);
      if (info.firstLsn > this.#lastLsn + 1) {
        throw new CairnError('CORRUPT', `${info.path}: the log jumps from LSN ${this.#lastLsn} to ${info.firstLsn}`, { path: info.path, offset: 0 });
      }
      this.#maxEpoch = Math.max(this.#maxEpoch, reader.header.epoch);
      if (next === undefined) await this.#lastFile(info, reader);
      else await this.#innerFile(reader, next);
    } finally {
      await file.close();
    }
  }

  async #innerFile(reader: WalFileReader, next: WalFileInfo): Promise<void> {
    while (reader.nextLsn < next.firstLsn && !this.done) {
      const record = await reader.next();
      if (record === null) {
        const what = reader.atEnd ? `the log ends at LSN ${reader.nextLsn - 1}, the next file begins with ${next.firstLsn},` : `the record of LSN ${reader.nextLsn} is damaged`;
        throw reader.damage(what);
      }
      await this.#hand(record, reader);
    }
    if (!this.done) this.#supersededBytes += reader.bytesLeftWithoutSeal;
  }

  async #lastFile(file: WalFileInfo, reader: WalFileReader): Promise<void> {
    while (!this.done) {
      const record = await reader.next();
      if (record === null) break;
      await this.#hand(record, reader);
    }
    if (!this.done && !reader.atEnd) await reader.requireTornTail();
    this.#tail = {
      file,
      header: reader.header,
      goodBytes: reader.position,
      tornBytes: reader.size - reader.position,
      sealed: reader.sealed,
      lastLsn: asLsn(reader.nextLsn - 1),
    };
  }

  async #hand(record: FoundRecord, reader: WalFileReader): Promise<void> {
    if (record.type >= WAL_OPTIONAL_FROM) {
      this.#range.onMark?.(record);
      return;
    }
    if (record.type !== WAL_TYPE_BATCH) throw reader.damage(`record type ${record.type} is unknown`, 'NEWER_FORMAT');
    if (record.lsn <= this.#lastLsn) return;
    this.#lastLsn = record.lsn;
    this.#records++;
    this.#payloadBytes += record.payload.length;
    await this.#handler(record);
  }
}

const WINDOW_BYTES = 256 * 1024;

/** One file, record by record. */
export class WalFileReader {
  readonly header: WalHeader;
  readonly size: number;
  readonly #file: EnvFile;
  #window: Buffer = Buffer.alloc(0);
  #windowStart = 0;
  #position = WAL_HEADER_BYTES;
  #recordStart = WAL_HEADER_BYTES;
  #nextLsn: number;
  #sealed = false;

  private constructor(file: EnvFile, header: WalHeader, size: number) {
    this.#file = file;
    this.header = header;
    this.size = size;
    this.#nextLsn = header.firstLsn;
  }

  static async open(file: EnvFile, firstLsn: Lsn, tag: LogTag | null): Promise<WalFileReader> {
    const header = decodeWalHeader(await file.read(0, WAL_HEADER_BYTES), file.path);
    if (header.firstLsn !== firstLsn) throw new CairnError('CORRUPT', `${file.path}: the header says that it begins with LSN ${header.firstLsn}, not ${firstLsn}`, { path: file.path, offset: 32, hint: 'Was it copied here from another index, or renamed?' });
    if (tag !== null && header.tag !== null && header.tag !== tag) {
      throw new CairnError('CORRUPT', `${file.path}: the file belongs to another log (${header.tag}, this one is ${tag})`, { path: file.path, offset: LOG_TAG_OFFSET, hint: 'Was it copied here from another index, or from a time before a restore?' });
    }
    return new WalFileReader(file, header, await file.size());
  }

  /** End of the last good record. */
  get position(): number {
    return this.#position;
  }

  get nextLsn(): number {
    return this.#nextLsn;
  }

  get atEnd(): boolean {
    return this.#position === this.size;
  }

  get sealed(): boolean {
    return this.#sealed;
  }

  /** Bytes behind the position, not counting the seal of a file that was closed in order. */
  get bytesLeftWithoutSeal(): number {
    const left = this.size - this.#position;
    return left === recordBytes(0) ? 0 : left;
  }

  /** The error for the record at the position (or the one read last, when it was good). */
  damage(what: string, code: 'CORRUPT' | 'NEWER_FORMAT' = 'CORRUPT'): CairnError {
    const offset = code === 'CORRUPT' ? this.#position : this.#recordStart;
    return new CairnError(code, `${this.#file.path}: ${what} at offset ${offset}`, { path: this.#file.path, offset });
  }

  /** null at the end and at a bad record; `atEnd` tells which. Throws CORRUPT for a good record in the wrong place. */
  async next(): Promise<FoundRecord | null> {
    if (this.#sealed && !this.atEnd) throw this.damage('bytes follow the seal');
    const found = await this.#recordAt(this.#position);
    if (found === null) return null;
    const { header, record } = found;
    if (header.lsn !== this.#nextLsn) throw this.damage(`LSN ${header.lsn} stands in the place of ${this.#nextLsn}`);
    this.#recordStart = this.#position;
    this.#position += record.length;
    if (header.type < WAL_OPTIONAL_FROM) this.#nextLsn++;
    this.#sealed = header.type === WAL_TYPE_SEAL;
    const payload = record.subarray(WAL_RECORD_HEADER_BYTES, WAL_RECORD_HEADER_BYTES + header.length);
    return { lsn: asLsn(header.lsn), type: header.type, payload, path: this.#file.path, payloadAt: this.#recordStart + WAL_RECORD_HEADER_BYTES };
  }

  /** Rule 4: throws CORRUPT unless the bad record at the position can be the trace of an interrupted write. */
  async requireTornTail(): Promise<void> {
    const lsn = this.#nextLsn;
    if (this.#position < this.header.baseLength) throw this.damage(`the record of LSN ${lsn} is damaged`);
    for (let at = this.#position + WAL_ALIGNMENT; at + WAL_RECORD_HEADER_BYTES <= this.size; at += WAL_ALIGNMENT) {
      const bytes = this.#held(at, WAL_RECORD_HEADER_BYTES) ?? (await this.#bytes(at, WAL_RECORD_HEADER_BYTES));
      const header = bytes === null ? null : peekRecord(bytes);
      // Only a record that claims "the bad one was synced" matters, so only those pay for a checksum.
      if (header === null || header.lsn <= lsn || header.lsn - header.unsynced < lsn) continue;
      if ((await this.#recordAt(at)) !== null) throw this.damage(`the record of LSN ${lsn} is damaged, LSN ${header.lsn} behind it is whole`);
    }
  }

  async #recordAt(at: number): Promise<{ header: RecordHeader; record: Buffer } | null> {
    const start = await this.#bytes(at, WAL_RECORD_HEADER_BYTES);
    const header = start === null ? null : peekRecord(start);
    if (header === null) return null;
    const record = await this.#bytes(at, recordBytes(header.length));
    return record !== null && checkRecord(record, this.header.salt) ? { header, record } : null;
  }

  #held(at: number, length: number): Buffer | null {
    const from = at - this.#windowStart;
    return from >= 0 && from + length <= this.#window.length ? this.#window.subarray(from, from + length) : null;
  }

  /** null when the file ends before. */
  async #bytes(at: number, length: number): Promise<Buffer | null> {
    if (at + length > this.size) return null;
    const held = this.#held(at, length);
    if (held !== null) return held;
    this.#window = await this.#file.read(at, Math.min(this.size - at, Math.max(length, WINDOW_BYTES)));
    this.#windowStart = at;
    return this.#held(at, length);
  }
}
