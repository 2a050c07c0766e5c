// The corruption sweep has teeth: with any one check of contents taken out, it finds what is wrong.
import assert from 'node:assert/strict';
import test from 'node:test';
import { corruptionMutants } from '../support/corruption/mutants.ts';
import { occurrences, runMutant } from '../support/mutants.ts';

for (const mutant of corruptionMutants) {
  test(`[1.73] the corruption sweep catches: ${mutant.name}`, async () => {
    assert.equal(occurrences(mutant), 1, `the text to replace in ${mutant.file} has changed`);
    assert.notDeepEqual(await runMutant(mutant), [], 'the mutant survives');
  });
}
