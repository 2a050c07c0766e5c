/** Rows that refer to nothing, behind valid checksums: named by verify (or by the opening), mended by repair. [0.15] */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { encodeDoc } from '../../src/format/doc-codec.ts';
import type { DocRecord } from '../../src/format/doc.ts';
import { openIndex } from '../../src/index/open-index.ts';
import { DOC_CHUNK_VECTORS, fieldTag, TAG } from '../../src/segment/layout.ts';
import { forgeSegment, vouchForSegment } from '../support/forge-segment.ts';
import { checkLeaks } from '../support/leaks.ts';
import { tinyDoc } from '../support/tiny-doc.ts';
import { newTestIndex, versions } from './harness.ts';

checkLeaks();

const KEYS = ['a', 'b', 'c'];
const docOf = (key: string): DocRecord => ({ ...tinyDoc(key, 1, 4), language: key === 'c' ? 'python' : 'typescript' });
const puts = (keys: readonly string[]): Uint8Array[] => keys.map((key) => encodeDoc(docOf(key)));

/** Columns of the docs section for three docs (FORMAT.md, "Segment"): each padded to 8 bytes. */
const DOCS = { chunkStart: 16, symbolStart: 32, edgeStart: 48, language: 80, flags: 208 };
/** Column of three u32. */
const COLUMN = 16;

interface Injection {
  readonly what: string;
  readonly change: (section: (tag: number) => Buffer) => void;
  readonly named: RegExp;
  /** What the manifest says, where it is to agree. */
  readonly counts?: { readonly vectors: number };
}

const INJECTIONS: readonly Injection[] = [
  {
    what: 'a chunk without a vector', named: /1 chunks have no vector/, counts: { vectors: 2 },
    change: (section) => {
      const docs = section(TAG.docs);
      docs[DOCS.flags + 1] = (docs[DOCS.flags + 1] as number) & ~DOC_CHUNK_VECTORS;
      section(TAG.meta).writeUInt32LE(2, 20);
    },
  },
  {
    what: 'a chunk that only seems to have a vector', named: /doc rows speak of 2, 0, 0 vectors, path vectors and payloads, the meta section of 3/,
    change: (section) => {
      const docs = section(TAG.docs);
      docs[DOCS.flags + 1] = (docs[DOCS.flags + 1] as number) & ~DOC_CHUNK_VECTORS;
    },
  },
  { what: 'a vector and a chunk without a document', named: /positions end at 2, not at 3 at offset \d/, change: (section) => void section(TAG.docs).writeUInt32LE(2, DOCS.chunkStart + 12) },
  { what: 'a language without a document', named: /language "python"/, change: (section) => void section(TAG.docs).writeUInt32LE(1, DOCS.language + 8) },
  { what: 'a document whose language is not there', named: /index 7 of 2 at offset \d/, change: (section) => void section(TAG.docs).writeUInt32LE(7, DOCS.language) },
  { what: 'a symbol without a document', named: /positions end at 2, not at 3 at offset \d/, change: (section) => void section(TAG.docs).writeUInt32LE(2, DOCS.symbolStart + 12) },
  { what: 'an edge without a document', named: /positions end at 2, not at 3 at offset \d/, change: (section) => void section(TAG.docs).writeUInt32LE(2, DOCS.edgeStart + 12) },
  { what: 'an edge from a symbol that is not there', named: /index 99 of 4 at offset \d/, change: (section) => void section(TAG.edges).writeUInt32LE(99, 0) },
  { what: 'an edge from a symbol of another document', named: /edge 0 of "a" leads from another document/, change: (section) => void section(TAG.edges).writeUInt32LE(2, 0) },
  { what: 'a chunk in a symbol of another document', named: /chunk 0 of "a" names symbol 2 of another document/, change: (section) => void section(TAG.chunks).writeUInt32LE(3, 2 * COLUMN) },
  {
    what: 'postings of a chunk that is not there', named: /posting/,
    change: (section) => {
      const field = section(fieldTag('body'));
      const postingBytes = field.readUInt32LE(8);
      field[field.length - Math.ceil(postingBytes / 8) * 8] = 63 * 2;
    },
  },
];

for (const { what, change, named, counts } of INJECTIONS) {
  test(`[0.15] ${what} is named by verify and mended by repair`, async (t) => {
    const testIndex = await newTestIndex(t);
    await testIndex.index.commit({ puts: puts(['z']), deletes: [] });
    await testIndex.index.persist('sound');
    await testIndex.index.commit({ puts: puts(KEYS), deletes: [] });
    await testIndex.index.persist('to be damaged');
    const { file } = testIndex.index.stats().segments.find(({ docs }) => docs === 3) as { file: string };
    await testIndex.index.close();
    forgeSegment(join(testIndex.dir, file), change);
    vouchForSegment(testIndex.dir, file, counts);
    const index = (testIndex.index = await openIndex(testIndex.env, testIndex.dir, testIndex.services()));
    const found = (await index.verify({ deep: true })).damages;
    const inFile = [...index.recovery.quarantined.map(({ file: name, reason }) => ({ file: name, what: reason })), ...found];
    assert.ok(inFile.some((damage) => damage.file.endsWith(file) && named.test(damage.what)), JSON.stringify(inFile));
    const { actions } = await index.repair({ dryRun: false });
    assert.deepEqual(actions.map(({ kind, file: name, done }) => [kind, name, done]), found.length === 0 ? [] : [['quarantine-segment', file, true]]);
    assert.deepEqual(versions(index), { z: 1 }, 'what is sound serves');
    assert.deepEqual(index.losses.map((loss) => loss.file), [file], 'what is missing is known');
    assert.ok((await index.listQuarantine()).some((kept) => kept.file.includes(file)), 'its bytes are kept');
    await index.commit({ puts: puts(KEYS), deletes: [] });
    await index.settleLosses('indexed again');
    await index.persist('mended');
    const again = await testIndex.reopen();
    assert.deepEqual([again.recovery.degraded, again.losses, (await again.verify({ deep: true })).damages], [[], [], []]);
    assert.deepEqual(versions(again), { a: 1, b: 1, c: 1, z: 1 });
  });
}

test('the same change without a change is found sound', async (t) => {
  const testIndex = await newTestIndex(t);
  await testIndex.index.commit({ puts: puts(KEYS), deletes: [] });
  await testIndex.index.persist('test');
  const [{ file } = { file: '' }] = testIndex.index.stats().segments;
  await testIndex.index.close();
  forgeSegment(join(testIndex.dir, file), () => undefined);
  vouchForSegment(testIndex.dir, file);
  const index = (testIndex.index = await openIndex(testIndex.env, testIndex.dir, testIndex.services()));
  assert.deepEqual([index.recovery.degraded, (await index.verify({ deep: true })).damages], [[], []]);
});
