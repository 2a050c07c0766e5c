// Backups through the real command and the real daemon: made, listed, checked, restored, also after kill -9 and on another machine.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { BackupCreateResult, BackupListResult, BackupRestoreResult, GrepResult, IndexListResult, IndexRenameResult } from '../../daemon/protocol/types.ts';
import { checkLeaks } from '../support/leaks.ts';
import { Sandbox } from '../support/cli.ts';
import { STORAGE_TREE, writeTree } from '../support/trees.ts';

checkLeaks();

describe('cairn backup', () => {
  const sandbox = new Sandbox();
  const other = new Sandbox();
  const root = sandbox.path('pebble');
  let first: BackupCreateResult;

  before(async () => {
    mkdirSync(root);
    writeTree(root, STORAGE_TREE);
    await sandbox.json(['index', root]);
  });
  after(async () => {
    await sandbox.close();
    await other.close();
  });

  const matches = async (index: string, pattern: string, where = sandbox): Promise<number> => {
    const result = await where.run(['grep', pattern, '--index', index, '--json']);
    return result.code === 1 ? 0 : (JSON.parse(result.stdout) as GrepResult).matches.length;
  };

  test('[1.25] create and list', async () => {
    first = await sandbox.json<BackupCreateResult>(['backup', 'create'], { cwd: root });
    const { backups } = await sandbox.json<BackupListResult>(['backup', 'list']);
    assert.deepEqual(backups, [first.backup]);
    const text = await sandbox.run(['backup', 'verify'], { cwd: root });
    assert.equal(text.code, 0, text.stderr);
    assert.match(text.stdout, /^pebble: backup \S+: no damage, /);
  });

  test('[1.30] restore beside and in place, then kill -9: the restored index is there', async () => {
    writeFileSync(join(root, 'late.ts'), 'export const addedLater = 1;\n');
    await sandbox.json(['index', root]);
    assert.equal(await matches('pebble', 'addedLater'), 1);
    const copy = await sandbox.json<BackupRestoreResult>(['backup', 'restore', 'pebble', '--as', 'before']);
    assert.deepEqual([copy.index, await matches('before', 'addedLater')], ['before', 0]);
    assert.equal((await sandbox.run(['backup', 'restore', 'pebble'])).code, 2, 'not without a confirmation');
    rmSync(join(root, 'late.ts')); // so that the tree is what the backup is
    const restored = await sandbox.json<BackupRestoreResult>(['backup', 'restore', 'pebble', '--yes']);
    await sandbox.killDaemon();
    assert.equal(await matches('pebble', 'addedLater'), 0);
    assert.equal(await matches('before', 'addedLater'), 0);
    const { backups } = await sandbox.json<BackupListResult>(['backup', 'list', 'pebble']);
    assert.deepEqual(backups.map(({ id, cause }) => [id, cause]), [[first.backup.id, 'manual'], [restored.savedAs, 'pre-restore']]);
  });

  test('[1.30] a renamed index is there after kill -9, with its backups, under its new name only', async () => {
    assert.deepEqual((({ index, from }) => ({ index, from }))(await sandbox.json<IndexRenameResult>(['rename', 'before', 'earlier'])), { index: 'earlier', from: 'before' });
    await sandbox.json(['rename', root, 'stone']);
    await sandbox.killDaemon();
    assert.deepEqual((await sandbox.json<IndexListResult>(['list'])).indexes.map(({ index }) => index).sort(), ['earlier', 'stone']);
    const { backups } = await sandbox.json<BackupListResult>(['backup', 'list', 'stone']);
    assert.equal(backups[0]?.id, first.backup.id);
    assert.equal((await sandbox.run(['backup', 'verify', '--index', 'stone'])).code, 0);
    assert.equal((await sandbox.run(['rename', 'earlier', 'stone'])).code, 2);
    await sandbox.json(['rename', 'stone', 'pebble']);
    await sandbox.json(['rename', 'earlier', 'before']);
  });

  test('[1.30] on another machine: a copied directory is restored by name', async () => {
    await other.json(['list']);
    const place = join(other.dataDir, 'backups', 'from-laptop');
    cpSync(first.backup.path, place, { recursive: true });
    const restored = await other.json<BackupRestoreResult>(['backup', 'restore', 'pebble', '--from', place, '--yes']);
    assert.equal(restored.docs, first.backup.docs);
    assert.ok((await matches('pebble', 'crc32', other)) > 0);
    const outside = await other.run(['backup', 'restore', 'pebble', '--from', first.backup.path, '--as', 'x']);
    assert.equal(outside.code, 2);
    assert.match(outside.stderr, /does not lie inside/);
  });

  test('[1.28] a flipped byte: verify exits with 3 and names the file, restore refuses, search goes on', async () => {
    const { path } = (await sandbox.json<BackupCreateResult>(['backup', 'create', 'pebble'])).backup;
    const file = join(path, readdirSync(path).find((name) => name.endsWith('.cairn')) ?? 'CURRENT');
    const bytes = readFileSync(file);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 4;
    rmSync(file);
    writeFileSync(file, bytes);
    const verified = await sandbox.run(['backup', 'verify', 'pebble']);
    assert.equal(verified.code, 3);
    assert.ok(verified.stdout.includes(file), verified.stdout);
    assert.equal((await sandbox.run(['backup', 'restore', 'pebble', '--yes'])).code, 3);
    assert.ok((await matches('pebble', 'crc32')) > 0);
    const pruned = await sandbox.json<{ readonly removed: readonly string[]; readonly lastGood: string }>(['backup', 'prune', 'pebble', '--keep', '1']);
    assert.ok(!pruned.removed.includes(pruned.lastGood) && pruned.removed.includes(first.backup.id));
    assert.equal((await sandbox.run(['backup', 'verify', 'pebble', '--backup', pruned.lastGood])).code, 0);
  });
});
