import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planCompaction, tierOf, type SegmentLoad } from '../../src/index/compaction-policy.ts';

const segment = (id: string, chunks: number, liveShare = 1): SegmentLoad => ({ id, docs: 100, liveDocs: Math.round(100 * liveShare), liveChunks: Math.round(chunks * liveShare) });

test('nothing to do for few segments of different tiers', () => {
  assert.equal(planCompaction([], 4), null);
  assert.equal(planCompaction([segment('a', 100_000), segment('b', 5000), segment('c', 100), segment('d', 90)], 4), null);
});

test('[2.14] as many segments of one tier as the fan-in are merged, smallest tier first', () => {
  const large = ['a', 'b', 'c', 'd'].map((id) => segment(id, 20_000));
  const small = ['e', 'f', 'g', 'h'].map((id) => segment(id, 10));
  assert.deepEqual(planCompaction([...large, ...small], 4), { inputs: ['e', 'f', 'g', 'h'], reason: 'tier' });
  assert.deepEqual(planCompaction(large, 4), { inputs: ['a', 'b', 'c', 'd'], reason: 'tier' });
});

test('dead segments go first, worn ones are rewritten', () => {
  assert.deepEqual(planCompaction([segment('a', 500, 0), segment('b', 500, 0.5)], 4), { inputs: ['a'], reason: 'dead' });
  assert.deepEqual(planCompaction([segment('a', 500, 0.69), segment('b', 500, 0.5)], 4), { inputs: ['b'], reason: 'tombstones' });
  assert.equal(planCompaction([segment('a', 500, 0.75)], 4), null);
});

test('a tier whose segments together pass the size bound is left alone', () => {
  const huge = ['a', 'b', 'c', 'd'].map((id) => segment(id, 1_900_000));
  assert.equal(planCompaction(huge, 4), null);
});

test('[2.15] repeated small flushes are merged with bounded write amplification', () => {
  const fanIn = 4;
  let segments: SegmentLoad[] = [];
  let written = 0;
  const flushes = 2000;
  for (let i = 0; i < flushes; i++) {
    segments.push(segment(`f${i}`, 50));
    for (let plan = planCompaction(segments, fanIn); plan !== null; plan = planCompaction(segments, fanIn)) {
      const inputs = new Set(plan.inputs);
      const chunks = segments.filter((s) => inputs.has(s.id)).reduce((total, s) => total + s.liveChunks, 0);
      written += chunks;
      segments = [...segments.filter((s) => !inputs.has(s.id)), segment(`m${i}-${written}`, chunks)];
    }
    assert.ok(segments.length <= (fanIn - 1) * (tierOf(50 * flushes, fanIn) + 1), `${segments.length} segments after ${i} flushes`);
  }
  assert.equal(segments.reduce((total, s) => total + s.liveChunks, 0), 50 * flushes);
  assert.ok(written / (50 * flushes) <= tierOf(50 * flushes, fanIn) + 1, `write amplification ${written / (50 * flushes)}`);
});
