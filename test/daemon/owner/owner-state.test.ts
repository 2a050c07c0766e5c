import assert from 'node:assert/strict';
import test from 'node:test';
import { stateOf, type OwnerFacts } from '../../../daemon/owner/owner-state.ts';
import { CairnError } from '../../../src/util/errors.ts';

const WELL: OwnerFacts = {
  isClosed: false, hasRoot: true, rootPresent: true, startedEmpty: false, caughtUp: true, pending: 0, pendingBulk: 0, recoveryDegraded: [], quarantined: 0,
  refusal: null, persistError: null, commitError: null, walkError: null, watchReason: null, unreadable: new Map(), failedFiles: new Map(),
};
const FULL = new CairnError('DISK_FULL', 'no space left');
const state = (facts: Partial<OwnerFacts>) => stateOf({ ...WELL, ...facts });

test('[6.4] the state follows from the facts, and says why', () => {
  assert.deepEqual(state({}), { state: 'ready', reasons: [] });
  assert.equal(state({ caughtUp: false, startedEmpty: true }).state, 'indexing');
  assert.equal(state({ caughtUp: false }).state, 'catching-up');
  assert.deepEqual(state({ pending: 1 }), { state: 'ready', reasons: ['1 file is pending'] });
  assert.equal(state({ pending: 70, pendingBulk: 70 }).state, 'catching-up');
  assert.deepEqual(state({ commitError: FULL }), { state: 'degraded', reasons: ['changes cannot be stored: no space left'] });
  assert.equal(state({ persistError: FULL }).state, 'degraded');
  assert.equal(state({ caughtUp: false, recoveryDegraded: ['a segment is damaged'] }).state, 'degraded');
  assert.equal(state({ caughtUp: false, quarantined: 2 }).state, 'degraded');
  assert.equal(state({ persistError: new CairnError('FENCED', 'another daemon') }).state, 'failed');
  assert.equal(state({ isClosed: true }).state, 'failed');
});

test('[0.21] damage found at opening: degraded until the tree was read again, for ever where there is no tree', () => {
  const damage = { recoveryDegraded: ['3 documents are lost until they are indexed again'] };
  assert.deepEqual(state(damage), { state: 'ready', reasons: ['mended from the source tree: 3 documents are lost until they are indexed again'] });
  assert.deepEqual(state({ quarantined: 1 }), { state: 'ready', reasons: ['mended from the source tree: 1 damaged file is in quarantine'] });
  assert.equal(state({ ...damage, hasRoot: false }).state, 'degraded');
  assert.equal(state({ ...damage, caughtUp: false, rootPresent: false }).state, 'detached');
  assert.deepEqual(state({ ...damage, refusal: new CairnError('EMBEDDER_MISMATCH', 'another model') }), { state: 'degraded', reasons: [...damage.recoveryDegraded, 'another model'] });
});

test('a missing root is detached, not damaged; a vector index has no root to miss', () => {
  assert.deepEqual(state({ rootPresent: false }), { state: 'detached', reasons: ['the source root is missing'] });
  assert.equal(state({ rootPresent: false, hasRoot: false }).state, 'ready');
});

test('[6.5] limits of watching and unreadable paths are said, and are no damage', () => {
  const { state: name, reasons } = state({ watchReason: '3 directories are not watched', unreadable: new Map([['a', 'EACCES'], ['b', 'EACCES']]), failedFiles: new Map([['c', 'busy']]) });
  assert.equal(name, 'ready');
  assert.deepEqual(reasons, ['watching is limited: 3 directories are not watched', '2 paths cannot be read, for example a: EACCES', '1 path could not be indexed, for example c: busy']);
});
