// Faults during the recovery from a crash, and a disk that is full for a while.
import assert from 'node:assert/strict';
import test from 'node:test';
import { encodeDoc } from '../../src/format/doc-codec.ts';
import { createIndex } from '../../src/index/create.ts';
import { newMetadata } from '../../src/index/metadata.ts';
import { isCairnError } from '../../src/util/errors.ts';
import { compoundSweep } from '../support/compound-sweep.ts';
import { testLease } from '../support/fence.ts';
import { MemoryEnv, ROOT } from '../support/memory-env.ts';
import { testSeed } from '../support/random.ts';
import { contentText, durableIndexScenarios, openScenarioIndex } from '../support/scenarios/durable-index-scenarios.ts';
import { tinyDoc } from '../support/tiny-doc.ts';

const seed = testSeed(1);

test(`[0.4, 4.22] at least 500 faults during recovery from a power cut (CAIRN_SEED=${seed}): typed, and the next opening finds everything`, async (t) => {
  let faults = 0;
  for (const [i, scenario] of durableIndexScenarios.slice(0, 3).entries()) {
    const report = await compoundSweep(scenario, seed + i, { states: 8, every: 6 });
    faults += report.faults;
    assert.deepEqual(report.violations.slice(0, 5), []);
    t.diagnostic(`${report.scenario}: ${report.faults} faults in ${report.states} crash states`);
  }
  assert.ok(faults >= 500, `${faults} faults`);
});

for (const sync of ['always', 'off'] as const) {
  test(`[0.4, 4.22] a disk that is full for a while (${sync}): typed errors, reads go on, status shows it, and it resumes with everything that was acknowledged`, async () => {
    const env = new MemoryEnv(undefined, seed);
    await env.mkdir(`${ROOT}/indexes`);
    await createIndex(env, `${ROOT}/indexes/x`, newMetadata({ name: 'x', kind: 'code', dimension: 4 }, 0), testLease());
    const index = await openScenarioIndex(env, 1, sync);
    const put = (key: string, version: number): Promise<unknown> => index.commit({ puts: [encodeDoc(tinyDoc(key, version, 4))], deletes: [] });
    await put('a', 1);
    await index.persist('before');
    for (const written of [0, 1, 60]) {
      await put(`b${written}-`, 1);
      env.fault = (call) => (['write', 'open', 'mkdir'].includes(call.kind) && !call.path.endsWith('.cairn') ? { errno: 'ENOSPC', written } : null);
      for (let i = 0; i < 5; i++) await assert.rejects(put('lost', 9), (error) => isCairnError(error, 'DISK_FULL', 'POISONED') && error.retryable);
      await assert.rejects(index.persist('full'), (error) => isCairnError(error, 'DISK_FULL', 'POISONED'));
      assert.match(index.stats().warnings?.join() ?? '', /the log takes no writes: .*no space left/);
      assert.match(contentText(index), /^a1 b0-1/, 'reads go on');
      env.fault = null;
      await put(`c${written}`, 1);
      await index.persist('after');
      assert.deepEqual(index.stats().warnings, []);
    }
    const before = contentText(index);
    assert.equal(before, 'a1 b0-1 b1-1 b60-1 c01 c11 c601');
    await index.close();
    const again = await openScenarioIndex(new MemoryEnv(env.disk()), 2, sync);
    assert.equal(contentText(again), before);
    assert.deepEqual((await again.verify({ deep: true })).damages, []);
    await again.close();
  });
}
