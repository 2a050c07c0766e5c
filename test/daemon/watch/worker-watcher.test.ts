import assert from 'node:assert/strict';
import { mkdirSync, realpathSync, renameSync, rmdirSync, rmSync, symlinkSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import test, { type TestContext } from 'node:test';
import { WorkerWatcher, type WorkerWatcherOptions } from '../../../daemon/watch/worker-watcher.ts';
import { checkLeaks } from '../../support/leaks.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { git } from '../../support/trees.ts';
import { Recorder } from './recorder.ts';

checkLeaks();

const FAST: WorkerWatcherOptions = { pollMs: 50, restartMs: 20 };

async function watching(t: TestContext, prepare: (root: string) => void = () => undefined, options: WorkerWatcherOptions = {}) {
  const root = join(realpathSync(tempDir(t)), 'tree');
  mkdirSync(root);
  prepare(root);
  const watcher = new WorkerWatcher({ ...FAST, ...options });
  t.after(() => watcher.close());
  const recorder = new Recorder();
  const handle = watcher.watch(root, recorder.listener);
  await recorder.ready();
  recorder.clear();
  const write = (path: string, text = path): void => {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  return { root, watcher, handle, recorder, write };
}

test('[5.4] create, edit, atomic save, rename, delete are named', async (t) => {
  const { root, recorder, write } = await watching(t, (dir) => writeFileSync(join(dir, 'old.ts'), 'old'));
  write('new.ts');
  write('deep/er/new.ts');
  await recorder.named('new.ts', 'deep/er/new.ts');
  recorder.clear();
  write('new.ts', 'edited');
  await recorder.named('new.ts');
  recorder.clear();
  write('.new.ts.tmp', 'saved');
  renameSync(join(root, '.new.ts.tmp'), join(root, 'new.ts'));
  await recorder.named('new.ts');
  recorder.clear();
  renameSync(join(root, 'old.ts'), join(root, 'renamed.ts'));
  await recorder.named('old.ts', 'renamed.ts');
  recorder.clear();
  unlinkSync(join(root, 'renamed.ts'));
  await recorder.named('renamed.ts');
});

test('[5.4] a renamed directory is followed, and edits inside it afterwards', async (t) => {
  const { root, recorder, write } = await watching(t, (dir) => {
    mkdirSync(join(dir, 'a/b'), { recursive: true });
    writeFileSync(join(dir, 'a/b/f.ts'), '1');
  });
  renameSync(join(root, 'a'), join(root, 'z'));
  await recorder.gone('a');
  await recorder.named('z/b/f.ts');
  await recorder.hears('z/b/f.ts', write);
});

test('a file that becomes a directory names what is in it; the reverse says that the directory went, or asks for a walk', async (t) => {
  const { root, recorder, write } = await watching(t, (dir) => writeFileSync(join(dir, 'x'), '1'));
  unlinkSync(join(root, 'x'));
  write('x/inner.ts');
  await recorder.named('x/inner.ts'); // 'x' itself is not reported: the owner looks at the directories of a path
  await recorder.hears('x/inner.ts', write);
  recorder.clear();
  rmSync(join(root, 'x'), { recursive: true });
  write('x', 'file again');
  await recorder.named('x');
  await recorder.until('the end of x, or a walk', () => recorder.folders.has('x') || recorder.losses.has('swap'));
  await recorder.hears('x', write);
  unlinkSync(join(root, 'x'));
  write('x/inner.ts');
  await recorder.hears('x/inner.ts', write);
});

test('a directory that is replaced by a link asks for a walk, again when it is watched anew; no link is followed', async (t) => {
  const names = Array.from({ length: 50 }, (_, i) => `link${i}`);
  const { root, recorder, write } = await watching(t, (dir) => {
    for (const name of names) {
      mkdirSync(join(dir, name));
      writeFileSync(join(dir, name, 'old.ts'), '1');
    }
  });
  let kept = '';
  // Two calls: a watcher that looks between them sees a directory go and then a link come, which is no replacement. The next one may be.
  for (const name of names) {
    if (recorder.losses.has('swap')) break;
    kept = `kept-${name}`;
    renameSync(join(root, name), join(root, kept));
    symlinkSync(kept, join(root, name));
    await recorder.until(`what became of ${name}`, () => recorder.losses.has('swap') || (recorder.folders.has(name) && recorder.paths.has(name)));
  }
  await recorder.lost('swap');
  await recorder.ready();
  // Both may have come by the time that we look.
  await recorder.until('a loss after the new watch is ready', () => recorder.events.slice(recorder.events.findIndex(({ type }) => type === 'ready')).some((event) => event.type === 'lost' && event.reason === 'swap'));
  await recorder.hears(`${kept}/old.ts`, write);
  assert.ok(![...recorder.paths].some((path) => path.startsWith('link') && path.includes('/')));
});

test('a directory in whose place another is moved, or that is made again at once, is told and followed', async (t) => {
  const { root, recorder, write } = await watching(t, (dir) => {
    for (const name of ['other', 'again', 'spare']) {
      mkdirSync(join(dir, name));
      writeFileSync(join(dir, name, `${name}.ts`), '1');
    }
  });
  renameSync(join(root, 'other'), join(root, 'moved'));
  renameSync(join(root, 'spare'), join(root, 'other'));
  rmSync(join(root, 'again'), { recursive: true });
  write('again/new.ts');
  await recorder.gone('other');
  await recorder.named('moved/other.ts', 'other/spare.ts', 'again/new.ts');
  await recorder.until('what was in again', () => recorder.paths.has('again/again.ts') || recorder.folders.has('again'));
  for (const path of ['moved/other.ts', 'other/spare.ts', 'again/new.ts']) await recorder.hears(path, write);
});

test('a tree that is copied in while it is being watched names every file', async (t) => {
  const { root, recorder } = await watching(t);
  const expected: string[] = [];
  for (let i = 0; i < 40; i++) {
    const folder = `d${i % 5}/e${i % 10}/f${i}`;
    mkdirSync(join(root, folder), { recursive: true });
    for (const name of ['a.ts', 'b.ts']) {
      writeFileSync(join(root, folder, name), '1');
      expected.push(`${folder}/${name}`);
    }
    if (i % 8 === 0) await delay(5);
  }
  await recorder.named(...expected);
});

test('a touched file is named, and deleting many files of one directory names them without their neighbours', async (t) => {
  const { root, recorder, write } = await watching(t, (dir) => {
    mkdirSync(join(dir, 'big'));
    for (let i = 0; i < 400; i++) writeFileSync(join(dir, 'big', `f${i}.ts`), '1');
  });
  utimesSync(join(root, 'big/f399.ts'), 1_600_000_000, 1_600_000_000);
  await recorder.named('big/f399.ts');
  recorder.clear();
  const deleted = Array.from({ length: 150 }, (_, i) => `big/f${i}.ts`);
  for (const path of deleted) unlinkSync(join(root, path));
  await recorder.named(...deleted);
  write('big/last.ts'); // what is told of the others is told before this
  await recorder.named('big/last.ts');
  assert.deepEqual([...recorder.paths].sort(), [...deleted, 'big/last.ts'].sort());
});

test('[6.12] ignored and .git directories produce no work; a changed rule file asks for a walk and is followed', async (t) => {
  const { root, recorder, write } = await watching(t, (dir) => {
    git(dir, 'init');
    writeFileSync(join(dir, '.gitignore'), 'out/\n*.log\n');
    mkdirSync(join(dir, 'out'));
  });
  for (let i = 0; i < 50; i++) write(`out/f${i}.ts`);
  write('app.log');
  git(root, 'config', 'x.y', 'z');
  write('kept.ts');
  await recorder.named('kept.ts');
  assert.deepEqual([...recorder.paths], ['kept.ts']);
  assert.deepEqual([...recorder.losses], []);
  recorder.clear();
  write('.gitignore', '*.log\n');
  await recorder.lost('rules');
  await recorder.ready();
  await recorder.hears('out/f1.ts', write);
});

test('git checkout of a few hundred files: each is named or a walk is asked for; HEAD is noticed', async (t) => {
  const { root, recorder } = await watching(t, (dir) => {
    git(dir, 'init');
    for (let i = 0; i < 300; i++) writeFileSync(join(dir, `f${i}.ts`), `one ${i}`);
    git(dir, 'add', '.');
    git(dir, 'commit', '-qm', 'one');
    git(dir, 'checkout', '-qb', 'two');
    for (let i = 0; i < 300; i++) writeFileSync(join(dir, `f${i}.ts`), `second ${i}`);
    git(dir, 'commit', '-qam', 'two');
  });
  git(root, 'checkout', '-q', 'main');
  await recorder.lost('head');
  await recorder.until('all files', () => recorder.losses.has('burst') || recorder.paths.size >= 300);
});

test('more changes than a window can name become one request for a walk', async (t) => {
  const { recorder, write } = await watching(t, undefined, { windowMaxPaths: 20, burstPerSecond: 1_000_000 });
  // A busy machine may take longer between two of them than a window lasts, but not again and again.
  for (let i = 0; i < 1_000; i++) write(`f${i}.ts`);
  await recorder.lost('burst');
  await recorder.hears('after.ts', write);
});

test('a root that is deleted and made again is followed again', async (t) => {
  const { root, recorder, write } = await watching(t, (dir) => writeFileSync(join(dir, 'a.ts'), '1'));
  rmSync(root, { recursive: true });
  await recorder.until('root gone', () => recorder.events.some((event) => event.type === 'root' && !event.present));
  recorder.clear();
  mkdirSync(root);
  await recorder.until('root back', () => recorder.events.some((event) => event.type === 'root' && event.present));
  await recorder.lost('root');
  await recorder.ready();
  await recorder.hears('b.ts', write);
});

test('a root that is swapped in one go is followed again', async (t) => {
  const { root, recorder, write } = await watching(t, (dir) => writeFileSync(join(dir, 'a.ts'), '1'));
  renameSync(root, `${root}.old`);
  mkdirSync(root);
  writeFileSync(join(root, 'other.ts'), '1');
  await recorder.lost('root');
  await recorder.ready();
  await recorder.hears('other.ts', write);
});

test('a root that does not exist yet is followed when it appears', async (t) => {
  const root = join(realpathSync(tempDir(t)), 'later');
  const watcher = new WorkerWatcher(FAST);
  t.after(() => watcher.close());
  const recorder = new Recorder();
  watcher.watch(root, recorder.listener);
  await recorder.until('root missing', () => recorder.events.some((event) => event.type === 'root' && !event.present));
  mkdirSync(root);
  await recorder.ready();
  recorder.clear();
  writeFileSync(join(root, 'a.ts'), '1');
  await recorder.named('a.ts');
});

test('a symlink loop and an unreadable directory disturb nothing', async (t) => {
  const { root, recorder, write } = await watching(t, (dir) => {
    mkdirSync(join(dir, 'd'));
    symlinkSync('..', join(dir, 'd/up'));
    symlinkSync('self', join(dir, 'self'));
    mkdirSync(join(dir, 'locked'), { mode: 0o000 });
  });
  try {
    write('d/f.ts');
    await recorder.named('d/f.ts');
    assert.ok(![...recorder.paths].some((path) => path.includes('up/')));
  } finally {
    rmdirSync(join(root, 'locked')); // who removes the tree may not look into it
  }
});

test('our own data directory inside a root is not watched', async (t) => {
  const base = realpathSync(tempDir(t));
  const data = join(base, 'data');
  mkdirSync(data);
  const watcher = new WorkerWatcher({ ...FAST, excluded: [data] });
  t.after(() => watcher.close());
  const recorder = new Recorder();
  watcher.watch(base, recorder.listener);
  await recorder.ready();
  recorder.clear();
  writeFileSync(join(data, 'wal'), '1');
  writeFileSync(join(base, 'a.ts'), '1');
  await recorder.named('a.ts');
  assert.deepEqual([...recorder.paths], ['a.ts']);
});

test('a worker that never begins is ended and started again; until then a watch can be closed all the same', async (t) => {
  process.env['CAIRN_TEST_STUCK'] = join(tempDir(t), 'mark');
  t.after(() => delete process.env['CAIRN_TEST_STUCK']);
  const root = realpathSync(tempDir(t));
  const crashes: unknown[] = [];
  const watcher = new WorkerWatcher({ ...FAST, workerEntry: new URL('stuck-worker.ts', import.meta.url), startTimeoutMs: 5_000, onCrash: (error) => crashes.push(error) });
  t.after(() => watcher.close());
  const [recorder, other] = [new Recorder(), new Recorder()];
  watcher.watch(root, recorder.listener);
  await watcher.watch(root, other.listener).close();
  await recorder.ready();
  assert.match(String(crashes[0]), /has not begun after 5000 ms/);
  recorder.clear();
  writeFileSync(join(root, 'a.ts'), 'a');
  await recorder.named('a.ts');
  assert.deepEqual(other.events, []);
});

test('a crashed worker is started again and every root hears that events may be lost', async (t) => {
  const crashes: unknown[] = [];
  const { watcher, recorder, write } = await watching(t, undefined, { onCrash: (error) => crashes.push(error) });
  await watcher.worker?.terminate();
  await recorder.lost('restart');
  await recorder.ready();
  assert.equal(crashes.length, 1);
  recorder.clear();
  write('after.ts');
  await recorder.named('after.ts');
});

test('after close of a handle nothing arrives, other roots go on', async (t) => {
  const { watcher, handle, recorder, write, root } = await watching(t);
  const other = join(realpathSync(tempDir(t)), 'other');
  mkdirSync(other);
  const second = new Recorder();
  watcher.watch(other, second.listener);
  await second.ready();
  await handle.close();
  write('silent.ts');
  writeFileSync(join(other, 'loud.ts'), '1');
  await second.named('loud.ts');
  assert.deepEqual(recorder.events, []);
  assert.ok(root.length > 0);
});
