// FORMAT.md and the constants change together, and the bytes are what the document says.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { currentFor, decodeCurrent, encodeCurrent } from '../../src/manifest/current.ts';
import * as constants from '../../src/format/constants.ts';
import { encodeFooter, encodeHeader, encodeToc } from '../../src/format/container.ts';
import { encodeTextFile } from '../../src/format/text-file.ts';
import { encodeTombstones } from '../../src/format/tombstones.ts';
import { Bitset } from '../../src/util/bitset.ts';
import { asEpoch, asGeneration, asLsn, asSegmentId } from '../../src/util/ids.ts';
import { FrameBuffer } from '../../src/wal/frames.ts';
import { encodeRecord, encodeWalHeader, recordBytes } from '../../src/wal/record.ts';

const hex = (text: string): string => text.replaceAll(/\s+/g, '');
const document = readFileSync(new URL('../../src/format/FORMAT.md', import.meta.url), 'utf8');

test('[0.2] the constants are those that FORMAT.md was written for', () => {
  const lines = Object.entries(constants).map(([name, value]) => `${name}=${JSON.stringify(value)}`).sort().join('\n');
  const hash = createHash('sha256').update(lines).digest('hex');
  assert.ok(document.includes(hash), `constants changed: check FORMAT.md against them, then write its hash into it: ${hash}`);
});

test('FORMAT.md speaks of every magic', () => {
  for (const [name, value] of Object.entries(constants)) {
    if (/_MAGIC$|_WORD$/.test(name)) assert.ok(document.includes(`\`${String(value)}\``), name);
  }
});

test('[0.2] golden bytes: container header, table of contents, footer', () => {
  const header = encodeHeader({ layout: 1, kind: 1, content: 3, id: '0123456789abcdef' });
  assert.equal(header.toString('hex'), hex(`434149524e424f58 01000000 01000000 01000000 03000000 0123456789abcdef ${'00'.repeat(28)} 12475ecf`));
  const toc = encodeToc([{ tag: 7, optional: true, offset: 64, length: 0x1_0000_0002, crc: 0xdeadbeef }]);
  assert.equal(toc.toString('hex'), hex('07000000 01000000 4000000000000000 0200000001000000 efbeadde 00000000'));
  const footer = encodeFooter({ tocOffset: 128, fileLength: 224, sectionCount: 1, tocCrc: 1, fileCrc: 2 });
  assert.equal(footer.toString('hex'), hex(`8000000000000000 e000000000000000 01000000 01000000 02000000 ${'00'.repeat(24)} 88868c22 434149524e454e44`));
});

test('[0.2] golden bytes: WAL header and record', () => {
  const header = encodeWalHeader({ salt: 0x11223344, epoch: asEpoch(5), firstLsn: asLsn(9), baseLength: 64, tag: '00112233445566ff' });
  assert.equal(header.toString('hex'), hex(`434149524e57414c 02000000 01000000 44332211 00000000 0500000000000000 0900000000000000 4000000000000000 00112233445566ff 00000000 24b52d46`));
  const record = Buffer.alloc(recordBytes(5));
  assert.equal(encodeRecord(record, 0, { lsn: asLsn(10), type: 1, payload: Buffer.from('hello') }, asLsn(8), 0x11223344), 32);
  assert.equal(record.toString('hex'), hex('05000000 ffa2b257 0a00000000000000 02000000 01000000 68656c6c6f 000000'));
});

test('records framed together are the bytes of each one; large payloads are not copied', () => {
  const salt = 0x11223344;
  const records = [5, 0, 16_383, 16_384, 16_387, 1, 100_000, 7].map((length, i) => ({ lsn: asLsn(10 + i), type: 1 + (i % 2), payload: Buffer.alloc(length, i + 1) }));
  const each = records.map((record) => {
    const bytes = Buffer.alloc(recordBytes(record.payload.length));
    encodeRecord(bytes, 0, record, asLsn(8), salt);
    return bytes;
  });
  const buffer = new FrameBuffer();
  const { parts, bytes } = buffer.frame(records, asLsn(8), salt);
  assert.deepEqual(Buffer.concat(parts), Buffer.concat(each));
  assert.equal(bytes, Buffer.concat(each).length);
  assert.deepEqual(records.filter(({ payload }) => parts.includes(payload)).map(({ payload }) => payload.length), [16_384, 16_387, 100_000]);
  assert.deepEqual(buffer.frame([], asLsn(8), salt), { parts: [], bytes: 0 });
  for (const take of [[0], [6, 1], [2, 2, 0], [0, 1, 2, 3, 4, 5, 6, 7]]) {
    const group = take.map((i) => records[i] as (typeof records)[0]);
    assert.deepEqual(Buffer.concat(buffer.frame(group, asLsn(8), salt).parts), Buffer.concat(take.map((i) => each[i] as Buffer)), 'nothing of an earlier group is left');
  }
});

test('[0.2] golden bytes: tombstones as list and as bitmap', () => {
  const dead = new Bitset(1000);
  for (const doc of [0, 5, 300]) dead.add(doc);
  assert.equal(
    encodeTombstones(asSegmentId('0123456789abcdef'), dead).toString('hex'),
    hex('434149524e544d42 01000000 00000000 0123456789abcdef e8030000 03000000 00 05 a702 7309ddbf'),
  );
  assert.equal(
    encodeTombstones(asSegmentId('0123456789abcdef'), Bitset.full(34)).toString('hex'),
    hex('434149524e544d42 01000000 01000000 0123456789abcdef 22000000 22000000 ffffffff03000000 968db289'),
  );
});

test('[0.2] golden text: CURRENT and the header line', () => {
  assert.equal(encodeTextFile('cairn-manifest', { a: 1 }).toString(), 'cairn-manifest 1 11 678705be\n{\n "a": 1\n}\n');
  const current = currentFor(asGeneration(7), asEpoch(2), Buffer.from('manifest bytes'));
  const text = '{\n "generation": 7,\n "epoch": 2,\n "manifest": "manifest-7",\n "bytes": 14,\n "checksum": "53e1f1b7"\n}';
  assert.equal(encodeCurrent(current).toString(), `cairn-current 1 ${text.length} b2059b60\n${text}\n`);
  assert.deepEqual(decodeCurrent(encodeCurrent(current), 'CURRENT'), current);
});
