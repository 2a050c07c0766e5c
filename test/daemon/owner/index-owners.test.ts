import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { CairnError, isCairnError, nodeEnv, type ErrorCode } from '../../../src/api.ts';
import { checkLeaks } from '../../support/leaks.ts';
import { failingEnv } from '../../support/failing-env.ts';
import { never, RealDaemon, storedText, tableOf, until } from './real-owners.ts';

checkLeaks();

const code = (...codes: readonly ErrorCode[]) => (error: unknown): boolean => isCairnError(error, ...codes);

function treeAt(daemon: RealDaemon, path: string): string {
  const root = join(daemon.base, path);
  mkdirSync(root, { recursive: true });
  writeFileSync(join(root, 'a.ts'), `export const ${path.replace(/\W/g, '_')} = 1\n`);
  return root;
}

async function started(t: TestContext, options: Parameters<RealDaemon['start']>[0] = {}) {
  const daemon = new RealDaemon(t);
  const running = await daemon.start({ watch: false, ...options });
  return { daemon, running, owners: running.owners };
}

test('[6.18] an index is found by its name, by any path in its tree, and by the nearest of nested roots', async (t) => {
  const { daemon, owners } = await started(t);
  await assert.rejects(owners.resolve({}), code('NOT_FOUND'));
  const outer = await owners.create({ root: treeAt(daemon, 'tree') });
  assert.equal(await owners.resolve({}), outer);
  const inner = await owners.create({ root: treeAt(daemon, 'tree/packages/Inner One') });
  assert.deepEqual([outer.name, inner.name], ['tree', 'inner-one']);
  assert.equal(await owners.resolve({ index: 'tree' }), outer);
  assert.equal(await owners.resolve({ root: join(daemon.root, 'packages') }), outer);
  assert.equal(await owners.resolve({ root: join(daemon.root, 'packages/Inner One/deep/not-there.ts') }), inner);
  symlinkSync(daemon.root, join(daemon.base, 'link'));
  assert.equal(await owners.resolve({ root: join(daemon.base, 'link/a.ts') }), outer);
  assert.equal(await owners.find(daemon.root), outer);
  assert.equal(await owners.find(join(daemon.root, 'packages')), null);
  await assert.rejects(owners.resolve({ root: daemon.base }), code('NOT_FOUND'));
  await assert.rejects(owners.resolve({ index: 'other' }), code('NOT_FOUND'));
  await assert.rejects(owners.resolve({}), code('INVALID_ARGUMENT'));
  assert.deepEqual(owners.list().map(({ name, root, owner }) => [name, root === null ? null : root.slice(daemon.base.length), owner !== null]), [
    ['inner-one', '/tree/packages/Inner One', true],
    ['tree', '/tree', true],
  ]);
});

test('an index that is closed before its first walk has ended is no failure to warn of', async (t) => {
  const { daemon, running, owners } = await started(t);
  await owners.create({ root: treeAt(daemon, 'tree') });
  await running.stop();
  assert.deepEqual(running.logged.filter(({ event }) => event.endsWith('failed')), []);
});

test('bad roots and taken names are refused with the reason', async (t) => {
  const { daemon, owners } = await started(t);
  daemon.write('a.ts');
  await owners.create({ root: daemon.root });
  await assert.rejects(owners.create({ root: daemon.root }), code('ALREADY_EXISTS'));
  await assert.rejects(owners.create({ root: treeAt(daemon, 'two'), name: 'tree' }), code('ALREADY_EXISTS'));
  await assert.rejects(owners.create({ root: treeAt(daemon, 'three'), name: '../x' }), code('INVALID_ARGUMENT'));
  await assert.rejects(owners.create({ root: join(daemon.base, 'missing') }), code('ROOT_NOT_FOUND'));
  await assert.rejects(owners.create({ root: join(daemon.root, 'a.ts') }), code('ROOT_NOT_DIRECTORY'));
  const second = await owners.create({ root: treeAt(daemon, 'elsewhere/tree') });
  assert.equal(second.name, 'tree-2');
});

test('[6.1] clients that index the same tree at once make one index, under one name', async (t) => {
  const { daemon, owners } = await started(t);
  daemon.write('a.ts');
  const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => owners.create({ root: daemon.root })));
  assert.deepEqual(owners.list().map(({ name }) => name), ['tree']);
  const made = outcomes.filter((outcome) => outcome.status === 'fulfilled');
  assert.equal(made.length, 1);
  for (const outcome of outcomes) if (outcome.status === 'rejected') assert.ok(isCairnError(outcome.reason, 'ALREADY_EXISTS'), String(outcome.reason));
  assert.equal(await owners.find(daemon.root), (made[0] as PromiseFulfilledResult<unknown>).value);
});

test('[6.1] clients that make an index of the same name at once: one gets it, and its owner stays the only one', async (t) => {
  const { owners } = await started(t);
  const outcomes = await Promise.allSettled(Array.from({ length: 5 }, () => owners.createVectors({ name: 'v', dimension: 4, metric: 'dot' })));
  const made = outcomes.filter((outcome) => outcome.status === 'fulfilled');
  assert.equal(made.length, 1);
  for (const outcome of outcomes) if (outcome.status === 'rejected') assert.ok(isCairnError(outcome.reason, 'ALREADY_EXISTS'), String(outcome.reason));
  assert.equal(await owners.resolve({ index: 'v' }), (made[0] as PromiseFulfilledResult<unknown>).value);
});

test('concurrent requests for one index open it once', async (t) => {
  const { daemon, running, owners } = await started(t);
  daemon.write('a.ts');
  const owner = await owners.create({ root: daemon.root });
  await owner.settled({ signal: never() });
  await running.stop();
  const next = await daemon.start({ watch: false });
  const all = await Promise.all(Array.from({ length: 20 }, () => next.owners.resolve({ index: owner.name })));
  assert.equal(new Set(all).size, 1);
});

test('[6.17] a removed index is kept aside, a purged one is gone; the name can be used again', async (t) => {
  const { daemon, owners } = await started(t);
  daemon.write('a.ts');
  const first = await owners.create({ root: daemon.root });
  await first.settled({ signal: never() });
  const { keptAt } = await owners.remove('tree', { purge: false });
  assert.ok(keptAt !== null && existsSync(join(keptAt, 'metadata.json')));
  assert.deepEqual(owners.list(), []);
  assert.equal(first.status().state, 'failed');
  const again = await owners.create({ root: daemon.root });
  assert.notEqual(again, first);
  await again.settled({ signal: never() });
  assert.deepEqual(await owners.remove('tree', { purge: true }), { keptAt: null, copies: 1 });
  assert.deepEqual(readdirSync(join(daemon.dataDir, 'trash')), [], 'what was kept under that name is gone too');
  await assert.rejects(owners.remove('tree', { purge: true }), code('NOT_FOUND'));
});

test('an index that is being removed is not found any more, and its root can be indexed again', async (t) => {
  const { daemon, owners } = await started(t);
  daemon.write('a.ts');
  const first = await owners.create({ root: daemon.root });
  await first.settled({ signal: never() });
  const removing = owners.remove('tree', { purge: true });
  assert.equal(await owners.find(daemon.root), null);
  assert.deepEqual(await removing, { keptAt: null, copies: 0 });
  assert.notEqual(await owners.create({ root: daemon.root }), first);
});

test('[3.9] an index that cannot be opened is reported, the others serve', async (t) => {
  const { daemon, running, owners } = await started(t);
  const names: string[] = [];
  for (const path of ['one', 'two']) {
    const owner = await owners.create({ root: treeAt(daemon, path) });
    await owner.settled({ signal: never() });
    names.push(owner.name);
  }
  await running.stop();
  for (const file of readdirSync(join(daemon.dataDir, 'indexes/one'))) {
    if (/^(CURRENT|manifest)/i.test(file)) writeFileSync(join(daemon.dataDir, 'indexes/one', file), 'damaged');
  }
  const next = await daemon.start({ watch: false });
  next.owners.warmUp();
  await assert.rejects(next.owners.resolve({ index: 'one' }), CairnError);
  const two = await next.owners.resolve({ index: 'two' });
  assert.match(storedText(two, 'a.ts') ?? '', /two/);
  const failed = next.owners.failed();
  assert.deepEqual(failed.map(({ index }) => index), ['one']);
  assert.ok((failed[0]?.reason.length ?? 0) > 0);
});

test('[6.14] idle indexes beyond the limit are closed, saved, and come back on demand', async (t) => {
  const { daemon, owners } = await started(t, { owners: { maxOpen: 1, minIdleMs: 0, sweepMs: 50 }, tuning: { follower: { degradedPeriodMs: 3_600_000 } } });
  const first = await owners.create({ root: treeAt(daemon, 'one') });
  await first.settled({ signal: never() });
  await first.flush();
  await until('nothing to be done in it', () => !owners.isBusy()); // else the other one may be closed in its place
  const second = await owners.create({ root: treeAt(daemon, 'two') });
  await second.settled({ signal: never() });
  await until('one index to be closed', () => owners.list().filter(({ owner }) => owner !== null).length === 1);
  assert.equal(owners.list().find(({ owner }) => owner === null)?.name, 'one', 'the least recently used');
  const back = await owners.resolve({ index: 'one' });
  assert.notEqual(back, first);
  assert.match(storedText(back, 'a.ts') ?? '', /one/);
  assert.equal(back.index.recovery.replayedBatches, 0);
});

test('[4.11] an index without vectors goes the whole way', async (t) => {
  const { daemon, running, owners } = await started(t, { embed: true });
  daemon.write('a.ts');
  const owner = await owners.create({ root: daemon.root, lexicalOnly: true });
  const counts = await owner.settled({ signal: never() });
  assert.deepEqual(counts, { files: 1, chunks: 1, embedded: 0, cached: 0 });
  assert.equal(owner.index.metadata.dimension, 0);
  await owner.flush();
  await running.stop();
  const next = await daemon.start({ watch: false, embed: true });
  const again = await next.owners.resolve({ index: owner.name });
  assert.deepEqual(await tableOf(again), daemon.disk());
});

test('a data directory inside the source root is not indexed', async (t) => {
  const { daemon, owners } = await started(t);
  daemon.write('a.ts');
  const owner = await owners.create({ root: daemon.base });
  await owner.settled({ signal: never() });
  await owner.fresh(never());
  assert.deepEqual([...(await tableOf(owner)).keys()], ['tree/a.ts']);
});

test('an index made with another embedder is not mixed: it serves what it has and says so', async (t) => {
  const { daemon, running, owners } = await started(t, { embed: true });
  daemon.write('a.ts');
  const owner = await owners.create({ root: daemon.root });
  await owner.settled({ signal: never() });
  const embedder = owner.index.metadata.embedder;
  assert.ok(embedder !== null);
  await owner.index.updateMetadata({ embedder: { ...embedder, fingerprint: 'f'.repeat(64) } });
  await running.stop();
  daemon.write('b.ts');
  const next = await daemon.start({ watch: false, embed: true });
  const again = await next.owners.resolve({ index: owner.name });
  assert.equal(again.status().state, 'degraded');
  assert.match(again.status().reasons.join(), /embed/);
  assert.notEqual(storedText(again, 'a.ts'), null);
  await assert.rejects(again.fresh(never()), code('EMBEDDER_MISMATCH'));
  assert.equal(storedText(again, 'b.ts'), null);
});

test('[0.24] disk full while indexing: typed error, degraded, nothing lost, resumes by itself', async (t) => {
  const env = failingEnv(nodeEnv());
  const { daemon, running, owners } = await started(t, { env, tuning: { scheduler: { blockedRetry: { minMs: 50, maxMs: 100 } }, persister: { retry: { minMs: 50, maxMs: 100 } } } });
  for (let i = 0; i < 100; i++) daemon.write(`f${i}.ts`);
  let isFull = false;
  env.fail = (call, path) => {
    if (isFull && call === 'write' && path.includes('/wal/')) throw new CairnError('DISK_FULL', 'no space left', { retryable: true, hint: 'Free some disk space.' });
  };
  const disk = Promise.withResolvers<void>();
  const ingest = running.ingest.ingest.bind(running.ingest);
  running.ingest.ingest = (request, options) => disk.promise.then(() => ingest(request, options));
  const owner = await owners.create({ root: daemon.root });
  isFull = true;
  disk.resolve(); // no file was read before
  await assert.rejects(owner.settled({ signal: never() }), (error: unknown) => code('DISK_FULL', 'POISONED')(error) && (error as CairnError).retryable);
  const { state, reasons, pendingFiles } = owner.status();
  assert.equal(state, 'degraded');
  assert.match(reasons.join(), /no space left/);
  assert.ok(pendingFiles > 0);
  isFull = false;
  await until('indexing to go on', () => owner.status().state === 'ready');
  assert.deepEqual(await tableOf(owner), daemon.disk());
  assert.deepEqual(owner.status().reasons, []);
});

test('closing refuses new work, ends what runs, and is bounded in time', async (t) => {
  const { daemon, running, owners } = await started(t);
  for (let i = 0; i < 200; i++) daemon.write(`f${i}.ts`);
  const owner = await owners.create({ root: daemon.root });
  const settled = owner.settled({ signal: never() });
  settled.catch(() => undefined);
  assert.equal(owners.isBusy(), true);
  await running.stop();
  await assert.rejects(settled, code('CANCELLED'));
  await assert.rejects(owners.resolve({ index: owner.name }), code('NOT_SERVING'));
  await assert.rejects(owners.create({ root: daemon.base }), code('NOT_SERVING'));
  const next = await daemon.start({ watch: false });
  const again = await next.owners.resolve({ index: owner.name });
  await again.settled({ signal: never() });
  assert.deepEqual(await tableOf(again), daemon.disk());
});
