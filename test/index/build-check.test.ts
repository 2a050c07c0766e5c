import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeDoc } from '../../src/format/doc-codec.ts';
import { runJob } from '../../src/index/run-job.ts';
import type { ResultOf, StorageJob } from '../../src/index/storage-jobs.ts';
import { asLsn } from '../../src/util/ids.ts';
import { tinyDoc } from '../support/tiny-doc.ts';
import { newTestIndex, versions } from './harness.ts';

test('[2.3] a segment with fewer rows than were to be written is never published', async (t) => {
  let isLosing = true;
  const testIndex = await newTestIndex(t, {
    options: { compactionFanIn: 2 },
    runner: (env) => ({
      // A builder that misses the last batch, or merges nothing: what a bug or a short read would make of the job.
      run: async <J extends StorageJob>(job: J): Promise<ResultOf<J>> => {
        if (!isLosing) return runJob(env, job);
        if (job.kind === 'merge') return null as ResultOf<J>;
        return runJob(env, job.kind === 'flush' ? { ...job, uptoLsn: asLsn(job.uptoLsn - 1) } : job);
      },
      close: async () => undefined,
    }),
  });
  const { index } = testIndex;
  const commit = (key: string): Promise<unknown> => index.commit({ puts: [encodeDoc(tinyDoc(key, 1, 4))], deletes: [] });
  await commit('a');
  await commit('b');
  await assert.rejects(index.persist('losing'), { code: 'COUNT_MISMATCH' });
  assert.equal(index.durableVersion, 0);
  isLosing = false;
  await index.persist('right');
  await commit('c');
  await index.persist('right');
  isLosing = true;
  await assert.rejects(index.compact(), { code: 'COUNT_MISMATCH' });
  assert.deepEqual(versions(index), { a: 1, b: 1, c: 1 });
  isLosing = false;
  await index.compact();
  await testIndex.reopen();
  assert.deepEqual(versions(testIndex.index), { a: 1, b: 1, c: 1 });
});
