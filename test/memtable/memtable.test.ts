// The memtable against the naive model, its views, and what happens when a document is refused.
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { decodeDoc, encodeDoc } from '../../src/format/doc-codec.ts';
import type { DocRecord } from '../../src/format/doc.ts';
import { FlatDoc } from '../../src/format/flat-doc.ts';
import { Memtable } from '../../src/memtable/index.ts';
import { VectorArena } from '../../src/quantize/index.ts';
import { isCairnError } from '../../src/util/errors.ts';
import { asLsn } from '../../src/util/ids.ts';
import { assertDoc, assertPart, naivePostings } from '../segment/part-model.ts';
import { docArbitrary, makeDoc, seededRandom, testSeed } from '../support/random-docs.ts';

const seed = testSeed();
const arena = new VectorArena({ maxBytes: 256 << 20 });
const newMemtable = (dimension: number): Memtable => new Memtable({ id: 'memtable-1', dimension, arena });

test('[1.1] [1.20] every member of a memtable equals the naive model', () => {
  for (const dimension of [0, 5]) {
    fc.assert(
      fc.property(fc.array(docArbitrary({ dimension }), { maxLength: 8 }), (docs) => {
        const memtable = newMemtable(dimension);
        docs.forEach((doc, i) => {
          const bytes = encodeDoc(doc);
          const forms = [doc, bytes, new FlatDoc(bytes), Buffer.concat([Buffer.alloc(3), bytes]).subarray(3)];
          assert.equal(memtable.add(forms[i % forms.length] as DocRecord, asLsn(i + 1)), i);
        });
        assertPart(memtable, docs, dimension);
        memtable.close();
      }),
      { seed, numRuns: 80 },
    );
  }
  assert.equal(arena.usage.usedBytes, 0);
});

test('many documents: postings across slices and pages equal the naive ones', () => {
  const random = seededRandom(seed);
  const docs = Array.from({ length: 120 }, (_, i) => makeDoc(random, `src/${i % 100}.ts`, { chunks: 1 + (i % 20), dimension: 33, terms: 60 }));
  const memtable = newMemtable(33);
  for (const doc of docs) memtable.add(doc);
  const naive = naivePostings(docs);
  for (const field of ['body', 'definition', 'comment', 'target'] as const) {
    for (const [term, ids] of naive[field]) {
      const postings = memtable.field(field).lookup(term);
      assert.deepEqual([...(postings?.ids ?? [])], [...ids.keys()]);
      assert.deepEqual([...(postings?.values ?? [])], [...ids.values()]);
    }
  }
  memtable.close();
});

test('a newer version of a key supersedes the older one, and older views stay right', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 12 }), (keys: readonly string[]) => {
      const memtable = newMemtable(0);
      const base = makeDoc(seededRandom(1), 'x', { chunks: 1, dimension: 0, terms: 3 });
      keys.forEach((key, i) => memtable.add({ ...base, key }, asLsn(i + 1)));
      for (let view = 0; view <= keys.length; view++) {
        const newest = new Map(keys.slice(0, view).map((key, doc) => [key, doc]));
        for (const key of ['a', 'b', 'c']) assert.equal(memtable.findDocAt(key, view), newest.get(key) ?? -1);
        const live = memtable.newestAt(view);
        keys.slice(0, view).forEach((key, doc) => assert.equal(live.has(doc), newest.get(key) === doc));
      }
      keys.forEach((key, doc) => assert.equal(memtable.supersededBy(doc), keys.indexOf(key, doc + 1)));
      assert.deepEqual([...memtable.flushDocs()].map(({ key, doc, lsn }) => [key, doc, lsn]), [...new Set(keys)].sort().map((key) => [key, keys.lastIndexOf(key), keys.lastIndexOf(key) + 1]));
    }),
    { seed, numRuns: 100 },
  );
});

test('postings of a view are a prefix: what comes later has ids at or above its counts', () => {
  const random = seededRandom(seed);
  const memtable = newMemtable(0);
  const docs = Array.from({ length: 30 }, (_, i) => makeDoc(random, `k${i}`, { chunks: 3, dimension: 0, terms: 20 }));
  for (const doc of docs.slice(0, 10)) memtable.add(doc);
  const { docCount, chunkCount } = memtable;
  for (const doc of docs.slice(10)) memtable.add(doc);
  const naive = naivePostings(docs.slice(0, docCount));
  for (const term of memtable.field('body').terms()) {
    const { ids, values, count } = memtable.field('body').lookup(term) ?? { ids: [], values: [], count: 0 };
    let cut = 0;
    while (cut < count && (ids[cut] as number) < chunkCount) cut++;
    const expected = naive.body.get(term) ?? new Map();
    assert.deepEqual(Array.from(ids).slice(0, cut), [...expected.keys()]);
    assert.deepEqual(Array.from(values).slice(0, cut), [...expected.values()]);
  }
});

test('a refused document leaves nothing behind', () => {
  const small = new VectorArena({ maxBytes: 1 << 20 });
  const memtable = new Memtable({ id: 'memtable-1', dimension: 256, arena: small });
  const doc = makeDoc(seededRandom(seed), 'a', { chunks: 2, dimension: 256, terms: 5 });
  assert.throws(() => memtable.add(makeDoc(seededRandom(seed), 'a', { chunks: 2, dimension: 8, terms: 5 })), (e) => isCairnError(e, 'DIMENSION_MISMATCH'));
  const damaged = Buffer.from(encodeDoc(doc));
  damaged[50] = (damaged[50] as number) ^ 1;
  assert.throws(() => memtable.add(damaged), (e) => isCairnError(e, 'CORRUPT'));
  // The arena is full after one extent of 1,024 rows for each of the three matrices would have been needed.
  assert.throws(() => memtable.add(makeDoc(seededRandom(seed), 'b', { chunks: 4000, dimension: 256, terms: 1 })), (e) => isCairnError(e, 'OVERLOADED'));
  assert.deepEqual([memtable.docCount, memtable.chunkCount, memtable.findDoc('a'), memtable.findDoc('b')], [0, 0, -1, -1]);
  assert.equal([...memtable.field('body').terms()].length, 0);
  memtable.close();
  assert.equal(small.usage.usedBytes, 0);
});

test('a record that may be kept is not copied', () => {
  const memtable = newMemtable(8);
  const doc = makeDoc(seededRandom(seed), 'a', { chunks: 3, dimension: 8, terms: 30 });
  const batch = Buffer.concat([Buffer.alloc(100), encodeDoc(doc), Buffer.alloc(Buffer.poolSize)]);
  memtable.add(batch.subarray(100, batch.length - Buffer.poolSize), asLsn(1), true);
  assert.equal(memtable.docBytes(0).buffer, batch.buffer);
  assertDoc(decodeDoc(memtable.docBytes(0)), doc);
  assert.equal(memtable.chunkText(1), doc.chunks[1]?.text);
  memtable.close();
});

test('the memtable keeps its own copy of a record, and memory is counted', () => {
  const memtable = newMemtable(8);
  const doc = makeDoc(seededRandom(seed), 'a', { chunks: 3, dimension: 8, terms: 30 });
  const batch = Buffer.concat([Buffer.alloc(100), encodeDoc(doc)]);
  const before = memtable.memoryBytes;
  memtable.add(batch.subarray(100));
  batch.fill(0);
  assertDoc(decodeDoc(memtable.docBytes(0)), doc);
  assert.equal(memtable.chunkText(1), doc.chunks[1]?.text);
  assert.ok(memtable.memoryBytes - before >= encodeDoc(doc).length);
  assert.equal(memtable.docLsn(0), 0);
  memtable.add(doc, asLsn(7));
  assert.equal(memtable.maxLsn, 7);
  assert.throws(() => memtable.docKey(2), (e) => isCairnError(e, 'INTERNAL'));
  memtable.close();
});
