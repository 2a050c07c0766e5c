import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toFilters } from '../../../daemon/handlers/convert.ts';

test('[6.6] languages are understood as users name them; one that does not exist is refused with a suggestion', () => {
  assert.deepEqual(toFilters({ languages: ['TS', 'c++', 'Go'] }).languages, ['typescript', 'cpp', 'go']);
  assert.throws(() => toFilters({ languages: ['typscript'] }), { code: 'INVALID_ARGUMENT', message: 'languages: there is no language "typscript"', hint: 'Did you mean typescript?' });
  assert.throws(() => toFilters({ languages: ['go', 'klingonese'] }), { code: 'INVALID_ARGUMENT', hint: /for example typescript or ts/ });
});
