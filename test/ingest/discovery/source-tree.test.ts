import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, lstatSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { projectTermsOf } from '../../../src/ingest/discovery/repository.ts';
import { SourceTree, type SourceTreeOptions } from '../../../src/ingest/discovery/source-tree.ts';
import { isCairnError, type ErrorCode } from '../../../src/util/errors.ts';
import { checkLeaks } from '../../support/leaks.ts';
import { git, makeTree, TEST_ENVIRONMENT, writeFiles, type Files } from '../temp-tree.ts';

checkLeaks();

const isRoot = process.getuid?.() === 0;

function open(root: string, options: SourceTreeOptions = {}): Promise<SourceTree> {
  return SourceTree.open(root, { environment: TEST_ENVIRONMENT, ...options });
}

async function list(source: SourceTree, skipped: string[] = []): Promise<string[]> {
  const out: string[] = [];
  for await (const batch of source.crawl({ skipped: (path, reason) => skipped.push(`${path}: ${reason}`) })) out.push(...batch.map(({ path }) => path));
  for (const path of out) assert.ok(source.accepts(path, 'file'), `predicate for ${JSON.stringify(path)}`);
  return out.sort();
}

function repository(t: TestContext, files: Files): string {
  const root = makeTree(t, files);
  git(root, 'init', '-q');
  return root;
}

const hasCode = (code: ErrorCode) => (error: unknown) => isCairnError(error, code) && error.hint !== undefined && error.path !== undefined;

test('bad input: a root that is missing, a file, below a file, unreadable, relative', async (t) => {
  const root = makeTree(t, { 'file.txt': 'x', 'closed/a.ts': 'x' });
  await assert.rejects(open(join(root, 'none')), hasCode('ROOT_NOT_FOUND'));
  await assert.rejects(open(join(root, 'file.txt')), hasCode('ROOT_NOT_DIRECTORY'));
  await assert.rejects(open(join(root, 'file.txt', 'x')), hasCode('ROOT_NOT_DIRECTORY'));
  await assert.rejects(open('relative/path'), hasCode('INVALID_ARGUMENT'));
  await assert.rejects(open(`${root}\0`), hasCode('INVALID_ARGUMENT'));
  symlinkSync('self', join(root, 'self'));
  await assert.rejects(open(join(root, 'self')), hasCode('ROOT_UNREADABLE'));
  if (isRoot) return;
  chmodSync(join(root, 'closed'), 0o000);
  try {
    await assert.rejects(open(join(root, 'closed')), hasCode('ROOT_UNREADABLE'));
  } finally {
    chmodSync(join(root, 'closed'), 0o755);
  }
});

test('the root is canonical: a link to it is the same tree', async (t) => {
  const root = makeTree(t, { 'real/a.ts': 'x' });
  symlinkSync(join(root, 'real'), join(root, 'link'));
  const source = await open(join(root, 'link'));
  assert.equal(source.root, join(root, 'real'));
  assert.deepEqual(await list(source), ['a.ts']);
});

test('[6.12] git: tracked although ignored, deleted, staged, info/exclude, core.excludesFile, negation', async (t) => {
  const root = repository(t, {
    '.gitignore': '*.log\n/out/\n!keep.log\n', 'a.ts': '', 'x.log': '', 'keep.log': '', 'out/gen.ts': '', 'out/kept.ts': '', 'sub/.gitignore': '!y.log\nlocal\n', 'sub/y.log': '', 'sub/local': '', 'private.txt': '', 'mine.swp': '', 'gone.ts': '',
  });
  writeFiles(root, { '.git/info/exclude': 'private.txt\n' });
  const home = makeTree(t, { 'ignored-by-user': '*.swp\n' });
  git(root, 'config', 'core.excludesFile', join(home, 'ignored-by-user'));
  git(root, 'add', '-f', 'out/kept.ts', 'gone.ts');
  rmSync(join(root, 'gone.ts'));
  const source = await open(root);
  assert.equal(source.isGit, true);
  assert.deepEqual(await list(source), ['.gitignore', 'a.ts', 'keep.log', 'out/kept.ts', 'sub/.gitignore', 'sub/y.log']);
  const no = ['x.log', 'out/gen.ts', 'sub/local', 'private.txt', 'mine.swp', '.git/config', '.git', 'new.log', 'sub/deep/new.log', 'out/new.ts'];
  assert.deepEqual(no.filter((path) => source.accepts(path, 'file')), []);
  assert.deepEqual(['new.ts', 'sub/deep/y.log', 'gone.ts'].filter((path) => !source.accepts(path, 'file')), []);
  assert.deepEqual([source.accepts('out', 'directory'), source.accepts('.git', 'directory'), source.accepts('sub', 'directory'), source.accepts('', 'directory')], [true, false, true, true]);
});

/** Then it is asked each time, whatever the repository says. */
const systemIncludes = ((): boolean => {
  try {
    return lstatSync('/etc/gitconfig').isSymbolicLink() || /include|worktreeconfig/i.test(readFileSync('/etc/gitconfig', 'utf8'));
  } catch {
    return false;
  }
})();

test('a crawl starts git once; settings are asked for again only when they changed', { skip: (process.platform === 'win32' && 'needs a shell') || (systemIncludes && 'git is set up for this machine with files that it includes') }, async (t) => {
  const root = repository(t, { '.gitignore': '*.log\n', 'a.ts': '', 'b.log': '', 'kept.log': '' });
  git(root, 'add', '-f', 'kept.log');
  const bin = makeTree(t, { 'excluded': 'a.ts\n' });
  const real = execFileSync('sh', ['-c', 'command -v git'], { encoding: 'utf8' }).trim();
  writeFileSync(join(bin, 'git'), `#!/bin/sh\necho run >> '${bin}/runs'\nexec '${real}' "$@"\n`, { mode: 0o755 });
  const runs = (): number => {
    const path = join(bin, 'runs');
    const count = existsSync(path) ? readFileSync(path, 'utf8').split('\n').length - 1 : 0;
    rmSync(path, { force: true });
    return count;
  };
  if (spawnSync(join(bin, 'git'), ['--version']).error !== undefined) return t.skip('the temp folder may hold no programs');
  runs();
  const source = await open(root, { environment: { ...TEST_ENVIRONMENT, PATH: `${bin}:${process.env['PATH']}` } });
  assert.equal(runs(), 2);
  for (let i = 0; i < 3; i++) {
    assert.deepEqual(await list(source), ['.gitignore', 'a.ts', 'kept.log']);
    assert.equal(runs(), 1);
  }
  git(root, 'config', 'core.excludesFile', join(bin, 'excluded'));
  assert.deepEqual(await list(source), ['.gitignore', 'kept.log']);
  assert.equal(runs(), 2);
  // What is included may change without a sign: git is asked each time.
  writeFileSync(join(bin, 'more'), '[core]\n\texcludesFile = /nowhere\n');
  git(root, 'config', 'include.path', join(bin, 'more'));
  assert.deepEqual(await list(source), ['.gitignore', 'a.ts', 'kept.log']);
  runs();
  writeFileSync(join(bin, 'more'), '');
  assert.deepEqual(await list(source), ['.gitignore', 'kept.log']);
  assert.equal(runs(), 2);
});

test('[6.12] rules that change count after reload', async (t) => {
  const root = repository(t, { 'a.ts': '', 'b.ts': '' });
  const source = await open(root);
  assert.ok(source.accepts('b.ts', 'file'));
  assert.ok(source.isRuleFile('.gitignore') && source.isRuleFile('x/.cairnignore') && source.isRuleFile('.git/info/exclude') && !source.isRuleFile('a.ts'));
  writeFiles(root, { '.gitignore': 'b.ts\n' });
  await source.reload();
  assert.ok(!source.accepts('b.ts', 'file'));
  assert.deepEqual(await list(source), ['.gitignore', 'a.ts']);
});

test('[6.12] .cairnignore leaves out tracked files too, in git and outside', async (t) => {
  const files = { '.cairnignore': 'vendor/\n*.gen.ts\n', 'a.ts': '', 'a.gen.ts': '', 'vendor/lib.c': '', 'sub/.cairnignore': '!b.gen.ts\n', 'sub/b.gen.ts': '' };
  const root = repository(t, files);
  git(root, 'add', '-A');
  const wanted = ['.cairnignore', 'a.ts', 'sub/.cairnignore', 'sub/b.gen.ts'];
  assert.deepEqual(await list(await open(root)), wanted);
  assert.deepEqual(await list(await open(makeTree(t, files))), wanted);
});

test('outside git: default excludes, .gitignore all the same', async (t) => {
  const root = makeTree(t, { 'a.ts': '', '.gitignore': '*.tmp\n', 'b.tmp': '', 'node_modules/x/index.js': '', 'sub/node_modules/y.js': '', 'dist/a.js': '', '__pycache__/a.pyc': '', '.git-not/a.ts': '', 'src/build.ts': '' });
  const source = await open(root);
  assert.equal(source.isGit, false);
  assert.deepEqual(await list(source), ['.git-not/a.ts', '.gitignore', 'a.ts', 'src/build.ts']);
  assert.ok(!source.accepts('node_modules', 'directory') && !source.accepts('sub/node_modules/y.js', 'file'));
});

test('in git a folder called build is an ordinary folder', async (t) => {
  assert.deepEqual(await list(await open(repository(t, { 'build/a.ts': '', 'a.ts': '' }))), ['a.ts', 'build/a.ts']);
});

test('submodules, nested repositories and linked work trees have rules of their own', async (t) => {
  const library = repository(t, { 'lib.ts': '', '.gitignore': 'secret\n' });
  git(library, 'add', '-A');
  git(library, 'commit', '-qm', 'x');
  const root = repository(t, { 'a.ts': '', '.gitignore': 'ignored-repo/\n*.o\n' });
  git(root, 'submodule', 'add', '-q', library, 'sub');
  writeFiles(root, { 'sub/new.ts': '', 'sub/secret': '', 'sub/x.o': '', 'nested/b.ts': '', 'nested/.gitignore': 'c.ts\n', 'nested/c.ts': '', 'nested/d.o': '', 'ignored-repo/e.ts': '' });
  for (const folder of ['nested', 'ignored-repo']) git(join(root, folder), 'init', '-q');
  const source = await open(root);
  assert.deepEqual(await list(source), ['.gitignore', '.gitmodules', 'a.ts', 'nested/.gitignore', 'nested/b.ts', 'nested/d.o', 'sub/.gitignore', 'sub/lib.ts', 'sub/new.ts', 'sub/x.o']);
  assert.ok(!source.accepts('sub/.git', 'file') && !source.accepts('sub/secret', 'file') && !source.accepts('nested/.git', 'directory'));

  git(root, 'add', 'a.ts', '.gitignore');
  git(root, 'commit', '-qm', 'x');
  const linked = join(makeTree(t), 'linked');
  git(root, 'worktree', 'add', '-q', linked);
  writeFiles(linked, { 'x.o': '', 'private': '' });
  writeFiles(root, { '.git/info/exclude': 'private\n' });
  const other = await open(linked);
  assert.equal(other.isGit, true);
  assert.deepEqual((await list(other)).filter((path) => path !== '.gitmodules'), ['.gitignore', 'a.ts'], 'info/exclude is shared by work trees');
});

test('a folder of several repositories that is none itself', async (t) => {
  const root = makeTree(t, { 'one/a.ts': '', 'one/.gitignore': 'b.ts\n', 'one/b.ts': '', 'two/b.ts': '', 'two/build/x.ts': '', 'build/y.ts': '' });
  for (const folder of ['one', 'two']) git(join(root, folder), 'init', '-q');
  assert.deepEqual(await list(await open(root)), ['one/.gitignore', 'one/a.ts', 'two/b.ts', 'two/build/x.ts']);
});

test('a root inside a repository: rules from above count; an ignored root stands alone', async (t) => {
  const root = repository(t, { '.gitignore': '*.o\nout/\n/pkg/deep/top.ts\n', 'pkg/.gitignore': 'local.ts\n', 'pkg/deep/a.ts': '', 'pkg/deep/a.o': '', 'pkg/deep/local.ts': '', 'pkg/deep/top.ts': '', 'out/x.o': '', 'out/b.ts': '' });
  const deep = await open(join(root, 'pkg/deep'));
  assert.deepEqual([deep.isGit, await list(deep)], [true, ['a.ts']]);
  assert.ok(!deep.accepts('new/x.o', 'file') && !deep.accepts('top.ts', 'file') && deep.accepts('new/top.ts', 'file'));
  const out = await open(join(root, 'out'));
  assert.deepEqual([out.isGit, await list(out)], [false, ['b.ts', 'x.o']]);
});

test('[C.14] links are not followed and not listed; a loop does no harm', async (t) => {
  for (const make of [makeTree, repository]) {
    const root = make(t, { 'a/b.ts': '' });
    const outside = makeTree(t, { 'secret.ts': '' });
    symlinkSync('..', join(root, 'a/loop'));
    symlinkSync(outside, join(root, 'out'));
    symlinkSync('a/b.ts', join(root, 'link.ts'));
    symlinkSync('nowhere', join(root, 'dangling'));
    const source = await open(root);
    assert.deepEqual(await list(source), ['a/b.ts']);
    assert.ok(!source.accepts('out/secret.ts', 'file') && !source.accepts('a/loop/a/b.ts', 'file') && !source.accepts('out', 'directory'));
  }
});

test('names with line feeds and quotes are listed; names that are no UTF-8 are skipped with a reason', async (t) => {
  for (const make of [makeTree, repository]) {
    const names = ['a\nb.ts', ' lead.ts', 'q"uote.ts', 'back\\slash.ts', 'tab\t.ts', 'größe.ts', 'real\ufffd.ts', '-x.ts'];
    const root = make(t, Object.fromEntries(names.map((name) => [name, ''])));
    writeFileSync(Buffer.concat([Buffer.from(`${root}/bad-`), Buffer.from([0xff, 0xfe]), Buffer.from('.ts')]), '');
    const skipped: string[] = [];
    assert.deepEqual(await list(await open(root), skipped), [...names].sort());
    assert.equal(skipped.length, 1);
    assert.match(skipped[0] ?? '', /^bad-.*: name is not valid UTF-8$/);
  }
});

test('folders that cannot be read are reported, the rest is listed', { skip: isRoot }, async (t) => {
  for (const make of [makeTree, repository]) {
    const root = make(t, { 'a.ts': '', 'closed/b.ts': '' });
    chmodSync(join(root, 'closed'), 0o000);
    const skipped: string[] = [];
    const found = await list(await open(root), skipped).finally(() => chmodSync(join(root, 'closed'), 0o755));
    assert.deepEqual(found, ['a.ts']);
    assert.match(skipped.join(), /^closed\/?: folder cannot be read/);
  }
});

test('a root that vanishes or is replaced during a crawl is detached, not empty', async (t) => {
  const parent = makeTree(t);
  const root = join(parent, 'root');
  writeFiles(parent, Object.fromEntries(Array.from({ length: 1500 }, (_, i) => [`root/f${i}.ts`, ''])));
  const source = await open(root);
  const crawl = source.crawl();
  assert.ok(((await crawl.next()).value as unknown[]).length > 0);
  renameSync(root, join(parent, 'moved'));
  mkdirSync(root);
  const rest = async (): Promise<void> => {
    for await (const batch of crawl) void batch;
  };
  await assert.rejects(rest(), (error) => isCairnError(error, 'ROOT_DETACHED') && error.retryable);
  rmSync(root, { recursive: true });
  assert.equal(await source.identity(), null);
  await assert.rejects(list(source), hasCode('ROOT_DETACHED'));
});

test('a crawl can be cancelled and yields to the event loop', async (t) => {
  const root = makeTree(t, Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`d${i % 10}/f${i}.ts`, ''])));
  const source = await open(root);
  /** Batches of a crawl; others must have had their turn between two of them. */
  const batches = async (): Promise<number[]> => {
    const sizes: number[] = [];
    let othersRan = true;
    for await (const batch of source.crawl()) {
      assert.ok(othersRan, `after ${sizes.join()} files`);
      othersRan = false;
      setImmediate(() => (othersRan = true));
      sizes.push(batch.length);
    }
    assert.equal(sizes.reduce((sum, size) => sum + size, 0), 3000);
    return sizes;
  };
  const clock = { now: 0, step: 0 };
  t.mock.method(performance, 'now', () => (clock.now += clock.step));
  assert.ok((await batches()).length > 3, 'also where it takes no time at all');
  clock.step = 1000;
  assert.ok((await batches()).every((size) => size < 100), 'where everything takes long, after a few files');
  const abort = new AbortController();
  const crawl = source.crawl({ signal: abort.signal });
  await crawl.next();
  abort.abort();
  await assert.rejects(async () => {
    for await (const batch of crawl) void batch;
  }, (error) => isCairnError(error, 'CANCELLED'));
});

test('[C.14] [C.15] security: settings of a repository run no program, its environment does not leak in', async (t) => {
  const root = repository(t, { 'a.ts': '' });
  const marker = join(root, 'ran');
  writeFileSync(join(root, 'evil.sh'), `#!/bin/sh\necho ran >> '${marker}'\n`, { mode: 0o755 });
  git(root, 'config', 'core.fsmonitor', join(root, 'evil.sh'));
  const elsewhere = repository(t, { 'other.ts': '' });
  const source = await open(root, { environment: { ...TEST_ENVIRONMENT, GIT_DIR: join(elsewhere, '.git'), GIT_WORK_TREE: elsewhere } });
  assert.deepEqual(await list(source), ['a.ts', 'evil.sh']);
});

test('without git in the path the tree is walked by the same rules', async (t) => {
  const root = repository(t, { '.gitignore': '*.o\n', 'a.ts': '', 'a.o': '', 'build/b.ts': '' });
  const source = await open(root, { environment: { ...TEST_ENVIRONMENT, PATH: '/nonexistent' } });
  assert.deepEqual([source.isGit, await list(source)], [false, ['.gitignore', 'a.ts', 'build/b.ts']]);
});

test('a broken repository is walked', async (t) => {
  const root = repository(t, { 'a.ts': '', '.gitignore': 'b.ts\n', 'b.ts': '' });
  writeFileSync(join(root, '.git/index'), 'not an index');
  assert.deepEqual(await list(await open(root)), ['.gitignore', 'a.ts']);
  execFileSync('rm', ['-rf', join(root, '.git/HEAD')]);
  assert.deepEqual(await list(await open(root)), ['.gitignore', 'a.ts']);
});

test('paths that are none are never accepted', async (t) => {
  const source = await open(makeTree(t, { 'a.ts': '' }));
  for (const path of ['../a.ts', '/a.ts', 'a//b', './a.ts', 'a/../b', 'a\0']) assert.ok(!source.accepts(path, 'file') && !source.accepts(path, 'directory'), path);
  assert.ok(!source.accepts('', 'file'));
  assert.equal(basename(dirname(join(source.root, 'a.ts'))), basename(source.root));
});

test('the project is named by the folder of the root and by that of its work tree', (t) => {
  const root = makeTree(t, { 'tokio/tokio-util/src/a.rs': '', 'tokio/sync/a.rs': '' });
  git(join(root, 'tokio'), 'init', '-q');
  assert.deepEqual(projectTermsOf(join(root, 'tokio')), ['tokio']);
  assert.deepEqual(projectTermsOf(join(root, 'tokio/sync')), ['sync', 'tokio']);
  assert.deepEqual(projectTermsOf(join(root, 'tokio/tokio-util/src')), ['tokio']);
});
