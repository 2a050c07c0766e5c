import assert from 'node:assert/strict';
import test from 'node:test';
import { NetChanges } from '../../../daemon/watch/net-changes.ts';

test('a window holds each path and each folder once', () => {
  const changes = new NetChanges(100);
  for (const path of ['a', 'a', 'b', 'a']) changes.changed(path);
  for (const path of ['c', 'c']) changes.folderGone(path);
  assert.deepEqual(changes.take(), { paths: ['a', 'b'], folders: ['c'], overflow: false, events: 6 });
});

test('past its size a window overflows instead of dropping paths, and the next one is empty', () => {
  const changes = new NetChanges(3);
  for (const path of ['a', 'b', 'c', 'a']) changes.changed(path);
  changes.folderGone('d');
  changes.changed('e');
  assert.deepEqual(changes.take(), { paths: [], folders: [], overflow: true, events: 6 });
  assert.deepEqual(changes.take(), { paths: [], folders: [], overflow: false, events: 0 });
});
