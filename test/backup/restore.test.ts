// Restores of a real engine on a real disk: by backup, to another name, from another place, over damage, and what must be refused.
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { decodeBackupRecord, encodeBackupRecord, type BackupRecord } from '../../src/backup/backup-record.ts';
import { CairnError, isCairnError, type ErrorCode } from '../../src/util/errors.ts';
import { tempDir } from '../support/temp-dir.ts';
import { assertSound, newEngine, newSample, type TestEngine } from './harness.ts';

async function populated(t: Parameters<typeof newSample>[0]): Promise<TestEngine> {
  const test = await newSample(t);
  await test.commit({ a: 1, b: 1 });
  await (await test.index()).persist('test');
  await test.commit({ b: 2, c: 1 });
  await (await test.index()).persist('test');
  await test.commit({ d: 1 });
  return test;
}

const OLD = { a: 1, b: 2, c: 1, d: 1 };

test('[1.30] a restore brings the old state back, saves the current one, and both directions work', async (t) => {
  const one = await populated(t);
  const backup = await one.engine.backups.create('sample', 'manual');
  await one.commit({ a: 0, b: 7, e: 5 });
  await (await one.index()).persist('test');
  await one.commit({ f: 1 });
  const newer = await one.content();
  const restored = await one.engine.backups.restore({ index: 'sample', backup: backup.record.id });
  assert.deepEqual(await one.content(), OLD);
  assert.deepEqual({ index: restored.index, backup: restored.backup, lsn: restored.lsn, docs: restored.docs, keptAt: restored.keptAt }, { index: 'sample', backup: backup.record.id, lsn: 3, docs: 4, keptAt: null });
  assert.ok(restored.savedAs !== null);
  assert.equal(await one.commit({ g: 1 }), 4, 'it goes on');
  await (await one.index()).persist('test');
  await assertSound(one);
  await one.reopen();
  assert.deepEqual(await one.content(), { ...OLD, g: 1 });
  await one.engine.backups.restore({ index: 'sample', backup: restored.savedAs });
  assert.deepEqual(await one.content(), newer, 'the state before the first restore');
  await assertSound(one);
  assert.deepEqual(readdirSync(join(one.dataDir, 'restoring')), []);
  assert.deepEqual(readdirSync(join(one.dataDir, 'trash')), []);
});

test('[1.30] --as makes another index and leaves the first alone; two never follow one tree', async (t) => {
  const one = await populated(t);
  await (await one.index()).updateMetadata({ sourceRoot: '/home/me/project' });
  await one.engine.backups.create('sample', 'manual');
  await one.commit({ a: 0 });
  const restored = await one.engine.backups.restore({ index: 'sample', as: 'before' });
  assert.equal(restored.savedAs, null);
  assert.deepEqual(await one.content('before'), OLD);
  assert.deepEqual(await one.content(), { b: 2, c: 1, d: 1 });
  assert.deepEqual([(await one.index('before')).metadata.name, (await one.index('before')).metadata.sourceRoot], ['before', null]);
  await one.commit({ n: 1 }, 'before');
  await one.reopen();
  assert.deepEqual(await one.content('before'), { ...OLD, n: 1 });
  await assertSound(one, 'before');
  await assert.rejects(one.engine.backups.restore({ index: 'sample', as: 'before' }), (error) => isCairnError(error, 'ALREADY_EXISTS'));
});

test('[1.30] --as never replaces an index that was made while the restore was prepared', async (t) => {
  const one = await populated(t);
  await one.engine.backups.create('sample', 'manual');
  const meanwhile = async <T>(step: () => Promise<T>): Promise<T> => {
    await one.engine.create({ name: 'before', kind: 'code', dimension: 4 });
    await one.commit({ mine: 1 }, 'before');
    return step();
  };
  await assert.rejects(one.engine.backups.restore({ index: 'sample', as: 'before' }, {}, meanwhile), (error) => isCairnError(error, 'ALREADY_EXISTS'));
  assert.deepEqual(await one.content('before'), { mine: 1 });
  assert.deepEqual(readdirSync(join(one.dataDir, 'restoring')), []);
});

test('[1.30] an index that cannot be opened is restored, and its bytes are kept', async (t) => {
  const one = await populated(t);
  await one.engine.backups.create('sample', 'manual');
  await one.engine.release('sample');
  const dir = join(one.dataDir, 'indexes', 'sample');
  writeFileSync(join(dir, 'metadata.json'), 'garbage');
  await one.reopen();
  assert.equal(one.engine.entry('sample')?.state, 'failed');
  const restored = await one.engine.backups.restore({ index: 'sample' });
  assert.equal(restored.savedAs, null);
  assert.equal(readFileSync(join(restored.keptAt as string, 'metadata.json'), 'utf8'), 'garbage');
  assert.deepEqual(await one.content(), OLD);
  await assertSound(one);
});

test('[1.30] a backup with a flipped byte is refused and the index is untouched', async (t) => {
  const one = await populated(t);
  const { record, dir } = await one.engine.backups.create('sample', 'manual');
  await one.commit({ e: 1 });
  for (const { name } of record.files) {
    const path = join(dir, name);
    const original = readFileSync(path);
    const bytes = Buffer.from(original);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1;
    rmSync(path);
    writeFileSync(path, bytes);
    await assert.rejects(one.engine.backups.restore({ index: 'sample' }), (error) => isCairnError(error) && error.path === path, name);
    rmSync(path);
    writeFileSync(path, original);
  }
  assert.deepEqual(await one.content(), { ...OLD, e: 1 });
  assert.deepEqual((await one.engine.backups.list('sample')).backups.length, 1, 'no pre-restore backup was made for nothing');
  assert.deepEqual(readdirSync(join(one.dataDir, 'restoring')), []);
});

/** Rewrites backup.json with its checksum right, as an attacker could. */
function forge(dir: string, change: (record: BackupRecord) => unknown): void {
  const path = join(dir, 'backup.json');
  const record = decodeBackupRecord(readFileSync(path), path);
  writeFileSync(path, encodeBackupRecord(change(record) as BackupRecord));
}

const named = (name: string) => (record: BackupRecord): unknown => ({ ...record, files: [...record.files, { name, bytes: 1, checksum: '00000000', made: 'copy' }] });

/** [what, what is done to a copy of a good backup, expected code] */
const HOSTILE: readonly (readonly [string, (dir: string) => void, ErrorCode | null])[] = [
  ...['../evil', '/etc/passwd', '..', '.', '', 'a/b', 'wal/../../evil', 'wal/x', 'wal', 'quarantine/x', 'seg-0123456789ABCDEF.cairn', 'seg-../../../../etc.cairn', 'manifest-01', 'CURRENT/', 'metadata.json\0', 'wal\\0000000000000001.wal', 'C:\\x', 'nul', '.env', 'backup.json', 'seg-0123456789abcdef.cairn.0123456789ab.tmp'].map(
    (name) => [`a file called ${JSON.stringify(name)}`, (dir: string) => forge(dir, named(name)), 'CORRUPT'] as const,
  ),
  ['a file named twice', (dir) => forge(dir, (record) => ({ ...record, files: [...record.files, record.files[0]] })), 'CORRUPT'],
  ['a manifest that is missing', (dir) => forge(dir, (record) => ({ ...record, files: record.files.filter(({ name }) => !name.startsWith('manifest')) })), 'CORRUPT'],
  ['a segment that the manifest names and backup.json does not', (dir) => forge(dir, (record) => ({ ...record, files: record.files.filter(({ name }) => !name.endsWith('.cairn')) })), 'CORRUPT'],
  ['a length of 2^52', (dir) => forge(dir, (record) => ({ ...record, files: record.files.map((file, i) => (i === 0 ? { ...file, bytes: 2 ** 52 } : file)) })), 'CORRUPT'],
  ['more files than may be', (dir) => forge(dir, (record) => ({ ...record, files: Array.from({ length: 100_001 }, (_, i) => ({ name: `manifest-${i + 1}`, bytes: 1, checksum: '00000000', made: 'copy' })) })), 'CORRUPT'],
  ['a larger LSN than there is', (dir) => forge(dir, (record) => ({ ...record, lsn: 99 })), 'CORRUPT'],
  ['wrong counts', (dir) => forge(dir, (record) => ({ ...record, docs: 40 })), 'CORRUPT'],
  ['another generation', (dir) => forge(dir, (record) => ({ ...record, generation: 1 })), 'CORRUPT'],
  ['an index name that leads out', (dir) => forge(dir, (record) => ({ ...record, index: '../x' })), 'CORRUPT'],
  ['an id that leads out', (dir) => forge(dir, (record) => ({ ...record, id: '../../x' })), 'CORRUPT'],
  ['a backup that says it is not complete', (dir) => forge(dir, (record) => ({ ...record, complete: false })), 'CORRUPT'],
  ['a checksum that is none', (dir) => forge(dir, (record) => ({ ...record, files: record.files.map((file) => ({ ...file, checksum: 'zzzzzzzz' })) })), 'CORRUPT'],
  ['a link in the place of a segment', (dir) => replaceFirst(dir, '.cairn', (path) => symlinkSync('/etc/passwd', path)), 'CORRUPT'],
  ['a link to the right bytes', (dir) => replaceFirst(dir, '.cairn', (path) => (cpSync(join(dir, 'kept'), `${dir}.aside`), symlinkSync(`${dir}.aside`, path))), 'CORRUPT'],
  ['a directory in the place of a segment', (dir) => replaceFirst(dir, '.cairn', (path) => mkdirSync(path)), 'CORRUPT'],
  ['a link in the place of the log', (dir) => (renameSync(join(dir, 'wal'), `${dir}.wal`), symlinkSync(`${dir}.wal`, join(dir, 'wal'))), 'CORRUPT'],
  ['a link in the place of backup.json', (dir) => (renameSync(join(dir, 'backup.json'), `${dir}.json`), symlinkSync(`${dir}.json`, join(dir, 'backup.json'))), 'PERMISSION'],
  ['one more file', (dir) => writeFileSync(join(dir, 'evil.sh'), 'rm -rf /'), 'CORRUPT'],
  ['one more log file', (dir) => writeFileSync(join(dir, 'wal', '0000000000000099.wal'), 'x'), 'CORRUPT'],
  ['a backup.json of a later version', (dir) => forge(dir, (record) => ({ ...record, layout: 2 })), 'NEWER_FORMAT'],
  ['an empty backup.json', (dir) => writeFileSync(join(dir, 'backup.json'), ''), 'CORRUPT'],
  ['a backup.json of nested lists', (dir) => writeFileSync(join(dir, 'backup.json'), '['.repeat(100_000)), 'CORRUPT'],
];

function replaceFirst(dir: string, ending: string, put: (path: string) => void): void {
  const name = readdirSync(dir).find((one) => one.endsWith(ending)) as string;
  renameSync(join(dir, name), join(dir, 'kept'));
  put(join(dir, name));
}

test(`[1.30] [C.7] ${HOSTILE.length} hostile backups: each is refused with a typed error, nothing outside is touched`, async (t) => {
  const one = await populated(t);
  const good = await one.engine.backups.create('sample', 'manual');
  const place = join(one.dataDir, 'backups', 'imported');
  const before = readdirSync(one.dataDir).sort();
  for (const [what, spoil, code] of HOSTILE) {
    const dir = join(place, 'one');
    rmSync(place, { recursive: true, force: true });
    cpSync(good.dir, dir, { recursive: true });
    spoil(dir);
    await assert.rejects(one.engine.backups.restore({ index: 'sample', from: dir, as: 'copy' }), (error) => isCairnError(error) && (code === null || error.code === code), what);
    assert.deepEqual(one.engine.list().map(({ name }) => name), ['sample'], what);
  }
  assert.deepEqual(readdirSync(one.dataDir).filter((name) => !before.includes(name)), ['restoring']);
  assert.deepEqual(readdirSync(join(one.dataDir, 'restoring')), []);
  assert.deepEqual(readdirSync(join(one.dataDir, 'indexes')), ['sample']);
  rmSync(place, { recursive: true });
  cpSync(good.dir, join(place, 'one'), { recursive: true });
  await one.engine.backups.restore({ index: 'sample', from: join(place, 'one'), as: 'copy' });
  assert.deepEqual(await one.content('copy'), OLD, 'the copy itself is good');
});

test('[1.30] [C.6] [C.7] a path leads only into the data directory or the directory of backups, and over no link', async (t) => {
  const one = await populated(t);
  const good = await one.engine.backups.create('sample', 'manual');
  const outside = tempDir(t);
  cpSync(good.dir, join(outside, 'b'), { recursive: true });
  cpSync(good.dir, `${one.dataDir}-other/b`, { recursive: true });
  symlinkSync(join(outside, 'b'), join(one.dataDir, 'backups', 'linked'));
  symlinkSync(outside, join(one.dataDir, 'backups', 'way'));
  const attacks: readonly (readonly [string, ErrorCode])[] = [
    [join(outside, 'b'), 'INVALID_ARGUMENT'],
    [`${one.dataDir}-other/b`, 'INVALID_ARGUMENT'],
    [`${one.dataDir}/backups/../../${outside}/b`, 'INVALID_ARGUMENT'],
    [`${one.dataDir}/../b`, 'INVALID_ARGUMENT'],
    [`${one.dataDir}/backups/sample\0/x`, 'INVALID_ARGUMENT'],
    ['backups/sample', 'INVALID_ARGUMENT'],
    ['', 'INVALID_ARGUMENT'],
    ['/', 'INVALID_ARGUMENT'],
    [one.dataDir, 'INVALID_ARGUMENT'],
    [`${one.dataDir}/backups/linked`, 'PERMISSION'],
    [`${one.dataDir}/backups/way/b`, 'PERMISSION'],
    [`${one.dataDir}/backups/none`, 'NOT_FOUND'],
    [`${one.dataDir}/backups/sample`, 'NOT_FOUND'],
    [`${good.dir}/CURRENT`, 'PERMISSION'],
  ];
  for (const [from, code] of attacks) await assert.rejects(one.engine.backups.restore({ index: 'sample', from, as: 'copy' }), (error) => isCairnError(error, code), from);
  for (const name of ['../x', 'a/b', '', 'A', '.x']) {
    await assert.rejects(one.engine.backups.restore({ index: 'sample', as: name }), (error) => isCairnError(error, 'INVALID_ARGUMENT'), name);
    await assert.rejects(one.engine.backups.restore({ index: name }), (error) => isCairnError(error, 'INVALID_ARGUMENT'), name);
  }
  for (const id of ['../x', '20260101T000000000Z', '']) await assert.rejects(one.engine.backups.restore({ index: 'sample', backup: id }), (error) => isCairnError(error, 'INVALID_ARGUMENT'));
  await assert.rejects(one.engine.backups.restore({ index: 'sample', backup: '20200101T000000000Z-3' }), (error) => isCairnError(error, 'NOT_FOUND'));
  await assert.rejects(one.engine.backups.restore({ index: 'nothing' }), (error) => isCairnError(error, 'NOT_FOUND'));
  rmSync(`${one.dataDir}-other`, { recursive: true });
});

test('[1.30] a backup of another machine: later epoch, other directory, its own backup root', async (t) => {
  const theirs = await populated(t);
  for (let n = 0; n < 5; n++) await theirs.reopen();
  await theirs.commit({ e: 1 });
  const backup = await theirs.engine.backups.create('sample', 'manual');
  const root = join(tempDir(t), 'shared');
  mkdirSync(root);
  cpSync(backup.dir, join(root, 'laptop', backup.record.id), { recursive: true });
  const ours = await newEngine(t, { backupDir: root });
  const restored = await ours.engine.backups.restore({ index: 'sample', from: join(root, 'laptop', backup.record.id) });
  assert.equal(restored.lsn, 4);
  assert.deepEqual(await ours.content(), { ...OLD, e: 1 });
  await ours.commit({ f: 1 });
  await (await ours.index()).persist('test');
  await ours.reopen();
  assert.deepEqual(await ours.content(), { ...OLD, e: 1, f: 1 });
  await assertSound(ours);
  const made = await ours.engine.backups.create('sample', 'manual');
  assert.ok(made.dir.startsWith(join(root, 'sample')) && !existsSync(join(ours.dataDir, 'backups')));
});

test('[1.30] [C.7] a full disk or a cancel in the middle of a restore: typed, the index as before, nothing left over', async (t) => {
  const one = await populated(t);
  const good = await one.engine.backups.create('sample', 'manual');
  await one.commit({ e: 1 });
  for (const call of ['open', 'write', 'sync', 'datasync', 'rename', 'syncDir', 'mkdir'] as const) {
    for (const nth of [0, 1, 3]) {
      let left = nth;
      one.env.fail = (name, path) => {
        if (name === call && path.includes('/restoring') && left-- <= 0) throw new CairnError('DISK_FULL', 'no space', { path });
      };
      const failed = await one.engine.backups.restore({ index: 'sample', backup: good.record.id }).then(() => false, (error: unknown) => isCairnError(error, 'DISK_FULL', 'POISONED'));
      one.env.fail = () => undefined;
      assert.equal(failed, left < 0, `${call} ${nth}`);
      if (!failed) await one.commit({ e: 1 }); // there are not so many calls
      assert.deepEqual(await one.content(), { ...OLD, e: 1 }, `${call} ${nth}`);
      await one.reopen();
      assert.deepEqual(await one.content(), { ...OLD, e: 1 }, `${call} ${nth}, reopened`);
      assert.deepEqual(readdirSync(join(one.dataDir, 'restoring')), [], `${call} ${nth}`);
    }
  }
  const cancel = new AbortController();
  await assert.rejects(one.engine.backups.restore({ index: 'sample' }, { signal: cancel.signal, onProgress: () => cancel.abort() }), (error) => isCairnError(error, 'CANCELLED'));
  const [first] = (await one.engine.backups.list('sample')).backups;
  await one.engine.backups.restore({ index: 'sample', backup: first?.record.id });
  assert.deepEqual(await one.content(), OLD);
  await assertSound(one);
});

test('[1.30] a disk that fails in the middle of the swap: the old index or the new one, and no acknowledged write lost', async (t) => {
  const one = await populated(t);
  const { record } = await one.engine.backups.create('sample', 'manual');
  await one.commit({ e: 1 });
  let swaps = 0;
  for (const isPersistent of [false, true]) {
    for (let nth = 1; nth <= 6; nth++) {
      const before = await one.content();
      let calls = 0;
      one.env.fail = (name, path) => {
        const isSwap = (name === 'rename' && !path.endsWith('.tmp')) || (name === 'unlink' && path.endsWith('/swap')) || (name === 'syncDir' && /\/(trash|indexes)$/.test(path));
        if (isSwap) calls++;
        if (isSwap && (isPersistent ? calls >= nth : calls === nth)) throw new CairnError('IO', 'injected', { path });
      };
      const outcome = await one.engine.backups.restore({ index: 'sample', backup: record.id }).then(() => 'new', () => 'old');
      const there = await one.content().catch(() => null);
      one.env.fail = () => undefined;
      const after = await one.content();
      if (there !== null) assert.deepEqual(after, there, 'what was served is what is there');
      assert.ok([JSON.stringify(before), JSON.stringify(OLD)].includes(JSON.stringify(after)), `${nth}: ${JSON.stringify(after)}`);
      if (outcome === 'new') assert.deepEqual(after, OLD);
      if (JSON.stringify(after) === JSON.stringify(OLD)) swaps++;
      await one.commit({ e: nth + 1 });
      await one.reopen();
      assert.deepEqual(await one.content(), { ...after, e: nth + 1 }, 'written after the failure');
      assert.deepEqual(readdirSync(join(one.dataDir, 'restoring')), []);
      await assertSound(one);
    }
  }
  assert.ok(swaps >= 1, 'some got through');
});

test('[1.30] a committed restore whose intent is damaged stops nobody: it is reported, and both indexes stay', async (t) => {
  const one = await populated(t);
  await one.engine.backups.create('sample', 'manual');
  const before = await one.content();
  const job = join(one.dataDir, 'restoring', '0123456789abcdef');
  mkdirSync(join(job, 'index'), { recursive: true });
  writeFileSync(join(job, 'swap'), 'cairn-swap 1 garbage');
  await one.reopen();
  assert.match(one.engine.unsettled.join(), /0123456789abcdef: a restore is not finished/);
  assert.deepEqual(await one.content(), before);
  await one.engine.backups.restore({ index: 'sample' });
  assert.equal(existsSync(join(job, 'swap')), true, 'its bytes stay');
});

test('[1.30] a committed restore that a failing disk keeps from its end at the start waits for the disk; the others serve', async (t) => {
  const one = await populated(t);
  await one.engine.create({ name: 'other', kind: 'code', dimension: 4 });
  const { record } = await one.engine.backups.create('sample', 'manual');
  const saved = await one.content();
  await one.commit({ e: 9 });
  const failSwap = (name: string, path: string): void => {
    if (name === 'rename' && path.startsWith(join(one.dataDir, 'indexes')) && !path.endsWith('.tmp')) throw new CairnError('IO', 'injected', { path });
    if (name === 'unlink' && path.endsWith('/swap')) throw new CairnError('IO', 'injected', { path });
  };
  one.env.fail = failSwap;
  await assert.rejects(one.engine.backups.restore({ index: 'sample', backup: record.id }), (error) => isCairnError(error, 'IO'));
  await one.reopen();
  assert.match(one.engine.unsettled.join(), /a restore of 'sample' is not finished: injected/);
  assert.equal(one.engine.entry('sample')?.error?.code, 'IO');
  await assert.rejects(one.index(), (error) => isCairnError(error, 'IO'));
  const broken = join(one.dataDir, 'restoring', '0123456789abcdef'); // somebody else's
  mkdirSync(broken);
  writeFileSync(join(broken, 'swap'), 'garbage');
  await one.commit({ x: 1 }, 'other');
  one.env.fail = () => undefined;
  assert.deepEqual(await one.content(), saved);
  assert.deepEqual(one.engine.unsettled, []);
  await assertSound(one);
});
