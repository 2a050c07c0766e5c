import assert from 'node:assert/strict';
import { mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { canonical, checkRoot, nameFor, nearestEnclosing } from '../../../daemon/owner/root-path.ts';
import { isCairnError } from '../../../src/util/errors.ts';
import { tempDir } from '../../support/temp-dir.ts';

test('a path is canonical as far as it exists', async (t) => {
  const base = realpathSync(tempDir(t));
  mkdirSync(join(base, 'real'));
  symlinkSync('real', join(base, 'link'));
  assert.equal(await canonical(join(base, 'link/not/there')), join(base, 'real/not/there'));
  assert.equal(await canonical(`${base}/link/../link`), join(base, 'real'));
  await assert.rejects(canonical('a\0b'), (error: unknown) => isCairnError(error, 'INVALID_ARGUMENT'));
});

test('what is not a directory cannot be a root, with the reason', async (t) => {
  const base = realpathSync(tempDir(t));
  writeFileSync(join(base, 'file'), '');
  assert.equal(await checkRoot(base), base);
  await assert.rejects(checkRoot(join(base, 'missing')), (error: unknown) => isCairnError(error, 'ROOT_NOT_FOUND'));
  await assert.rejects(checkRoot(join(base, 'file/below')), (error: unknown) => isCairnError(error, 'ROOT_NOT_FOUND'));
  await assert.rejects(checkRoot(join(base, 'file')), (error: unknown) => isCairnError(error, 'ROOT_NOT_DIRECTORY') && error.hint?.includes(base) === true);
});

test('[6.18] the nearest enclosing root wins, and a common prefix of names is no enclosure', () => {
  const roots = ['/a', '/a/b', '/a/bc'];
  assert.equal(nearestEnclosing('/a/b/c/d.ts', roots), '/a/b');
  assert.equal(nearestEnclosing('/a/b', roots), '/a/b');
  assert.equal(nearestEnclosing('/a/bcd', roots), '/a');
  assert.equal(nearestEnclosing('/ab', roots), null);
  assert.equal(nearestEnclosing('/x', ['/']), '/');
});

test('index names are valid, readable and unique', () => {
  const taken = new Set(['my-repo', 'my-repo-2']);
  const name = (root: string): string => nameFor(root, (candidate) => taken.has(candidate));
  assert.equal(name('/src/My Repo'), 'my-repo-3');
  assert.equal(name('/src/.hidden'), 'hidden');
  assert.equal(name('/src/äöü'), 'index');
  assert.equal(name('/'), 'index');
  const long = `/src/${'x'.repeat(100)}`;
  assert.equal(name(long).length, 64);
  taken.add('x'.repeat(64));
  assert.match(name(long), /^x{62}-2$/);
});
