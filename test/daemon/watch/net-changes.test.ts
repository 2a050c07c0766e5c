import assert from 'node:assert/strict';
import test from 'node:test';
import { NetChanges, type RawKind } from '../../../daemon/watch/net-changes.ts';

function netOf(...events: readonly [RawKind, string][]): readonly string[] {
  const changes = new NetChanges(100);
  for (const [kind, path] of events) changes.note(path, kind);
  return changes.take().paths;
}

test('a window holds each path once', () => {
  assert.deepEqual(netOf(['change', 'a'], ['change', 'a'], ['add', 'b']), ['a', 'b']);
});

test('a temporary file leaves nothing, an atomic save leaves a change', () => {
  assert.deepEqual(netOf(['add', 'tmp'], ['change', 'tmp'], ['remove', 'tmp']), []);
  assert.deepEqual(netOf(['remove', 'a'], ['add', 'a']), ['a']);
  assert.deepEqual(netOf(['change', 'a'], ['remove', 'a']), ['a']);
  assert.deepEqual(netOf(['add', 'a'], ['remove', 'a'], ['add', 'a']), ['a']);
});

test('past its size a window overflows instead of dropping paths, and the next one is empty', () => {
  const changes = new NetChanges(3);
  for (const path of ['a', 'b', 'c']) changes.note(path, 'change');
  assert.equal(changes.isEmpty, false);
  changes.note('d', 'change');
  changes.note('e', 'change');
  assert.deepEqual(changes.take(), { paths: [], overflow: true, events: 5 });
  assert.equal(changes.isEmpty, true);
  assert.deepEqual(changes.take(), { paths: [], overflow: false, events: 0 });
});
