// Crawl, predicate and git must agree about every path, on random trees with random rules.
import assert from 'node:assert/strict';
import { lstatSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test, { type TestContext } from 'node:test';
import fc from 'fast-check';
import { SourceTree } from '../../../src/ingest/discovery/source-tree.ts';
import { git, makeTree, TEST_ENVIRONMENT } from '../temp-tree.ts';
import { testSeed } from '../../support/random.ts';

const seed = testSeed();
const runs = Number(process.env['CAIRN_RUNS'] ?? 15);

const NAMES = ['a', 'b', 'build', 'foo.o', 'x.c', 'Foo', 'a b', 'é', '#h', '!n', 'log', 'x[1]'];
const name = fc.constantFrom(...NAMES);
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
const piece = fc.constantFrom('a', 'b', 'build', '*.o', '*', '**', 'foo.*', 'x.c', '[a-b]', '?', 'log', 'F*', '\\#h', '\\!n', 'é', 'a\\ b', 'x\\[1\\]', '[!a]');
const rule = fc
  .record({ negative: fc.boolean(), anchored: fc.boolean(), parts: fc.array(piece, { minLength: 1, maxLength: 3 }), folder: fc.boolean() })
  .map(({ negative, anchored, parts, folder }) => `${negative ? '!' : ''}${anchored ? '/' : ''}${parts.join('/')}${folder ? '/' : ''}`);
const rules = fc.array(fc.oneof({ weight: 6, arbitrary: rule }, { weight: 1, arbitrary: fc.constantFrom('# comment', '', 'trailing   ') }), { maxLength: 5 });
const tree = fc.record({
  files: fc.uniqueArray(path, { minLength: 3, maxLength: 30 }),
  ignoreFiles: fc.array(fc.tuple(fc.array(name, { maxLength: 2 }), rules), { maxLength: 4 }),
  exclude: rules,
  tracked: fc.array(fc.nat(29), { maxLength: 3 }),
});

type Tree = typeof tree extends fc.Arbitrary<infer T> ? T : never;

/** Writes what can be written (a name cannot be both file and folder); returns the files that are there. */
function writeRandom(root: string, shape: Tree): string[] {
  const written: string[] = [];
  const write = (file: string, text: string): boolean => {
    try {
      mkdirSync(dirname(join(root, file)), { recursive: true });
      writeFileSync(join(root, file), text, { flag: 'wx' });
      return true;
    } catch {
      return false;
    }
  };
  for (const file of shape.files) if (write(file, 'x')) written.push(file);
  for (const [folder, lines] of shape.ignoreFiles) write([...folder, '.gitignore'].join('/'), `${lines.join('\n')}\n`);
  return written;
}

function everything(root: string, prefix = ''): { path: string; isFolder: boolean }[] {
  return readdirSync(join(root, prefix), { withFileTypes: true }).flatMap((entry) => {
    if (entry.name === '.git') return [];
    const at = prefix + entry.name;
    return entry.isDirectory() ? [{ path: at, isFolder: true }, ...everything(root, `${at}/`)] : [{ path: at, isFolder: false }];
  });
}

async function crawled(source: SourceTree): Promise<string[]> {
  const out: string[] = [];
  for await (const batch of source.crawl()) out.push(...batch.map((file) => file.path));
  return out.sort();
}

async function check(t: TestContext, shape: Tree): Promise<void> {
  const root = makeTree(t);
  const written = writeRandom(root, shape);
  git(root, 'init', '-q');
  writeFileSync(join(root, '.git/info/exclude'), `${shape.exclude.join('\n')}\n`);
  const tracked = shape.tracked.flatMap((i) => written[i] ?? []);
  if (tracked.length > 0) git(root, 'add', '-f', '--', ...tracked.map((file) => `:(literal)${file}`));

  const wanted = [...new Set(git(root, 'ls-files', '-z', '-co', '--exclude-standard').split('\0').filter((line) => line !== ''))].sort();
  const byGit = await SourceTree.open(root, { environment: TEST_ENVIRONMENT });
  assert.equal(byGit.isGit, true);
  assert.deepEqual(await crawled(byGit), wanted, 'crawl by git');
  const all = everything(root);
  const accepted = all.filter(({ path: at, isFolder }) => !isFolder && byGit.accepts(at, 'file')).map((entry) => entry.path).sort();
  assert.deepEqual(accepted, wanted, 'predicate');
  for (const file of wanted) {
    for (let at = dirname(file); at !== '.'; at = dirname(at)) assert.ok(byGit.accepts(at, 'directory'), `folder ${at} of ${file}`);
  }
  const byWalk = await SourceTree.open(root, { environment: TEST_ENVIRONMENT, useGit: false });
  const untracked = git(root, 'ls-files', '-z', '-ci', '--exclude-standard').split('\0');
  assert.deepEqual(await crawled(byWalk), wanted.filter((file) => !untracked.includes(file)), 'walk');
  assert.ok(all.every(({ path: at, isFolder }) => isFolder === lstatSync(join(root, at)).isDirectory()));
}

test(`[6.12] crawl, walk and predicate list what git lists (seed ${seed})`, async (t) => {
  await fc.assert(fc.asyncProperty(tree, (shape) => check(t, shape)), { seed, numRuns: runs });
});
