/**
 * Power cuts at every point of backups, pruning, restores and renamings, in memory: acknowledged backups are there and whole, half-made
 * ones are swept, and the index is the old one or the restored one, under its old name or its new one. CAIRN_CRASH_STATES raises the number of states.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { describe, explore } from '../support/crash-explorer.ts';
import { MODELS, type CrashModel } from '../support/crash-states.ts';
import { testSeed } from '../support/random.ts';
import { backupScenarios } from '../support/scenarios/backup-scenarios.ts';
import { renameScenarios } from '../support/scenarios/rename-scenarios.ts';

for (const [i, one] of [...backupScenarios, ...renameScenarios].entries()) {
  test(`[0.5] [0.7] [1.30] crash states: ${one.name}`, async (t) => {
    const wanted = process.env['CAIRN_CRASH_STATES'];
    // Each state opens an engine and checks every backup: few choices at each point, but every point.
    const few = { exhaustive: 1, samples: 0, maxStates: 10_000, models: [MODELS[i % 2 === 0 ? 0 : 3] as CrashModel] };
    const many = { exhaustive: 4, samples: 8, maxStates: Number(wanted) };
    const result = await explore(one, { seed: testSeed(5) + i, nestedEvery: wanted === undefined ? 800 : 200, goOnEvery: 60, ...(wanted === undefined ? few : many) });
    t.diagnostic(describe(result));
    assert.equal(result.violations.size, 0, describe(result));
    assert.ok(result.states >= 200, `only ${result.states} states`);
  });
}
