/** The engine: discovery, creation, deletion, shared resources. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync, cpSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Engine, encodeDoc, nodeEnv, CairnError, type DurableIndex, type EngineInit } from '../../src/api.ts';
import { failingEnv } from '../support/failing-env.ts';
import { testLease } from '../support/fence.ts';
import { checkLeaks } from '../support/leaks.ts';
import { seededRandom } from '../support/random-docs.ts';
import { randomDoc } from '../support/sample-docs.ts';
import { tempDir } from '../support/temp-dir.ts';
import { tinyDoc } from '../support/tiny-doc.ts';
import { versions } from '../index/harness.ts';

checkLeaks();

const CODE = { kind: 'code', dimension: 4, sourceRoot: '/somewhere' } as const;
const put = (index: DurableIndex, key: string, version: number): ReturnType<DurableIndex['commit']> => index.commit({ puts: [encodeDoc(tinyDoc(key, version, 4))], deletes: [] });

async function openEngine(t: TestContext, dataDir: string, init: Partial<EngineInit> = {}): Promise<Engine> {
  const engine = await Engine.open({ dataDir, lease: testLease(), ...init });
  t.after(() => engine.close());
  return engine;
}

test('[3.1] [3.2] a created index has its metadata.json before creation is acknowledged', async (t) => {
  const dataDir = tempDir(t);
  const engine = await openEngine(t, dataDir);
  const index = await engine.create({ name: 'my-index', ...CODE, owner: 'me' });
  const metadata = JSON.parse(readFileSync(join(dataDir, 'indexes/my-index/metadata.json'), 'utf8')) as Record<string, unknown>;
  assert.deepEqual(
    { ...metadata, createdAt: null, modifiedAt: null, logTag: /^[0-9a-f]{16}$/.test(String(metadata['logTag'])), checksum: typeof metadata['checksum'] },
    {
      schemaVersion: 1, name: 'my-index', kind: 'code', dimension: 4, distanceMetric: 'cosine', vectorType: 'f32',
      indexConfig: { max_connections: 16, ef_construction: 200, ef_search: 50, max_layer: 16 },
      embedder: null, sourceRoot: '/somewhere', contentVersions: { chunker: 1, tokenizer: 1 }, createdAt: null, modifiedAt: null, owner: 'me', logTag: true, checksum: 'string',
    },
  );
  assert.ok(Date.parse(metadata['createdAt'] as string) > 0);
  assert.equal(index.metadata.name, 'my-index');
  await assert.rejects(engine.create({ name: 'my-index', ...CODE }), { code: 'ALREADY_EXISTS' });
  for (const name of ['', 'Upper', '../x', 'a/b', '.hidden', 'x'.repeat(65)]) await assert.rejects(engine.create({ name, ...CODE }), { code: 'INVALID_ARGUMENT' }, name);
  await assert.rejects(engine.create({ name: 'x', kind: 'code', dimension: -1 }), { code: 'INVALID_ARGUMENT' });
});

test('[3.5] [3.6] a new engine finds every index and serves the same rows', async (t) => {
  const dataDir = tempDir(t);
  const first = await openEngine(t, dataDir);
  for (const name of ['b', 'a', 'c']) {
    const index = await first.create({ name, ...CODE });
    await put(index, `of-${name}`, 1);
    if (name !== 'c') await index.persist('test');
  }
  await first.close();
  const second = await openEngine(t, dataDir);
  assert.deepEqual(second.list().map((entry) => [entry.name, entry.state]), [['a', 'closed'], ['b', 'closed'], ['c', 'closed']]);
  for (const name of ['a', 'b', 'c']) assert.deepEqual(versions(await second.get(name)), { [`of-${name}`]: 1 });
  assert.equal(second.entry('a')?.state, 'open');
  await assert.rejects(second.get('d'), { code: 'NOT_FOUND' });
  const [one, same] = await Promise.all([second.get('b'), second.get('b')]);
  assert.equal(one, same, 'opened once');
});

test('[3.7] [3.8] files, links and dot-directories are skipped; a directory without metadata is an orphan and stays', async (t) => {
  const dataDir = tempDir(t);
  const indexes = join(dataDir, 'indexes');
  mkdirSync(join(indexes, '.git'), { recursive: true });
  mkdirSync(join(indexes, 'orphan'));
  writeFileSync(join(indexes, 'orphan', 'seg-00000000000000aa.cairn'), 'data');
  writeFileSync(join(indexes, 'README'), 'a file');
  symlinkSync('/etc', join(indexes, 'link'));
  const engine = await openEngine(t, dataDir);
  assert.deepEqual(engine.list(), []);
  assert.deepEqual(engine.orphans, ['orphan']);
  assert.deepEqual(readdirSync(join(indexes, 'orphan')), ['seg-00000000000000aa.cairn']);
  await assert.rejects(engine.create({ name: 'orphan', ...CODE }), { code: 'EMPTY_OVER_POPULATED' });
  assert.deepEqual(readdirSync(join(indexes, 'orphan')), ['seg-00000000000000aa.cairn']);
});

test('[3.9] an index with corrupt metadata is reported failed, its bytes untouched, the others serve', async (t) => {
  const dataDir = tempDir(t);
  const first = await openEngine(t, dataDir);
  for (const name of ['good', 'bad', 'newer']) await put(await first.create({ name, ...CODE }), 'k', 1);
  await first.close();
  const bad = join(dataDir, 'indexes/bad/metadata.json');
  const newer = join(dataDir, 'indexes/newer/metadata.json');
  writeFileSync(bad, readFileSync(bad, 'utf8').slice(0, 100));
  writeFileSync(newer, readFileSync(newer, 'utf8').replace('"schemaVersion": 1', '"schemaVersion": 2'));
  const before = readFileSync(bad, 'utf8');
  const engine = await openEngine(t, dataDir);
  assert.deepEqual(engine.list().map((entry) => [entry.name, entry.state, entry.error?.code ?? null]), [['bad', 'failed', 'CORRUPT'], ['good', 'closed', null], ['newer', 'failed', 'NEWER_FORMAT']]);
  await assert.rejects(engine.get('bad'), { code: 'CORRUPT' });
  assert.deepEqual(versions(await engine.get('good')), { k: 1 });
  assert.equal(readFileSync(bad, 'utf8'), before);
});

test('two directories that claim one name: one serves, the copy is reported', async (t) => {
  const dataDir = tempDir(t);
  const first = await openEngine(t, dataDir);
  await put(await first.create({ name: 'a', ...CODE }), 'k', 1);
  await first.close();
  cpSync(join(dataDir, 'indexes/a'), join(dataDir, 'indexes/b'), { recursive: true });
  const engine = await openEngine(t, dataDir);
  assert.deepEqual(engine.list().map((entry) => [entry.name, entry.directory, entry.state]), [['a', 'a', 'closed'], ['b', 'b', 'failed']]);
});

test('[6.17] delete moves the data to the trash or purges it, and is in the audit log', async (t) => {
  const dataDir = tempDir(t);
  const engine = await openEngine(t, dataDir);
  await put(await engine.create({ name: 'kept', ...CODE }), 'k', 1);
  await put(await engine.create({ name: 'purged', ...CODE }), 'k', 1);
  const held = (await engine.get('kept')).snapshot();
  await engine.delete('kept', { purge: false });
  await engine.delete('purged', { purge: true });
  assert.notEqual(held.find('k'), null, 'a reader finishes its query');
  held.release();
  assert.deepEqual(engine.list(), []);
  await assert.rejects(engine.get('kept'), { code: 'NOT_FOUND' });
  const trash = readdirSync(join(dataDir, 'trash'));
  assert.equal(trash.length, 1);
  assert.ok(existsSync(join(dataDir, 'trash', trash[0] ?? '', 'metadata.json')));
  const audit = readFileSync(join(dataDir, 'audit.log'), 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line) as Record<string, string>);
  assert.deepEqual(audit.map((line) => [line['action'], line['index']]), [['index-create', 'kept'], ['index-create', 'purged'], ['index-delete', 'kept'], ['index-purge', 'purged']]);
  assert.ok(audit.every((line) => Date.parse(line['at'] ?? '') > 0));
  assert.deepEqual(versions(await engine.create({ name: 'kept', ...CODE })), {}, 'the name is free again');
});

test('a creation that fails leaves nothing in the way of the next one', async (t) => {
  const dataDir = tempDir(t);
  const env = failingEnv(nodeEnv());
  const engine = await openEngine(t, dataDir, { env });
  for (const part of ['wal', 'manifest-1', 'CURRENT', 'metadata.json']) {
    env.fail = (call, path) => {
      if (call === 'sync' && path.includes(part) || call === 'write' && path.includes(part)) throw new CairnError('DISK_FULL', 'injected', { path });
    };
    await assert.rejects(engine.create({ name: 'x', ...CODE }), { code: 'DISK_FULL' }, part);
    assert.deepEqual(engine.list(), []);
  }
  const aborted = join(dataDir, 'indexes/x');
  assert.equal(existsSync(aborted), true);
  env.fail = () => undefined;
  const later = await openEngine(t, dataDir);
  assert.equal(existsSync(aborted), false, 'swept at the next start');
  assert.deepEqual(later.orphans, []);
  await engine.create({ name: 'x', ...CODE });
});

test('updateMetadata is atomic and survives a restart', async (t) => {
  const dataDir = tempDir(t);
  const real = nodeEnv();
  let now = Date.UTC(2026, 0, 1);
  const engine = await openEngine(t, dataDir, { env: { ...real, clock: { ...real.clock, now: () => ++now } } });
  const index = await engine.create({ name: 'x', ...CODE });
  await index.updateMetadata({ sourceRoot: '/elsewhere', contentVersions: { chunker: 2, tokenizer: 3 } });
  await assert.rejects(index.updateMetadata({ name: 'Not A Name' }), { code: 'INVALID_ARGUMENT' });
  assert.equal(index.metadata.sourceRoot, '/elsewhere');
  await engine.release('x');
  const { metadata } = await engine.get('x');
  assert.equal(metadata.sourceRoot, '/elsewhere');
  assert.deepEqual(metadata.contentVersions, { chunker: 2, tokenizer: 3 });
  assert.ok(metadata.modifiedAt > metadata.createdAt, 'by the clock of this test');
});

test('memory figures count each index and give it back', async (t) => {
  const engine = await openEngine(t, tempDir(t));
  const random = seededRandom(1);
  for (const name of ['a', 'b']) {
    const index = await engine.create({ name, kind: 'code', dimension: 64 });
    await index.commit({ puts: Array.from({ length: 200 }, (_, i) => encodeDoc(randomDoc(random, `d${i}`, { dimension: 64 }))), deletes: [] });
    await index.persist('test');
  }
  const both = engine.memory();
  assert.ok(both.indexBytes > 0 && both.arenaUsedBytes > 0 && both.arenaCommittedBytes >= both.arenaUsedBytes);
  await engine.release('a');
  const one = engine.memory();
  assert.ok(one.indexBytes < both.indexBytes && one.arenaUsedBytes < both.arenaUsedBytes);
});

test('flush and merge run in one storage thread, which ends with the engine', async (t) => {
  const engine = await openEngine(t, tempDir(t), { options: { compactionFanIn: 2 } });
  const workers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Worker').length;
  const random = seededRandom(2);
  const indexes = [await engine.create({ name: 'a', kind: 'code', dimension: 8 }), await engine.create({ name: 'b', kind: 'code', dimension: 8 })];
  for (let round = 0; round < 2; round++) {
    for (const index of indexes) await index.commit({ puts: Array.from({ length: 50 }, (_, i) => encodeDoc(randomDoc(random, `r${round}d${i}`, { dimension: 8 }))), deletes: [] });
    await Promise.all(indexes.map((index) => index.persist('test')));
  }
  assert.ok(workers() <= 1);
  await Promise.all(indexes.map((index) => index.compact()));
  for (const index of indexes) {
    assert.equal(index.stats().segments.length, 1);
    assert.equal(index.stats().docs, 100);
    assert.deepEqual((await index.verify({ deep: true })).damages, []);
  }
  await engine.close();
});

test('errors of the storage thread keep code, path and offset', async (t) => {
  const dataDir = tempDir(t);
  const engine = await openEngine(t, dataDir);
  const index = await engine.create({ name: 'x', ...CODE });
  await put(index, 'k', 1);
  await index.persist('test');
  const file = index.stats().segments[0]?.file ?? '';
  const path = join(dataDir, 'indexes/x', file);
  const bytes = readFileSync(path);
  bytes[500] = (bytes[500] as number) ^ 1;
  writeFileSync(path, bytes);
  const { damages } = await index.verify({ deep: true });
  assert.ok(damages.length > 0 && damages[0]?.file === path && typeof damages[0].offset === 'number', JSON.stringify(damages));
});
