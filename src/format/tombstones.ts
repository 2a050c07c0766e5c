/**
 * The set of dead docs of one segment, as stored beside it. Written new for each manifest generation that changes it, never
 * modified. A few dead docs take a few bytes (list of differences), many take one bit per doc.
 */
import { Bitset } from '../util/bitset.ts';
import { ByteReader, ByteWriter } from '../util/bytes.ts';
import { crc32 } from '../util/crc32.ts';
import type { SegmentId } from '../util/ids.ts';
import { MAX_SEGMENT_DOCS, TOMBSTONE_BITMAP, TOMBSTONE_HEADER_BYTES, TOMBSTONE_LAYOUT, TOMBSTONE_LIST, TOMBSTONE_MAGIC } from './constants.ts';

/**
 * header: magic 8 · layout u32 · encoding u32 · segment id 8 · docs u32 · count u32
 * body:   list: count varints, each the difference to the doc id before (the first to 0) · bitmap: ceil(docs / 32) words u32
 * end:    crc32 of everything before
 * `dead.length` is the number of docs of the segment.
 */
export function encodeTombstones(segment: SegmentId, dead: Bitset): Buffer {
  const list = new ByteWriter();
  let count = 0;
  let last = 0;
  for (const doc of members(dead)) {
    list.varint(doc - last);
    last = doc;
    count++;
  }
  const useList = list.length <= dead.words.length * 4;
  const writer = new ByteWriter(TOMBSTONE_HEADER_BYTES + Math.min(list.length, dead.words.length * 4) + 4)
    .bytes(Buffer.from(TOMBSTONE_MAGIC, 'latin1'))
    .u32(TOMBSTONE_LAYOUT)
    .u32(useList ? TOMBSTONE_LIST : TOMBSTONE_BITMAP)
    .bytes(Buffer.from(segment, 'hex'))
    .u32(dead.length)
    .u32(count);
  if (useList) writer.bytes(list.view());
  else for (const word of dead.words) writer.u32(word);
  return writer.u32(crc32(writer.view())).finish();
}

export interface Tombstones {
  readonly segment: string;
  readonly count: number;
  readonly dead: Bitset;
}

export function decodeTombstones(bytes: Uint8Array, path: string): Tombstones {
  const reader = new ByteReader(bytes, { path });
  if (bytes.length < TOMBSTONE_HEADER_BYTES + 4) throw reader.fail('the tombstone file is cut off', 'TRUNCATED', bytes.length);
  const end = bytes.length - 4;
  if (reader.seek(end).u32() !== crc32(bytes.subarray(0, end))) throw reader.fail('the tombstone file fails its checksum', 'CORRUPT', 0);
  if (reader.seek(0).bytes(8).toString('latin1') !== TOMBSTONE_MAGIC) throw reader.fail('not a tombstone file', 'CORRUPT', 0);
  const layout = reader.u32();
  if (layout > TOMBSTONE_LAYOUT) throw reader.fail(`tombstone layout ${layout} is newer than ${TOMBSTONE_LAYOUT}`, 'NEWER_FORMAT', 8);
  const encoding = reader.u32();
  const segment = reader.bytes(8).toString('hex');
  const docs = reader.u32();
  const count = reader.u32();
  if (docs > MAX_SEGMENT_DOCS || count > docs) throw reader.fail(`${count} of ${docs} docs cannot be dead`, 'CORRUPT', 24);
  const body = new ByteReader(bytes.subarray(TOMBSTONE_HEADER_BYTES, end), { path, base: TOMBSTONE_HEADER_BYTES });
  const dead = encoding === TOMBSTONE_LIST ? readList(body, docs, count) : readBitmap(body, docs, encoding);
  if (dead.count() !== count) throw body.fail(`${dead.count()} dead docs found, ${count} promised,`, 'COUNT_MISMATCH');
  return { segment, count, dead };
}

function readList(body: ByteReader, docs: number, count: number): Bitset {
  if (count > body.remaining) throw body.fail(`${count} entries do not fit`);
  const dead = new Bitset(docs);
  let doc = 0;
  for (let i = 0; i < count; i++) {
    doc += body.varint();
    if (doc >= docs) throw body.fail(`doc ${doc} of ${docs} does not exist`);
    dead.add(doc);
  }
  body.end();
  return dead;
}

function readBitmap(body: ByteReader, docs: number, encoding: number): Bitset {
  if (encoding !== TOMBSTONE_BITMAP) throw body.fail(`encoding ${encoding} of tombstones is unknown`);
  const words = (docs + 31) >>> 5;
  if (body.remaining !== words * 4) throw body.fail(`a bitmap of ${docs} docs takes ${words * 4} bytes, ${body.remaining} are there,`);
  const dead = new Bitset(docs);
  for (let i = 0; i < words; i++) dead.words[i] = body.u32();
  const tail = docs & 31;
  if (tail !== 0 && (dead.words[words - 1] ?? 0) >>> tail !== 0) throw body.fail('the bitmap speaks of docs that do not exist');
  return dead;
}

function* members(set: Bitset): Iterable<number> {
  for (const [i, word] of set.words.entries()) {
    for (let rest = word; rest !== 0; rest &= rest - 1) yield i * 32 + 31 - Math.clz32(rest & -rest);
  }
}
