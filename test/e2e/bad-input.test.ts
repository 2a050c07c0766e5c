// What users get wrong and what trees contain: each gives a clear typed answer, a documented exit code and a healthy daemon.
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, renameSync, rmdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import type { IndexStatus } from '../../daemon/protocol/types.ts';
import { checkLeaks } from '../support/leaks.ts';
import { Sandbox, until } from '../support/cli.ts';
import { STORAGE_TREE, writeTree } from '../support/trees.ts';

checkLeaks();

interface Failure {
  readonly error: { readonly code: string; readonly message: string; readonly hint?: string };
}

describe('bad input', () => {
  const sandbox = new Sandbox();
  after(() => sandbox.close());

  const failure = async (...args: string[]): Promise<Failure['error'] & { exit: number }> => {
    const result = await sandbox.run([...args, '--json']);
    assert.notEqual(result.code, 0, result.stdout);
    const text = result.stdout.trim() !== '' ? result.stdout : result.stderr;
    return { ...(JSON.parse(text) as Failure).error, exit: result.code };
  };

  test('a root that does not exist, or is a file', async () => {
    const missing = await failure('search', 'anything', '--root', sandbox.path('nowhere'));
    assert.equal(missing.code, 'ROOT_NOT_FOUND');
    assert.match(missing.message, /nowhere/);
    writeFileSync(sandbox.path('plain.txt'), 'x');
    assert.equal((await failure('index', sandbox.path('plain.txt'), '--wait')).code, 'ROOT_NOT_DIRECTORY');
  });

  test('an unreadable root', { skip: process.getuid?.() === 0 ? 'root reads everything' : false }, async () => {
    mkdirSync(sandbox.path('closed'));
    chmodSync(sandbox.path('closed'), 0o000);
    try {
      assert.equal((await failure('index', sandbox.path('closed'), '--wait')).code, 'ROOT_UNREADABLE');
    } finally {
      rmdirSync(sandbox.path('closed')); // who removes the sandbox may not look into it
    }
  });

  test('[6.11] usage errors exit with 2 and say what is wrong', async () => {
    for (const args of [['search'], ['search', 'x', '--limit', 'many'], ['search', 'x', '--no-such-option'], ['frobnicate'], ['search', '']]) {
      const result = await sandbox.run(args);
      assert.equal(result.code, 2, `cairn ${args.join(' ')}: ${result.stderr}`);
      assert.notEqual(result.stderr.trim(), '');
    }
  });

  test('[6.5, 6.11] nothing found exits with 1, never silently', async () => {
    const root = sandbox.path('small');
    mkdirSync(root);
    writeFileSync(join(root, 'a.ts'), 'export const answer = 42;\n');
    const grep = await sandbox.run(['grep', 'zzzzqqqq', '--root', root]);
    assert.equal(grep.code, 1, grep.stderr);
    const symbols = await sandbox.run(['symbols', 'zzzzqqqq', '--root', root]);
    assert.equal(symbols.code, 1, symbols.stderr);
  });

  test('[5.4, 6.12] hostile files are skipped with a reason and the rest is served', async () => {
    const root = sandbox.path('hostile');
    mkdirSync(join(root, 'deep'), { recursive: true });
    writeTree(root, STORAGE_TREE);
    writeFileSync(join(root, 'empty.ts'), '');
    writeFileSync(join(root, 'huge.ts'), Buffer.alloc(50 * 1024 * 1024, 'let x = 1;\n'));
    writeFileSync(join(root, 'line.js'), `var a="${'x'.repeat(10 * 1024 * 1024)}";`);
    writeFileSync(join(root, 'brackets.py'), '['.repeat(1_000_000));
    writeFileSync(join(root, 'binary.c'), Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 37) & 255)));
    writeFileSync(join(root, 'latin1.go'), Buffer.concat([Buffer.from('package x\n// caf'), Buffer.from([0xe9, 0xff, 0xfe]), Buffer.from('\nfunc BrewCoffee() int { return 1 }\n')]));
    writeFileSync(join(root, 'new\nline.ts'), 'export const oddlyNamedFile = 1;\n');
    symlinkSync('..', join(root, 'deep', 'loop'));
    symlinkSync('/etc/hostname', join(root, 'outside.ts'));
    const run = await sandbox.json<{ files: number; chunks: number }>(['index', root, '--wait']);
    assert.ok(run.chunks > 0);
    const found = await sandbox.json<{ hits: { path: string }[] }>(['search', 'BrewCoffee', '--root', root]);
    assert.equal(found.hits[0]?.path, 'latin1.go');
    // Counted anew by each walk, from what the index held when it began: this one begins when everything is in it.
    await sandbox.json(['search', 'BrewCoffee', '--root', root, '--fresh']);
    const status = (await sandbox.json<{ indexes: readonly IndexStatus[] }>(['status'])).indexes.find((index) => index.root === root);
    assert.ok(status !== undefined);
    const skipped = Object.values(status.skipped).reduce((sum, n) => sum + n, 0);
    assert.ok(skipped >= 3, JSON.stringify(status.skipped));
  });

  test('[5.4] a root that is deleted and recreated while watched', async () => {
    const root = sandbox.path('phoenix');
    mkdirSync(root);
    writeFileSync(join(root, 'first.ts'), 'export function firstLifeOfPhoenix(): void {}\n');
    await sandbox.json(['index', root, '--wait']);
    rmSync(root, { recursive: true });
    const stateOf = async (): Promise<IndexStatus | undefined> =>
      (await sandbox.json<{ indexes: readonly IndexStatus[] }>(['status'])).indexes.find((index) => index.root === root);
    await until(async () => (await stateOf())?.state === 'detached', 'the index is detached');
    mkdirSync(root);
    writeFileSync(join(root, 'second.ts'), 'export function secondLifeOfPhoenix(): void {}\n');
    await until(async () => (await stateOf())?.state === 'ready', 'the index is attached again');
    await until(async () => {
      const result = await sandbox.run(['search', 'secondLifeOfPhoenix', '--root', root, '--json']);
      return result.stdout.includes('second.ts');
    }, 'the new file is found');
    // What is new is read while the walk goes on; what is gone is known at its end.
    await until(async () => {
      const result = await sandbox.run(['search', 'firstLifeOfPhoenix', '--root', root, '--json']);
      return result.code !== 4 && !result.stdout.includes('first.ts');
    }, 'the old file is not found any more');
  });

  test('a renamed directory is followed', async () => {
    const root = sandbox.path('moving');
    mkdirSync(join(root, 'old'), { recursive: true });
    writeFileSync(join(root, 'old', 'cargo.ts'), 'export function loadCargoManifest(): void {}\n');
    await sandbox.json(['index', root, '--wait']);
    renameSync(join(root, 'old'), join(root, 'new'));
    const moved = await sandbox.json<{ hits: { path: string }[] }>(['search', 'loadCargoManifest', '--root', root, '--fresh']);
    assert.equal(moved.hits[0]?.path, 'new/cargo.ts');
    assert.ok(moved.hits.every((hit) => hit.path !== 'old/cargo.ts'));
  });

  test('after all of it the daemon is healthy', async () => {
    const result = await sandbox.run(['doctor', '--json']);
    assert.ok([0, 3].includes(result.code), result.stderr);
    assert.notEqual(sandbox.daemonPid(), null);
  });
});
