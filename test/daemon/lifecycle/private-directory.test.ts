// Directories and sockets that only we may use.
import assert from 'node:assert/strict';
import { chmodSync, lstatSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import test from 'node:test';
import { ensurePrivateDirectory } from '../../../daemon/lifecycle/private-directory.ts';
import { isPublished, publishSocket, removeSocket } from '../../../daemon/lifecycle/socket.ts';
import { checkLeaks } from '../../support/leaks.ts';
import { tempDir } from '../../support/temp-dir.ts';

checkLeaks();
const mode = (path: string): number => lstatSync(path).mode & 0o777;

test('[3.16] [C.1] a directory is made 0700 under any umask, and a readable one is tightened', (t) => {
  const dir = tempDir(t);
  const before = process.umask(0);
  t.after(() => process.umask(before));
  ensurePrivateDirectory(join(dir, 'a', 'b'));
  assert.equal(mode(join(dir, 'a', 'b')), 0o700);
  mkdirSync(join(dir, 'readable'), { mode: 0o755 });
  ensurePrivateDirectory(join(dir, 'readable'));
  assert.equal(mode(join(dir, 'readable')), 0o700);
});

test('[C.1] links, files, directories that others write, and loose parents are refused', (t) => {
  const dir = tempDir(t);
  const make = (name: string, bits: number): string => {
    mkdirSync(join(dir, name));
    chmodSync(join(dir, name), bits);
    return join(dir, name);
  };
  const real = make('real', 0o700);
  symlinkSync(real, join(dir, 'link'));
  writeFileSync(join(dir, 'file'), '');
  const group = make('group', 0o770);
  for (const path of [join(dir, 'link'), join(dir, 'file'), group]) assert.throws(() => ensurePrivateDirectory(path), { code: 'PERMISSION', path }, path);
  ensurePrivateDirectory(group, { tighten: true });
  assert.equal(mode(group), 0o700);
  const loose = make('loose', 0o777);
  assert.throws(() => ensurePrivateDirectory(join(loose, 'inner')), { code: 'PERMISSION', path: loose });
  chmodSync(loose, 0o1777);
  ensurePrivateDirectory(join(loose, 'inner'));
});

test('a directory that cannot be made is a typed error, also where the kernel says that its parent is not there', { skip: process.platform !== 'linux' && 'needs /proc', timeout: 120_000 }, () => {
  assert.throws(() => ensurePrivateDirectory('/proc/cairn-test/data'), { code: 'PERMISSION', path: '/proc/cairn-test/data', hint: /CAIRN_DATA_DIR/ });
});

test('[C.1] a directory of another user is refused', { skip: process.getuid?.() !== 0 ? 'needs root to make one' : false }, async (t) => {
  const { chownSync } = await import('node:fs');
  const path = join(tempDir(t), 'theirs');
  mkdirSync(path, { mode: 0o700 });
  chownSync(path, 12345, 12345);
  assert.throws(() => ensurePrivateDirectory(path), { code: 'PERMISSION', message: /belongs to user 12345/ });
});

test('closing a server never removes the socket of a newer one, and its own name is removed only if it is still its own', async (t) => {
  const path = join(tempDir(t), 's.sock');
  const first = createServer();
  const published = await publishSocket(first, path);
  assert.ok(isPublished(published));
  assert.equal(mode(path), 0o600);
  const second = createServer();
  const newer = await publishSocket(second, path);
  assert.ok(!isPublished(published));
  await new Promise((resolve) => first.close(resolve));
  removeSocket(published);
  assert.ok(isPublished(newer));
  await new Promise((resolve) => second.close(resolve));
  removeSocket(newer);
  assert.ok(!isPublished(newer));
});

test('a long path, a path that is no socket, and stale temporary names', async (t) => {
  const dir = tempDir(t);
  const server = createServer();
  await assert.rejects(publishSocket(server, join(dir, 'x'.repeat(100))), { code: 'INVALID_CONFIG', message: /at most 103/ });
  writeFileSync(join(dir, 'plain'), 'precious');
  await assert.rejects(publishSocket(server, join(dir, 'plain')), { code: 'ALREADY_EXISTS' });
  const path = join(dir, 's');
  const stale = createServer();
  await new Promise<void>((resolve) => stale.listen(`${path}.0123abcd`, resolve));
  const published = await publishSocket(server, path);
  assert.deepEqual(readdirSync(dir).sort(), ['plain', 's']);
  await Promise.all([server, stale].map((one) => new Promise((resolve) => one.close(resolve))));
  removeSocket(published);
});
