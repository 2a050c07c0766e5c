// Power cuts at every point of the storage protocols, in every legal way: what recovery finds is a prefix of the commits that
// holds every acknowledged one, twice the same, and the index goes on. A longer run: node scripts/crash-sweep.ts --states 200000
import assert from 'node:assert/strict';
import test from 'node:test';
import { describe, explore } from '../support/crash-explorer.ts';
import { testSeed } from '../support/random.ts';
import { allScenarios } from '../support/scenarios/all.ts';

const seed = testSeed(1);
let total = 0;

for (const scenario of allScenarios) {
  test(`[0.5] [0.7] power cut at any point: ${scenario.name} (seed ${seed})`, async (t) => {
    // A state of a whole index costs five times that of a log or a file: fewer of those here, more in the long run.
    const isIndex = scenario.name.startsWith('index');
    const result = await explore(scenario, { seed, exhaustive: 8, samples: isIndex ? 10 : 32, maxStates: isIndex ? 500 : 2000, nestedEvery: 60, goOnEvery: isIndex ? 5 : 2 });
    total += result.states;
    t.diagnostic(describe(result));
    assert.deepEqual([...result.violations], [], describe(result));
  });
}

test('the sweep covers at least 5,000 distinct states', () => {
  assert.ok(total >= 5000, `${total} states`);
});
