// Segments against the naive model: written, opened, merged; equal to what went in, and to each other byte by byte.
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { encodeDoc } from '../../src/format/doc-codec.ts';
import type { DocRecord } from '../../src/format/doc.ts';
import { VectorArena } from '../../src/quantize/index.ts';
import { BlockCache, compareUtf8, mergeSegments, openSegment, readDoc, canonicalDoc, verifySegment, type Segment } from '../../src/segment/index.ts';
import { Bitset } from '../../src/util/bitset.ts';
import { isCairnError } from '../../src/util/errors.ts';
import { docArbitrary, makeDoc, seededRandom, testSeed } from '../support/random-docs.ts';
import { assertDoc, assertPart } from './part-model.ts';
import { segmentFolder, specOf, type SegmentFolder } from './segment-folder.ts';

const seed = testSeed();
const arena = new VectorArena({ maxBytes: 256 << 20 });

/** Sorted by key, each key once: what a flush hands over. */
function sorted(docs: readonly DocRecord[]): DocRecord[] {
  return [...new Map(docs.map((doc) => [doc.key, doc])).values()].sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
}

async function withFolder(work: (folder: SegmentFolder) => Promise<void>): Promise<void> {
  const folder = segmentFolder();
  try {
    await work(folder);
  } finally {
    folder.remove();
  }
}

test('[1.1] every member of a segment equals the naive model, and whole documents read back bit-exact', async () => {
  for (const dimension of [0, 5, 40]) {
    await fc.assert(
      fc.asyncProperty(fc.array(docArbitrary({ dimension }), { maxLength: 8 }), (records) =>
        withFolder(async (folder) => {
          const docs = sorted(records);
          const summary = await folder.write('a', docs, dimension);
          const segment = await openSegment(folder.env, folder.path('a'), arena, { ...summary, dimension });
          assertPart(segment, docs, dimension);
          assert.deepEqual(await verifySegment(segment, { deep: true }), { bytesChecked: summary.bytes, damages: [] });
          await segment.close();
          assert.equal(arena.usage.usedBytes, 0);
        }),
      ),
      { seed, numRuns: 40 },
    );
  }
});

test('a segment from records, from bytes and from an async source is the same file', async () => {
  await withFolder(async (folder) => {
    const random = seededRandom(seed);
    const docs = sorted(Array.from({ length: 20 }, (_, i) => makeDoc(random, `src/${i}.ts`, { chunks: i % 5, dimension: 16, terms: 40 })));
    await folder.write('a', docs, 16);
    await folder.write('b', docs.map(encodeDoc), 16, 'a');
    await folder.write('c', (async function* () { yield* docs; })(), 16, 'a');
    assert.deepEqual(folder.read('b'), folder.read('a'));
    assert.deepEqual(folder.read('c'), folder.read('a'));
  });
});

test('[1.19] a merge equals, byte for byte, the segment built from the surviving documents', async () => {
  for (const dimension of [0, 5]) {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.tuple(docArbitrary({ dimension }), fc.boolean()), { maxLength: 6 }), { minLength: 1, maxLength: 4 }),
        (groups) =>
          withFolder(async (folder) => {
            const survivors = new Map<string, DocRecord>();
            const sources: { segment: Segment; live: Bitset | null }[] = [];
            for (const [i, group] of groups.entries()) {
              const docs = sorted(group.map(([doc]) => doc));
              await folder.write(`s${i}`, docs, dimension);
              const segment = await openSegment(folder.env, folder.path(`s${i}`), arena);
              const live = new Bitset(docs.length);
              docs.forEach((doc, id) => {
                const wanted = group.find(([candidate]) => candidate.key === doc.key)?.[1] === true && !survivors.has(doc.key);
                if (!wanted) return;
                live.add(id);
                survivors.set(doc.key, doc);
              });
              sources.push({ segment, live: live.count() === docs.length ? null : live });
            }
            const expected = sorted([...survivors.values()]);
            const built = await folder.write('built', expected, dimension, 'm');
            const merged = await folder.create('merged', (file) => mergeSegments(file, specOf('m', dimension), sources));
            assert.deepEqual(merged, built);
            assert.ok(folder.read('merged').equals(folder.read('built')));
            for (const { segment } of sources) await segment.close();
            const segment = await openSegment(folder.env, folder.path('merged'), arena, merged);
            assertPart(segment, expected, dimension);
            await segment.close();
          }),
      ),
      { seed, numRuns: 40 },
    );
  }
});

test('[1.19] a merge of merges over many blocks, extents and pages equals the one segment', async () => {
  await withFolder(async (folder) => {
    const random = seededRandom(seed);
    const docs = sorted(Array.from({ length: 300 }, (_, i) => makeDoc(random, `src/${(i * 7919) % 1000}/f${i}.ts`, { chunks: i % 9, dimension: 24, terms: 50 })));
    const parts = [0, 1, 2].map((r) => docs.filter((_, i) => i % 3 === r));
    const open: Segment[] = [];
    for (const [i, part] of parts.entries()) {
      await folder.write(`p${i}`, part, 24);
      open.push(await openSegment(folder.env, folder.path(`p${i}`), arena));
    }
    const all = (segments: readonly Segment[]) => segments.map((segment) => ({ segment, live: null }));
    await folder.create('m1', (file) => mergeSegments(file, specOf('m1', 24), all(open.slice(0, 2))));
    open.push(await openSegment(folder.env, folder.path('m1'), arena));
    await folder.create('m2', (file) => mergeSegments(file, specOf('end', 24), all(open.slice(2))));
    await folder.write('built', docs, 24, 'end');
    assert.ok(folder.read('m2').equals(folder.read('built')));
    for (const segment of open) await segment.close();
    const segment = await openSegment(folder.env, folder.path('m2'), arena);
    assertPart(segment, docs, 24);
    assertDoc(readDoc(segment, 17), canonicalDoc(docs[17] as DocRecord));
    await segment.close();
    assert.equal(arena.usage.usedBytes, 0);
  });
});

test('[1.72] what a segment cannot hold is refused', async () => {
  await withFolder(async (folder) => {
    const make = (key: string, dimension = 0): DocRecord => makeDoc(seededRandom(1), key, { chunks: 1, dimension, terms: 3 });
    const refuses = (name: string, docs: DocRecord[], code: 'INVALID_ARGUMENT' | 'DIMENSION_MISMATCH', dimension = 0): Promise<void> =>
      assert.rejects(folder.write(name, docs, dimension), (e) => isCairnError(e, code));
    await refuses('a', [make('b'), make('a')], 'INVALID_ARGUMENT');
    await refuses('b', [make('a'), make('a')], 'INVALID_ARGUMENT');
    await refuses('c', [make('\ue000'), make('🪨'), make('￿')], 'INVALID_ARGUMENT');
    await refuses('d', [make('a', 4)], 'DIMENSION_MISMATCH', 5);
    await refuses('e', [make('a', 4)], 'DIMENSION_MISMATCH');
    await folder.write('f', [make('a', 4)], 4);
    await folder.write('g', [make('a', 4)], 4);
    const [f, g] = [await openSegment(folder.env, folder.path('f'), arena), await openSegment(folder.env, folder.path('g'), arena)];
    const both = [f, g].map((segment) => ({ segment, live: null }));
    await assert.rejects(folder.create('h', (file) => mergeSegments(file, specOf('h', 4), both)), (e) => isCairnError(e, 'INVALID_ARGUMENT'));
    await assert.rejects(folder.create('i', (file) => mergeSegments(file, specOf('i', 8), both)), (e) => isCairnError(e, 'DIMENSION_MISMATCH'));
    await f.close();
    await g.close();
  });
});

test('a segment without documents opens and answers', async () => {
  await withFolder(async (folder) => {
    for (const dimension of [0, 8]) {
      await folder.write(`e${dimension}`, [], dimension);
      const segment = await openSegment(folder.env, folder.path(`e${dimension}`), arena, { docs: 0, chunks: 0, dimension });
      assertPart(segment, [], dimension);
      await segment.close();
      await segment.close();
    }
  });
});

test('[1.3] the meta section carries counts, LSN range, versions and time', async () => {
  await withFolder(async (folder) => {
    await folder.write('a', [makeDoc(seededRandom(1), 'k', { chunks: 2, dimension: 4, terms: 3 })], 4);
    const segment = await openSegment(folder.env, folder.path('a'), arena);
    const { minLsn, maxLsn, contentVersions, createdMs, docs, chunks, vectors, pathVectors, dimension } = segment.meta;
    assert.deepEqual(
      { minLsn, maxLsn, contentVersions, createdAt: new Date(createdMs).toISOString(), docs, chunks, vectors, pathVectors, dimension },
      { minLsn: 3, maxLsn: 9, contentVersions: { chunker: 2, tokenizer: 5 }, createdAt: '2026-01-02T03:04:05.678Z', docs: 1, chunks: 2, vectors: 2, pathVectors: 1, dimension: 4 },
    );
    await segment.close();
  });
});

test('[1.62] decompressed texts stay within the byte budget of the cache, and closing a segment empties it', async () => {
  await withFolder(async (folder) => {
    const random = seededRandom(seed);
    const docs = sorted(Array.from({ length: 60 }, (_, i) => makeDoc(random, `f${i}`, { chunks: 6, dimension: 0, terms: 200 })));
    await folder.write('a', docs, 0);
    const cache = new BlockCache(200_000);
    const segment = await openSegment(folder.env, folder.path('a'), arena, {}, { cache });
    const texts = docs.flatMap((doc) => doc.chunks.map((chunk) => chunk.text));
    for (let i = 0; i < 400; i++) {
      const chunk = Math.floor(random() * texts.length);
      assert.equal(segment.chunkText(chunk), texts[chunk]);
      assert.ok(cache.memoryBytes <= 200_000);
    }
    assert.ok(cache.memoryBytes > 0);
    await segment.close();
    assert.equal(cache.memoryBytes, 0);
  });
});

test('key order is that of UTF-8 bytes', () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 4 }).filter((s) => s.isWellFormed());
  fc.assert(
    fc.property(text, text, (a, b) => {
      assert.equal(Math.sign(compareUtf8(a, b)), Math.sign(Buffer.compare(Buffer.from(a), Buffer.from(b))));
    }),
    { seed, numRuns: 500 },
  );
  assert.ok(compareUtf8('\uffff', '🪨') < 0);
});
