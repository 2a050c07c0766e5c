// The arena's allocator, the scan kernel against its reference, and code tables.
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { CodeTable, prepareQuery, VectorArena } from '../../src/quantize/index.ts';
import { isCairnError } from '../../src/util/errors.ts';
import { seededRandom, testSeed } from '../support/random-docs.ts';

const seed = testSeed();
const MiB = 1 << 20;

test('the platform of the tests has the SIMD kernel, and the choice is reported', () => {
  assert.equal(new VectorArena({ maxBytes: MiB }).kernel, 'wasm-simd');
  assert.equal(new VectorArena({ maxBytes: MiB, kernel: 'reference' }).kernel, 'reference');
});

test('kernel and reference give the same integers for any stride, count and codes', () => {
  const simd = new VectorArena({ maxBytes: 4 * MiB });
  const plain = new VectorArena({ maxBytes: 4 * MiB, kernel: 'reference' });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), fc.nat(70), fc.nat(), fc.constantFrom('random', 'extreme'), (blocks, count, rowSeed, kind) => {
      const stride = blocks * 32;
      const random = seededRandom(rowSeed);
      const code = (): number => (kind === 'extreme' ? (random() < 0.5 ? -127 : 127) : Math.floor(random() * 255) - 127);
      const rows = Int8Array.from({ length: stride * count }, code);
      const query = Int8Array.from({ length: stride }, code);
      const results = [simd, plain].map((arena) => {
        const at = arena.alloc(rows.length);
        arena.view(at, rows.length).set(rows);
        const sums = [...arena.scan(at, count, query).subarray(0, count)];
        arena.free(at);
        return sums;
      });
      assert.deepEqual(results[0], results[1]);
      const naive = Array.from({ length: count }, (_, r) => query.reduce((sum, q, i) => sum + q * (rows[r * stride + i] as number), 0));
      assert.deepEqual(results[0], naive);
    }),
    { seed, numRuns: 200 },
  );
});

test('the largest dimension with the largest codes does not overflow', () => {
  for (const kernel of ['wasm-simd', 'reference'] as const) {
    const arena = new VectorArena({ maxBytes: MiB, kernel });
    const at = arena.alloc(16_384);
    arena.view(at, 16_384).fill(-127);
    assert.deepEqual([arena.scan(at, 1, new Int8Array(16_384).fill(127))[0]], [-127 * 127 * 16_384]);
  }
});

test('allocations never overlap, are zeroed, aligned and reused; used bytes are exact', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.record({ alloc: fc.integer({ min: 1, max: 300_000 }) }), fc.record({ free: fc.nat() })), { maxLength: 60 }), (steps) => {
      const arena = new VectorArena({ maxBytes: 64 * MiB });
      const live: { at: number; bytes: number; mark: number }[] = [];
      let mark = 0;
      for (const step of steps) {
        if ('alloc' in step) {
          const at = arena.alloc(step.alloc);
          assert.equal(at % 64, 0);
          const view = arena.view(at, step.alloc);
          assert.ok(view.every((byte) => byte === 0));
          mark = (mark % 100) + 1;
          view.fill(mark);
          live.push({ at, bytes: step.alloc, mark });
        } else if (live.length > 0) {
          const [gone] = live.splice(step.free % live.length, 1);
          arena.free((gone as { at: number }).at);
        }
        for (const { at, bytes, mark: expected } of live) assert.ok(arena.view(at, bytes).every((byte) => byte === expected));
        const used = live.reduce((sum, { bytes }) => sum + Math.ceil(bytes / 64) * 64, 0);
        assert.equal(arena.usage.usedBytes, used);
        assert.ok(arena.usage.freeBytes >= 0);
      }
      for (const { at } of live) arena.free(at);
      const committed = arena.usage.committedBytes;
      if (committed > 65_536) arena.alloc(arena.usage.freeBytes);
      assert.equal(arena.usage.committedBytes, committed, 'after all is freed one allocation can take all of it');
    }),
    { seed, numRuns: 40 },
  );
});

test('the limit of the arena is a typed error, and what was there stays usable', () => {
  const arena = new VectorArena({ maxBytes: 2 * MiB });
  const at = arena.alloc(MiB);
  arena.view(at, 4).fill(5);
  assert.throws(() => arena.alloc(2 * MiB), (e) => isCairnError(e, 'OVERLOADED'));
  assert.deepEqual([...arena.view(at, 4)], [5, 5, 5, 5]);
  arena.free(at);
  assert.throws(() => arena.free(at), (e) => isCairnError(e, 'INTERNAL'));
  assert.ok(arena.alloc(MiB) > 0);
  assert.equal(arena.usage.maxBytes, 2 * MiB);
  assert.equal(arena.usage.peakBytes, MiB);
});

test('a view stays valid when the memory grows', () => {
  const arena = new VectorArena({ maxBytes: 32 * MiB });
  const view = arena.view(arena.alloc(100), 100);
  arena.alloc(8 * MiB);
  view.fill(3);
  assert.deepEqual([arena.scan(65_536, 1, new Int8Array(32).fill(1))[0]], [96]);
});

test('a growing and a fixed table give the same dots as plain arithmetic on the codes, across extents and any range', () => {
  const random = seededRandom(seed);
  const dimension = 40;
  for (const kernel of ['wasm-simd', 'reference'] as const) {
    const arena = new VectorArena({ maxBytes: 16 * MiB, kernel });
    const growing = CodeTable.growing(arena, dimension);
    const count = 2500;
    const vectors = Array.from({ length: count }, (_, i) => (i % 97 === 5 ? null : Float32Array.from({ length: dimension }, () => random() * 2 - 1)));
    for (const vector of vectors) growing.append(vector);
    const fixed = CodeTable.fixed(arena, dimension, growing.scales.slice(0, count), growing.norms.slice(0, count));
    for (let row = 0; row < count; row++) fixed.codes().set(growing.rowCodes(row), row * fixed.stride);
    const query = prepareQuery(Float32Array.from({ length: dimension }, () => random() - 0.5));
    for (const [from, to] of [[0, count], [1000, 1100], [1023, 1025], [2047, 2049], [7, 7], [2499, 2500]] as const) {
      const [a, b] = [new Float32Array(to - from), new Float32Array(to - from)];
      growing.dots(query, from, to, a);
      fixed.dots(query, from, to, b);
      assert.deepEqual(a, b);
      a.forEach((dot, i) => {
        const sum = growing.rowCodes(from + i).reduce((total, code, k) => total + code * (query.codes[k] as number), 0);
        assert.equal(dot, Math.fround(sum * (growing.scales[from + i] as number) * query.scale));
        const exact = vectors[from + i]?.reduce((total, value, k) => total + value * (query.vector[k] as number), 0) ?? 0;
        assert.ok(Math.abs(dot - exact) < 0.1);
      });
    }
    assert.equal(growing.norms[5], 0);
    const used = arena.usage.usedBytes;
    growing.free();
    fixed.free();
    assert.ok(used > 0);
    assert.equal(arena.usage.usedBytes, 0);
    assert.throws(() => fixed.dots(query, 0, 1, new Float32Array(1)), (e) => isCairnError(e, 'INTERNAL'));
  }
});

test('a query of another dimension is refused', () => {
  const table = CodeTable.growing(new VectorArena({ maxBytes: 4 * MiB }), 8);
  table.append(new Float32Array(8));
  assert.throws(() => table.dots(prepareQuery(Float32Array.of(1)), 0, 1, new Float32Array(1)), (e) => isCairnError(e, 'DIMENSION_MISMATCH'));
  assert.throws(() => table.dots(prepareQuery(new Float32Array(8).fill(1)), 0, 2, new Float32Array(2)), (e) => isCairnError(e, 'INTERNAL'));
  assert.throws(() => table.rowCodes(1), (e) => isCairnError(e, 'INTERNAL'));
});
