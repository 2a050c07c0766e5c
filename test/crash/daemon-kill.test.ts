// kill -9 of the real daemon under load from several clients: a few rounds here, as many as asked in scripts/kill-loop.ts.
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { KillLoop } from '../support/kill-loop.ts';
import { checkLeaks } from '../support/leaks.ts';
import { testSeed } from '../support/random.ts';

checkLeaks();
const seed = testSeed(20261);

describe(`kill -9 under load (CAIRN_SEED=${seed})`, () => {
  const loop = new KillLoop(seed);
  after(() => loop.close());

  test('[0.4, 0.17, 4.27] 10 rounds: every acknowledged write is there, the others are whole or absent, verify is clean', async () => {
    const report = await loop.run(10);
    assert.ok(report.acknowledgements > 0 && report.writes > 0, JSON.stringify(report));
  });

  test('[5.2] a frozen daemon is not robbed without force and the caller is told; taken over by force it publishes nothing when it wakes up', async () => {
    const report = await loop.takeOver(1);
    assert.equal(report.takeOvers, 1);
  });
});
