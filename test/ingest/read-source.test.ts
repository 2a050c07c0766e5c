import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs, { chmodSync, mkdirSync, renameSync, statSync, symlinkSync, truncateSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import test from 'node:test';
import { isInside, isUnread, readSource } from '../../src/ingest/read-source.ts';
import { makeTree, writeFiles } from './temp-tree.ts';

test('content, size, time and hash of a file', (t) => {
  const root = makeTree(t, { 'a/b.ts': 'one\n' });
  const read = readSource(root, 'a/b.ts');
  assert.equal(read.outcome, 'read');
  if (read.outcome !== 'read') return;
  assert.equal(Buffer.from(read.bytes).toString(), 'one\n');
  assert.equal(read.stamp.size, 4);
  assert.equal(Buffer.from(read.stamp.hash).toString('hex'), '2c8b08da5ce60398e1f19af0e5dccc74');
  assert.equal(read.stamp.mtimeNs, statSync(join(root, 'a/b.ts'), { bigint: true }).mtimeNs);
});

test('[C.6] [C.14] what is no regular file of this tree is gone: missing, folder, link, pipe, behind a link', { timeout: 60_000 }, (t) => {
  const root = makeTree(t, { 'real/a.ts': 'x' });
  const outside = makeTree(t, { 'secret.txt': 'hidden' });
  symlinkSync(join(root, 'real/a.ts'), join(root, 'link.ts'));
  symlinkSync(outside, join(root, 'out'));
  symlinkSync('.', join(root, 'loop'));
  execFileSync('mkfifo', [join(root, 'pipe.ts')]);
  for (const path of ['none.ts', 'none/a.ts', 'real', 'real/a.ts/b', 'link.ts', 'out/secret.txt', 'loop/real/a.ts', 'pipe.ts', `${'x'.repeat(300)}.ts`]) {
    assert.deepEqual(readSource(root, path), { outcome: 'gone' }, path);
  }
});

test('[C.6] paths that leave the root are refused', (t) => {
  const root = makeTree(t, { 'a.ts': 'x' });
  for (const path of ['../a.ts', 'a/../../b', '/etc/passwd', 'a//b', './a.ts', 'a/.', '', 'a\0.ts', '..']) {
    assert.equal(isInside(path), false, JSON.stringify(path));
    const read = readSource(root, path);
    assert.ok(read.outcome === 'failed' && !read.retryable, JSON.stringify(path));
  }
  assert.ok(isInside('a/..b/c...d'));
});

test('[6.12] files with secret names are not opened; large ones are not read', (t) => {
  const root = makeTree(t, { '.env': 'PASSWORD=x', 'big.json': '' });
  chmodSync(join(root, '.env'), 0o000);
  truncateSync(join(root, 'big.json'), 300 * 1024);
  for (const [path, note] of [['.env', 'secret'], ['big.json', 'too large']] as const) {
    const read = readSource(root, path);
    assert.ok(read.outcome === 'skipped', path);
    assert.equal(read.stamp.note, note);
    assert.ok(isUnread(read.stamp.hash));
  }
});

test('a file that cannot be read is a failure that is not retried', { skip: process.getuid?.() === 0 }, (t) => {
  const root = makeTree(t, { 'a.ts': 'x' });
  chmodSync(join(root, 'a.ts'), 0o000);
  assert.deepEqual(readSource(root, 'a.ts'), { outcome: 'failed', reason: 'permission denied', retryable: false });
});

test('names with line feeds, blanks and other scripts', (t) => {
  const names = ['a\nb.ts', ' .ts', 'größe/日本.ts', 'a\\b.ts', '-rf', '~.ts'];
  const root = makeTree(t, Object.fromEntries(names.map((name) => [name, name])));
  for (const name of names) {
    const read = readSource(root, name);
    assert.ok(read.outcome === 'read' && Buffer.from(read.bytes).toString() === name, name);
  }
});

test('[C.6] a folder that is swapped for a link between the look and the opening: the file outside is not read', (t) => {
  const root = makeTree(t, { 'src/a.ts': 'inside' });
  const outside = makeTree(t, { 'a.ts': 'outside' });
  const { openSync } = fs;
  t.after(() => {
    fs.openSync = openSync;
    syncBuiltinESMExports();
  });
  let swaps = 0;
  fs.openSync = ((path: string, ...rest: [number]) => {
    if (swaps++ === 0) {
      renameSync(join(root, 'src'), join(root, 'moved'));
      symlinkSync(outside, join(root, 'src'));
    }
    return openSync(path, ...rest);
  }) as typeof openSync;
  syncBuiltinESMExports();
  assert.deepEqual(readSource(root, 'src/a.ts'), { outcome: 'failed', reason: 'changed while it was read', retryable: true });
  assert.deepEqual(readSource(root, 'src/a.ts'), { outcome: 'gone' }, 'tried again');
});

test('a folder that is replaced by a link stops being part of the tree', (t) => {
  const root = makeTree(t, { 'src/a.ts': 'x' });
  const outside = makeTree(t, { 'a.ts': 'y' });
  mkdirSync(join(root, 'old'));
  renameSync(join(root, 'src'), join(root, 'old/src'));
  symlinkSync(outside, join(root, 'src'));
  assert.deepEqual(readSource(root, 'src/a.ts'), { outcome: 'gone' });
  writeFiles(root, { 'b.ts': 'z' });
  assert.equal(readSource(root, 'b.ts').outcome, 'read');
});
