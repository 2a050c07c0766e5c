// Creating, listing, checking and pruning backups of a real engine on a real disk.
import assert from 'node:assert/strict';
import { existsSync, linkSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { encodeBackupRecord, type BackupRecord } from '../../src/backup/backup-record.ts';
import type { BackupInfo } from '../../src/backup/backups.ts';
import { CairnError, isCairnError } from '../../src/util/errors.ts';
import { applied, assertSound, newSample, type Content, type TestEngine } from './harness.ts';

const DAY = 86_400_000;

async function populated(t: Parameters<typeof newSample>[0]): Promise<TestEngine> {
  const test = await newSample(t);
  await test.commit({ a: 1, b: 1 });
  await (await test.index()).persist('test');
  await test.commit({ b: 2, c: 1 });
  await (await test.index()).persist('test');
  await test.commit({ d: 1 });
  await test.commit({ a: 0 });
  return test;
}

function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at] = (bytes[at] as number) ^ 0x10;
  rmSync(path); // the file may have other names
  writeFileSync(path, bytes);
}

test('[1.25] [1.26] a backup is a directory with time and LSN in its name, metadata and counts, made by links', async (t) => {
  const one = await populated(t);
  const { record, dir, bytes } = await one.engine.backups.create('sample', 'manual');
  assert.match(record.id, /^20260101T\d{9}Z-4$/);
  assert.equal(dir, join(one.dataDir, 'backups', 'sample', record.id));
  assert.deepEqual({ index: record.index, kind: record.kind, cause: record.cause, lsn: record.lsn, flushedLsn: record.flushedLsn }, { index: 'sample', kind: 'code', cause: 'manual', lsn: 4, flushedLsn: 2 });
  assert.deepEqual({ docs: record.docs, chunks: record.chunks, vectors: record.vectors }, { docs: 3, chunks: 3, vectors: 3 });
  assert.deepEqual(JSON.parse(readFileSync(join(dir, 'metadata.json'), 'utf8')).name, 'sample');
  for (const file of record.files.filter(({ name }) => name.startsWith('seg-') || name.startsWith('wal/'))) {
    assert.equal(file.made, 'link', file.name);
    assert.ok(statSync(join(dir, file.name)).nlink >= 2, file.name);
  }
  assert.equal(bytes, record.files.reduce((sum, file) => sum + statSync(join(dir, file.name)).size, 0));
  assert.ok(record.bytesWritten < 8192, `${record.bytesWritten} bytes written`);
});

test('[1.25] the next backup shares every file that did not change, and one without changes writes next to nothing', async (t) => {
  const one = await populated(t);
  await (await one.index()).persist('test');
  const first = await one.engine.backups.create('sample', 'manual');
  const before = one.env.bytesWritten;
  const second = await one.engine.backups.create('sample', 'manual');
  assert.ok(one.env.bytesWritten - before < 16_384);
  assert.equal(second.record.parent, first.record.id);
  for (const { name, made } of second.record.files.filter((file) => file.name.startsWith('seg-'))) {
    assert.equal(made, 'link');
    assert.equal(statSync(join(first.dir, name)).ino, statSync(join(second.dir, name)).ino);
  }
  assert.equal(await one.engine.backups.createIfChanged('sample', 'scheduled'), null, 'nothing changed');
  await one.commit({ e: 1 });
  assert.equal((await one.engine.backups.createIfChanged('sample', 'scheduled'))?.record.lsn, 5);
});

test('[1.25] without hard links files are copied, and the next backup still shares them', async (t) => {
  const one = await populated(t);
  const { link } = one.env;
  one.env.link = async (from, to) => {
    if (from.includes('/indexes/')) throw new CairnError('IO', 'cross-device link', { path: to });
    return link(from, to);
  };
  const first = await one.engine.backups.create('sample', 'manual');
  assert.ok(first.record.files.every(({ made }) => made === 'copy'));
  const second = await one.engine.backups.create('sample', 'manual');
  const made = new Map(second.record.files.map((file) => [file.name, file.made]));
  for (const [name, how] of made) if (name.startsWith('seg-')) assert.equal(how, 'link', name);
  await (await one.index()).persist('test');
  assert.deepEqual((await one.engine.backups.verify('sample', null)).damages, []);
});

test('[1.27] a backup outlives compaction, trimming and the index itself', async (t) => {
  const one = await populated(t);
  const expected = await one.content();
  const { record } = await one.engine.backups.create('sample', 'manual');
  const index = await one.index();
  for (let n = 0; n < 4; n++) {
    await one.commit({ [`x${n}`]: 1, b: n + 3 });
    await index.persist('test');
    while ((await index.compact()) !== null);
  }
  assert.deepEqual((await one.engine.backups.verify('sample', record.id)).damages, []);
  await one.engine.delete('sample', { purge: true });
  const restored = await one.engine.backups.restore({ index: 'sample', backup: record.id });
  assert.equal(restored.lsn, 4);
  assert.deepEqual(await one.content(), expected);
  await assertSound(one);
});

test('[1.27] backups while others commit and flush hold exactly the state of their LSN', async (t) => {
  const one = await newSample(t);
  const states = new Map<number, Content>([[0, {}]]);
  let model: Content = {};
  let isDone = false;
  const made: BackupInfo[] = [];
  const moments = (): number => new Set(made.map(({ record }) => record.lsn)).size;
  const writer = async (): Promise<void> => {
    const index = await one.index();
    // Which of the two is faster is the disk's business: the writer goes on until there are backups of different moments.
    for (let n = 1; n <= 120 || (moments() < 3 && n < 50_000); n++) {
      const change = { [`k${n % 17}`]: n % 5 === 0 ? 0 : n, [`m${n % 7}`]: n };
      model = applied(model, change);
      states.set(n, model);
      assert.equal(await one.commit(change), n);
      if (n % 20 === 0) await index.persist('busy');
      if (n % 40 === 0) await index.compact();
    }
  };
  const writing = writer().finally(() => (isDone = true));
  while (!isDone) made.push(await one.engine.backups.create('sample', 'manual'));
  await writing;
  assert.ok(moments() >= 3, `${made.length} backups`);
  for (const { record } of made.filter((_, i) => i % Math.ceil(made.length / 6) === 0)) {
    const restored = await one.engine.backups.restore({ index: 'sample', backup: record.id, as: `copy-${record.id.toLowerCase()}` });
    assert.equal(restored.lsn, record.lsn);
    assert.deepEqual(await one.content(restored.index), states.get(record.lsn), `LSN ${record.lsn}`);
    assert.equal(Object.keys(states.get(record.lsn) as Content).length, record.docs);
  }
});

test('[1.28] every flipped byte of every kind of file is found and named', async (t) => {
  const one = await populated(t);
  const { record, dir } = await one.engine.backups.create('sample', 'manual');
  assert.deepEqual((await one.engine.backups.verify('sample', record.id)).damages, []);
  assert.ok(['seg-', 'wal/', 'manifest-', 'CURRENT', 'metadata.json'].every((kind) => record.files.some(({ name }) => name.startsWith(kind))));
  for (const { name, bytes } of record.files) {
    const path = join(dir, name);
    const original = readFileSync(path);
    for (const at of new Set([0, 9, Math.floor(bytes / 2), bytes - 1])) {
      flip(path, at);
      const { damages } = await one.engine.backups.verify('sample', record.id);
      assert.ok(damages.some((damage) => damage.file === path && damage.offset !== null), `${name} at ${at}: ${JSON.stringify(damages)}`);
      rmSync(path);
      writeFileSync(path, original);
    }
  }
  const path = join(dir, 'backup.json');
  const original = readFileSync(path);
  for (let at = 0; at < original.length; at += 37) {
    flip(path, at);
    const { unreadable, backups } = await one.engine.backups.list('sample');
    assert.ok(backups.length === 0 && unreadable[0]?.error.path === path, `backup.json at ${at}`);
  }
  writeFileSync(path, original);
  assert.deepEqual((await one.engine.backups.verify('sample', null)).damages, []);
});

test('[1.28] a damaged index is not backed up as if it were whole; its earlier backups stay', async (t) => {
  const one = await populated(t);
  const good = await one.engine.backups.create('sample', 'manual');
  const index = await one.index();
  await one.commit({ z: 9 });
  await index.persist('test');
  const newest = index.stats().segments.at(-1)?.file as string;
  flip(join(one.dataDir, 'indexes', 'sample', newest), 200);
  await assert.rejects(one.engine.backups.create('sample', 'manual'), (error) => isCairnError(error, 'CORRUPT') && error.path?.endsWith(newest) === true);
  const { backups } = await one.engine.backups.list('sample');
  assert.deepEqual(backups.map(({ record }) => record.id), [good.record.id]);
  assert.deepEqual(readdirSync(join(one.dataDir, 'backups', 'sample')), [good.record.id], 'nothing is left of the attempt');
});

test('[1.28] a rotten file of the parent backup is not passed on', async (t) => {
  const one = await populated(t);
  const first = await one.engine.backups.create('sample', 'manual');
  const file = first.record.files.find(({ name }) => name.endsWith('.cairn'))?.name as string;
  flip(join(first.dir, file), 100);
  const second = await one.engine.backups.create('sample', 'manual');
  assert.deepEqual((await one.engine.backups.verify('sample', second.record.id)).damages, []);
  assert.notDeepEqual((await one.engine.backups.verify('sample', first.record.id)).damages, []);
});

test('[1.28] missing, foreign and linked files are damage', async (t) => {
  const one = await populated(t);
  const { record, dir } = await one.engine.backups.create('sample', 'manual');
  const found = async (): Promise<string> => (await one.engine.backups.verify('sample', record.id)).damages.map(({ what }) => what).join();
  const segment = join(dir, record.files[0]?.name as string);
  linkSync(segment, `${segment}.aside`);
  assert.match(await found(), /not part of the backup/);
  rmSync(segment);
  assert.match(await found(), /is missing/);
  symlinkSync(`${segment}.aside`, segment);
  assert.match(await found(), /is a symlink, not a file/);
});

test('[1.25] half-made backups are no backups and are swept; others survive a restart', async (t) => {
  const one = await populated(t);
  const good = await one.engine.backups.create('sample', 'manual');
  const shelf = join(one.dataDir, 'backups', 'sample');
  const half = ['20260101T000000001Z-3.new', '20260101T000000001Z-4.old'].map((name) => join(shelf, name));
  for (const dir of half) {
    mkdirSync(dir);
    writeFileSync(join(dir, 'CURRENT'), 'half');
  }
  writeFileSync(join(shelf, 'notes.txt'), 'of the user');
  const { backups, unreadable } = await one.engine.backups.list();
  assert.deepEqual([backups.length, unreadable], [1, []]);
  await one.reopen();
  assert.deepEqual(await one.engine.backups.sweep(), half);
  assert.ok(half.every((dir) => !existsSync(dir)) && existsSync(join(shelf, 'notes.txt')));
  assert.equal((await one.engine.backups.list()).backups[0]?.record.id, good.record.id);
});

test('[1.28] a backup that lost its backup.json, or is being copied in, is reported and never swept', async (t) => {
  const one = await populated(t);
  const { dir, record } = await one.engine.backups.create('sample', 'manual');
  const json = readFileSync(join(dir, 'backup.json'));
  rmSync(join(dir, 'backup.json'));
  await one.reopen();
  await one.engine.backups.sweep();
  await one.engine.backups.create('sample', 'manual');
  const { unreadable } = await one.engine.backups.list();
  assert.deepEqual(unreadable.map(({ id, error }) => [id, error.code, error.path]), [[record.id, 'CORRUPT', join(dir, 'backup.json')]]);
  writeFileSync(join(dir, 'backup.json'), json);
  assert.deepEqual((await one.engine.backups.verify('sample', record.id)).damages, []);
});

test('[1.25] a leftover that cannot be removed does not keep backups from being made', async (t) => {
  const one = await populated(t);
  await one.engine.backups.create('sample', 'manual');
  const stuck = join(one.dataDir, 'backups', 'sample', '20260101T000000001Z-3.new');
  mkdirSync(stuck);
  writeFileSync(join(stuck, 'CURRENT'), 'half');
  one.env.fail = (call, path) => {
    if (call === 'unlink' && path.startsWith(stuck)) throw new CairnError('PERMISSION', 'injected', { path });
  };
  await one.engine.backups.create('sample', 'manual');
  assert.equal((await one.engine.backups.list()).backups.length, 2);
});

test('[1.28] retention by count, age and size', async (t) => {
  const one = await populated(t);
  const { backups } = one.engine;
  const ids: string[] = [];
  for (let n = 0; n < 6; n++) {
    await one.commit({ [`n${n}`]: n + 1 });
    await (await one.index()).persist('test');
    one.env.now += DAY;
    ids.push((await backups.create('sample', n < 3 ? 'manual' : 'scheduled')).record.id);
  }
  const left = async (): Promise<string[]> => (await backups.list('sample')).backups.map(({ record }) => record.id);
  const dry = await backups.prune('sample', { keep: 2 }, true);
  assert.deepEqual([dry.removed.length, dry.kept, dry.lastGood, (await left()).length], [4, 2, ids[5], 6]);
  const byCount = await backups.prune('sample', { keep: 5 }, false);
  assert.deepEqual(byCount.removed.map(({ record }) => record.id), [ids[0]]);
  assert.ok(byCount.freedBytes > 0);
  await backups.prune('sample', { keep: 1, causes: ['scheduled'] }, false);
  assert.deepEqual(await left(), [ids[1], ids[2], ids[5]], 'those of other causes stay');
  await backups.prune('sample', { maxAgeDays: 4 }, false);
  assert.deepEqual(await left(), [ids[2], ids[5]]);
  await backups.prune('sample', { maxBytes: 1 }, false);
  assert.deepEqual(await left(), [ids[5]], 'the last good one stays whatever the rules say');
  one.env.now += 100 * DAY;
  await backups.prune('sample', { maxAgeDays: 1, keep: 1, maxBytes: 1 }, false);
  assert.deepEqual(await left(), [ids[5]]);
  assert.deepEqual((await backups.verify('sample', null)).damages, []);
  await assert.rejects(async () => backups.prune('sample', {}, false), (error) => isCairnError(error, 'INVALID_ARGUMENT'));
  await assert.rejects(backups.prune('smaple', { keep: 1 }, false), (error) => isCairnError(error, 'NOT_FOUND'));
  await assert.rejects(async () => backups.prune('sample', { keep: 0 }, false), (error) => isCairnError(error, 'INVALID_ARGUMENT'));
});

test('[1.28] the last good backup is never deleted in favour of a newer one that is damaged', async (t) => {
  const one = await populated(t);
  const { backups } = one.engine;
  const good = await backups.create('sample', 'manual');
  await one.commit({ n: 1 });
  await (await one.index()).persist('test');
  const bad = await backups.create('sample', 'manual');
  const own = bad.record.files.find(({ name }) => name.endsWith('.cairn') && !good.record.files.some((file) => file.name === name));
  flip(join(bad.dir, own?.name as string), 120);
  const pruned = await backups.prune('sample', { keep: 1 }, false);
  assert.deepEqual([pruned.removed.length, pruned.lastGood], [0, good.record.id]);
  flip(join(good.dir, good.record.files[0]?.name as string), 120);
  assert.deepEqual((await backups.prune('sample', { keep: 1 }, false)).removed, [], 'while none is right nothing goes');
});

test('[1.28] [A.5] the order of backups does not hang on the clock: set back, nothing newer goes for something older', async (t) => {
  const one = await newSample(t);
  const { backups } = one.engine;
  const ids: string[] = [];
  const make = async (version: number): Promise<void> => {
    await one.commit({ a: version });
    ids.push((await backups.create('sample', 'manual')).record.id);
  };
  await make(1);
  await make(2);
  one.env.now -= 365 * 86_400_000;
  await make(3);
  await make(4);
  assert.deepEqual((await backups.list('sample')).backups.map(({ record }) => record.id), ids);
  assert.equal((await backups.verify('sample', null)).info.record.id, ids[3], 'the newest');
  assert.equal(await backups.createIfChanged('sample', 'scheduled'), null, 'nothing changed since the newest');
  const { removed, lastGood } = await backups.prune('sample', { keep: 1 }, false);
  assert.deepEqual([removed.map(({ record }) => record.id), lastGood], [ids.slice(0, 3), ids[3]]);
  one.env.now += 365 * 86_400_000;
  await one.commit({ a: 9 });
  await backups.restore({ index: 'sample' });
  assert.deepEqual(await one.content(), { a: 4 });
});

test('[1.26] backups that were made without a number are the oldest', async (t) => {
  const one = await newSample(t);
  const { backups } = one.engine;
  const old = await backups.create('sample', 'manual');
  const { sequence, ...record } = old.record;
  assert.equal(sequence, 1);
  writeFileSync(join(old.dir, 'backup.json'), encodeBackupRecord(record as BackupRecord));
  one.env.now -= 86_400_000;
  const second = await backups.create('sample', 'manual');
  assert.deepEqual((await backups.list('sample')).backups.map(({ record: { id, sequence: n } }) => [id, n]), [[old.record.id, 0], [second.record.id, 1]]);
});

test('a scheduled backup is made of what was committed after a restore, also when LSN and generation are those of the newest', async (t) => {
  const one = await newSample(t);
  const { backups } = one.engine;
  await one.commit({ a: 1 });
  await (await one.index()).persist('test');
  const first = await backups.create('sample', 'manual');
  await one.commit({ a: 2 });
  await (await one.index()).persist('test');
  const { lsn, generation } = (await backups.create('sample', 'manual')).record;
  await backups.restore({ index: 'sample', backup: first.record.id });
  await one.commit({ a: 3 });
  const { version, generation: now } = (await one.index()).stats();
  assert.deepEqual([version, now], [lsn, generation], 'the case that is meant');
  assert.notEqual(await backups.createIfChanged('sample', 'scheduled'), null);
});

test('[1.25] a full disk or a cancel in the middle: typed error, nothing left over, the next one works', async (t) => {
  const one = await populated(t);
  const shelf = join(one.dataDir, 'backups', 'sample');
  for (const call of ['open', 'write', 'sync', 'rename', 'syncDir'] as const) {
    one.env.fail = (name, path) => {
      if (name === call && path.includes('/backups/sample/')) throw new CairnError('DISK_FULL', 'no space', { path });
    };
    await assert.rejects(one.engine.backups.create('sample', 'manual'), (error) => isCairnError(error, 'DISK_FULL'), call);
    one.env.fail = () => undefined;
    assert.deepEqual((await one.engine.backups.list('sample')).backups, []);
    assert.deepEqual(readdirSync(shelf), [], call);
  }
  const cancel = new AbortController();
  await assert.rejects(one.engine.backups.create('sample', 'manual', { signal: cancel.signal, onProgress: () => cancel.abort() }), (error) => isCairnError(error, 'CANCELLED'));
  assert.deepEqual(readdirSync(shelf), []);
  const seen: number[] = [];
  await one.engine.backups.create('sample', 'manual', { onProgress: ({ done, total }) => void seen.push(done / total) });
  assert.ok(seen[0] === 0 && seen.at(-1) === 1 && seen.every((part, i) => i === 0 || part >= (seen[i - 1] as number)), seen.join());
});
