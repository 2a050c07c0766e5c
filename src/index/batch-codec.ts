/**
 * The payload of a WAL batch record: all changes of one commit in one record, so that a torn batch disappears whole.
 *   u32 puts, u32 deletes, then for each put {u32 length, encoded doc}, then for each delete {u32 length, UTF-8 key}; little-endian.
 * Decoding is bounds-checked and copies nothing: the docs are views of the payload.
 */
import { CairnError } from '../util/errors.ts';
import type { Batch } from './types.ts';

const HEADER_BYTES = 8;
const LENGTH_BYTES = 4;

export function encodeBatch(batch: Batch): Uint8Array {
  const deletes = batch.deletes.map((key) => Buffer.from(key, 'utf8'));
  const items = [...batch.puts, ...deletes];
  // Not from the pool that small buffers share: the memtable keeps these bytes as they are.
  const bytes = Buffer.allocUnsafeSlow(items.reduce((total, item) => total + LENGTH_BYTES + item.length, HEADER_BYTES));
  bytes.writeUInt32LE(batch.puts.length, 0);
  bytes.writeUInt32LE(deletes.length, 4);
  let at = HEADER_BYTES;
  for (const item of items) {
    at = bytes.writeUInt32LE(item.length, at);
    bytes.set(item, at);
    at += item.length;
  }
  return bytes;
}

/** CORRUPT when the payload does not end exactly with its last item. `path` and `offset` (of the payload in the file) are for the message. */
export function decodeBatch(payload: Uint8Array, path: string, offset: number): Batch {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  const damaged = (at: number, what: string): CairnError => new CairnError('CORRUPT', `${path}: batch record ${what}`, { path, offset: offset + at });
  if (bytes.length < HEADER_BYTES) throw damaged(0, 'is shorter than its header');
  const puts = bytes.readUInt32LE(0);
  const total = puts + bytes.readUInt32LE(4);
  if (total * LENGTH_BYTES > bytes.length - HEADER_BYTES) throw damaged(0, `claims ${total} items in ${bytes.length} bytes`);
  const items: Uint8Array[] = [];
  let at = HEADER_BYTES;
  while (items.length < total) {
    const length = at + LENGTH_BYTES <= bytes.length ? bytes.readUInt32LE(at) : Number.POSITIVE_INFINITY;
    if (at + LENGTH_BYTES + length > bytes.length) throw damaged(at, 'ends inside an item');
    items.push(bytes.subarray(at + LENGTH_BYTES, at + LENGTH_BYTES + length));
    at += LENGTH_BYTES + length;
  }
  if (at !== bytes.length) throw damaged(at, 'has bytes after its last item');
  return { puts: items.slice(0, puts), deletes: items.slice(puts).map((key) => Buffer.from(key).toString('utf8')) };
}
