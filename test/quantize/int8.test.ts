// Quantization of rows and queries: codes, scales, norms, centroids.
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Centroid, codeStride, prepareQuery, quantizeRow, rowNorm } from '../../src/quantize/index.ts';
import { isCairnError } from '../../src/util/errors.ts';
import { testSeed } from '../support/random-docs.ts';

const seed = testSeed();
const finite = fc.float({ noNaN: true, noDefaultInfinity: true });
const rows = fc.array(finite, { minLength: 1, maxLength: 70 }).map((values) => Float32Array.from(values));

test('rows are padded to a multiple of 32 bytes', () => {
  assert.deepEqual([1, 31, 32, 33, 256, 257].map(codeStride), [32, 32, 32, 64, 256, 288]);
});

test('[1.12] a code is off by at most half a step, padding is zero, the input is untouched', () => {
  fc.assert(
    fc.property(rows, (row) => {
      const before = row.slice();
      const codes = new Int8Array(codeStride(row.length) + 32).fill(99);
      const scale = quantizeRow(row, codes, 32);
      assert.deepEqual(row, before);
      assert.ok(codes.subarray(0, 32).every((code) => code === 99), 'writes only its own row');
      assert.ok(codes.subarray(32 + row.length).every((code) => code === 0));
      assert.ok(codes.subarray(32).every((code) => code >= -127 && code <= 127));
      // Where the step is a normal f32; below that the scale itself is rounded to the spacing of denormals.
      if (scale < 1e-36) return;
      row.forEach((value, i) => assert.ok(Math.abs(value - (codes[32 + i] as number) * scale) <= scale * 0.5001, `${value} at ${i}, scale ${scale}`));
    }),
    { seed, numRuns: 500 },
  );
});

test('the largest magnitude takes the whole range', () => {
  const codes = new Int8Array(32);
  assert.equal(quantizeRow(Float32Array.of(0.5, -1, 0.25), codes, 0), Math.fround(1 / 127));
  assert.deepEqual([...codes.subarray(0, 3)], [64, -127, 32]);
});

test('a zero row and a row that is not finite get zero codes, scale 0 and norm 0', () => {
  for (const row of [[0, -0, 0], [1, NaN, 2], [1, Infinity], [-Infinity], [1e-45]]) {
    const codes = new Int8Array(32).fill(7);
    assert.equal(quantizeRow(Float32Array.from(row), codes, 0), 0);
    assert.ok(codes.every((code) => code === 0));
  }
  assert.equal(rowNorm(Float32Array.of(1, NaN)), 0);
  assert.equal(rowNorm(Float32Array.of(Infinity)), 0);
});

test('norms are L2, without overflow at the ends of the range', () => {
  assert.equal(rowNorm(Float32Array.of(3, 4)), 5);
  assert.equal(rowNorm(new Float32Array(4).fill(3e38)), 3.4028234663852886e38);
});

test('a query keeps its exact values; one without a direction is refused', () => {
  const vector = Float32Array.of(0.5, -0.5);
  const query = prepareQuery(vector);
  vector[0] = 9;
  assert.deepEqual([...query.vector], [0.5, -0.5]);
  assert.equal(query.codes.length, 32);
  for (const bad of [[], [NaN], [1, -Infinity]]) assert.throws(() => prepareQuery(Float32Array.from(bad)), (e) => isCairnError(e, 'INVALID_ARGUMENT'));
  assert.equal(prepareQuery(Float32Array.of(0, 0)).scale, 0);
});

test('a centroid is the mean scaled to unit length, zero without rows or direction, and starts afresh', () => {
  const centroid = new Centroid(2);
  centroid.add(Float32Array.of(3, 0));
  centroid.add(Float32Array.of(0, 4));
  assert.deepEqual([...centroid.finish()], [Math.fround(0.6), Math.fround(0.8)]);
  assert.deepEqual([...centroid.finish()], [0, 0]);
  centroid.add(Float32Array.of(1, 0));
  centroid.add(Float32Array.of(-1, 0));
  assert.deepEqual([...centroid.finish()], [0, 0]);
  centroid.add(Float32Array.of(NaN, 1));
  assert.deepEqual([...centroid.finish()], [0, 0]);
});
