/**
 * Bytes of a WAL file: header and records. Pure encoding and checking; reads and writes no file. Layout in FORMAT.md.
 */
import { ByteReader, ByteWriter } from '../util/bytes.ts';
import { crc32 } from '../util/crc32.ts';
import { CairnError } from '../util/errors.ts';
import { asEpoch, asLsn, type Epoch, type Lsn } from '../util/ids.ts';
import { MAX_WAL_PAYLOAD_BYTES, MIN_READABLE_WAL, WAL_ALIGNMENT, WAL_HEADER_BYTES, WAL_LAYOUT, WAL_MAGIC, WAL_RECORD_HEADER_BYTES } from '../format/constants.ts';

/**
 * Names one log, that is one history of LSNs: 16 hex digits, drawn when an index is created and again by each restore. A file of
 * another log can have the same LSNs, whole records and a good checksum.
 */
export type LogTag = string;

export interface WalHeader {
  /** null in files of layout 1, and of logs that have no tag. */
  readonly tag: LogTag | null;
  /** Seed of every record checksum: bytes of another WAL file (or of a WAL that was indexed as data) never pass as records. */
  readonly salt: number;
  readonly epoch: Epoch;
  readonly firstLsn: Lsn;
  /** Bytes that were synced before the file got its name; damage below is never a torn tail. */
  readonly baseLength: number;
}

export interface WalRecord {
  readonly lsn: Lsn;
  readonly type: number;
  /** A view of a larger buffer: copy what is kept. */
  readonly payload: Buffer;
}

export interface RecordToWrite {
  readonly lsn: Lsn;
  readonly type: number;
  readonly payload: Uint8Array;
}

const NO_TAG = '0000000000000000';
export const LOG_TAG_OFFSET = 48;

/** magic 8 · layout u32 · minReader u32 · salt u32 · zero u32 · epoch u64 · firstLsn u64 · baseLength u64 · tag 8 bytes · zeros · crc32 of the first 60 bytes */
export function encodeWalHeader(header: WalHeader): Buffer {
  const writer = new ByteWriter()
    .bytes(Buffer.from(WAL_MAGIC, 'latin1'))
    .u32(WAL_LAYOUT)
    .u32(MIN_READABLE_WAL)
    .u32(header.salt)
    .u32(0)
    .u64(header.epoch)
    .u64(header.firstLsn)
    .u64(header.baseLength)
    .bytes(Buffer.from(header.tag ?? NO_TAG, 'hex'));
  writer.zeros(WAL_HEADER_BYTES - 4 - writer.length);
  return writer.u32(crc32(writer.view())).finish();
}

/** WAL files get their name only after their header is synced, so a bad header is damage, never a torn write. */
export function decodeWalHeader(bytes: Buffer, path: string): WalHeader {
  const reader = new ByteReader(bytes, { path });
  if (bytes.length < WAL_HEADER_BYTES) throw reader.fail('the WAL header is cut off', 'TRUNCATED', bytes.length);
  if (bytes.toString('latin1', 0, 8) !== WAL_MAGIC) throw reader.fail('not a WAL file');
  if (reader.seek(WAL_HEADER_BYTES - 4).u32() !== crc32(bytes.subarray(0, WAL_HEADER_BYTES - 4))) throw reader.fail('the WAL header fails its checksum', 'CORRUPT', 0);
  const layout = reader.seek(8).u32();
  const minReader = reader.u32();
  if (minReader > WAL_LAYOUT) throw reader.fail(`WAL layout ${layout} needs a reader of layout ${minReader}`, 'NEWER_FORMAT', 8);
  if (layout < MIN_READABLE_WAL) throw reader.fail(`WAL layout ${layout} is too old`, 'UNSUPPORTED', 8);
  const salt = reader.u32();
  reader.u32();
  const [epoch, firstLsn, baseLength] = [asEpoch(reader.u64()), asLsn(reader.u64()), reader.u64()];
  const tag = layout === 1 ? NO_TAG : bytes.toString('hex', LOG_TAG_OFFSET, LOG_TAG_OFFSET + 8);
  return { salt, epoch, firstLsn, baseLength, tag: tag === NO_TAG ? null : tag };
}

/** Bytes of a record with a payload of `length` bytes. */
export function recordBytes(length: number): number {
  return Math.ceil((WAL_RECORD_HEADER_BYTES + length) / WAL_ALIGNMENT) * WAL_ALIGNMENT;
}

export function requirePayloadLimit(length: number): void {
  if (length > MAX_WAL_PAYLOAD_BYTES) {
    throw new CairnError('INVALID_ARGUMENT', `a batch of ${length} bytes is larger than ${MAX_WAL_PAYLOAD_BYTES}`, { hint: 'Split it into smaller batches.' });
  }
}

/**
 * length u32 · crc32 u32 · lsn u64 · unsynced u32 (lsn - syncedLsn) · type u8 · zeros 3 · payload · zeros to a multiple of 8.
 * The checksum covers everything but itself. `syncedLsn` is the highest LSN known to be synced when the record is written; it lets
 * replay tell a torn tail from damage. Returns the position behind the record.
 */
export function encodeRecord(target: Buffer, at: number, record: RecordToWrite, syncedLsn: Lsn, salt: number): number {
  const { payload } = record;
  const end = at + recordBytes(payload.length);
  encodeRecordHead(target, at, record, syncedLsn);
  target.set(payload, at + WAL_RECORD_HEADER_BYTES);
  for (let i = at + WAL_RECORD_HEADER_BYTES + payload.length; i < end; i++) target[i] = 0;
  target.writeUInt32LE(recordChecksum(target.subarray(at, end), salt), at + 4);
  return end;
}

/** All but the checksum. */
export function encodeRecordHead(target: Buffer, at: number, { lsn, type, payload }: RecordToWrite, syncedLsn: Lsn): void {
  target.writeUInt32LE(payload.length, at);
  target.writeUInt32LE(lsn % 0x1_0000_0000, at + 8);
  target.writeUInt32LE(Math.floor(lsn / 0x1_0000_0000), at + 12);
  target.writeUInt32LE(Math.min(0xffff_ffff, Math.max(0, lsn - syncedLsn)), at + 16);
  target.writeUInt32LE(type, at + 20);
}

function recordChecksum(record: Buffer, salt: number): number {
  return crc32(record.subarray(8), crc32(record.subarray(0, 4), salt));
}

/** Payload of a time record: milliseconds since 1970 u64 · number of the records behind it that were logged then u32 */
export function encodeTime(time: number, records: number): Buffer {
  return new ByteWriter().u64(Math.max(0, Math.floor(time))).u32(records).finish();
}

export function decodeTime(payload: Buffer, path: string): { readonly time: number; readonly records: number } {
  const reader = new ByteReader(payload, { path });
  return { time: reader.u64(), records: reader.u32() };
}

export interface RecordHeader {
  readonly length: number;
  readonly lsn: number;
  readonly unsynced: number;
  readonly type: number;
}

/** Null when these cannot be the first bytes of a record; the checksum is not looked at. */
export function peekRecord(bytes: Buffer): RecordHeader | null {
  const length = bytes.readUInt32LE(0);
  const lsn = bytes.readUInt32LE(8) + bytes.readUInt32LE(12) * 0x1_0000_0000;
  const type = bytes.readUInt32LE(20);
  if (length > MAX_WAL_PAYLOAD_BYTES || !Number.isSafeInteger(lsn) || lsn === 0 || type === 0 || type > 0xff) return null;
  return { length, lsn, unsynced: bytes.readUInt32LE(16), type };
}

/** `record` has exactly `recordBytes(length)` bytes. */
export function checkRecord(record: Buffer, salt: number): boolean {
  return record.readUInt32LE(4) === recordChecksum(record, salt);
}
