// index/rename against the real composition: searches that run, the watcher, backups and the list of indexes follow.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { checkLeaks } from '../../support/leaks.ts';
import { Composed } from './composed.ts';

checkLeaks();
let daemon: Composed;

const names = async (): Promise<string[]> => (await daemon.call('index/list', {})).indexes.map(({ index }) => index);
const finds = async (index: string, pattern: string): Promise<boolean> => (await daemon.call('search/grep', { index, pattern })).matches.length > 0;

describe('index/rename', () => {
  before(async () => {
    daemon = await Composed.start(['storage.archive=true']);
    await daemon.call('index/create', { root: daemon.root, name: 'pebble', wait: true });
  });
  after(async () => {
    assert.deepEqual(daemon.bugs, []);
    await daemon.close();
  });

  test('the new name serves at once, the old one is unknown, and the tree is still followed', async () => {
    const { backup } = await daemon.call('backup/create', { index: 'pebble' });
    const { tookMs, ...renamed } = await daemon.call('index/rename', { index: 'pebble', to: 'stone' });
    assert.ok(tookMs >= 0);
    assert.deepEqual(renamed, { index: 'stone', from: 'pebble' });
    assert.deepEqual(await names(), ['stone']);
    assert.equal((await daemon.error('index/status', { index: 'pebble' })).data.code, 'NOT_FOUND');
    assert.equal((await daemon.call('index/status', { root: daemon.root })).index, 'stone');
    daemon.write({ 'src/extra.ts': 'export const afterRenaming = 1;\n' });
    const opened = await daemon.call('index/open', { root: daemon.root, wait: true });
    assert.deepEqual([opened.index, opened.created], ['stone', false]);
    assert.equal(await finds('stone', 'afterRenaming'), true);
    const { backups } = await daemon.call('backup/list', { index: 'stone' });
    assert.deepEqual(backups.map(({ id, index }) => [id, index]), [[backup.id, 'stone']]);
    const restored = await daemon.call('backup/restore', { index: 'stone', backup: backup.id, as: 'then' });
    assert.equal(restored.docs, backup.docs);
    assert.equal(await finds('then', 'afterRenaming'), false);
    assert.match(readFileSync(join(daemon.dir, 'data', 'audit.log'), 'utf8'), /"action":"index-rename","index":"pebble","detail":"stone"/);
  });

  test('names that are taken or wrong are refused; the root names the index too', async () => {
    assert.equal((await daemon.error('index/rename', { index: 'stone', to: 'then' })).data.code, 'ALREADY_EXISTS');
    assert.equal((await daemon.error('index/rename', { index: 'stone', to: 'stone' })).data.code, 'ALREADY_EXISTS');
    assert.equal((await daemon.error('index/rename', { index: 'none', to: 'some' })).data.code, 'NOT_FOUND');
    assert.equal((await daemon.error('index/rename', { index: 'stone', to: 'No Name' })).data.code, 'INVALID_ARGUMENT');
    assert.deepEqual((await names()).sort(), ['stone', 'then']);
    assert.equal((await daemon.call('index/rename', { root: daemon.root, to: 'pebble' })).from, 'stone');
  });

  test('searches that run while it is renamed back and forth all answer', async () => {
    let isOver = false;
    const outcomes: string[] = [];
    const searching = Array.from({ length: 4 }, async () => {
      while (!isOver) outcomes.push((await daemon.call('search/query', { root: daemon.root, query: 'frame a record of the log' })).hits[0]?.path ?? 'nothing');
    });
    for (let n = 0; n < 10; n++) await daemon.call('index/rename', { root: daemon.root, to: n % 2 === 0 ? 'pebble-1' : 'pebble' });
    isOver = true;
    await Promise.all(searching);
    assert.deepEqual([...new Set(outcomes)], ['src/wal/log-writer.ts']);
  });

  test('of several that want the same name one gets it; whoever makes an index of that name meanwhile hears so', async () => {
    const outcomes = await Promise.allSettled([
      daemon.call('index/rename', { index: 'pebble', to: 'wanted' }),
      daemon.call('index/rename', { index: 'then', to: 'wanted' }),
      daemon.call('index/create', { kind: 'vector', name: 'wanted', dimension: 4 }),
    ]);
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1, JSON.stringify(outcomes));
    assert.equal((await names()).filter((name) => name === 'wanted').length, 1);
    assert.equal((await daemon.call('index/status', { index: 'wanted' })).index, 'wanted');
  });
});
