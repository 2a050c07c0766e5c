/** Freeze, flush, publish, trim: what stays true while they run, when they fail, and afterwards. */
import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { encodeDoc } from '../../src/format/doc-codec.ts';
import { runJob } from '../../src/index/run-job.ts';
import type { StorageRunner } from '../../src/index/storage-jobs.ts';
import type { DurableIndex } from '../../src/index/types.ts';
import { CairnError } from '../../src/util/errors.ts';
import type { FailingEnv } from '../support/failing-env.ts';
import { checkLeaks } from '../support/leaks.ts';
import { tinyDoc } from '../support/tiny-doc.ts';
import { newTestIndex, versions, versionsOf } from './harness.ts';

checkLeaks();

const puts = (versionsByKey: Record<string, number>): Uint8Array[] => Object.entries(versionsByKey).map(([key, version]) => encodeDoc(tinyDoc(key, version, 4)));
const commit = (index: DurableIndex, changes: Record<string, number>, deletes: string[] = []): ReturnType<DurableIndex['commit']> => index.commit({ puts: puts(changes), deletes });
const files = (dir: string, pattern: RegExp): string[] => readdirSync(dir).filter((name) => pattern.test(name)).sort();

/** A runner that waits after each flush, before it tells, until the test lets it go on. */
function gatedRunner(): { readonly runner: (env: FailingEnv) => StorageRunner; arrive: Promise<void>; open: () => void } {
  const gate: { arrive: Promise<void>; open: () => void; runner: (env: FailingEnv) => StorageRunner } = {
    arrive: Promise.resolve(),
    open: () => undefined,
    runner: (env) => ({
      run: async (job) => {
        const result = await runJob(env, job);
        if (job.kind === 'flush') await new Promise<void>((open) => {
          gate.open = open;
          arrived();
        });
        return result;
      },
      close: async () => undefined,
    }),
  };
  let arrived: () => void = () => undefined;
  gate.arrive = new Promise((resolve) => {
    arrived = resolve;
  });
  return gate;
}

test('[0.24] [0.25] persist makes the version durable, moves rows into a segment and trims the log', async (t) => {
  const testIndex = await newTestIndex(t);
  const { index, dir } = testIndex;
  await commit(index, { a: 1, b: 1 });
  assert.equal(index.durableVersion, 0);
  const result = await index.persist('test');
  assert.equal(result.cause, 'test');
  assert.equal(result.segmentsAdded, 1);
  assert.ok(result.bytesWritten > 0);
  assert.equal(index.durableVersion, 1);
  assert.equal(index.stats().memtableChunks, 0);
  assert.deepEqual(versions(index), { a: 1, b: 1 });
  const again = await index.persist('nothing to do');
  assert.equal(again.generation, result.generation);
  assert.equal(again.bytesWritten, 0);
  await commit(index, { c: 1 });
  await index.persist('second');
  await commit(index, { d: 1 });
  await index.persist('third');
  assert.ok(files(join(dir, 'wal'), /wal$/).length <= 2, 'the log is trimmed to what the kept generations need');
  assert.ok(files(dir, /^manifest-/).length <= 2);
  await testIndex.reopen();
  assert.equal(testIndex.index.recovery.replayedBatches, 0);
  assert.deepEqual(versions(testIndex.index), { a: 1, b: 1, c: 1, d: 1 });
});

test('[4.21] commits go on during a persist; what they replace and delete is dead in the new segment', async (t) => {
  const gate = gatedRunner();
  const testIndex = await newTestIndex(t, { runner: gate.runner });
  const { index } = testIndex;
  await commit(index, { keep: 1, replaced: 1, deleted: 1, twice: 1 });
  const persisted = index.persist('slow');
  await gate.arrive;
  await commit(index, { replaced: 2, twice: 2 }, ['deleted']);
  await commit(index, { twice: 3, fresh: 1 });
  assert.equal(index.durableVersion, 0);
  const held = index.snapshot();
  gate.open();
  await persisted;
  const expected = { fresh: 1, keep: 1, replaced: 2, twice: 3 };
  assert.equal(index.durableVersion, 1);
  assert.deepEqual(versions(index), expected);
  assert.deepEqual(versionsOf(held), expected, 'a snapshot over the flush keeps the memtable');
  held.release();
  assert.equal(index.stats().docs, 4);
  assert.equal(index.stats().segments[0]?.tombstones, 3);
  assert.deepEqual((await index.verify({ deep: true })).damages, []);
});

test('[4.21] the same after a restart: the log replays over the new segment', async (t) => {
  const gate = gatedRunner();
  const testIndex = await newTestIndex(t, { runner: gate.runner });
  await commit(testIndex.index, { keep: 1, replaced: 1, deleted: 1 });
  const persisted = testIndex.index.persist('slow');
  await gate.arrive;
  await commit(testIndex.index, { replaced: 2 }, ['deleted']);
  gate.open();
  await persisted;
  await testIndex.reopen();
  assert.equal(testIndex.index.recovery.replayedBatches, 1);
  assert.deepEqual(versions(testIndex.index), { keep: 1, replaced: 2 });
});

test('[4.22] a failed persist keeps the work, and the next one finishes it', async (t) => {
  const testIndex = await newTestIndex(t);
  const { index, env } = testIndex;
  await commit(index, { a: 1, b: 1 });
  const expected: Record<string, number> = { a: 1, b: 1 };
  for (const [call, path] of [['write', 'seg-'], ['sync', 'seg-'], ['rename', 'manifest-'], ['rename', 'CURRENT'], ['syncDir', 'sample']] as const) {
    env.fail = (name, where) => {
      if (name === call && where.includes(path)) throw new CairnError('DISK_FULL', `injected ${call} ${path}`, { path: where, retryable: true });
    };
    await assert.rejects(index.persist('failing'), { code: 'DISK_FULL' }, `${call} ${path}`);
    assert.deepEqual(Object.entries(versions(index)).sort(), Object.entries(expected).sort());
    assert.equal(index.durableVersion, 0);
    env.fail = () => undefined;
    expected[`after-${call}-${path}`] = 1;
    await commit(index, { [`after-${call}-${path}`]: 1 });
  }
  assert.equal(await index.compact(), null, 'compaction first finishes the flush');
  await index.persist('works again');
  assert.equal(index.durableVersion, index.version);
  const before = versions(index);
  assert.equal(Object.keys(before).length, 7);
  assert.deepEqual((await index.verify({ deep: true })).damages, []);
  await testIndex.reopen();
  assert.deepEqual(versions(testIndex.index), before);
});

test('an attempt whose outcome is unknown deletes nothing', async (t) => {
  const testIndex = await newTestIndex(t);
  const { index, env, dir } = testIndex;
  await commit(index, { a: 1 });
  env.fail = (call, path) => {
    if (call === 'syncDir' && path === dir && files(dir, /^seg-/).length > 0 && files(dir, /^manifest-2$/).length > 0) throw new CairnError('IO', 'injected', { path });
  };
  await assert.rejects(index.persist('unknown outcome'), { code: 'IO' });
  assert.equal(files(dir, /^seg-.*cairn$/).length, 1, 'the segment that a published manifest may name stays');
  assert.ok(files(join(dir, 'wal'), /wal$/).length >= 2);
  env.fail = () => undefined;
  await testIndex.reopen();
  assert.deepEqual(versions(testIndex.index), { a: 1 });
});

test('[0.18] deletes alone publish tombstones and no segment', async (t) => {
  const testIndex = await newTestIndex(t);
  const { index } = testIndex;
  await commit(index, Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`k${i}`, 1])));
  await index.persist('test');
  await commit(index, {}, ['k500']);
  const result = await index.persist('one delete');
  assert.equal(result.segmentsAdded, 0);
  assert.ok(result.bytesWritten < 4096, `${result.bytesWritten} bytes`);
  assert.equal(index.durableVersion, 2);
  await testIndex.reopen();
  assert.equal(testIndex.index.recovery.replayedBatches, 0);
  assert.equal(testIndex.index.stats().docs, 999);
  assert.equal('k500' in versions(testIndex.index), false);
});

test('[4.5] an index is emptied only by deletes that were logged, and stays empty after a restart', async (t) => {
  const testIndex = await newTestIndex(t);
  const { index } = testIndex;
  await commit(index, { a: 1, b: 1 });
  await index.persist('test');
  await commit(index, {}, ['a', 'b']);
  await index.persist('emptied');
  assert.deepEqual(versions(index), {});
  while ((await index.compact()) !== null);
  assert.equal(index.stats().segments.length, 0);
  await testIndex.reopen();
  assert.deepEqual(versions(testIndex.index), {});
  assert.equal(testIndex.index.version, 2);
});

test('a memtable at its limit asks to be persisted', async (t) => {
  const { index } = await newTestIndex(t, { options: { memtableMaxChunks: 3 } });
  await commit(index, { a: 1, b: 1 });
  assert.equal(index.wantsPersist, false);
  await commit(index, { c: 1 });
  assert.equal(index.wantsPersist, true);
  await index.persist('full');
  assert.equal(index.wantsPersist, false);
});

test('[1.3] [3.16] segments say their size, checksum and counts; files are 0600 and directories 0700', async (t) => {
  const { index, dir } = await newTestIndex(t);
  await commit(index, { a: 1, b: 1 });
  await index.persist('test');
  const [segment] = index.stats().segments;
  assert.equal(segment?.docs, 2);
  assert.equal(segment?.chunks, 2);
  assert.equal(statSync(join(dir, segment?.file ?? '')).size, segment?.bytes);
  assert.match(segment?.checksum ?? '', /^[0-9a-f]{8}$/);
  for (const name of readdirSync(dir, { recursive: true }) as string[]) {
    const stat = statSync(join(dir, name));
    assert.equal(stat.mode & 0o777, stat.isDirectory() ? 0o700 : 0o600, name);
  }
});

test('figures: version, synced and durable version, bytes', async (t) => {
  const { index, dir } = await newTestIndex(t);
  await commit(index, { a: 1 });
  await index.persist('test');
  await commit(index, { b: 1 });
  const stats = index.stats();
  assert.deepEqual([stats.version, stats.syncedVersion, stats.durableVersion, stats.incremental.batches], [2, 2, 1, 2]);
  const onDisk = (readdirSync(dir, { recursive: true }) as string[]).map((name) => statSync(join(dir, name))).filter((s) => s.isFile()).reduce((total, s) => total + s.size, 0);
  assert.equal(stats.diskBytes, onDisk);
  assert.ok(stats.memoryBytes > 0 && stats.bytesWritten.wal > 0 && stats.bytesWritten.flush > 0 && stats.bytesWritten.manifest > 0);
});
