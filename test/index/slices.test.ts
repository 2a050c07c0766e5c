import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeDoc } from '../../src/format/doc-codec.ts';
import { makeDoc, seededRandom } from '../support/random-docs.ts';
import { newTestIndex } from './harness.ts';

test('a long batch gives the event loop its turns and becomes visible as a whole', async (t) => {
  const { index } = await newTestIndex(t, { dimension: 64, options: { syncMode: 'off' } });
  const random = seededRandom(1);
  const puts = Array.from({ length: 400 }, (_, i) => encodeDoc(makeDoc(random, `doc${i}`, { chunks: 5, dimension: 64, terms: 60 })));
  // Every look at the clock finds that a second has passed, so each slice holds one document, however fast the machine is.
  let now = performance.now();
  t.mock.method(performance, 'now', () => (now += 1_000));
  const seen = new Set<number>();
  let turns = 0;
  let committing = true;
  const eachTurn = (): void => {
    turns++;
    seen.add(index.stats().docs);
    if (committing) setImmediate(eachTurn);
  };
  setImmediate(eachTurn);
  await index.commit({ puts, deletes: [] });
  committing = false;
  // One after each document that was checked and one after each that was applied; either alone, and the write of the log, stay below this.
  assert.ok(turns > 1.5 * puts.length, `${turns} turns`);
  assert.deepEqual([...seen].filter((docs) => docs !== 0 && docs !== 400), []);
  assert.equal(index.stats().docs, 400);
});
