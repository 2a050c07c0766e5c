// What an AbortSignal becomes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requireNotCancelled } from '../../src/util/cancel.ts';

test('work whose caller gave up ends with CANCELLED, which says what ended and why; other work goes on', () => {
  const caller = new AbortController();
  requireNotCancelled(undefined, 'the check');
  requireNotCancelled(caller.signal, 'the check');
  const why = new Error('enough');
  caller.abort(why);
  assert.throws(() => requireNotCancelled(caller.signal, 'the check'), { name: 'CairnError', code: 'CANCELLED', message: 'the check was cancelled', cause: why });
});
