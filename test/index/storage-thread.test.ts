/** The storage thread: jobs, failures, death, and an index under load with it. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { encodeDoc } from '../../src/format/doc-codec.ts';
import { WAL_DIRECTORY } from '../../src/format/file-names.ts';
import { WorkerRunner } from '../../src/index/worker-runner.ts';
import type { FlushJob } from '../../src/index/storage-jobs.ts';
import { asLsn, asSegmentId } from '../../src/util/ids.ts';
import { checkLeaks } from '../support/leaks.ts';
import { seededRandom, testSeed } from '../support/random-docs.ts';
import { below, pick } from '../support/sample-docs.ts';
import { tempDir } from '../support/temp-dir.ts';
import { tinyDoc } from '../support/tiny-doc.ts';
import { newTestIndex, versions, versionsOf } from './harness.ts';

checkLeaks();

const job = (dir: string): FlushJob => ({
  kind: 'flush', dir, segment: asSegmentId('00000000000000aa'), afterLsn: asLsn(0), uptoLsn: asLsn(5), logTag: null, dimension: 4,
  createdAt: '2025-01-01T00:00:00.000Z', contentVersions: { chunker: 1, tokenizer: 1 },
});

test('a job that fails says code, path and hint, and the next job runs', async (t) => {
  const runner = new WorkerRunner();
  t.after(() => runner.close());
  const dir = tempDir(t);
  await assert.rejects(runner.run(job(join(dir, 'absent'))), { code: 'NOT_FOUND', name: 'CairnError' });
  mkdirSync(join(dir, WAL_DIRECTORY));
  await assert.rejects(runner.run(job(dir)), (error: Error & { code?: string; path?: string }) => error.code === 'CORRUPT' && error.path === join(dir, WAL_DIRECTORY));
});

test('a thread that never becomes ready fails its jobs with a typed error, each time', async (t) => {
  const runner = new WorkerRunner({ entry: new URL('./stuck-storage-worker.ts', import.meta.url), startTimeoutMs: 100 });
  t.after(() => runner.close());
  for (let i = 0; i < 2; i++) await assert.rejects(runner.run(job(tempDir(t))), { code: 'INTERNAL', retryable: true, message: /storage thread/ });
});

test('closing fails the job that runs and every later one; the thread is gone', async (t) => {
  const runner = new WorkerRunner();
  const running = runner.run(job(tempDir(t)));
  const closed = runner.close();
  await assert.rejects(running, { code: 'INTERNAL', retryable: true });
  await closed;
  await assert.rejects(runner.run(job('/')), { code: 'NOT_SERVING' });
  await runner.close();
});

test('[1.61] commits, snapshots, persists and compactions at the same time, with the real storage thread', async (t) => {
  const random = seededRandom(testSeed());
  const testIndex = await newTestIndex(t, { options: { compactionFanIn: 2, syncMode: 'interval' }, runner: () => new WorkerRunner() });
  const model = new Map<string, number>();
  let version = 0;
  let isDone = false;
  const { index } = testIndex;
  const writer = async (): Promise<void> => {
    for (let i = 0; i < 400; i++) {
      const batch = Array.from({ length: 1 + below(random, 4) }, () => [`k${below(random, 60)}`, ++version] as const);
      const gone = random() < 0.3 ? [pick(random, [...model.keys(), 'absent'])] : [];
      for (const key of gone) model.delete(key);
      for (const [key, v] of batch) model.set(key, v);
      await index.commit({ puts: batch.map(([key, v]) => encodeDoc(tinyDoc(key, v, 4))), deletes: gone });
    }
    isDone = true;
  };
  const maintainer = async (): Promise<void> => {
    while (!isDone) {
      await index.persist('stress');
      await index.compact();
      await new Promise((resolve) => setImmediate(resolve)); // both answer at once when there is nothing to do
    }
  };
  const reader = async (): Promise<void> => {
    while (!isDone) {
      const snapshot = index.snapshot();
      const first = versionsOf(snapshot);
      await new Promise((resolve) => setTimeout(resolve, 3));
      assert.deepEqual(versionsOf(snapshot), first, 'a snapshot does not change');
      snapshot.release();
    }
  };
  await Promise.all([writer(), maintainer(), reader(), reader()]);
  const expected = Object.fromEntries([...model].sort(([a], [b]) => (a < b ? -1 : 1)));
  assert.deepEqual(versions(index), expected);
  await index.persist('end');
  while ((await index.compact()) !== null);
  assert.deepEqual(versions(index), expected);
  assert.deepEqual((await index.verify({ deep: true })).damages, []);
  await testIndex.reopen();
  assert.deepEqual(versions(testIndex.index), expected);
});
