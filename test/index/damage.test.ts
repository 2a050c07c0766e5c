/** Damage that is met in service, losses that outlive a restart, repair in place. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { encodeDoc } from '../../src/format/doc-codec.ts';
import { createIndex } from '../../src/index/create.ts';
import { newMetadata } from '../../src/index/metadata.ts';
import { openIndex } from '../../src/index/open-index.ts';
import type { DurableIndex } from '../../src/index/types.ts';
import { CairnError } from '../../src/util/errors.ts';
import { flipByte, newestManifest, sectionOffset } from '../support/damage.ts';
import { checkLeaks } from '../support/leaks.ts';
import { tinyDoc } from '../support/tiny-doc.ts';
import { newTestIndex, versions, type TestIndex } from './harness.ts';

checkLeaks();

const DOCS = 2;
const put = (index: DurableIndex, changes: Record<string, number>): ReturnType<DurableIndex['commit']> => index.commit({ puts: Object.entries(changes).map(([key, version]) => encodeDoc(tinyDoc(key, version, 4))), deletes: [] });
const damageOf = (dir: string, file: string): CairnError => new CairnError('CORRUPT', `${file} is damaged`, { path: join(dir, file), offset: 7 });

/** Segments {a b}, {c}; d in the log. */
async function populated(t: TestContext): Promise<TestIndex & { readonly first: string; readonly second: string }> {
  const testIndex = await newTestIndex(t);
  await put(testIndex.index, { a: 1, b: 1 });
  await testIndex.index.persist('1');
  await put(testIndex.index, { c: 1 });
  await testIndex.index.persist('2');
  await put(testIndex.index, { d: 1 });
  const [first = '', second = ''] = testIndex.index.stats().segments.map(({ file }) => file);
  return Object.assign(testIndex, { first, second });
}

test('[0.21] a segment that leaves the service: open snapshots keep it, new ones do not, its bytes are kept, commits and saves go on', async (t) => {
  const testIndex = await populated(t);
  const { index, dir, first } = testIndex;
  const bytes = readFileSync(join(dir, first));
  const before = index.snapshot();
  const commits = Promise.all(Array.from({ length: 20 }, (_, i) => put(index, { [`k${i}`]: 1 })));
  const [left, again, persisted] = await Promise.all([index.quarantine(damageOf(dir, first)), index.quarantine(damageOf(dir, first)), index.persist('meanwhile')]);
  await commits;
  assert.deepEqual([left, again, persisted.segmentsAdded], [true, true, 1]);
  assert.ok(before.find('a') !== null, 'a snapshot is what it was');
  before.release();
  const now = versions(index);
  assert.equal(now['a'], undefined);
  assert.equal(now['c'], 1);
  assert.equal(Object.keys(now).length, 22);
  assert.deepEqual(readFileSync(join(dir, 'quarantine', `${first}.1`)), bytes);
  assert.deepEqual(index.losses.map(({ file, docs }) => [file, docs]), [[first, 2]]);
  assert.equal(await index.quarantine(new CairnError('CORRUPT', 'a log', { path: join(dir, 'wal', '0000000000000001.wal') })), false, 'no segment');
  assert.equal(await index.quarantine(new CairnError('IO', 'unreadable', { path: join(dir, first) })), false, 'no damage');
  await put(index, { a: 2, b: 2 });
  assert.equal(await index.settleLosses('indexed again'), true);
  assert.equal(await index.settleLosses('indexed again'), false);
  await testIndex.reopen();
  assert.deepEqual(testIndex.index.losses, []);
  assert.equal(versions(testIndex.index)['a'], 2);
  assert.deepEqual((await testIndex.index.verify({ deep: true })).damages, []);
});

test('[4.7] losses outlive restarts until they are settled', async (t) => {
  const testIndex = await populated(t);
  const { dir, first } = testIndex;
  await testIndex.index.close();
  flipByte(join(dir, first), await sectionOffset(join(dir, first), DOCS));
  for (let life = 0; life < 3; life++) {
    testIndex.index = await openIndex(testIndex.env, dir, testIndex.services());
    assert.equal(testIndex.index.losses.length, 1, `life ${life}`);
    assert.match(testIndex.index.losses[0]?.reason ?? '', /section 2 fails its checksum/);
    await put(testIndex.index, { [`life${life}`]: 1 });
    await testIndex.index.persist('life');
    await testIndex.index.close();
  }
});

test('[4.7] a vector index takes no changes while it lacks something; repair gives the loss up', async (t) => {
  const testIndex = await newTestIndex(t);
  const { env } = testIndex;
  const dir = `${testIndex.dir}-vectors`;
  await createIndex(env, dir, newMetadata({ name: 'vectors', kind: 'vector', dimension: 4 }, 0), testIndex.lease);
  let index = await openIndex(env, dir, testIndex.services());
  await put(index, { a: 1 });
  await index.persist('1');
  await put(index, { b: 1 });
  await index.persist('2');
  const [{ file } = { file: '' }] = index.stats().segments;
  assert.equal(await index.quarantine(damageOf(dir, file)), true);
  for (let life = 0; life < 2; life++) {
    await assert.rejects(put(index, { c: 1 }), (error: CairnError) => error.code === 'DEGRADED' && /documents are lost/.test(error.message) && /cairn repair vectors/.test(error.hint ?? ''));
    assert.deepEqual(versions(index), { b: 1 }, 'what is left answers');
    await index.close();
    index = await openIndex(env, dir, testIndex.services());
  }
  const planned = await index.repair({ dryRun: true });
  assert.deepEqual(planned.actions.map(({ kind, done }) => [kind, done]), [['accept-loss', false]]);
  await assert.rejects(put(index, { c: 1 }), { code: 'DEGRADED' });
  const done = await index.repair({ dryRun: false });
  assert.deepEqual(done.actions.map(({ kind, done: isDone }) => [kind, isDone]), [['accept-loss', true]]);
  await put(index, { c: 1 });
  assert.deepEqual(versions(index), { b: 1, c: 1 });
  assert.equal((await index.listQuarantine()).length, 1);
  await index.close();
});

test('[6.13] repair of an open index: small files are written anew, damaged segments leave, the log is left to the next opening', async (t) => {
  const testIndex = await populated(t);
  const { index, dir, first } = testIndex;
  assert.deepEqual((await index.repair({ dryRun: false })).actions, []);
  const manifest = newestManifest(dir);
  flipByte(join(dir, manifest), 50);
  flipByte(join(dir, 'CURRENT'), 40);
  writeFileSync(join(dir, 'metadata.json'), '{}');
  flipByte(join(dir, first), await sectionOffset(join(dir, first), DOCS));
  const files = readdirSync(dir).sort();
  const planned = await index.repair({ dryRun: true });
  assert.deepEqual(readdirSync(dir).sort(), files);
  const done = await index.repair({ dryRun: false });
  const kinds = (actions: typeof done.actions): string[] => actions.map(({ kind, file }) => `${kind} ${file}`).sort();
  assert.deepEqual(kinds(done.actions), kinds(planned.actions));
  assert.deepEqual(kinds(done.actions), [`quarantine-segment ${first}`, 'rewrite-manifest CURRENT', `rewrite-manifest ${manifest}`, 'rewrite-metadata metadata.json'].filter((kind) => kinds(done.actions).includes(kind)));
  assert.ok(kinds(done.actions).includes('rewrite-metadata metadata.json') && kinds(done.actions).includes(`quarantine-segment ${first}`));
  assert.deepEqual((await index.verify({ deep: true })).damages, []);
  const kept = (await index.listQuarantine()).map(({ file }) => file.replace('quarantine/', ''));
  for (const name of ['metadata.json.1', `${first}.1`]) assert.ok(kept.includes(name), kept.join());
  await testIndex.reopen();
  assert.deepEqual(versions(testIndex.index), { c: 1, d: 1 });
  assert.equal(testIndex.index.metadata.name, 'sample');
  const log = readdirSync(join(dir, 'wal')).sort().at(-1) as string;
  await put(testIndex.index, { e: 1 });
  await put(testIndex.index, { f: 1 });
  flipByte(join(dir, 'wal', log), 64 + 40);
  const report = await testIndex.index.repair({ dryRun: false });
  assert.equal(report.needsReopen, true);
  assert.deepEqual(report.actions.map(({ kind, done: isDone }) => [kind, isDone]), [['reopen', false]]);
});

test('an edited metadata.json: without its checksum line it is taken with a warning, with it it is refused, and what rows depend on cannot be edited', async (t) => {
  const testIndex = await populated(t);
  const { dir, env } = testIndex;
  await testIndex.index.close();
  const file = join(dir, 'metadata.json');
  const whole = readFileSync(file, 'utf8');
  const open = async (): Promise<DurableIndex> => (testIndex.index = await openIndex(env, dir, testIndex.services()));
  const edited = whole.replace('"owner": ""', '"owner": "me"');
  assert.notEqual(edited, whole);
  writeFileSync(file, edited);
  await assert.rejects(open(), (error: CairnError) => error.code === 'CORRUPT' && error.path === file && /checksum/.test(error.message) && /Remove its "checksum" line/.test(error.hint ?? ''));
  const unsigned = JSON.parse(edited) as Record<string, unknown>;
  delete unsigned['checksum'];
  writeFileSync(file, JSON.stringify(unsigned));
  await open();
  assert.equal(testIndex.index.metadata.owner, 'me');
  assert.match(testIndex.index.recovery.warnings.join(), /no checksum/);
  await testIndex.index.updateMetadata({ sourceRoot: '/elsewhere' });
  await testIndex.index.close();
  assert.match(readFileSync(file, 'utf8'), /"checksum"/);
  writeFileSync(file, JSON.stringify({ ...unsigned, dimension: 8 }));
  await assert.rejects(open(), (error: CairnError) => error.code === 'CORRUPT' && /dimension is 8, the index was made with 4/.test(error.message));
  assert.equal(readdirSync(dir).includes('quarantine'), false, 'no segment was blamed');
  writeFileSync(file, JSON.stringify(unsigned, null, 8));
  await open();
  assert.equal(Object.keys(versions(testIndex.index)).length, 4);
});
