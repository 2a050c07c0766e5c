// backup/* against the real composition: a code index is backed up, changed, restored and follows its tree again.
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { ProgressParams } from '../../../daemon/protocol/types.ts';
import { checkLeaks } from '../../support/leaks.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { Composed } from './composed.ts';

checkLeaks();
let daemon: Composed;
const ref = { index: 'pebble' };

const finds = async (query: string, index = 'pebble'): Promise<boolean> => (await daemon.call('search/grep', { index, pattern: query })).matches.length > 0;

describe('backup/*', () => {
  before(async () => {
    daemon = await Composed.start(['storage.archive=true', 'watch.enabled=false']);
    await daemon.call('index/create', { root: daemon.root, name: 'pebble', wait: true });
  });
  after(async () => {
    assert.deepEqual(daemon.bugs, []);
    await daemon.close();
  });

  test('[1.25] [1.26] create, list and verify, with progress', async () => {
    const { backup, tookMs } = await daemon.call('backup/create', { ...ref, progressToken: 'one' });
    const { docs, chunks, lsn } = await daemon.call('index/status', ref);
    assert.ok(tookMs >= 0 && backup.docs === docs && backup.chunks === chunks && backup.vectors === chunks && backup.lsn === lsn, JSON.stringify(backup));
    assert.ok(backup.path.startsWith(join(daemon.dir, 'data', 'backups', 'pebble')));
    const values = daemon.notes.filter(({ method }) => method === '$/progress').map(({ params }) => (params as ProgressParams).value);
    assert.ok(values.length >= 1 && values.every(({ phase, unit }) => phase === 'backup' && unit === 'bytes'));
    const again = (await daemon.call('backup/create', ref)).backup;
    assert.equal(again.parent, backup.id);
    const all = await daemon.call('backup/list', {});
    assert.deepEqual(all.backups.map(({ id }) => id), [backup.id, again.id]);
    assert.deepEqual(all, await daemon.call('backup/list', { root: daemon.root }));
    assert.ok(all.diskBytes < backup.bytes + again.bytes, 'shared files count once');
    const verified = await daemon.call('backup/verify', { ...ref, backup: backup.id });
    assert.deepEqual({ ok: verified.ok, damages: verified.damages, backup: verified.backup, bytes: verified.bytesChecked }, { ok: true, damages: [], backup: backup.id, bytes: backup.bytes });
  });

  test('[1.30] restore in place: what the backup had is there, the state before is saved, then the index follows its tree', async () => {
    daemon.write({ 'src/extra.ts': 'export const oldMarker = 1;\n' });
    await daemon.call('index/open', { root: daemon.root, wait: true });
    await daemon.call('index/flush', ref);
    const { backup } = await daemon.call('backup/create', ref);
    daemon.write({ 'src/extra.ts': 'export const newMarker = 22;\n' });
    await daemon.call('index/open', { root: daemon.root, wait: true });
    assert.deepEqual([await finds('oldMarker'), await finds('newMarker')], [false, true]);
    const copy = await daemon.call('backup/restore', { ...ref, backup: backup.id, as: 'then' });
    assert.deepEqual([copy.index, copy.lsn, copy.savedAs, copy.keptAt], ['then', backup.lsn, null, null]);
    assert.deepEqual([await finds('oldMarker', 'then'), await finds('newMarker', 'then')], [true, false], 'the copy stands still');
    const before = await daemon.call('index/status', ref);
    const restored = await daemon.call('backup/restore', { ...ref, backup: backup.id, progressToken: 'two' });
    assert.equal(restored.docs, backup.docs);
    assert.ok((await daemon.call('backup/list', ref)).backups.some(({ id, cause, lsn }) => id === restored.savedAs && cause === 'pre-restore' && lsn === before.lsn));
    assert.ok(daemon.notes.some(({ params }) => (params as ProgressParams).token === 'two' && (params as ProgressParams).value.phase === 'restore'));
    await daemon.call('index/open', { root: daemon.root, wait: true });
    assert.deepEqual([await finds('oldMarker'), await finds('newMarker')], [false, true], 'the tree decides again');
    assert.equal((await daemon.call('index/verify', { ...ref, deep: true })).ok, true);
    const audit = readFileSync(join(daemon.dir, 'data', 'audit.log'), 'utf8');
    assert.match(audit, /"action":"backup-create","index":"pebble"/);
    assert.match(audit, new RegExp(`"action":"backup-restore","index":"pebble","detail":"${backup.id} LSN ${backup.lsn}, before: ${restored.savedAs as string}"`));
  });

  test('[1.29] restore to an LSN and to a time of the archived log', async () => {
    const { backup } = await daemon.call('backup/create', ref);
    const states: { readonly lsn: number; readonly time: string; readonly marker: string }[] = [];
    for (const marker of ['firstMark', 'secondMark', 'thirdMark']) {
      daemon.write({ 'src/extra.ts': `export const ${marker} = 1;\n` });
      await daemon.call('index/open', { root: daemon.root, wait: true });
      await daemon.call('index/flush', ref);
      await new Promise((resolve) => setTimeout(resolve, 5));
      states.push({ lsn: (await daemon.call('index/status', ref)).lsn, time: new Date().toISOString(), marker });
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    for (const [i, { lsn, time, marker }] of states.entries()) {
      const byLsn = await daemon.call('backup/restore', { ...ref, toLsn: lsn, as: `lsn${i}` });
      const byTime = await daemon.call('backup/restore', { ...ref, toTime: time, as: `time${i}` });
      assert.deepEqual([byLsn.lsn, byTime.lsn, byLsn.backup], [lsn, lsn, backup.id]);
      assert.deepEqual([await finds(marker, `lsn${i}`), await finds(marker, `time${i}`)], [true, true]);
    }
  });

  test('[1.30] what is refused: unknown backups, points, names, paths outside, bad times', async () => {
    const refused = async (params: Record<string, unknown>, code: string): Promise<void> => {
      const { data } = await daemon.error('backup/restore', { ...ref, ...params });
      assert.equal(data.code, code, JSON.stringify(params));
    };
    const outside = join(daemon.dir, 'outside');
    const [first] = (await daemon.call('backup/list', ref)).backups;
    cpSync(first?.path as string, outside, { recursive: true });
    symlinkSync(outside, join(daemon.dir, 'data', 'backups', 'way-out'));
    await refused({ backup: '20200101T000000000Z-1' }, 'NOT_FOUND');
    await refused({ backup: '../../x' }, 'INVALID_ARGUMENT');
    await refused({ toLsn: 999_999 }, 'NOT_FOUND');
    await refused({ toTime: 'yesterday' }, 'INVALID_ARGUMENT');
    await refused({ toTime: '2026-01-31' }, 'INVALID_ARGUMENT');
    await refused({ toTime: '2999-01-31T00:00:00Z' }, 'INVALID_ARGUMENT');
    await refused({ toTime: '2001-01-31T00:00:00Z' }, 'NOT_FOUND');
    await refused({ toLsn: 1, toTime: '2026-01-31T00:00:00Z' }, 'INVALID_ARGUMENT');
    await refused({ as: 'pebble' }, 'ALREADY_EXISTS');
    await refused({ as: '../x' }, 'INVALID_ARGUMENT');
    await refused({ from: 'relative/path', as: 'x' }, 'INVALID_ARGUMENT');
    await refused({ from: outside, as: 'x' }, 'INVALID_ARGUMENT');
    await refused({ from: `${daemon.dir}/data/backups/../../outside`, as: 'x' }, 'INVALID_ARGUMENT');
    await refused({ from: join(daemon.dir, 'data', 'backups', 'way-out'), as: 'x' }, 'PERMISSION');
    rmSync(join(daemon.dir, 'data', 'backups', 'way-out'));
    assert.equal((await daemon.error('backup/create', { index: 'nothing' })).data.code, 'NOT_FOUND');
    assert.equal((await daemon.error('backup/prune', ref)).data.code, 'INVALID_ARGUMENT');
    const good = await daemon.call('backup/restore', { ...ref, from: first?.path as string, as: 'from-path' });
    assert.equal(good.lsn, first?.lsn);
  });

  test('[1.28] [1.30] a damaged backup: verify names it, restore refuses it, the index serves on', async () => {
    const { backup } = await daemon.call('backup/create', ref);
    const name = readdirSync(backup.path).find((one) => one.endsWith('.cairn')) as string;
    const path = join(backup.path, name);
    const bytes = readFileSync(path);
    bytes[300] = (bytes[300] as number) ^ 1;
    rmSync(path);
    writeFileSync(path, bytes);
    const { ok, damages } = await daemon.call('backup/verify', ref);
    assert.ok(!ok && damages[0]?.file === path && damages[0].offset !== null, JSON.stringify(damages));
    const { data } = await daemon.error('backup/restore', ref);
    assert.deepEqual([data.code, data.path], ['CORRUPT', path]);
    assert.ok(await finds('LogWriter'));
    writeFileSync(join(backup.path, 'backup.json'), 'x');
    const { unreadable } = await daemon.call('backup/list', ref);
    assert.deepEqual(unreadable.map(({ id, code }) => [id, code]), [[backup.id, 'CORRUPT']]);
  });

  test('[1.28] prune keeps the newest good one', async () => {
    const before = (await daemon.call('backup/list', ref)).backups;
    const dry = await daemon.call('backup/prune', { ...ref, keep: 1, dryRun: true });
    assert.equal((await daemon.call('backup/list', ref)).backups.length, before.length);
    const pruned = await daemon.call('backup/prune', { ...ref, keep: 1 });
    assert.deepEqual(pruned.removed, dry.removed);
    assert.deepEqual((await daemon.call('backup/list', ref)).backups.map(({ id }) => id), [pruned.lastGood]);
    assert.equal((await daemon.call('backup/verify', ref)).ok, true);
  });

  test('[1.27] a backup outlives its index and brings it back by name alone', async () => {
    await daemon.call('index/delete', { ...ref, purge: true });
    const restored = await daemon.call('backup/restore', ref);
    assert.equal(restored.index, 'pebble');
    assert.ok(await finds('LogWriter'));
    mkdirSync(join(daemon.root, 'more'));
    daemon.write({ 'more/x.ts': 'export const afterwards = 1;\n' });
    await daemon.call('index/open', { root: daemon.root, wait: true });
    assert.ok(await finds('afterwards'));
  });

  test('[6.17] purging an index names the backups that stay; withBackups removes them, also later', async () => {
    assert.equal((await daemon.error('index/delete', { ...ref, withBackups: true })).data.code, 'INVALID_ARGUMENT');
    const { backups } = await daemon.call('index/delete', { ...ref, purge: true });
    assert.ok(backups !== null && backups.count >= 1 && backups.bytes > 0 && backups.directories.every((path) => existsSync(path)), JSON.stringify(backups));
    assert.deepEqual(await daemon.call('index/delete', { ...ref, purge: true, withBackups: true }), { index: 'pebble', purged: true, keptAt: null, copies: 0, backups: null });
    assert.ok(backups.directories.every((path) => !existsSync(path)));
    assert.equal((await daemon.error('index/delete', { ...ref, purge: true, withBackups: true })).data.code, 'NOT_FOUND');
  });
});

test('a directory for backups that is away costs backups, nothing else, and they go on when it is back', async (t) => {
  const away = join(tempDir(t), 'disk');
  const composed = await Composed.start([`backup.directory=${away}`, 'watch.enabled=false']);
  try {
    await composed.call('index/create', { root: composed.root, name: 'pebble', wait: true });
    const error = await composed.error('backup/create', ref);
    assert.deepEqual([error.data.code, error.data.path], ['NOT_FOUND', away]);
    mkdirSync(away);
    const { backup } = await composed.call('backup/create', ref);
    assert.ok(backup.path.startsWith(away));
  } finally {
    await composed.close();
  }
});
