/**
 * Power cuts at every point of a workload on the real index, in memory: what was acknowledged is there, batches are whole,
 * recovery is idempotent and survives a cut of its own. CAIRN_CRASH_STATES raises the number of states.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describe, explore } from '../support/crash-explorer.ts';
import { testSeed } from '../support/random-docs.ts';
import { durableIndexScenarios } from '../support/scenarios/durable-index-scenarios.ts';

for (const [i, one] of durableIndexScenarios.entries()) {
  test(`[0.4] [0.5] [0.6] [0.7] [0.8] [0.11] [0.17] [1.32] [3.2] [4.27] crash states: ${one.name}`, async (t) => {
    const maxStates = Number(process.env['CAIRN_CRASH_STATES'] ?? 700);
    const result = await explore(one, { seed: testSeed() + i, exhaustive: 2, samples: 2, maxStates, nestedEvery: 80, goOnEvery: 8 });
    t.diagnostic(describe(result));
    assert.equal(result.violations.size, 0, describe(result));
    assert.ok(result.states >= 100, `only ${result.states} states`);
  });
}
