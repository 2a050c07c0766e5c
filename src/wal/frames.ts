/**
 * The bytes of a group of records as they go to the log, in as few parts as pays. Owns the buffer that they are put together in and
 * uses it again and again: fresh memory costs more (the kernel clears each page of it) than everything else that is done here.
 * Pure encoding; writes no file.
 */
import { WAL_RECORD_HEADER_BYTES } from '../format/constants.ts';
import { crc32 } from '../util/crc32.ts';
import type { Lsn } from '../util/ids.ts';
import { encodeRecord, encodeRecordHead, recordBytes, type RecordToWrite } from './record.ts';

/** Payloads from here on are handed to the system where they lie: copying one costs more than two parts more in the write. */
const COPY_BELOW_BYTES = 16 * 1024;
/** Most that is kept from one group to the next. */
const KEPT_BYTES = 512 * 1024;

export interface Frames {
  readonly parts: readonly Uint8Array[];
  readonly bytes: number;
}

export class FrameBuffer {
  #kept = Buffer.alloc(0);

  /** The same bytes as `encodeRecord` one behind the other. The result is good until the next call. */
  frame(records: readonly RecordToWrite[], syncedLsn: Lsn, salt: number): Frames {
    const frames = this.#room(records.reduce((sum, { payload }) => sum + ownedBytes(payload.length), 0));
    const parts: Uint8Array[] = [];
    let [at, start, bytes] = [0, 0, 0];
    for (const record of records) {
      const { payload } = record;
      bytes += recordBytes(payload.length);
      if (payload.length < COPY_BELOW_BYTES) {
        at = encodeRecord(frames, at, record, syncedLsn, salt);
        continue;
      }
      const tail = at + WAL_RECORD_HEADER_BYTES;
      const end = at + ownedBytes(payload.length);
      encodeRecordHead(frames, at, record, syncedLsn);
      const head = crc32(frames.subarray(at + 8, tail), crc32(frames.subarray(at, at + 4), salt));
      frames.writeUInt32LE(crc32(frames.subarray(tail, end).fill(0), crc32(payload, head)), at + 4);
      parts.push(frames.subarray(start, tail), payload);
      start = tail;
      at = end;
    }
    if (start < at) parts.push(frames.subarray(start, at));
    return { parts, bytes };
  }

  #room(bytes: number): Buffer {
    if (bytes > KEPT_BYTES) return Buffer.allocUnsafeSlow(bytes);
    if (bytes > this.#kept.length) this.#kept = Buffer.allocUnsafeSlow(Math.min(KEPT_BYTES, Math.max(bytes, this.#kept.length * 2)));
    return this.#kept;
  }
}

/** Of a record with a payload of `length` bytes: all but the payload where that is a part of its own. */
function ownedBytes(length: number): number {
  return recordBytes(length) - (length < COPY_BELOW_BYTES ? 0 : length);
}
