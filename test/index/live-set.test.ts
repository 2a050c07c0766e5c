import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LiveSet, zeros } from '../../src/index/live-set.ts';
import type { IndexPart } from '../../src/segment/part.ts';
import { Bitset } from '../../src/util/bitset.ts';

/** A part of `docs` docs where doc d has d chunks, 2 symbols and 1 edge. */
function fakePart(docs: number): IndexPart {
  const chunkStart = (doc: number): number => (doc * (doc - 1)) / 2;
  return {
    docCount: docs, chunkCount: chunkStart(docs), symbolCount: docs * 2, edgeCount: docs,
    chunkStart, symbolStart: (doc: number) => doc * 2, edgeStart: (doc: number) => doc,
  } as unknown as IndexPart;
}

test('a version that was handed out never changes', () => {
  const set = LiveSet.of(fakePart(100), null);
  const before = set.share();
  assert.equal(set.kill(40), true);
  assert.equal(before.has(40), true);
  assert.equal(set.has(40), false);
  const after = set.share();
  set.kill(41);
  assert.equal(after.has(41), true);
  assert.equal(after.has(40), false);
});

test('counts follow kills exactly and a second kill counts nothing', () => {
  const set = LiveSet.of(fakePart(10), null);
  assert.deepEqual(set.counts, { docs: 10, chunks: 45, symbols: 20, edges: 10 });
  assert.equal(set.kill(9), true);
  assert.equal(set.kill(9), false);
  assert.deepEqual(set.counts, { docs: 9, chunks: 36, symbols: 18, edges: 9 });
});

test('opening with a tombstone set gives the counts of its live rows and leaves the set alone', () => {
  const live = Bitset.full(10);
  live.delete(3);
  live.delete(5);
  const set = LiveSet.of(fakePart(10), live);
  assert.deepEqual(set.counts, { docs: 8, chunks: 37, symbols: 16, edges: 8 });
  assert.equal(set.areAllLive, false);
  set.kill(0);
  assert.equal(live.has(0), true, 'the version given is shared, never changed');
});

test('a growing set grows, and an old version says dead for docs that came later', () => {
  const part = fakePart(5000);
  const set = LiveSet.growing(part);
  for (let doc = 0; doc < 1000; doc++) set.add(doc, doc % 7 !== 0);
  const old = set.share();
  for (let doc = 1000; doc < 5000; doc++) set.add(doc, true);
  assert.equal(old.has(1000), false);
  assert.equal(set.has(4999), true);
  assert.equal(set.has(5000), false);
  assert.equal(set.has(7), false);
  assert.equal(set.counts.docs, 5000 - 143);
  assert.equal(old.count(), 1000 - 143);
});

test('zeros lists exactly the bits that are not set', () => {
  const bits = Bitset.full(70);
  for (const doc of [0, 31, 32, 63, 69]) bits.delete(doc);
  assert.deepEqual([...zeros(bits, 70)], [0, 31, 32, 63, 69]);
  assert.deepEqual([...zeros(bits, 69)], [0, 31, 32, 63]);
  assert.deepEqual([...zeros(Bitset.full(64), 64)], []);
});
