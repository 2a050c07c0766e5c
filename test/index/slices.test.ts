import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeDoc } from '../../src/format/doc-codec.ts';
import { makeDoc, seededRandom } from '../support/random-docs.ts';
import { newTestIndex } from './harness.ts';

test('a long batch gives the event loop its turns and becomes visible as a whole', async (t) => {
  const { index } = await newTestIndex(t, { dimension: 64, options: { syncMode: 'off' } });
  const random = seededRandom(1);
  const puts = Array.from({ length: 400 }, (_, i) => encodeDoc(makeDoc(random, `doc${i}`, { chunks: 5, dimension: 64, terms: 60 })));
  const seen = new Set<number>();
  let turns = 0;
  const timer = setInterval(() => {
    turns++;
    seen.add(index.stats().docs);
  }, 1);
  await index.commit({ puts, deletes: [] });
  clearInterval(timer);
  // The whole takes some hundred milliseconds; without slices the timer would run two or three times (around the log's write).
  assert.ok(turns > 10, `${turns} turns`);
  assert.deepEqual([...seen].filter((docs) => docs !== 0 && docs !== 400), []);
  assert.equal(index.stats().docs, 400);
});
