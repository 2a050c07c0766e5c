/** Merging segments: content stays, space comes back, readers and writers are not disturbed. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { encodeDoc } from '../../src/format/doc-codec.ts';
import type { DurableIndex } from '../../src/index/types.ts';
import { CairnError } from '../../src/util/errors.ts';
import { checkLeaks } from '../support/leaks.ts';
import { seededRandom } from '../support/random-docs.ts';
import { randomDoc } from '../support/sample-docs.ts';
import { tinyDoc } from '../support/tiny-doc.ts';
import { newTestIndex, versions, versionsOf } from './harness.ts';

checkLeaks();

const commit = (index: DurableIndex, changes: Record<string, number>, deletes: string[] = []): ReturnType<DurableIndex['commit']> =>
  index.commit({ puts: Object.entries(changes).map(([key, version]) => encodeDoc(tinyDoc(key, version, 4))), deletes });
const segmentFiles = (dir: string): string[] => readdirSync(dir).filter((name) => /^seg-.*\.cairn$/.test(name)).sort();

test('[1.19] [2.14] compaction merges segments, keeps the newest versions and drops the dead', async (t) => {
  const testIndex = await newTestIndex(t, { options: { compactionFanIn: 3 } });
  const { index, dir } = testIndex;
  await commit(index, { a: 1, b: 1, c: 1 });
  await index.persist('1');
  await commit(index, { a: 2, d: 1 });
  await index.persist('2');
  await commit(index, { e: 1 }, ['c']);
  await index.persist('3');
  await commit(index, { d: 2 }, ['b']);
  const result = await index.compact();
  assert.match(result?.cause ?? '', /compaction/);
  const expected = { a: 2, d: 2, e: 1 };
  assert.deepEqual(versions(index), expected);
  assert.equal(index.stats().segments.length, 1);
  assert.equal(index.stats().segments[0]?.docs, 4, 'the merge works on what the manifest has: b and the old d are carried as dead');
  assert.equal(index.stats().segments[0]?.tombstones, 2);
  assert.equal(segmentFiles(dir).length, 1, 'old files are gone');
  assert.equal(await index.compact(), null);
  await testIndex.reopen();
  assert.deepEqual(versions(testIndex.index), expected);
  assert.deepEqual((await testIndex.index.verify({ deep: true })).damages, []);
});

test('[2.14] files of merged segments go with the compaction, however long their descriptors take to close', async (t) => {
  const { index, env, dir } = await newTestIndex(t, { options: { compactionFanIn: 2 } });
  const open = env.open;
  env.open = async (path, mode) => {
    const file = await open(path, mode);
    return mode === 'read' && path.endsWith('.cairn') ? { ...file, close: () => sleep(300).then(() => file.close()) } : file;
  };
  await commit(index, { a: 1 });
  await index.persist('1');
  await commit(index, { b: 1 });
  await index.persist('2');
  await index.compact();
  assert.equal(segmentFiles(dir).length, 1);
  assert.ok(index.stats().diskBytes < 20_000, `${index.stats().diskBytes} bytes`);
});

test('[1.61] a snapshot keeps reading the merged segments; their files go when it is released', async (t) => {
  const { index, dir } = await newTestIndex(t, { options: { compactionFanIn: 2 } });
  await commit(index, { a: 1 });
  await index.persist('1');
  await commit(index, { b: 1 });
  await index.persist('2');
  const held = index.snapshot();
  await commit(index, { a: 2 });
  await index.compact();
  assert.deepEqual(versionsOf(held), { a: 1, b: 1 });
  assert.equal(segmentFiles(dir).length, 3);
  held.release();
  await index.persist('wait for the clean-up');
  assert.equal(segmentFiles(dir).length, 2);
  assert.deepEqual(versions(index), { a: 2, b: 1 });
});

test('[0.19] after deleting half and compacting, the files take at most 60 % of the space', async (t) => {
  const random = seededRandom(7);
  const { index } = await newTestIndex(t, { dimension: 32 });
  const keys = Array.from({ length: 400 }, (_, i) => `file${i}`);
  await index.commit({ puts: keys.map((key) => encodeDoc(randomDoc(random, key, { dimension: 32, maxChunks: 6, textBytes: 400 }))), deletes: [] });
  await index.persist('all');
  await index.persist('all');
  const before = index.stats().segments.reduce((total, s) => total + s.bytes, 0);
  await index.commit({ puts: [], deletes: keys.filter((_, i) => i % 2 === 0) });
  await index.persist('half');
  assert.notEqual(await index.compact(), null);
  const { segments, diskBytes, walBytes } = index.stats();
  const after = segments.reduce((total, s) => total + s.bytes, 0);
  assert.ok(after <= 0.6 * before, `${after} of ${before} bytes`);
  assert.ok(diskBytes - walBytes <= 0.6 * before + 8192, `${diskBytes - walBytes} bytes in the directory`);
  assert.equal(index.stats().docs, 200);
});

test('a compaction that fails changes nothing and can be repeated', async (t) => {
  const testIndex = await newTestIndex(t, { options: { compactionFanIn: 2 } });
  const { index, env } = testIndex;
  await commit(index, { a: 1 });
  await index.persist('1');
  await commit(index, { b: 1 });
  await index.persist('2');
  for (const path of ['seg-', 'manifest-', 'CURRENT']) {
    env.fail = (call, where) => {
      if (call === 'write' && where.includes(path)) throw new CairnError('DISK_FULL', 'injected', { path: where });
    };
    await assert.rejects(index.compact(), { code: 'DISK_FULL' });
    assert.equal(index.stats().segments.length, 2);
    assert.deepEqual(versions(index), { a: 1, b: 1 });
  }
  env.fail = () => undefined;
  await index.compact();
  assert.equal(index.stats().segments.length, 1);
  await testIndex.reopen();
  assert.deepEqual(versions(testIndex.index), { a: 1, b: 1 });
});

test('old files that cannot be removed are shown and removed later', async (t) => {
  const { index, env, dir } = await newTestIndex(t, { options: { compactionFanIn: 2 } });
  await commit(index, { a: 1 });
  await index.persist('1');
  await commit(index, { b: 1 });
  await index.persist('2');
  env.fail = (call, path) => {
    if (call === 'unlink' && path.includes('seg-')) throw new CairnError('PERMISSION', 'injected', { path });
  };
  await index.compact();
  assert.match(index.stats().warnings?.join() ?? '', /old files could not be removed/);
  assert.ok(segmentFiles(dir).length > 1);
  env.fail = () => undefined;
  await commit(index, { c: 1 });
  await index.persist('3');
  assert.deepEqual(index.stats().warnings, []);
  assert.equal(segmentFiles(dir).length, 2);
});
