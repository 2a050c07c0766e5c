// Renaming an index of a real engine on a real disk: what it holds, what is kept of it and who reads it go on under the new name.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { encodeTextFile } from '../../src/format/text-file.ts';
import { CairnError, isCairnError, type ErrorCode } from '../../src/util/errors.ts';
import { versionsOf } from '../index/harness.ts';
import { checkLeaks } from '../support/leaks.ts';
import { seededRandom, testSeed } from '../support/random.ts';
import { tempDir } from '../support/temp-dir.ts';
import { applied, assertSound, newEngine, newSample, type Content, type TestEngine } from './harness.ts';

checkLeaks();

const code = (...codes: readonly ErrorCode[]) => (error: unknown): boolean => isCairnError(error, ...codes);

/** An index with a backup, archived log behind it, and commits after it. */
async function populated(t: Parameters<typeof newSample>[0]): Promise<{ readonly one: TestEngine; readonly backup: string }> {
  const one = await newSample(t, { options: { archive: true } });
  await one.commit({ a: 1, b: 1 });
  const { record } = await one.engine.backups.create('sample', 'manual');
  await (await one.index()).persist('test');
  await one.commit({ b: 2 });
  await (await one.index()).persist('test');
  await one.commit({ c: 1 });
  return { one, backup: record.id };
}

const NOW = { a: 1, b: 2, c: 1 };
const kept = (one: TestEngine, what: 'backups' | 'archive' | 'renaming'): string[] => (existsSync(join(one.dataDir, what)) ? readdirSync(join(one.dataDir, what)) : []).sort();

test('[3.5] a renamed index goes on open and whole under its new name, also after a restart; the old name is free', async (t) => {
  const { one } = await populated(t);
  const index = await one.index();
  const snapshot = index.snapshot();
  await one.engine.rename('sample', 'renamed');
  assert.equal(await one.index('renamed'), index, 'it was not closed');
  assert.equal(index.metadata.name, 'renamed');
  assert.deepEqual(versionsOf(snapshot), NOW);
  snapshot.release();
  await assert.rejects(one.engine.get('sample'), code('NOT_FOUND'));
  await one.commit({ d: 1 }, 'renamed');
  const namesake = await one.engine.create({ name: 'sample', kind: 'code', dimension: 4 });
  await one.commit({ z: 9 });
  assert.equal(namesake.metadata.name, 'sample');
  for (let life = 0; life < 2; life++) {
    assert.deepEqual([await one.content('renamed'), await one.content()], [{ ...NOW, d: 1 }, { z: 9 }]);
    assert.deepEqual(one.engine.list().map(({ name, directory }) => [name, directory.slice(0, 6)]), [['renamed', 'sample'], ['sample', 'sample']]);
    for (const name of ['renamed', 'sample']) await assertSound(one, name);
    await one.reopen();
  }
  await one.engine.delete('renamed', { purge: true });
  assert.deepEqual(await one.content(), { z: 9 }, 'the directory of the other one');
  const lines = readFileSync(join(one.dataDir, 'audit.log'), 'utf8').trim().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.deepEqual(lines.filter(({ action }) => action === 'index-rename').map(({ index: name, detail }) => [name, detail]), [['sample', 'renamed']]);
});

test('[1.30] backups and archived log follow: restores to a backup and to points before and after the renaming', async (t) => {
  const { one, backup } = await populated(t);
  await one.engine.rename('sample', 'renamed');
  assert.deepEqual([kept(one, 'backups'), kept(one, 'archive'), kept(one, 'renaming')], [['renamed'], ['renamed'], []]);
  await one.commit({ a: 0 }, 'renamed');
  await (await one.index('renamed')).persist('test');
  await one.commit({ d: 4 }, 'renamed');
  const { backups, unreadable } = await one.engine.backups.list('renamed');
  assert.deepEqual([backups.map(({ record }) => [record.id, record.index]), unreadable], [[[backup, 'renamed']], []]);
  assert.deepEqual((await one.engine.backups.verify('renamed', backup)).damages, []);
  await one.engine.backups.restore({ index: 'renamed', toLsn: 2, as: 'before' });
  await one.engine.backups.restore({ index: 'renamed', toLsn: 4, as: 'after' });
  assert.deepEqual([await one.content('before'), await one.content('after')], [{ a: 1, b: 2 }, { b: 2, c: 1 }]);
  const next = await one.engine.backups.create('renamed', 'manual');
  assert.equal(next.record.parent, backup);
  await one.engine.backups.restore({ index: 'renamed', backup });
  assert.deepEqual([await one.content('renamed'), (await one.index('renamed')).metadata.name], [{ a: 1, b: 1 }, 'renamed']);
  await one.reopen();
  assert.deepEqual(await one.content('renamed'), { a: 1, b: 1 });
  await one.engine.delete('renamed', { purge: true });
  await one.engine.backups.restore({ index: 'renamed', backup: next.record.id });
  assert.deepEqual(await one.content('renamed'), { b: 2, c: 1, d: 4 }, 'also when it was deleted');
});

test('names that are taken, wrong or unknown are refused, and what a deleted index has left never becomes that of another', async (t) => {
  const { one } = await populated(t);
  await one.engine.create({ name: 'other', kind: 'code', dimension: 4 });
  for (const [from, to, expected] of [['sample', 'other', 'ALREADY_EXISTS'], ['sample', 'sample', 'ALREADY_EXISTS'], ['none', 'x', 'NOT_FOUND'], ['sample', '../x', 'INVALID_ARGUMENT'], ['sample', 'Upper', 'INVALID_ARGUMENT'], ['sample', '', 'INVALID_ARGUMENT']] as const) {
    await assert.rejects(one.engine.rename(from, to), code(expected), `${from} to ${to}`);
  }
  await one.commit({ k: 1 }, 'other');
  await one.engine.backups.create('other', 'manual');
  await one.engine.delete('other', { purge: true });
  await assert.rejects(one.engine.rename('sample', 'other'), (error) => isCairnError(error, 'ALREADY_EXISTS') && /delete --purge --with-backups --index other/.test(error.hint ?? ''));
  assert.deepEqual([await one.content(), kept(one, 'backups'), kept(one, 'renaming')], [NOW, ['other', 'sample'], []]);
  await one.engine.backups.removeAll('other');
  mkdirSync(join(one.dataDir, 'archive', 'other'));
  await one.engine.rename('sample', 'other');
  assert.deepEqual([await one.content('other'), kept(one, 'backups'), kept(one, 'archive')], [NOW, ['other'], ['other']]);
});

test('a directory for backups that is not there keeps the name as it is', async (t) => {
  const backupDir = join(tempDir(t), 'elsewhere');
  mkdirSync(backupDir);
  const one = await newSample(t, { backupDir });
  await one.commit({ a: 1 });
  await one.engine.backups.create('sample', 'manual');
  await one.engine.rename('sample', 'renamed');
  assert.deepEqual(readdirSync(backupDir), ['renamed']);
  rmSync(backupDir, { recursive: true });
  await assert.rejects(one.engine.rename('renamed', 'again'), code('NOT_FOUND'));
  assert.deepEqual(await one.content('renamed'), { a: 1 });
});

test('[3.5] a metadata.json that is damaged after a renaming is restored with the new name', async (t) => {
  const { one } = await populated(t);
  await one.engine.rename('sample', 'renamed');
  writeFileSync(join(one.dataDir, 'indexes', 'sample', 'metadata.json'), '{');
  await one.reopen();
  assert.equal(one.engine.entry('renamed'), null);
  assert.equal((await one.engine.restoreMetadata('sample', { dryRun: false }))?.done, true);
  assert.deepEqual(await one.content('renamed'), NOW);
});

test('an index whose metadata.json is unreadable keeps its place in the list beside one that has the name of its directory', async (t) => {
  const { one } = await populated(t);
  await one.engine.rename('sample', 'renamed');
  await one.engine.create({ name: 'sample', kind: 'code', dimension: 4 });
  writeFileSync(join(one.dataDir, 'indexes', 'sample', 'metadata.json'), '{');
  await one.reopen();
  assert.deepEqual(one.engine.list().map(({ name, state }) => [name, state]), [['sample', 'closed'], ['sample~', 'failed']]);
});

test('[0.4] a renaming that fails at any call leaves the old name with all that belongs to it; when the disk works again it goes through', async (t) => {
  // Each call fails in faults.test.ts; CAIRN_ALL_FAULTS=1 does it here too.
  const step = process.env['CAIRN_ALL_FAULTS'] === undefined ? 5 : 1;
  for (let failing = 0; ; failing += step) {
    const { one, backup } = await populated(t);
    const isForEver = failing % 2 === 1;
    let calls = 0;
    one.env.fail = (call, path) => {
      if (calls++ === failing || (isForEver && calls > failing)) throw new CairnError(failing % 3 === 0 ? 'DISK_FULL' : 'IO', `${call} ${path} fails`, { path });
    };
    const failure = await one.engine.rename('sample', 'renamed').then(() => null, (error: unknown) => error);
    const held = await one.engine.get(failure === null ? 'renamed' : 'sample');
    one.env.fail = () => undefined;
    assert.ok(failure === null || isCairnError(failure, 'DISK_FULL', 'IO'), String(failure));
    const name = held.metadata.name;
    await one.commit({ d: 1 }, failure === null ? 'renamed' : 'sample');
    if (failing % 4 < 2) {
      await one.engine.backups.create(failure === null ? 'renamed' : 'sample', 'manual');
      assert.equal(held.metadata.name, failure === null ? 'renamed' : 'sample', `settled by the next who needs it, was ${name}`);
    } else await one.reopen();
    const names = one.engine.list().map((entry) => entry.name);
    assert.equal(names.length, 1);
    const [now = ''] = names;
    assert.ok(failure === null ? now === 'renamed' : ['sample', 'renamed'].includes(now), now);
    assert.deepEqual(await one.content(now), { ...NOW, d: 1 });
    assert.deepEqual([kept(one, 'backups'), kept(one, 'archive'), kept(one, 'renaming')], [[now], [now], []], `call ${failing}`);
    assert.deepEqual((await one.engine.backups.verify(now, backup)).damages, []);
    await one.engine.rename(now, 'final');
    await one.engine.backups.restore({ index: 'final', toLsn: 2 });
    assert.deepEqual(await one.content('final'), { a: 1, b: 2 });
    await one.engine.close();
    if (calls <= failing) return;
  }
});

test('a renaming that was cut off waits for an index that cannot be read; a damaged intent is reported and nothing is moved', async (t) => {
  const { one, backup } = await populated(t);
  const at = (...names: string[]): string => join(one.dataDir, ...names);
  const intent = encodeTextFile('cairn-rename', { directory: 'sample', from: 'sample', to: 'renamed' });
  mkdirSync(at('renaming'), { recursive: true });
  const file = at('renaming', '0123456789abcdef');
  writeFileSync(file, intent.subarray(0, 40));
  await one.reopen();
  assert.match(one.engine.unsettled.join(), /0123456789abcdef/);
  assert.deepEqual(await one.content(), NOW);
  writeFileSync(file, intent);
  renameSync(at('backups', 'sample'), at('backups', 'renamed'));
  const metadata = readFileSync(at('indexes', 'sample', 'metadata.json'));
  writeFileSync(at('indexes', 'sample', 'metadata.json'), '{');
  await one.reopen();
  assert.match(one.engine.unsettled.join(), /'sample' to 'renamed'.*not JSON/);
  await assert.rejects(one.engine.create({ name: 'renamed', kind: 'code', dimension: 4 }), code('CORRUPT'));
  await assert.rejects(one.engine.backups.prune('sample', { keep: 1 }, false), code('CORRUPT'));
  assert.deepEqual(kept(one, 'backups'), ['renamed']);
  writeFileSync(at('indexes', 'sample', 'metadata.json'), metadata);
  const { backups } = (await one.engine.backups.prune('sample', { keep: 1 }, true), await one.engine.backups.list('sample'));
  assert.deepEqual([backups.map(({ record }) => record.id), kept(one, 'renaming'), one.engine.unsettled], [[backup], [], []]);
});

test('[0.1] random renamings, commits, backups, restores and restarts agree with a model', async (t) => {
  const seed = testSeed(11);
  t.diagnostic(`seed ${seed}`);
  const random = seededRandom(seed);
  const pick = (n: number): number => Math.floor(random() * n);
  const one = await newEngine(t, { options: { archive: true } });
  const model = new Map<string, { content: Content; backups: Map<string, Content> }>();
  const names = ['m', 'n', 'o', 'p'];
  for (let step = 0; step < 120; step++) {
    const living = [...model.keys()];
    const name = living[pick(living.length)];
    const free = names[pick(names.length)] as string;
    const dice = pick(10);
    if (name === undefined || (dice === 0 && living.length < 3)) {
      if (model.has(free)) await assert.rejects(one.engine.create({ name: free, kind: 'code', dimension: 4 }), code('ALREADY_EXISTS'));
      else {
        await one.engine.create({ name: free, kind: 'code', dimension: 4 });
        model.set(free, { content: {}, backups: new Map() });
      }
      continue;
    }
    const entry = model.get(name) as { content: Content; backups: Map<string, Content> };
    if (dice <= 4) {
      const change = { [`k${pick(6)}`]: pick(4) === 0 ? 0 : 1 + step };
      await one.commit(change, name);
      entry.content = applied(entry.content, change);
    } else if (dice === 5) await (await one.index(name)).persist('model');
    else if (dice === 6) entry.backups.set((await one.engine.backups.create(name, 'manual')).record.id, entry.content);
    else if (dice === 7) await one.reopen();
    else if (dice === 8 && entry.backups.size > 0) {
      const [id, content] = [...entry.backups][pick(entry.backups.size)] as [string, Content];
      const { savedAs } = await one.engine.backups.restore({ index: name, backup: id });
      entry.backups.set(savedAs as string, entry.content);
      entry.content = content;
    } else if (model.has(free)) await assert.rejects(one.engine.rename(name, free), code('ALREADY_EXISTS'));
    else {
      await one.engine.rename(name, free);
      model.delete(name);
      model.set(free, entry);
    }
    assert.deepEqual(one.engine.list().map((known) => known.name), [...model.keys()].sort());
    for (const [known, { content, backups }] of model) {
      assert.deepEqual(await one.content(known), content);
      assert.deepEqual((await one.engine.backups.list(known)).backups.map(({ record }) => record.id).sort(), [...backups.keys()].sort());
    }
  }
});
