// The real file system behind Env: modes, links, typed errors, short reads; and how a file gets its name.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { constants, mkdirSync, readdirSync, readFileSync, readlinkSync, realpathSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import * as fsPromises from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { createFileAtomic, createFileDurable, moveFile, parseTempName, sweepTempFiles, tempNameFor, writeFileAtomic } from '../../src/env/atomic-file.ts';
import { errnoOf, toCairnError } from '../../src/env/errno.ts';
import { nodeEnv } from '../../src/env/node-env.ts';
import { CairnError, isCairnError, type ErrorCode } from '../../src/util/errors.ts';
import { checkLeaks } from '../support/leaks.ts';
import { tempDir } from '../support/temp-dir.ts';

checkLeaks();
const env = nodeEnv();
const code = (...codes: ErrorCode[]) => (error: unknown) => isCairnError(error, ...codes);

test('files are written and read at positions, over any size', async (t) => {
  const path = join(tempDir(t), 'a');
  const file = await env.open(path, 'create');
  const data = Buffer.alloc(3_000_000, 0).map((_, i) => i % 251);
  await file.write(data, 0);
  await file.write(Buffer.from('end'), data.length);
  assert.equal(await file.size(), data.length + 3);
  assert.deepEqual(await file.read(1000, 2_000_000), Buffer.from(data.subarray(1000, 2_001_000)));
  assert.equal((await file.read(data.length, 100)).toString(), 'end', 'a short result means end of file');
  const target = new Uint8Array(10);
  assert.equal(file.readSync(target, data.length - 2), 5);
  assert.deepEqual([...target.subarray(0, 5)], [...data.subarray(-2), ...Buffer.from('end')]);
  await file.truncate(4);
  await file.datasync();
  await file.sync();
  assert.equal(await file.size(), 4);
  await file.close();
  await assert.rejects(file.read(0, 1), code('IO'));
});

test('parts are written one behind the other, also when the kernel takes only some of them', async (t) => {
  const path = join(tempDir(t), 'a');
  const parts = Array.from({ length: 3000 }, (_, i) => Buffer.alloc(i % 7, i % 251));
  const whole = Buffer.concat(parts);
  const file = await env.open(path, 'create');
  await file.write(parts, 5);
  assert.deepEqual(await file.read(5, whole.length + 1), whole);
  const { FileHandle } = await handleClass();
  const original = FileHandle.prototype.writev;
  FileHandle.prototype.writev = async function (this: fsPromises.FileHandle, given: readonly Uint8Array[], position: number) {
    await this.write(Buffer.concat(given), 0, 4000, position);
    return { bytesWritten: 4000 };
  };
  try {
    await file.write(parts, 9);
  } finally {
    FileHandle.prototype.writev = original;
  }
  assert.deepEqual(await file.read(9, whole.length + 1), whole);
  await file.close();
});

test('files are 0600, directories 0700', async (t) => {
  const dir = tempDir(t);
  await env.mkdir(join(dir, 'a', 'b'));
  await writeFileAtomic(env, join(dir, 'a', 'b'), 'f', Buffer.from('x'));
  const mode = (path: string) => statSync(join(dir, path)).mode & 0o777;
  assert.deepEqual([mode('a'), mode('a/b'), mode('a/b/f')], [0o700, 0o700, 0o600]);
  const stat = await env.stat(join(dir, 'a/b/f'));
  assert.deepEqual([stat?.kind, stat?.size, (stat?.mode ?? 0) & 0o777], ['file', 1, 0o600]);
  assert.equal((await env.stat(join(dir, 'a')))?.kind, 'directory');
});

test('a directory that cannot be made is a typed error, also where the kernel says that its parent is not there', { skip: process.platform !== 'linux' && 'needs /proc', timeout: 120_000 }, async (t) => {
  await assert.rejects(env.mkdir('/proc/cairn-test/a'), code('NOT_FOUND', 'PERMISSION', 'READ_ONLY'));
  const dir = tempDir(t);
  writeFileSync(join(dir, 'file'), '');
  await assert.rejects(env.mkdir(join(dir, 'file')), code('ALREADY_EXISTS'));
  await assert.rejects(env.mkdir(join(dir, 'file', 'below')), (error) => isCairnError(error));
  mkdirSync(join(dir, 'real'));
  symlinkSync(join(dir, 'real'), join(dir, 'linked'));
  await Promise.all(Array.from({ length: 8 }, () => env.mkdir(join(dir, 'linked', 'a', 'b', 'c'))));
  assert.equal(statSync(join(dir, 'real/a/b/c')).isDirectory(), true);
});

test('a symbolic link in the place of a file is never followed', async (t) => {
  const dir = tempDir(t);
  writeFileSync(join(dir, 'secret'), 'secret');
  symlinkSync(join(dir, 'secret'), join(dir, 'link'));
  symlinkSync(dir, join(dir, 'dirlink'));
  assert.equal((await env.stat(join(dir, 'link')))?.kind, 'symlink');
  for (const mode of ['read', 'update'] as const) await assert.rejects(env.open(join(dir, 'link'), mode), code('PERMISSION'));
  await assert.rejects(env.open(join(dir, 'link'), 'create'), code('ALREADY_EXISTS'));
  await assert.rejects(env.readFile(join(dir, 'link'), 100), code('PERMISSION'));
  await assert.rejects(env.syncDir(join(dir, 'dirlink')), code('PERMISSION', 'IO'));
  await writeFileAtomic(env, dir, 'link', Buffer.from('mine'));
  assert.equal(readFileSync(join(dir, 'secret'), 'utf8'), 'secret', 'a replacement takes the name, not the target');
});

test('a directory or a pipe in the place of a file is damage, and nothing waits for its other end', { timeout: 120_000 }, async (t) => {
  const dir = tempDir(t);
  mkdirSync(join(dir, 'folder'));
  execFileSync('mkfifo', [join(dir, 'pipe')]);
  for (const name of ['folder', 'pipe']) {
    const path = join(dir, name);
    const damage = (error: unknown) => isCairnError(error, 'CORRUPT') && error.path === path && error.message.includes(name === 'pipe' ? 'pipe' : 'directory');
    await assert.rejects(env.open(path, 'read'), damage, name);
    await assert.rejects(env.open(path, 'update'), damage, name);
    await assert.rejects(env.readFile(path, 100), damage, name);
    await assert.rejects(env.open(path, 'create'), code('ALREADY_EXISTS'));
  }
});

test('errors are typed and name the path', async (t) => {
  const dir = tempDir(t);
  const none = join(dir, 'none');
  const byPath = (...codes: ErrorCode[]) => (error: unknown) => isCairnError(error, ...codes) && error.path === none;
  await assert.rejects(env.open(none, 'read'), byPath('NOT_FOUND'));
  await assert.rejects(env.open(none, 'update'), byPath('NOT_FOUND'));
  await assert.rejects(env.readFile(none, 10), byPath('NOT_FOUND'));
  await assert.rejects(env.readdir(none), byPath('NOT_FOUND'));
  await assert.rejects(env.unlink(none), byPath('NOT_FOUND'));
  await assert.rejects(env.rmdir(none), byPath('NOT_FOUND'));
  await assert.rejects(env.rename(none, join(dir, 'b')), byPath('NOT_FOUND'));
  await assert.rejects(env.syncDir(none), byPath('NOT_FOUND'));
  assert.equal(await env.stat(none), null);
  writeFileSync(join(dir, 'big'), Buffer.alloc(100));
  await assert.rejects(env.readFile(join(dir, 'big'), 99), code('CORRUPT'));
  assert.equal((await env.readFile(join(dir, 'big'), 100)).length, 100);
  await assert.rejects(env.open(join(dir, 'big'), 'create'), code('ALREADY_EXISTS'));
  await assert.rejects(env.rmdir(dir), code('ALREADY_EXISTS'));
  await assert.rejects(env.link(join(dir, 'big'), join(dir, 'big')), code('ALREADY_EXISTS'));
});

test('every errno that matters has its code, hint and retryability', () => {
  const mapped = (errno: string) => toCairnError(Object.assign(new Error(errno), { code: errno }), 'write', '/x');
  const expected: Record<string, [ErrorCode, boolean]> = {
    ENOSPC: ['DISK_FULL', true], EDQUOT: ['DISK_FULL', true], EMFILE: ['TOO_MANY_FILES', true], ENFILE: ['TOO_MANY_FILES', true],
    EACCES: ['PERMISSION', false], EPERM: ['PERMISSION', false], EROFS: ['READ_ONLY', false], ENOENT: ['NOT_FOUND', false],
    EEXIST: ['ALREADY_EXISTS', false], EIO: ['IO', false], EWHATEVER: ['IO', false],
  };
  for (const [errno, [want, retryable]] of Object.entries(expected)) {
    const error = mapped(errno);
    assert.deepEqual([error.code, error.retryable, error.path], [want, retryable, '/x'], errno);
    assert.match(error.message, /^cannot write \/x: /);
  }
  const own = new CairnError('FENCED', 'no');
  assert.equal(toCairnError(own, 'write', '/x'), own, 'a typed error passes unchanged');
  assert.equal(errnoOf(own), undefined);
  assert.equal(toCairnError('odd', 'write', '/x').code, 'IO');
});

test('a full disk gives DISK_FULL, also when the kernel takes a part first', async (t) => {
  if (!readdirSync('/dev').includes('full')) return t.skip('no /dev/full');
  const file = await env.open('/dev/full', 'update');
  await assert.rejects(file.write(Buffer.alloc(4096), 0), code('DISK_FULL'));
  return file.close();
});

test('a file whose sync failed takes no more writes, also when it is opened again; a new file under the name does', async (t) => {
  const path = join(tempDir(t), 'wal');
  const file = await env.open(path, 'create');
  await file.write(Buffer.from('a'), 0);
  // The only way to make a real sync fail without a broken disk: take the descriptor away.
  const { FileHandle } = await handleClass();
  const original = FileHandle.prototype.datasync;
  FileHandle.prototype.datasync = () => Promise.reject(Object.assign(new Error('EIO'), { code: 'EIO' }));
  try {
    await assert.rejects(file.datasync(), code('IO'));
  } finally {
    FileHandle.prototype.datasync = original;
  }
  await assert.rejects(file.datasync(), code('POISONED'));
  await assert.rejects(file.sync(), code('POISONED'));
  await assert.rejects(file.write(Buffer.from('b'), 1), code('POISONED'));
  await assert.rejects(file.truncate(0), code('POISONED'));
  assert.equal((await file.read(0, 1)).toString(), 'a', 'reading goes on');
  await file.close();
  await assert.rejects(env.open(path, 'update'), code('POISONED'));
  await writeFileAtomic(env, join(path, '..'), 'wal', Buffer.from('new'));
  await (await env.open(path, 'update')).close();
});

test('a write to a durable file is one call to the system that returns when the bytes are on the disk', { skip: process.platform !== 'linux' && 'needs /proc' }, async (t) => {
  const path = join(realpathSync(tempDir(t)), 'wal');
  writeFileSync(path, 'old');
  const flags = async (mode: 'update' | 'durable'): Promise<number> => {
    const file = await env.open(path, mode);
    await file.write([Buffer.from('ne'), Buffer.from('w')], 0);
    const opened = readdirSync('/proc/self/fd').find((fd) => isLink(`/proc/self/fd/${fd}`, path));
    const found = Number.parseInt(/^flags:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${opened}`, 'utf8'))?.[1] ?? '', 8);
    await file.close();
    return found & constants.O_DSYNC;
  };
  assert.deepEqual([await flags('update'), await flags('durable')], [0, constants.O_DSYNC]);
  assert.equal(readFileSync(path, 'utf8'), 'new');
});

function isLink(link: string, to: string): boolean {
  try {
    return readlinkSync(link) === to;
  } catch {
    return false; // the descriptor of the listing itself
  }
}

test('where the flag is not enough, a write to a durable file ends with the call', async (t) => {
  const path = join(tempDir(t), 'wal');
  writeFileSync(path, '');
  const { FileHandle } = await handleClass();
  const original = FileHandle.prototype.datasync;
  const sizes: number[] = [];
  FileHandle.prototype.datasync = async function (this: fsPromises.FileHandle) {
    sizes.push((await this.stat()).size);
    await original.call(this);
  };
  try {
    for (const mode of ['durable', 'update'] as const) {
      const file = await nodeEnv('call').open(path, mode);
      await file.write(Buffer.from('abc'), 0);
      await file.write([Buffer.from('de'), Buffer.from('f')], 3);
      await file.close();
    }
  } finally {
    FileHandle.prototype.datasync = original;
  }
  assert.deepEqual(sizes, [3, 6], 'after each write of the first, never for the second');
});

for (const durableWrites of ['flag', 'call'] as const) test(`a durable write that failed is a failed sync (${durableWrites})`, async (t) => {
  const path = join(tempDir(t), 'wal');
  writeFileSync(path, 'a');
  const env = nodeEnv(durableWrites);
  const file = await env.open(path, 'durable');
  const { FileHandle } = await handleClass();
  const original = FileHandle.prototype.write;
  FileHandle.prototype.write = () => Promise.reject(Object.assign(new Error('EIO'), { code: 'EIO' }));
  try {
    await assert.rejects(file.write(Buffer.from('b'), 1), code('IO'));
  } finally {
    FileHandle.prototype.write = original;
  }
  await assert.rejects(file.write(Buffer.from('b'), 1), code('POISONED'));
  await assert.rejects(file.datasync(), code('POISONED'));
  await file.close();
  for (const mode of ['update', 'durable'] as const) await assert.rejects(env.open(path, mode), code('POISONED'));
  await writeFileAtomic(env, join(path, '..'), 'wal', Buffer.from('new'));
  await (await env.open(path, 'durable')).close();
});

interface HandleMethods {
  write: (this: fsPromises.FileHandle, data: Uint8Array, offset: number, length: number, position: number) => Promise<{ bytesWritten: number }>;
  datasync: (this: fsPromises.FileHandle) => Promise<void>;
  writev: (this: fsPromises.FileHandle, parts: readonly Uint8Array[], position: number) => Promise<{ bytesWritten: number }>;
}

async function handleClass(): Promise<{ FileHandle: { prototype: HandleMethods } }> {
  const handle = await fsPromises.open('/dev/null');
  const prototype = Object.getPrototypeOf(handle) as HandleMethods;
  await handle.close();
  return { FileHandle: { prototype } };
}

test('an atomic write replaces, leaves no temp file, and keeps the old content when filling fails', async (t) => {
  const dir = tempDir(t);
  await writeFileAtomic(env, dir, 'f', Buffer.from('one'));
  await writeFileAtomic(env, dir, 'f', Buffer.from('two'));
  assert.deepEqual([readdirSync(dir), readFileSync(join(dir, 'f'), 'utf8')], [['f'], 'two']);
  await assert.rejects(createFileAtomic(env, dir, 'f', () => Promise.reject(new CairnError('IO', 'no'))), code('IO'));
  assert.deepEqual([readdirSync(dir), readFileSync(join(dir, 'f'), 'utf8')], [['f'], 'two']);
  mkdirSync(join(dir, 'd'));
  writeFileSync(join(dir, 'd', 'x'), '');
  await assert.rejects(writeFileAtomic(env, dir, 'd', Buffer.from('three')), (error) => isCairnError(error));
  assert.deepEqual(readdirSync(dir).sort(), ['d', 'f']);
});

test('a durable file is new or not at all', async (t) => {
  const dir = tempDir(t);
  assert.equal(await createFileDurable(env, dir, 'seg', async (file) => (await file.write(Buffer.from('x'), 0), 5)), 5);
  await assert.rejects(createFileDurable(env, dir, 'seg', async () => 1), code('ALREADY_EXISTS'));
  await assert.rejects(createFileDurable(env, dir, 'other', () => Promise.reject(new CairnError('DISK_FULL', 'no'))), code('DISK_FULL'));
  assert.deepEqual(readdirSync(dir), ['seg']);
});

test('temp names are recognised and swept, everything else stays', async (t) => {
  const dir = tempDir(t);
  const temp = tempNameFor(env, 'manifest-7');
  assert.equal(parseTempName(temp), 'manifest-7');
  for (const name of ['manifest-7', 'manifest-7.tmp', 'a.0123456789AB.tmp', 'x.0123456789ab.tmp~', '.0123456789ab.tmp']) assert.equal(parseTempName(name), null, name);
  for (const name of [temp, 'manifest-7', 'notes.tmp']) writeFileSync(join(dir, name), '');
  assert.deepEqual(await sweepTempFiles(env, dir), [temp]);
  assert.deepEqual(readdirSync(dir).sort(), ['manifest-7', 'notes.tmp']);
  assert.deepEqual(await sweepTempFiles(env, join(dir, 'none')), []);
});

test('a moved file arrives in a directory that is made for it', async (t) => {
  const dir = tempDir(t);
  writeFileSync(join(dir, 'bad'), 'bytes');
  await moveFile(env, join(dir, 'bad'), join(dir, 'quarantine'), 'bad.1');
  assert.deepEqual([readdirSync(dir), readdirSync(join(dir, 'quarantine'))], [['quarantine'], ['bad.1']]);
});

test('hard links share content; clock and randomness work', async (t) => {
  const dir = tempDir(t);
  writeFileSync(join(dir, 'a'), 'x');
  await env.link(join(dir, 'a'), join(dir, 'b'));
  assert.equal((await env.stat(join(dir, 'a')))?.ino, (await env.stat(join(dir, 'b')))?.ino);
  assert.ok(env.clock.now() > 1.6e12);
  const before = env.clock.monotonic();
  await new Promise<void>((resolve) => env.clock.setTimer(resolve, 1));
  env.clock.setTimer(() => assert.fail('a cancelled timer fires'), 1).cancel();
  assert.ok(env.clock.monotonic() > before);
  assert.notDeepEqual(env.random.bytes(16), env.random.bytes(16));
});
