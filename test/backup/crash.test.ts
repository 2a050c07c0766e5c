/**
 * Power cuts at every point of backups, pruning and restores, in memory: acknowledged backups are there and whole, half-made ones
 * are swept, and the index is the old one or the restored one. CAIRN_CRASH_STATES raises the number of states.
 */
import assert from 'node:assert/strict';
import test from 'node:test';
import { describe, explore } from '../support/crash-explorer.ts';
import { testSeed } from '../support/random.ts';
import { backupScenarios } from '../support/scenarios/backup-scenarios.ts';

for (const [i, one] of backupScenarios.entries()) {
  test(`[0.5] [0.7] [1.30] crash states: ${one.name}`, async (t) => {
    const maxStates = Number(process.env['CAIRN_CRASH_STATES'] ?? 300);
    const result = await explore(one, { seed: testSeed(5) + i, exhaustive: 2, samples: 1, maxStates, nestedEvery: 150, goOnEvery: 12 });
    t.diagnostic(describe(result));
    assert.equal(result.violations.size, 0, describe(result));
    assert.ok(result.states >= 200, `only ${result.states} states`);
  });
}
