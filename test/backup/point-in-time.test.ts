// Restores to a point in time equal the model at that point, for random points of random histories.
import assert from 'node:assert/strict';
import { copyFileSync, cpSync, existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import test from 'node:test';
import { CairnError, isCairnError } from '../../src/util/errors.ts';
import { seededRandom, testSeed } from '../support/random.ts';
import { tempDir } from '../support/temp-dir.ts';
import { applied, assertSound, batchOf, newSample, type Change, type Content, type TestEngine } from './harness.ts';

const seed = testSeed(20262);

/** States of one history: by LSN, and the wall time after each. */
interface Point {
  readonly lsn: number;
  readonly time: number;
  readonly content: Content;
}

class History {
  readonly one: TestEngine;
  readonly random: () => number;
  points: Point[] = [];
  content: Content = {};

  constructor(one: TestEngine, random: () => number) {
    this.one = one;
    this.random = random;
  }

  below(n: number): number {
    return Math.floor(this.random() * n);
  }

  async commit(): Promise<void> {
    const change: Record<string, number> = {};
    for (let i = 1 + this.below(3); i > 0; i--) change[`k${this.below(12)}`] = this.below(4) === 0 ? 0 : 1 + this.below(1000);
    const lsn = await this.one.commit(change satisfies Change);
    this.content = applied(this.content, change);
    this.points.push({ lsn, time: (this.one.env.now += 10), content: this.content });
    this.one.env.now += 10;
  }

  async step(): Promise<void> {
    const dice = this.random();
    if (dice < 0.75) return this.commit();
    if (dice < 0.85) await (await this.one.index()).persist('test');
    else if (dice < 0.9) await (await this.one.index()).compact();
    else if (dice < 0.96) await this.one.engine.backups.create('sample', 'manual');
    else await this.one.reopen();
  }
}

async function restored(one: TestEngine, request: { readonly toLsn?: number; readonly toTime?: number; readonly backup?: string }): Promise<{ readonly lsn: number; readonly content: Content }> {
  const { lsn } = await one.engine.backups.restore({ index: 'sample', as: 'copy', ...request });
  const content = await one.content('copy');
  await one.engine.delete('copy', { purge: true });
  return { lsn, content };
}

for (const round of [0, 1, 2]) {
  test(`[1.29] restores to random LSNs and times equal the model (seed ${seed + round})`, async (t) => {
    const one = await newSample(t, { options: { archive: true } });
    const history = new History(one, seededRandom(seed + round));
    await history.commit();
    await one.engine.backups.create('sample', 'manual');
    for (let n = 0; n < 120; n++) await history.step();
    const { points } = history;
    const last = points.at(-1) as Point;
    for (const point of [points[0] as Point, last, ...Array.from({ length: 12 }, () => points[history.below(points.length)] as Point)]) {
      const byLsn = await restored(one, { toLsn: point.lsn });
      assert.deepEqual(byLsn, { lsn: point.lsn, content: point.content }, `LSN ${point.lsn} of ${last.lsn}`);
      if (point.lsn === 1) continue; // the first backup is younger than that moment
      const byTime = await restored(one, { toTime: point.time });
      assert.deepEqual(byTime, { lsn: point.lsn, content: point.content }, `the time of LSN ${point.lsn}`);
    }
    const middle = points[history.below(points.length)] as Point;
    await one.engine.backups.restore({ index: 'sample', toLsn: middle.lsn });
    assert.deepEqual(await one.content(), middle.content, 'in place');
    await assertSound(one);
  });
}

test('[1.29] histories are not mixed: after a restore the same LSNs mean other batches', async (t) => {
  const one = await newSample(t, { options: { archive: true } });
  const history = new History(one, seededRandom(seed + 10));
  for (let n = 0; n < 10; n++) await history.commit();
  const base = await one.engine.backups.create('sample', 'manual');
  for (let n = 0; n < 10; n++) await history.commit();
  await (await one.index()).persist('test');
  for (let n = 0; n < 5; n++) await history.commit();
  const first = history.points;
  const at15 = first[14] as Point;
  const back = await one.engine.backups.restore({ index: 'sample', toLsn: 15 });
  assert.deepEqual(await one.content(), at15.content);
  history.points = first.slice(0, 15);
  history.content = at15.content;
  for (let n = 0; n < 12; n++) {
    await history.commit();
    if (n % 4 === 3) await (await one.index()).persist('test');
  }
  await one.reopen();
  const second = history.points;
  assert.notDeepEqual(second[19], first[19]);
  for (const lsn of [12, 15, 16, 20, 27]) {
    assert.deepEqual((await restored(one, { toLsn: lsn })).content, second[lsn - 1]?.content, `LSN ${lsn} of the second history`);
  }
  const { record } = await one.engine.backups.create('sample', 'manual');
  assert.notEqual(record.timeline, base.record.timeline);
  assert.deepEqual((await restored(one, { toLsn: 26, backup: base.record.id })).content, second[25]?.content, 'the history that began with it goes on');
  assert.deepEqual((await restored(one, { backup: back.savedAs as string })).content, first[24]?.content, 'the end of the first history');
  assert.deepEqual((await restored(one, { backup: back.savedAs as string, toLsn: 22 })).content, first[21]?.content, 'a point of the first history');
});

test('[1.29] an index made anew under the same name does not get the log of the old one', async (t) => {
  const one = await newSample(t, { options: { archive: true } });
  for (let n = 1; n <= 5; n++) await one.commit({ a: n });
  await one.engine.backups.create('sample', 'manual');
  await one.commit({ a: 6 });
  await (await one.index()).persist('test');
  await one.engine.delete('sample', { purge: false });
  await one.engine.create({ name: 'sample', kind: 'code', dimension: 4 });
  for (let n = 1; n <= 8; n++) await one.commit({ b: n });
  await assert.rejects(restored(one, { toLsn: 7 }), (error) => isCairnError(error, 'NOT_FOUND'), 'the only backup is of another history');
  await one.engine.backups.create('sample', 'manual');
  assert.deepEqual((await restored(one, { toLsn: 7 })).content, { b: 7 });
});

test('[1.29] [3.14] a copy that is taken in under the name of its deleted original begins a history of its own', async (t) => {
  const one = await newSample(t, { options: { archive: true } });
  for (let n = 1; n <= 3; n++) await one.commit({ a: n });
  await one.engine.backups.create('sample', 'manual');
  const copy = join(tempDir(t), 'copy');
  cpSync(join(one.dataDir, 'indexes', 'sample'), copy, { recursive: true });
  for (let n = 4; n <= 8; n++) {
    await one.commit({ a: n });
    await (await one.index()).persist('test');
  }
  await one.engine.delete('sample', { purge: false });
  await one.engine.adopt({ path: copy });
  assert.deepEqual(await one.content(), { a: 3 });
  for (let n = 4; n <= 8; n++) {
    await one.commit({ b: n });
    await (await one.index()).persist('test');
  }
  await assert.rejects(restored(one, { toLsn: 7 }), (error) => isCairnError(error, 'NOT_FOUND'), 'the only backup is of the other history');
  const { record } = await one.engine.backups.create('sample', 'manual');
  assert.deepEqual((await restored(one, { backup: record.id })).content, { a: 3, b: 8 });
});

test('[1.29] an archived log file of another index is refused', async (t) => {
  const one = await newSample(t, { options: { archive: true } });
  await one.engine.create({ name: 'other', kind: 'code', dimension: 4 });
  for (const name of ['sample', 'other']) {
    await one.commit({ a: 1 }, name);
    await one.engine.backups.create(name, 'manual');
    for (let n = 2; n <= 4; n++) {
      await one.commit({ [name]: n }, name);
      await (await one.index(name)).persist('test');
    }
  }
  const filesOf = (name: string): string[] => {
    const dir = join(one.dataDir, 'archive', name);
    const [timeline = ''] = readdirSync(dir);
    return readdirSync(join(dir, timeline)).sort().map((file) => join(dir, timeline, file));
  };
  const [mine, theirs] = [filesOf('sample'), filesOf('other')];
  const same = mine.findIndex((file, i) => basename(file) === basename(theirs[i] ?? ''));
  assert.notEqual(same, -1);
  assert.deepEqual((await restored(one, { toLsn: 4 })).content, { a: 1, sample: 4 });
  for (const [i, file] of mine.entries()) {
    rmSync(file);
    copyFileSync(theirs[i] as string, file);
  }
  await assert.rejects(restored(one, { toLsn: 4 }), (error) => isCairnError(error, 'CORRUPT') && /belongs to another log/.test(error.message));
  assert.deepEqual(await one.content(), { a: 1, sample: 4 }, 'nothing was changed');
});

test('[1.29] a point that cannot be reached is refused with what can be done', async (t) => {
  const one = await newSample(t, { options: { archive: true } });
  for (let n = 1; n <= 3; n++) await one.commit({ a: n });
  await one.engine.backups.create('sample', 'manual');
  await one.commit({ a: 4 });
  const from = one.env.now;
  await assert.rejects(restored(one, { toLsn: 99 }), (error) => isCairnError(error, 'NOT_FOUND') && /reaches to 4/.test(error.message));
  await assert.rejects(restored(one, { toTime: Date.UTC(2020, 0, 1) }), (error) => isCairnError(error, 'NOT_FOUND'));
  await assert.rejects(restored(one, { toTime: from + 1e9 }), (error) => isCairnError(error, 'INVALID_ARGUMENT'));
  await assert.rejects(one.engine.backups.restore({ index: 'sample', toLsn: 1, toTime: 1 }), (error) => isCairnError(error, 'INVALID_ARGUMENT'));
  await (await one.index()).persist('test');
  await one.commit({ a: 5 });
  await (await one.index()).persist('test');
  const archive = join(one.dataDir, 'archive', 'sample');
  const [timeline] = readdirSync(archive);
  rmSync(join(archive, timeline as string), { recursive: true });
  await one.commit({ a: 6 });
  await assert.rejects(restored(one, { toLsn: 6 }), (error) => isCairnError(error, 'CORRUPT') && /is not whole/.test(error.message), 'a gap is never jumped');
  assert.deepEqual(await one.content(), { a: 6 });
});

test('[1.29] without an archive there are no times, and only what the logs still have can be reached', async (t) => {
  const one = await newSample(t);
  for (let n = 1; n <= 3; n++) await one.commit({ a: n });
  await one.engine.backups.create('sample', 'manual');
  await one.commit({ a: 4 });
  const time = one.env.now;
  await one.commit({ a: 5 });
  assert.deepEqual((await restored(one, { toLsn: 2 })).content, { a: 2 }, 'inside the log of the backup');
  assert.deepEqual((await restored(one, { toLsn: 4 })).content, { a: 4 }, 'in the living log');
  await assert.rejects(restored(one, { toTime: time }), (error) => isCairnError(error, 'UNSUPPORTED') && /LSN 4 to 5 carry no times/.test(error.message));
});

test('[1.29] the log goes to the archive before it is trimmed, and stays where that fails; retention follows the oldest backup', async (t) => {
  const one = await newSample(t, { options: { archive: true } });
  const archive = join(one.dataDir, 'archive', 'sample');
  const index = await one.index();
  const turn = async (n: number): Promise<void> => {
    await one.commit({ a: n });
    await index.persist('test');
  };
  for (let n = 1; n <= 4; n++) await turn(n);
  await one.engine.backups.create('sample', 'manual');
  for (let n = 5; n <= 8; n++) await turn(n);
  const files = (): string[] => readdirSync(join(archive, readdirSync(archive)[0] as string)).sort();
  assert.ok(files().length >= 4, files().join());
  const { link } = one.env;
  one.env.link = async (from, to) => {
    if (to.includes('/archive/')) one.env.fail('write', to);
    return link(from, to);
  };
  one.env.fail = (_call, path) => {
    if (path.includes('/archive/')) throw new CairnError('DISK_FULL', 'no space', { path });
  };
  const before = readdirSync(join(one.dataDir, 'indexes', 'sample', 'wal')).length;
  for (let n = 9; n <= 11; n++) await turn(n);
  assert.ok(readdirSync(join(one.dataDir, 'indexes', 'sample', 'wal')).length > before, 'what cannot be archived is not trimmed');
  assert.match((index.stats().warnings ?? []).join(), /no space/);
  one.env.fail = () => undefined;
  await turn(12);
  assert.deepEqual(index.stats().warnings, []);
  assert.deepEqual((await restored(one, { toLsn: 10 })).content, { a: 10 });
  await one.engine.backups.create('sample', 'manual');
  const full = files().length;
  await one.engine.backups.prune('sample', { keep: 1 }, false);
  assert.ok(files().length < full, 'what no backup leads to is gone');
  await turn(13);
  assert.deepEqual((await restored(one, { toLsn: 13 })).content, { a: 13 });
  assert.ok(existsSync(archive));
});

test('[1.29] pruning takes nothing from the archive while backups are not there or cannot be read: the disk with them may be away', async (t) => {
  const one = await newSample(t, { options: { archive: true } });
  const { backups } = one.engine;
  const turn = async (version: number): Promise<void> => {
    await one.commit({ a: version });
    await (await one.index()).persist('test');
  };
  await turn(1);
  const first = await backups.create('sample', 'manual');
  for (let n = 2; n <= 4; n++) await turn(n);
  await backups.restore({ index: 'sample', backup: first.record.id });
  for (let n = 5; n <= 7; n++) await turn(n);
  const archived = (): string[] => readdirSync(join(one.dataDir, 'archive', 'sample'), { recursive: true }).map(String).sort();
  const before = archived();
  assert.equal(before.filter((name) => !name.endsWith('.wal')).length, 2, 'two histories');
  const shelf = join(one.dataDir, 'backups', 'sample');
  renameSync(shelf, `${one.dataDir}/away`);
  await backups.prune('sample', { keep: 1 }, false);
  assert.deepEqual(archived(), before);
  renameSync(`${one.dataDir}/away`, shelf);
  renameSync(join(first.dir, 'backup.json'), join(first.dir, 'backup.json.away'));
  await backups.prune('sample', { keep: 5 }, false);
  assert.deepEqual(archived(), before);
  renameSync(join(first.dir, 'backup.json.away'), join(first.dir, 'backup.json'));
  assert.deepEqual((await restored(one, { backup: first.record.id })).content, { a: 1 });
});

test('[1.29] restores to a point while the log moves to the archive', async (t) => {
  const one = await newSample(t, { options: { archive: true } });
  await one.commit({ a: 1 });
  await one.engine.backups.create('sample', 'manual');
  let isDone = false;
  const index = await one.index();
  const writer = (async (): Promise<void> => {
    for (let n = 2; !isDone; n++) {
      await index.commit(batchOf({ a: n }));
      if (n % 2 === 0) await index.persist('busy');
      if (n % 6 === 0) await index.compact();
    }
  })();
  try {
    for (let n = 0; n < 12; n++) {
      const { version } = index;
      assert.deepEqual(await restored(one, { toLsn: version }), { lsn: version, content: { a: version } });
    }
  } finally {
    isDone = true;
    await writer;
  }
});

for (const round of [0, 1]) {
  test(`[1.29] nothing is archived before the first backup, everything since the first moment of it: points equal the model (seed ${seed + 30 + round})`, async (t) => {
    const one = await newSample(t, { options: { archive: true } });
    const history = new History(one, seededRandom(seed + 30 + round));
    for (let n = 0; n < 25; n++) {
      await history.commit();
      if (history.below(3) === 0) await (await one.index()).persist('test');
      if (history.below(6) === 0) await one.reopen();
    }
    assert.equal(existsSync(join(one.dataDir, 'archive')), false, 'no backup can lead to it');
    // While it is made, what comes after its moment is flushed and trimmed.
    const made = one.engine.backups.create('sample', 'manual');
    for (let n = 0; n < 8; n++) {
      await history.commit();
      await (await one.index()).persist('test');
    }
    const { record } = await made;
    const shelf = join(one.dataDir, 'backups', 'sample');
    renameSync(shelf, `${one.dataDir}/away`); // the disk with it is away
    for (let n = 0; n < 12; n++) {
      await history.commit();
      if (history.below(3) === 0) await (await one.index()).persist('test');
    }
    renameSync(`${one.dataDir}/away`, shelf);
    const reached = history.points.filter(({ lsn }) => lsn >= record.lsn);
    for (const point of reached.filter((_, i) => i % 4 === 0 || i === reached.length - 1)) {
      assert.deepEqual(await restored(one, { toLsn: point.lsn }), { lsn: point.lsn, content: point.content }, `LSN ${point.lsn} from ${record.lsn}`);
    }
  });
}

test('[1.29] where backups are kept elsewhere the log is always archived: the disk with them may be away', async (t) => {
  const one = await newSample(t, { options: { archive: true }, backupDir: tempDir(t) });
  for (let n = 1; n <= 3; n++) {
    await one.commit({ a: n });
    await (await one.index()).persist('test');
  }
  assert.ok(existsSync(join(one.dataDir, 'archive', 'sample')));
});

test('[1.29] a clock that was set back before a restart moves no commit to another time; a time that is only handed on says nothing of batches without one', async (t) => {
  const options = { archive: true };
  const one = await newSample(t, { options });
  await one.commit({ a: 3 });
  await one.engine.backups.create('sample', 'manual');
  await one.commit({ a: 4 });
  const time = (one.env.now += 1000);
  for (let n = 5; n <= 7; n++) {
    await one.commit({ a: n });
    await (await one.index()).persist('test');
    await one.reopen();
    one.env.now -= 200;
  }
  one.env.now = time + 10_000;
  assert.deepEqual((await restored(one, { toTime: time })).content, { a: 4 });
  assert.deepEqual((await restored(one, { toTime: time + 5_000 })).content, { a: 7 });
  options.archive = false;
  await one.reopen();
  await one.commit({ a: 8 });
  options.archive = true;
  await one.reopen();
  const before = (one.env.now += 1000);
  one.env.now += 1000;
  await one.commit({ a: 9 });
  await assert.rejects(restored(one, { toTime: before }), (error) => isCairnError(error, 'UNSUPPORTED') && /LSN 6 to 6 carry no times/.test(error.message));
});
