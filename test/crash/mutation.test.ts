// The sweep has teeth: with any one step of the protocols taken out, it finds states that are wrong.
import assert from 'node:assert/strict';
import test from 'node:test';
import { mutants, occurrences, runMutant } from '../support/mutants.ts';

for (const mutant of mutants) {
  test(`[0.9] the crash sweep catches: ${mutant.name} (${mutant.scenario})`, async () => {
    assert.equal(occurrences(mutant), 1, `the text to replace in ${mutant.file} has changed`);
    const wrong = await runMutant(mutant);
    assert.notDeepEqual(wrong, [], 'the mutant survives');
  });
}
