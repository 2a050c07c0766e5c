// Indexes that are there already: opened again under other wishes, or not to be opened at all.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { summaries } from '../../../daemon/handlers/convert.ts';
import type { IndexOwners } from '../../../daemon/handlers/services.ts';
import { checkLeaks } from '../../support/leaks.ts';
import { Composed } from './composed.ts';

checkLeaks();

test('opening an indexed root under another name, or without the vectors it has, is refused, not ignored', async (t) => {
  const daemon = await Composed.start();
  t.after(() => daemon.close());
  const { index } = await daemon.call('index/open', { root: daemon.root, wait: true });
  assert.equal(index, 'pebble');
  const named = await daemon.error('index/open', { root: daemon.root, name: 'other' });
  assert.equal(named.data.code, 'ALREADY_EXISTS');
  assert.match(named.message, /is indexed already, as 'pebble', not 'other'/);
  assert.match(named.data.hint ?? '', /cairn delete pebble/);
  const bare = await daemon.error('index/open', { root: daemon.root, lexicalOnly: true });
  assert.match(bare.message, /as 'pebble', with vectors/);
  const again = await daemon.call('index/open', { root: daemon.root, name: 'pebble', lexicalOnly: false });
  assert.deepEqual([again.index, again.created], ['pebble', false]);
});

test('[0.12] an index that could not be opened is listed as failed, with the reason', () => {
  const known = (name: string) => ({ name, root: `/w/${name}`, directory: `/d/${name}`, owner: null });
  const failure = { index: 'bad', path: '/d/bad', code: 'CORRUPT', reason: 'no generation is whole' };
  const owners: Pick<IndexOwners, 'list' | 'failed'> = { list: () => [known('bad'), known('new')], failed: () => [failure] };
  const { indexes, failed } = summaries(owners);
  assert.deepEqual(indexes.map(({ index, state, reasons }) => [index, state, reasons]), [['bad', 'failed', ['no generation is whole']], ['new', 'opening', ['not opened yet']]]);
  assert.deepEqual(failed, [failure]);
});
