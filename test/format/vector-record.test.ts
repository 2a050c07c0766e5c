// Records of a vector index: what is put in comes out, ids included.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { testSeed } from '../support/random.ts';
import { decodeDoc } from '../../src/format/doc-codec.ts';
import { encodeVectorRecord, recordId, recordKey, type RecordId } from '../../src/format/vector-record.ts';

test('[2.1] id, vector bits and payload survive encoding', () => {
  const id: fc.Arbitrary<RecordId> = fc.oneof(fc.maxSafeInteger(), fc.string({ unit: 'binary', minLength: 1, maxLength: 60 }), fc.maxSafeInteger().map(String));
  const vector = fc.float32Array({ minLength: 1, maxLength: 40, noNaN: true, noDefaultInfinity: true });
  const payload = fc.option(fc.uint8Array({ maxLength: 50 }));
  fc.assert(
    fc.property(id, vector, payload, (id, vector, payload) => {
      const doc = decodeDoc(encodeVectorRecord({ id, vector, payload }));
      assert.equal(doc.key, String(id === 0 ? 0 : id));
      assert.deepEqual(recordId(doc.key, doc.chunks[0]?.startLine ?? -1), id === 0 ? 0 : id);
      assert.deepEqual(bitsOf(doc.chunks[0]?.vector ?? new Float32Array(0)), bitsOf(vector));
      assert.deepEqual(doc.payload === null ? null : [...doc.payload], payload === null ? null : [...payload]);
    }),
    { seed: testSeed(18) },
  );
});

test('ids and values that could not be found again are refused', () => {
  const wrong: readonly (RecordId)[] = ['', 1.5, 2 ** 53, Number.NaN, '\ud800', 'x'.repeat(4097)];
  for (const id of wrong) assert.throws(() => recordKey(id), { code: 'INVALID_ARGUMENT' });
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.throws(() => encodeVectorRecord({ id: 'a', vector: Float32Array.from([0, value]), payload: null }), { code: 'INVALID_ARGUMENT', message: /value 1 is/ });
  }
});

/** Bit patterns, so that NaN and -0 are told apart. */
function bitsOf(vector: Float32Array): Uint32Array {
  return new Uint32Array(vector.slice().buffer);
}
