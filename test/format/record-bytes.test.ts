// The small-number writer and reader under the document record: round trips, bounds, growth.
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { GrowableU32 } from '../../src/format/growable-u32.ts';
import { RecordReader } from '../../src/format/record-reader.ts';
import { RecordWriter } from '../../src/format/record-writer.ts';
import { testSeed } from '../support/random-docs.ts';

const seed = testSeed();
const readerOf = (writer: RecordWriter): RecordReader => new RecordReader(writer.take(), 0, writer.length, '/f');

test('numbers of every kind read back', () => {
  const u32 = fc.oneof(fc.nat(300), fc.constantFrom(0, 127, 128, 16_383, 16_384, 0x7fff_ffff, 0xffff_ffff), fc.integer({ min: 0, max: 0xffff_ffff }));
  fc.assert(
    fc.property(fc.array(u32), fc.maxSafeNat(), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.string({ unit: 'grapheme' }), (numbers, large, signed, text) => {
      const writer = new RecordWriter(1);
      for (const n of numbers) writer.varint(n);
      writer.u64(large);
      writer.i64(signed);
      const bytes = writer.utf8(text);
      const reader = readerOf(writer);
      assert.deepEqual(numbers.map(() => reader.varint()), numbers);
      assert.equal(reader.u64(), large);
      assert.equal(reader.i64(), signed);
      assert.equal(reader.utf8(bytes), Buffer.from(text).toString());
      assert.equal(reader.left, 0);
    }),
    { seed, numRuns: 200 },
  );
});

test('numbers that are too long or too large are CORRUPT and name their place', () => {
  const cases: [number[], (reader: RecordReader) => unknown][] = [
    [[0x80], (r) => r.varint()],
    [[0xff, 0xff, 0xff, 0xff, 0x10], (r) => r.varint()],
    [[0x80, 0x80, 0x80, 0x80, 0x80, 0x01], (r) => r.varint()],
    [[0, 0, 0, 0, 0, 0, 0x20, 0], (r) => r.u64()],
    [[1, 2, 3], (r) => r.i64()],
    [[], (r) => r.u8()],
    [[5], (r) => r.below(5, 'index')],
    [[9, 1, 1], (r) => r.count(1, 100, 'things')],
    [[3, 1, 1, 1], (r) => r.count(1, 2, 'things')],
    [[1], (r) => r.slice(2)],
    [[1], (r) => r.skip(2)],
  ];
  for (const [bytes, read] of cases) {
    const reader = new RecordReader(Uint8Array.from(bytes), 0, bytes.length, '/f');
    assert.throws(() => read(reader), (error: { code?: string; path?: string; offset?: number }) => error.code === 'CORRUPT' && error.path === '/f' && error.offset !== undefined, String(bytes));
  }
});

test('a reader stops at its end, not at the end of the buffer', () => {
  const reader = new RecordReader(Uint8Array.of(1, 2, 3, 4), 1, 3);
  assert.deepEqual([reader.u8(), reader.u8()], [2, 3]);
  assert.throws(() => reader.u8(), { code: 'CORRUPT' });
});

test('patches, padding and clearing', () => {
  const writer = new RecordWriter();
  writer.u8(1);
  writer.zerosTo(4);
  writer.u16(0x1234);
  writer.zerosTo(4);
  writer.patchU8(9, 0);
  writer.patchU32(0xdeadbeef, 4);
  assert.equal(writer.view().toString('hex'), '09000000efbeadde');
  const own = writer.take();
  writer.clear();
  writer.floats(Float32Array.of(1));
  assert.equal(writer.view().toString('hex'), '0000803f');
  assert.equal(own.length, 8);
});

test('a growable column keeps its entries as it grows', () => {
  const column = new GrowableU32(0);
  for (let i = 0; i < 1000; i++) column.push(i * 4_000_000);
  column.set(5, 7);
  assert.equal(column.length, 1000);
  assert.deepEqual([...column.toArray()], Array.from({ length: 1000 }, (_, i) => (i === 5 ? 7 : (i * 4_000_000) >>> 0)));
  assert.equal(column.at(999), (999 * 4_000_000) >>> 0);
  assert.ok(column.memoryBytes >= 4000 && column.array.length >= 1000);
});
