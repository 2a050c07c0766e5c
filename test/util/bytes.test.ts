// Byte codecs: what is written is read back; damaged lengths end in typed errors, never in a crash or a huge allocation.
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { ByteReader, ByteWriter } from '../../src/util/bytes.ts';
import { checksumHex, crc32 } from '../../src/util/crc32.ts';
import { isCairnError } from '../../src/util/errors.ts';
import { unzigzag, varintLength, writeVarint, zigzag } from '../../src/util/varint.ts';
import { testSeed } from '../support/random.ts';

const seed = testSeed(11);
const natural = fc.oneof(fc.nat(300), fc.maxSafeNat());

type Field = readonly [keyof typeof CODECS, never];
const CODECS = {
  u8: [fc.nat(255), (w: ByteWriter, v: number) => w.u8(v), (r: ByteReader) => r.u8()],
  u16: [fc.nat(65535), (w: ByteWriter, v: number) => w.u16(v), (r: ByteReader) => r.u16()],
  u32: [fc.nat(0xffff_ffff), (w: ByteWriter, v: number) => w.u32(v), (r: ByteReader) => r.u32()],
  i32: [fc.integer(), (w: ByteWriter, v: number) => w.i32(v), (r: ByteReader) => r.i32()],
  u64: [natural, (w: ByteWriter, v: number) => w.u64(v), (r: ByteReader) => r.u64()],
  i64: [fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (w: ByteWriter, v: bigint) => w.i64(v), (r: ByteReader) => r.i64()],
  f32: [fc.float(), (w: ByteWriter, v: number) => w.f32(v), (r: ByteReader) => r.f32()],
  f64: [fc.double(), (w: ByteWriter, v: number) => w.f64(v), (r: ByteReader) => r.f64()],
  varint: [natural, (w: ByteWriter, v: number) => w.varint(v), (r: ByteReader) => r.varint()],
  signedVarint: [fc.integer(), (w: ByteWriter, v: number) => w.signedVarint(v), (r: ByteReader) => r.signedVarint()],
  string: [fc.string({ unit: 'grapheme' }), (w: ByteWriter, v: string) => w.string(v), (r: ByteReader) => r.string()],
  block: [fc.uint8Array(), (w: ByteWriter, v: Uint8Array) => w.block(v), (r: ByteReader) => new Uint8Array(r.block())],
} as const;
const field: fc.Arbitrary<Field> = fc.constantFrom(...(Object.keys(CODECS) as (keyof typeof CODECS)[])).chain((name) => fc.tuple(fc.constant(name), CODECS[name][0] as fc.Arbitrary<never>));

test(`a list of fields is read back as it was written (seed ${seed})`, () => {
  fc.assert(
    fc.property(fc.array(field, { maxLength: 40 }), (fields) => {
      const writer = new ByteWriter();
      for (const [name, value] of fields) (CODECS[name][1] as (w: ByteWriter, v: never) => void)(writer, value);
      const reader = new ByteReader(writer.finish(), { path: 'memory' });
      for (const [name, value] of fields) assert.deepEqual(CODECS[name][2](reader), value);
      reader.end();
    }),
    { seed },
  );
});

test(`[1.73] any bytes at all give values or typed errors inside the bytes (seed ${seed})`, () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), fc.array(fc.constantFrom(...(Object.keys(CODECS) as (keyof typeof CODECS)[])), { maxLength: 20 }), (bytes, names) => {
      const reader = new ByteReader(bytes, { path: 'a.bin', base: 1000 });
      try {
        for (const name of names) CODECS[name][2](reader);
      } catch (error) {
        assert.ok(isCairnError(error, 'CORRUPT', 'TRUNCATED'), String(error));
        assert.equal(error.path, 'a.bin');
        assert.ok(error.offset !== undefined && error.offset >= 1000 && error.offset <= 1000 + bytes.length, `offset ${error.offset}`);
      }
    }),
    { seed, numRuns: 500 },
  );
});

test('[1.73] a count is refused when the bytes left cannot hold it', () => {
  const bytes = new ByteWriter().varint(2 ** 40).bytes(Buffer.alloc(100)).finish();
  for (const read of [(r: ByteReader) => r.count(1), (r: ByteReader) => r.block(), (r: ByteReader) => r.string()]) {
    assert.throws(() => read(new ByteReader(bytes, { path: 'x' })), (error) => isCairnError(error, 'CORRUPT') && error.offset === 0);
  }
  assert.throws(() => new ByteReader(new ByteWriter().varint(5).bytes(Buffer.alloc(5)).finish(), { path: 'x' }).block(4), (error) => isCairnError(error, 'CORRUPT'));
  assert.equal(new ByteReader(new ByteWriter().varint(3).bytes(Buffer.alloc(12)).finish(), { path: 'x' }).count(4), 3);
});

test('numbers out of range are refused when written and when read', () => {
  for (const bad of [-1, 1.5, 2 ** 53, Number.NaN]) {
    assert.throws(() => new ByteWriter().u64(bad), (error) => isCairnError(error, 'INVALID_ARGUMENT'));
    assert.throws(() => new ByteWriter().varint(bad), (error) => isCairnError(error, 'INVALID_ARGUMENT'));
  }
  assert.throws(() => new ByteReader(Buffer.alloc(8, 0xff), { path: 'x' }).u64(), (error) => isCairnError(error, 'CORRUPT'));
  assert.throws(() => new ByteReader(Buffer.alloc(9, 0x80), { path: 'x' }).varint(), (error) => isCairnError(error, 'CORRUPT'));
  assert.throws(() => new ByteReader(Buffer.from('ffffffffffffff7f', 'hex'), { path: 'x' }).varint(), (error) => isCairnError(error, 'CORRUPT'));
  assert.throws(() => new ByteReader(Buffer.alloc(4), { path: 'x' }).seek(5), (error) => isCairnError(error, 'CORRUPT'));
  assert.throws(() => new ByteReader(Buffer.alloc(4), { path: 'x' }).end(), (error) => isCairnError(error, 'CORRUPT'));
});

test(`varints have the length that is told and round-trip at every boundary (seed ${seed})`, () => {
  for (let bits = 0; bits <= 53; bits++) {
    for (const value of [2 ** bits - 1, 2 ** bits, 2 ** bits + 1].filter(Number.isSafeInteger)) {
      const target = new Uint8Array(8);
      const end = writeVarint(target, 0, value);
      assert.equal(end, varintLength(value));
      assert.equal(new ByteReader(target.subarray(0, end), { path: 'x' }).varint(), value);
    }
  }
  fc.assert(fc.property(fc.integer(), (n) => unzigzag(zigzag(n)) === n), { seed });
  assert.deepEqual([0, -1, 1, -2].map(zigzag), [0, 1, 2, 3]);
});

test('a writer patches, aligns, forgets and keeps growing', () => {
  const writer = new ByteWriter(1).u32(0).bytes(Buffer.from('abc')).align(8);
  assert.equal(writer.length, 8);
  writer.patchU32(0, 3);
  assert.equal(writer.finish().toString('hex'), '0300000061626300');
  assert.throws(() => writer.patchU32(5, 1), (error) => isCairnError(error, 'INTERNAL'));
  const kept = writer.finish();
  writer.clear().bytes(Buffer.alloc(5000, 7));
  assert.equal(writer.length, 5000);
  assert.equal(kept.toString('hex'), '0300000061626300', 'finish gives bytes of its own');
});

test('crc32 is the one of zlib and can be continued', () => {
  assert.equal(crc32(Buffer.from('123456789')), 0xcbf43926);
  assert.equal(crc32(Buffer.from('6789'), crc32(Buffer.from('12345'))), 0xcbf43926);
  assert.equal(checksumHex(0x00ab), '000000ab');
});
