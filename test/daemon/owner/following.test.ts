// The owner over the real engine, ingest workers and watcher: whatever happens to a tree, the index ends up equal to it.
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { CairnError, CHUNKER_VERSION, isCairnError, TOKENIZER_VERSION } from '../../../src/api.ts';
import type { IndexOwner } from '../../../daemon/handlers/services.ts';
import { nodeEnv } from '../../../src/env/node-env.ts';
import { failingEnv } from '../../support/failing-env.ts';
import { checkLeaks } from '../../support/leaks.ts';
import { never, RealDaemon, storedText, tableOf, until, type RealOptions, type Running } from './real-owners.ts';

checkLeaks();

async function indexed(t: TestContext, prepare: (daemon: RealDaemon) => void, options?: RealOptions): Promise<{ daemon: RealDaemon; running: Running; owner: IndexOwner }> {
  const daemon = new RealDaemon(t);
  prepare(daemon);
  const running = await daemon.start(options);
  const owner = await running.owners.create({ root: daemon.root });
  await owner.settled({ signal: never() });
  return { daemon, running, owner };
}

/** Without asking for a walk: what watcher and loss rules bring. */
async function followed(daemon: RealDaemon, owner: IndexOwner): Promise<void> {
  await until('the index to equal the disk', async () => {
    const [table, disk] = [await tableOf(owner), daemon.disk()];
    return table.size === disk.size && [...disk].every(([path, stamp]) => table.get(path) === stamp);
  });
}

/** Paths that ingest is given from now on. */
function givenTo({ ingest }: Running): readonly string[] {
  const paths: string[] = [];
  const original = ingest.ingest.bind(ingest);
  ingest.ingest = (request, options) => {
    paths.push(request.path);
    return original(request, options);
  };
  return paths;
}

test('[5.4] edits of every kind become visible without asking', async (t) => {
  const { daemon, owner } = await indexed(t, (d) => {
    d.write('src/a.ts', 'export function first() {}\n');
    d.write('src/b/c.ts');
    d.write('gone.ts');
  });
  assert.deepEqual(await tableOf(owner), daemon.disk());
  daemon.write('src/a.ts', 'export function second() {}\n');
  daemon.write('src/new/d.ts');
  daemon.remove('gone.ts');
  renameSync(join(daemon.root, 'src/b'), join(daemon.root, 'src/moved'));
  daemon.write('.tmp-save', 'export const saved = 1\n');
  renameSync(join(daemon.root, '.tmp-save'), join(daemon.root, 'src/moved/c.ts'));
  await followed(daemon, owner);
  assert.match(storedText(owner, 'src/a.ts') ?? '', /second/);
  assert.match(storedText(owner, 'src/moved/c.ts') ?? '', /saved/);
  await until('ready', () => owner.status().state === 'ready');
  // A file becomes a directory and the reverse.
  unlinkSync(join(daemon.root, 'src/a.ts'));
  daemon.write('src/a.ts/inner.ts');
  daemon.remove('src/new');
  daemon.write('src/new', 'now a file\n');
  await followed(daemon, owner);
});

test('[5.4] [6.3] a branch switch of hundreds of files is followed, and switching back embeds nothing', async (t) => {
  const count = 300;
  const { daemon, owner } = await indexed(t, (d) => {
    d.git('init');
    for (let i = 0; i < count; i++) d.write(`src/f${i % 20}/f${i}.ts`, `export const main_${i} = ${i}\n`);
    d.git('add', '.');
    d.git('commit', '-qm', 'one');
    d.git('checkout', '-qb', 'other');
    for (let i = 0; i < count; i += 2) d.write(`src/f${i % 20}/f${i}.ts`, `export const other_${i} = ${i}\n`);
    for (let i = 1; i < count; i += 10) d.remove(`src/f${i % 20}/f${i}.ts`);
    d.git('add', '-A');
    d.git('commit', '-qm', 'two');
    d.git('checkout', '-q', 'main');
  }, { embed: true });
  assert.equal(owner.status().embedding.textsEmbedded > 0, true);
  daemon.git('checkout', '-q', 'other');
  await followed(daemon, owner);
  assert.match(storedText(owner, 'src/f0/f0.ts') ?? '', /other_0/);
  const before = owner.status().embedding.textsEmbedded;
  daemon.git('checkout', '-q', 'main');
  await followed(daemon, owner);
  assert.match(storedText(owner, 'src/f0/f0.ts') ?? '', /main_0/);
  assert.equal(owner.status().embedding.textsEmbedded, before);
});

test('[6.4] fresh() returns when what the disk shows now is indexed, watcher or not', async (t) => {
  const { daemon, owner } = await indexed(t, (d) => d.write('a.ts'), { watch: false });
  assert.deepEqual(owner.status().watcher.state, 'off');
  for (let i = 0; i < 5; i++) {
    // Of another size each time: a fast machine comes here again before the clock of the file system has moved on.
    const round = 10 ** i;
    daemon.write('a.ts', `export const round = ${round}\n`);
    daemon.write(`n${i}.ts`);
    await owner.fresh(never());
    assert.match(storedText(owner, 'a.ts') ?? '', new RegExp(`round = ${round}\\b`));
    assert.deepEqual(await tableOf(owner), daemon.disk());
  }
  const aborted = new AbortController();
  const waiting = owner.fresh(aborted.signal);
  aborted.abort();
  await assert.rejects(waiting, (error: unknown) => isCairnError(error, 'CANCELLED'));
});

test('[6.2] [5.6] a restart serves at once, finds what changed while the daemon was down, and embeds nothing else', async (t) => {
  const { daemon, running, owner } = await indexed(t, (d) => {
    for (let i = 0; i < 30; i++) d.write(`f${i}.ts`, `export function keep${i}() { return ${i} }\n`);
  }, { embed: true });
  const name = owner.name;
  await running.stop();
  const untouched = await daemon.start({ embed: true });
  untouched.owners.warmUp();
  const again = await untouched.owners.resolve({ index: name });
  assert.equal(again.status().state, 'catching-up');
  assert.match(storedText(again, 'f7.ts') ?? '', /keep7/, 'serves before it has walked');
  await again.settled({ signal: never() });
  assert.equal(again.status().state, 'ready');
  assert.deepEqual(again.status().embedding, { calls: 0, textsEmbedded: 0, cacheHits: 0 });
  await untouched.stop();
  daemon.write('f1.ts', 'export function changed1() {}\n');
  daemon.write('f2.ts', 'export function keep2() { return 2 }\n'); // same content, new time
  daemon.remove('f3.ts');
  daemon.write('new.ts');
  const third = await daemon.start({ embed: true });
  const owner3 = await third.owners.resolve({ root: join(daemon.root, 'some/file') });
  const counts = await owner3.settled({ signal: never() });
  assert.equal(counts.files, 30);
  assert.equal(counts.embedded, 2);
  assert.match(storedText(owner3, 'f1.ts') ?? '', /changed1/);
  assert.equal(storedText(owner3, 'f3.ts'), null);
});

test('a file whose time moved is read once, not at every walk', async (t) => {
  const { daemon, running, owner } = await indexed(t, (d) => d.write('a.ts'), { watch: false });
  utimesSync(join(daemon.root, 'a.ts'), 1_600_000_000, 1_600_000_000);
  await owner.fresh(never());
  const files = running.ingest.stats.files;
  await owner.fresh(never());
  await owner.fresh(never());
  assert.equal(running.ingest.stats.files, files);
});

test('[4.5] a root that goes away keeps its index serving as detached, and is followed again when it is back', async (t) => {
  const { daemon, running, owner } = await indexed(t, (d) => {
    for (let i = 0; i < 20; i++) d.write(`f${i}.ts`);
  });
  renameSync(daemon.root, `${daemon.root}.away`);
  await until('detached', () => owner.status().state === 'detached');
  assert.equal((await tableOf(owner)).size, 20);
  assert.notEqual(storedText(owner, 'f1.ts'), null);
  await assert.rejects(owner.fresh(never()), (error: unknown) => isCairnError(error, 'ROOT_DETACHED'));
  // An empty directory in its place (a mount point without its disk) does not empty the index.
  const refusals = (): number => running.logged.filter(({ event, fields }) => event === 'walk.failed' && String(fields['error']).endsWith('and empty')).length;
  mkdirSync(daemon.root);
  await until('several walks that do not believe it', () => refusals() >= 3);
  assert.equal((await tableOf(owner)).size, 20);
  // The watcher says that the root is back; the walk that follows takes that back.
  await until('detached again', () => owner.status().state === 'detached');
  rmSync(daemon.root, { recursive: true });
  renameSync(`${daemon.root}.away`, daemon.root);
  daemon.write('f1.ts', 'export const returned = 1\n');
  await followed(daemon, owner);
  await until('ready', () => owner.status().state === 'ready');
  assert.match(storedText(owner, 'f1.ts') ?? '', /returned/);
});

test('a root that is gone, or a file, when the daemon starts: detached, whoever asks', async (t) => {
  const { daemon, running, owner } = await indexed(t, (d) => d.write('a.ts'));
  const { name } = owner;
  await running.stop();
  renameSync(daemon.root, `${daemon.root}.away`);
  const next = await daemon.start({ watch: false });
  const again = await next.owners.resolve({ index: name });
  const refuses = (what: RegExp) => assert.rejects(again.fresh(never()), (error: unknown) => isCairnError(error, 'ROOT_DETACHED') && what.test(error.message));
  await refuses(/is not there/);
  writeFileSync(daemon.root, 'a file');
  await refuses(/is not a directory/);
  assert.equal(again.status().state, 'detached');
  assert.notEqual(storedText(again, 'a.ts'), null);
  rmSync(daemon.root);
  renameSync(`${daemon.root}.away`, daemon.root);
  await again.fresh(never());
  assert.equal(again.status().state, 'ready');
});

test('a root that is deleted and made again with other files is followed', async (t) => {
  const { daemon, owner } = await indexed(t, (d) => {
    for (let i = 0; i < 20; i++) d.write(`f${i}.ts`);
  });
  rmSync(daemon.root, { recursive: true });
  mkdirSync(daemon.root);
  daemon.write('other.ts');
  await followed(daemon, owner);
  daemon.write('other.ts', 'export const edited = 1\n');
  await followed(daemon, owner);
});

test('an unreadable directory keeps its rows; a symlink loop is no trouble', { skip: process.getuid?.() === 0 && 'root reads everything' }, async (t) => {
  const { daemon, owner } = await indexed(t, (d) => {
    d.write('locked/a.ts');
    d.write('open/b.ts');
    symlinkSync('..', join(d.root, 'open/loop'));
  }, { watch: false });
  chmodSync(join(daemon.root, 'locked'), 0o000);
  try {
    daemon.write('open/b.ts', 'export const edited = 1\n');
    await owner.fresh(never());
    assert.equal((await tableOf(owner)).has('locked/a.ts'), true);
    assert.match(owner.status().reasons.join(), /cannot be read, for example locked/);
  } finally {
    chmodSync(join(daemon.root, 'locked'), 0o755);
  }
  await owner.fresh(never());
  assert.deepEqual(owner.status().reasons, []);
});

test('[6.12] changed ignore rules take files out and bring them back; ignored files make no work', async (t) => {
  const { daemon, running, owner } = await indexed(t, (d) => {
    d.git('init');
    d.write('.gitignore', 'out/\n');
    d.write('src/a.ts');
    d.write('gen/b.ts');
    d.write('out/c.ts');
  });
  const has = async (path: string): Promise<boolean> => (await tableOf(owner)).has(path);
  assert.equal(await has('out/c.ts'), false);
  const given = givenTo(running);
  for (let i = 0; i < 20; i++) daemon.write(`out/x${i}.ts`);
  daemon.write('src/later.ts'); // what is told of those is told before this
  await until('the file that counts', () => has('src/later.ts'));
  assert.deepEqual(given.filter((path) => path.startsWith('out/')), []);
  daemon.write('.gitignore', 'gen/\n');
  await until('the new rules', async () => !(await has('gen/b.ts')) && (await has('out/c.ts')));
  assert.equal(await has('src/a.ts'), true);
});

/** Some thousand events. */
const ROUNDS = 20;

test('[6.2] an event storm while the main thread is blocked: the index equals the disk in the end', async (t) => {
  const { daemon, owner } = await indexed(t, (d) => {
    for (let i = 0; i < 200; i++) d.write(`d${i % 10}/f${i}.ts`);
  });
  for (let round = 0; round < ROUNDS; round++) {
    for (let i = 0; i < 200; i += 3) daemon.write(`d${i % 10}/f${i}.ts`, `export const round${round} = ${i}\n`);
    for (let i = 0; i < 20; i++) daemon.write(`tmp${round}/t${i}.ts`);
    if (round % 2 === 1) daemon.remove(`tmp${round}`);
  }
  await followed(daemon, owner);
});

test('skipped files are counted by reason', async (t) => {
  const { daemon, owner } = await indexed(t, (d) => {
    d.write('a.ts');
    d.write('empty.ts', '');
    d.write('bin.dat', 'a\0b');
    d.write('.env', 'SECRET=1\n');
  });
  const skipped = owner.status().skipped;
  assert.equal(Object.values(skipped).reduce((sum, n) => sum + n, 0), 3, JSON.stringify(skipped));
  daemon.write('empty.ts', 'export const full = 1\n');
  await owner.fresh(never());
  assert.equal(Object.values(owner.status().skipped).reduce((sum, n) => sum + n, 0), 2);
});

test('[6.15] a rebuild reads every file again and the old rows serve meanwhile', async (t) => {
  const { daemon, running, owner } = await indexed(t, (d) => {
    for (let i = 0; i < 60; i++) d.write(`f${i}.ts`);
  }, { embed: true, watch: false }); // hints that come late would be read too
  await running.cache?.flush(); // vectors are kept behind the back of those who wait for the index
  const { files } = running.ingest.stats;
  const rebuild = owner.rebuild({ signal: never() });
  assert.notEqual(storedText(owner, 'f1.ts'), null);
  const counts = await rebuild;
  assert.equal(running.ingest.stats.files, files + 60);
  assert.deepEqual({ files: counts.files, embedded: counts.embedded }, { files: 60, embedded: 0 });
  assert.deepEqual(await tableOf(owner), daemon.disk());
});

test('[6.16] files with rows of an older chunker are read again by themselves after opening, once', async (t) => {
  const older = { chunker: CHUNKER_VERSION - 1, tokenizer: TOKENIZER_VERSION };
  const daemon = new RealDaemon(t);
  for (let i = 0; i < 6; i++) daemon.write(`f${i}.ts`);
  const first = await daemon.start({ contentVersions: older });
  await (await first.owners.create({ root: daemon.root })).settled({ signal: never() });
  await first.stop();
  const second = await daemon.start();
  const owner = await second.owners.resolve({ root: daemon.root });
  assert.notEqual(storedText(owner, 'f1.ts'), null, 'the old rows serve');
  await owner.settled({ signal: never() });
  assert.equal(second.ingest.stats.files >= 6, true);
  assert.deepEqual(owner.index.metadata.contentVersions, second.ingest.contentVersions);
  assert.deepEqual(await owner.index.staleKeys(second.ingest.contentVersions), []);
  assert.deepEqual(await tableOf(owner), daemon.disk());
  await second.stop();
  const third = await daemon.start();
  await (await third.owners.resolve({ root: daemon.root })).settled({ signal: never() });
  assert.equal(third.ingest.stats.chunks, 0, 'nothing is stale any more');
});

const full = (path: string): never => {
  throw new CairnError('DISK_FULL', 'no space left', { path, retryable: true });
};

test('[6.16] a disk that is full when the new versions are written down: the tree is followed all the same, and nothing stays stale', async (t) => {
  const daemon = new RealDaemon(t);
  for (let i = 0; i < 3; i++) daemon.write(`f${i}.ts`);
  const first = await daemon.start({ contentVersions: { chunker: CHUNKER_VERSION - 1, tokenizer: TOKENIZER_VERSION } });
  await (await first.owners.create({ root: daemon.root })).settled({ signal: never() });
  await first.stop();
  const env = failingEnv(nodeEnv());
  let refused = 0;
  env.fail = (_, path) => {
    if (!path.includes('metadata.json')) return;
    refused++;
    full(path);
  };
  const second = await daemon.start({ env });
  const owner = await second.owners.resolve({ root: daemon.root });
  await until('the failure', () => refused > 0);
  daemon.write('f1.ts', 'export const edited = 2\n');
  await followed(daemon, owner);
  env.fail = () => undefined;
  // A pass that has failed and is just ending would be joined.
  await until('a pass that ends well', () => owner.settled({ signal: never() }).then(() => true, () => false));
  assert.deepEqual(owner.index.metadata.contentVersions, second.ingest.contentVersions);
  assert.deepEqual(await owner.index.staleKeys(second.ingest.contentVersions), []);
  await until('ready', () => owner.status().state === 'ready');
});

test('[6.15] a rebuild that a full disk interrupts says so, and goes on by itself when there is space', async (t) => {
  const env = failingEnv(nodeEnv());
  const { owner } = await indexed(t, (daemon) => {
    for (let i = 0; i < 6; i++) daemon.write(`f${i}.ts`);
  }, { env });
  const stored = (): number => owner.index.stats().incremental.operations;
  const before = stored();
  env.fail = (call, path) => {
    if (call === 'write' && path.includes('/wal/')) full(path);
  };
  await assert.rejects(owner.rebuild({ signal: never() }), { code: 'DISK_FULL' });
  env.fail = () => undefined;
  await until('all is stored', () => owner.status().pendingFiles === 0);
  assert.equal(stored() - before, 6, 'what was read for nothing is read again, although its content is what the index has');
});

test('[4.15] closing saves everything: nothing is replayed at the next start', async (t) => {
  const { daemon, running, owner } = await indexed(t, (d) => {
    for (let i = 0; i < 50; i++) d.write(`f${i}.ts`);
  });
  daemon.write('late.ts');
  await owner.fresh(never());
  await running.stop({ persist: true });
  const next = await daemon.start({ watch: false });
  const reopened = await next.owners.resolve({ index: owner.name });
  assert.equal(reopened.index.recovery.replayedBatches, 0);
  assert.equal((await tableOf(reopened)).size, 51);
});

test('[0.24] flush is a barrier', async (t) => {
  const { daemon, owner } = await indexed(t, (d) => d.write('a.ts'));
  daemon.write('b.ts');
  await owner.fresh(never());
  const version = owner.index.version;
  await owner.flush();
  assert.ok(owner.index.durableVersion >= version);
  assert.equal(owner.status().persist.dirty, false);
});
