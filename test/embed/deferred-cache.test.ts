// A cache that is opened by its first question: once, and never after it was closed.
import assert from 'node:assert/strict';
import test from 'node:test';
import { DeferredVectorCache } from '../../src/embed/deferred-cache.ts';
import type { FileVectorCache } from '../../src/embed/vector-cache.ts';

const KEY = new Uint8Array(16);
const VECTOR = Float32Array.of(1, 2);

function fakeCache() {
  const calls: string[] = [];
  const stats = { entries: 3 } as FileVectorCache['stats'];
  const cache = {
    stats,
    lookup: async (keys: readonly Uint8Array[]) => (calls.push('lookup'), keys.map(() => VECTOR)),
    store: async () => void calls.push('store'),
    close: async () => void calls.push('close'),
  };
  const open = async () => (calls.push('open'), cache);
  return { calls, cache, open };
}

test('nothing is opened before the first question, and then once', async () => {
  const { calls, open, cache } = fakeCache();
  const deferred = new DeferredVectorCache(open);
  assert.equal(deferred.stats, null);
  assert.deepEqual(calls, []);
  const [found] = await Promise.all([deferred.lookup([KEY]), deferred.store([{ key: KEY, vector: VECTOR }])]);
  assert.deepEqual(found, [VECTOR]);
  assert.deepEqual(calls.toSorted(), ['lookup', 'open', 'store']);
  assert.equal(deferred.stats, cache.stats);
  await deferred.close();
  assert.equal(calls.at(-1), 'close');
});

test('closed without a question: never opened, and misses from then on', async () => {
  const { calls, open } = fakeCache();
  const deferred = new DeferredVectorCache(open);
  await deferred.close();
  assert.deepEqual(await deferred.lookup([KEY, KEY]), [null, null]);
  await deferred.store([{ key: KEY, vector: VECTOR }]);
  assert.deepEqual(calls, []);
});

test('one that cannot be opened misses everything and stores nothing', async () => {
  const deferred = new DeferredVectorCache(async () => null);
  assert.deepEqual(await deferred.lookup([KEY]), [null]);
  await deferred.store([{ key: KEY, vector: VECTOR }]);
  assert.equal(deferred.stats, null);
  await deferred.close();
});
