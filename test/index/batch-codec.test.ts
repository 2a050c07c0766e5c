import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeBatch, encodeBatch } from '../../src/index/batch-codec.ts';
import { isCairnError } from '../../src/util/errors.ts';
import { testSeed } from '../support/random-docs.ts';

const seed = testSeed();

const batches = fc.record({
  puts: fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 6 }),
  deletes: fc.array(fc.string({ unit: 'grapheme', maxLength: 20 }).filter((key) => key.isWellFormed()), { maxLength: 6 }),
});

test('a batch record of the first format is written byte for byte', () => {
  const bytes = encodeBatch({ puts: [Uint8Array.of(1, 2, 3)], deletes: ['é'] });
  assert.equal(Buffer.from(bytes).toString('hex'), '0100000001000000' + '03000000010203' + '02000000c3a9');
});

test('any batch reads back, as views of the payload', () => {
  fc.assert(fc.property(batches, (batch) => {
    const payload = encodeBatch(batch);
    const decoded = decodeBatch(payload, 'x', 0);
    assert.deepEqual(decoded.puts.map((put) => Buffer.from(put)), batch.puts.map((put) => Buffer.from(put)));
    assert.deepEqual(decoded.deletes, batch.deletes);
    for (const put of decoded.puts) assert.equal(put.buffer, payload.buffer);
  }), { seed });
});

test('[1.72] [1.73] any cut and any random bytes are CORRUPT with path and offset, or a batch; never anything else', () => {
  fc.assert(fc.property(batches, fc.nat(), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }), (batch, cut, changes) => {
    const bytes = Uint8Array.from(encodeBatch(batch));
    for (const [at, value] of changes) bytes[at % bytes.length] = value;
    const part = bytes.subarray(0, cut % (bytes.length + 1));
    try {
      const decoded = decodeBatch(part, 'some.wal', 1000);
      const again = decodeBatch(encodeBatch(decoded), 'x', 0);
      assert.equal(again.puts.length, decoded.puts.length);
    } catch (error) {
      assert.ok(isCairnError(error, 'CORRUPT') && error.path === 'some.wal' && (error.offset ?? 0) >= 1000, String(error));
    }
  }), { seed, numRuns: 500 });
});

test('a count that its bytes cannot hold allocates nothing', () => {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt32LE(0xffff_ffff, 0);
  bytes.writeUInt32LE(0xffff_ffff, 4);
  assert.throws(() => decodeBatch(bytes, 'x', 0), { code: 'CORRUPT' });
});
