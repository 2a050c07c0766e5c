// Which rows are of older chunkers or tokenizers is known per segment, through restarts, replacements and merges.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeDoc } from '../../src/format/doc-codec.ts';
import { seededRandom } from '../support/random.ts';
import { randomDoc } from '../support/sample-docs.ts';
import { checkLeaks } from '../support/leaks.ts';
import { newTestIndex, type TestIndex } from './harness.ts';

checkLeaks();

const OLD = { chunker: 1, tokenizer: 1 };
const NEW = { chunker: 1, tokenizer: 2 };
const random = seededRandom(3);

async function put(test: TestIndex, ...keys: readonly string[]): Promise<void> {
  await test.index.commit({ puts: keys.map((key) => encodeDoc(randomDoc(random, key, { dimension: 4 }))), deletes: [] });
}

const stale = async (test: TestIndex): Promise<string[]> => [...(await test.index.staleKeys(NEW))].sort();

test('[6.16] rows keep the versions they were made by: only those not yet replaced are stale, also after a restart in the middle', async (t) => {
  const sample = await newTestIndex(t);
  await put(sample, 'a', 'b');
  await sample.index.persist('test');
  await put(sample, 'c', 'd');
  assert.deepEqual(await stale(sample), ['a', 'b', 'c', 'd'], 'of a segment and of the memtable');
  assert.deepEqual(await sample.index.staleKeys(OLD), []);
  await sample.index.updateMetadata({ contentVersions: NEW });
  assert.equal(sample.index.durableVersion, sample.index.version, 'older rows got their stamp in a segment');
  assert.deepEqual(await stale(sample), ['a', 'b', 'c', 'd']);
  await put(sample, 'a', 'c', 'e');
  assert.deepEqual(await stale(sample), ['b', 'd']);
  await sample.reopen();
  assert.deepEqual(await stale(sample), ['b', 'd'], 'replayed rows are of the new versions');
  await sample.index.persist('test');
  assert.deepEqual(await stale(sample), ['b', 'd']);
  await sample.index.commit({ puts: [], deletes: ['d'] });
  await put(sample, 'b');
  assert.deepEqual(await stale(sample), []);
  assert.deepEqual(sample.index.stats().segments.map(({ contentVersions }) => contentVersions), [OLD, OLD, NEW]);
});

test('[6.16] a merge of segments is of the oldest versions of its inputs, never of the present ones', async (t) => {
  const sample = await newTestIndex(t, { options: { compactionFanIn: 2 } });
  for (const key of ['a', 'b']) {
    await put(sample, key);
    await sample.index.persist('test');
  }
  await sample.index.updateMetadata({ contentVersions: NEW });
  while ((await sample.index.compact()) !== null);
  assert.deepEqual(sample.index.stats().segments.map(({ contentVersions }) => contentVersions), [OLD]);
  assert.deepEqual(await stale(sample), ['a', 'b']);
});
