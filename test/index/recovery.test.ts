/** What opening makes of an index that was damaged, cut off, or tampered with. Nothing silent, nothing re-created empty. */
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { encodeDoc } from '../../src/format/doc-codec.ts';
import { openIndex } from '../../src/index/open-index.ts';
import { restoreMetadata } from '../../src/index/restore-metadata.ts';
import type { DurableIndex } from '../../src/index/types.ts';
import { CairnError } from '../../src/util/errors.ts';
import { checkLeaks } from '../support/leaks.ts';
import { testLease } from '../support/fence.ts';
import { tinyDoc } from '../support/tiny-doc.ts';
import { newTestIndex, versions, type TestIndex } from './harness.ts';

checkLeaks();

const commit = (index: DurableIndex, changes: Record<string, number>, deletes: string[] = []): ReturnType<DurableIndex['commit']> =>
  index.commit({ puts: Object.entries(changes).map(([key, version]) => encodeDoc(tinyDoc(key, version, 4))), deletes });
const names = (dir: string, pattern: RegExp): string[] => readdirSync(dir).filter((name) => pattern.test(name)).sort();

function flip(path: string, offset: number): void {
  const bytes = readFileSync(path);
  const at = offset < 0 ? bytes.length + offset : offset;
  bytes[at] = (bytes[at] as number) ^ 0x40;
  writeFileSync(path, bytes);
}

/** Two segments (a b | c, b2) and a commit in the log (d), closed. */
async function populated(t: Parameters<typeof newTestIndex>[0]): Promise<TestIndex> {
  const testIndex = await newTestIndex(t);
  await commit(testIndex.index, { a: 1, b: 1 });
  await testIndex.index.persist('first');
  await commit(testIndex.index, { b: 2, c: 1 });
  await testIndex.index.persist('second');
  await commit(testIndex.index, { d: 1 });
  await testIndex.index.close();
  return testIndex;
}
const ALL = { a: 1, b: 2, c: 1, d: 1 };
const open = async (testIndex: TestIndex): Promise<DurableIndex> => (testIndex.index = await openIndex(testIndex.env, testIndex.dir, testIndex.services()));
/** Segment files, the one with a and b first. */
async function segments(testIndex: TestIndex): Promise<string[]> {
  const index = await open(testIndex);
  const found = index.stats().segments.map((s) => s.file);
  await index.close();
  return found;
}

test('[2.4] [3.6] opening loads segments and replays the log above them', async (t) => {
  const testIndex = await populated(t);
  const index = await open(testIndex);
  assert.deepEqual(versions(index), ALL);
  const { replayedBatches, tornTailBytes, quarantined, degraded } = index.recovery;
  assert.deepEqual({ replayedBatches, tornTailBytes, quarantined, degraded }, { replayedBatches: 1, tornTailBytes: 0, quarantined: [], degraded: [] });
  assert.equal(index.version, 3);
  assert.equal((await commit(index, { e: 1 })).lsn, 4);
});

test('[1.32] opening again and again changes nothing', async (t) => {
  const testIndex = await populated(t);
  for (let i = 0; i < 3; i++) {
    const index = await open(testIndex);
    assert.deepEqual(versions(index), ALL);
    assert.equal(index.version, 3);
    await index.close();
  }
});

test('a torn tail is cut and counted', async (t) => {
  const testIndex = await newTestIndex(t);
  const { dir } = testIndex;
  await commit(testIndex.index, { a: 1 });
  await commit(testIndex.index, { b: 1 });
  const wal = join(dir, 'wal', names(join(dir, 'wal'), /wal$/).at(-1) as string);
  const whole = readFileSync(wal);
  await testIndex.index.close();
  writeFileSync(wal, whole.subarray(0, whole.length - 10));
  const index = await open(testIndex);
  assert.ok(index.recovery.tornTailBytes > 0);
  assert.deepEqual(index.recovery.degraded, []);
  assert.deepEqual(versions(index), { a: 1 });
});

test('temp files and files that no manifest names are removed and listed, foreign files stay', async (t) => {
  const testIndex = await populated(t);
  const { dir } = testIndex;
  writeFileSync(join(dir, 'manifest-7.0123456789ab.tmp'), 'half');
  writeFileSync(join(dir, 'seg-00000000000000ff.cairn'), 'unnamed');
  writeFileSync(join(dir, 'notes.txt'), 'mine');
  writeFileSync(join(dir, 'wal', '0000000000000009.wal.0123456789ab.tmp'), 'half');
  const index = await open(testIndex);
  for (const removed of ['manifest-7.0123456789ab.tmp', 'seg-00000000000000ff.cairn', 'wal/0000000000000009.wal.0123456789ab.tmp']) {
    assert.ok(index.recovery.orphansRemoved.includes(removed), removed);
    assert.equal(existsSync(join(dir, removed)), false);
  }
  assert.equal(readFileSync(join(dir, 'notes.txt'), 'utf8'), 'mine');
  assert.deepEqual(versions(index), ALL);
});

test('[0.12] a damaged segment is quarantined with its bytes, the rest serves, and the report names it', async (t) => {
  const testIndex = await populated(t);
  const { dir } = testIndex;
  const [first = ''] = await segments(testIndex);
  flip(join(dir, first), 200);
  const damaged = readFileSync(join(dir, first));
  const index = await open(testIndex);
  assert.deepEqual(versions(index), { b: 2, c: 1, d: 1 });
  assert.deepEqual(index.recovery.quarantined.map((q) => q.file), [first]);
  assert.match(index.recovery.degraded.join(), new RegExp(`${first}: 1 documents are lost until they are indexed again: .*offset`));
  assert.deepEqual(readFileSync(join(dir, 'quarantine', `${first}.1`)), damaged);
  assert.equal(existsSync(join(dir, first)), false);
  assert.deepEqual((await index.verify({ deep: true })).damages, []);
  await commit(index, { a: 1 });
  await index.persist('indexed again');
  await testIndex.reopen();
  assert.deepEqual(testIndex.index.recovery.degraded, [], 'mended');
  assert.deepEqual(versions(testIndex.index), ALL);
});

test('a segment whose file is gone is a loss of that segment alone', async (t) => {
  const testIndex = await populated(t);
  const [first = ''] = await segments(testIndex);
  rmSync(join(testIndex.dir, first));
  const index = await open(testIndex);
  assert.deepEqual(versions(index), { b: 2, c: 1, d: 1 });
  assert.match(index.recovery.degraded.join(), /documents are lost/);
});

test('a damaged tombstone file quarantines its segment: deleted documents do not come back', async (t) => {
  const testIndex = await populated(t);
  let index = await open(testIndex);
  await commit(index, { e: 1 });
  await index.persist('so that both kept generations name the tombstones');
  await index.close();
  const tombs = names(testIndex.dir, /tomb$/);
  assert.equal(tombs.length, 1);
  flip(join(testIndex.dir, tombs[0] as string), 30);
  index = await open(testIndex);
  assert.deepEqual(versions(index), { b: 2, c: 1, d: 1, e: 1 });
  assert.deepEqual(index.recovery.quarantined.map((q) => q.file), tombs);
});

test('[1.31] damage of the newest generation falls back to the one before it, and the log makes it whole', async (t) => {
  for (const victim of ['manifest', 'segment', 'CURRENT'] as const) {
    const testIndex = await populated(t);
    const { dir } = testIndex;
    const [, second = ''] = await segments(testIndex);
    const manifest = names(dir, /^manifest-\d+$/).sort((a, b) => Number(a.slice(9)) - Number(b.slice(9))).at(-1) as string;
    const file = victim === 'manifest' ? manifest : victim === 'segment' ? second : 'CURRENT';
    flip(join(dir, file), victim === 'segment' ? -20 : 40);
    const index = await open(testIndex);
    assert.deepEqual(versions(index), ALL, victim);
    assert.match(index.recovery.degraded.join(), /was passed over/, victim);
    if (victim !== 'CURRENT') assert.ok(existsSync(join(dir, 'quarantine', `${file}.1`)), victim);
    await commit(index, { e: 1 });
    await index.persist('going on');
    await testIndex.reopen();
    assert.deepEqual(testIndex.index.recovery.degraded, [], victim);
    assert.deepEqual(versions(testIndex.index), { ...ALL, e: 1 }, victim);
    await testIndex.index.close();
  }
});

test('[3.11] a log removed by hand: what segments hold is all there and the gap is reported', async (t) => {
  for (const what of ['files', 'directory'] as const) {
    const testIndex = await populated(t);
    const wal = join(testIndex.dir, 'wal');
    if (what === 'directory') rmSync(wal, { recursive: true });
    else for (const name of readdirSync(wal)) rmSync(join(wal, name));
    const index = await open(testIndex);
    assert.deepEqual(versions(index), { a: 1, b: 2, c: 1 });
    assert.match(index.recovery.degraded.join(), /batches after LSN 2 are lost/);
    assert.equal((await commit(index, { d: 2 })).lsn, 3);
    await testIndex.reopen();
    assert.deepEqual(versions(testIndex.index), { a: 1, b: 2, c: 1, d: 2 });
    assert.deepEqual(testIndex.index.recovery.degraded, []);
    await testIndex.index.close();
  }
});

test('a log that is damaged before its end: the prefix serves, the loss is reported, the bytes are kept', async (t) => {
  const testIndex = await newTestIndex(t, { options: { walFileMaxBytes: 4096 } });
  const { dir } = testIndex;
  for (let i = 1; i <= 80; i++) await commit(testIndex.index, { [`k${i}`]: i });
  await testIndex.index.close();
  const wal = join(dir, 'wal');
  const logs = names(wal, /wal$/);
  assert.ok(logs.length >= 3);
  const victim = logs[1] as string;
  const firstLsn = Number(victim.slice(0, 16));
  flip(join(wal, victim), 700);
  const index = await open(testIndex);
  const kept = index.version;
  assert.ok(kept > firstLsn && kept < 80, `kept up to ${kept}`);
  assert.deepEqual(Object.values(versions(index)).sort((a, b) => a - b), Array.from({ length: kept }, (_, i) => i + 1));
  assert.match(index.recovery.degraded.join(), new RegExp(`batches after LSN ${kept} are lost: .*${victim}.* at offset`));
  assert.deepEqual(names(join(dir, 'quarantine'), /wal/), logs.slice(1).map((name) => `${name}.1`));
  await commit(index, { more: 1 });
  await testIndex.reopen();
  assert.deepEqual(testIndex.index.recovery.degraded, []);
  assert.equal(testIndex.index.version, kept + 1);
});

test('[1.31] metadata without a manifest is a loss, never an empty index; nothing is written', async (t) => {
  const testIndex = await populated(t);
  const { dir } = testIndex;
  for (const name of names(dir, /^(CURRENT|manifest-.*)$/)) rmSync(join(dir, name));
  const before = readdirSync(dir, { recursive: true });
  await assert.rejects(open(testIndex), (error: CairnError) => error.code === 'CORRUPT' && /no manifest/.test(error.message) && error.hint !== undefined);
  assert.deepEqual(readdirSync(dir, { recursive: true }), before);
});

test('missing, empty, unreadable and corrupt are four answers', async (t) => {
  const testIndex = await newTestIndex(t);
  await testIndex.index.close();
  const { dir, env } = testIndex;
  assert.deepEqual(versions(await open(testIndex)), {}, 'empty');
  await testIndex.index.close();
  await assert.rejects(openIndex(env, `${dir}-missing`, testIndex.services()), { code: 'NOT_FOUND' });
  const unreadable = { ...env, readFile: async (path: string) => { throw new CairnError('PERMISSION', 'injected', { path }); } };
  await assert.rejects(openIndex(unreadable, dir, testIndex.services()), { code: 'PERMISSION' });
  writeFileSync(join(dir, 'metadata.json'), '{');
  await assert.rejects(openIndex(env, dir, testIndex.services()), { code: 'CORRUPT' });
});

test('a segment under another segment\'s name is found out', async (t) => {
  const testIndex = await populated(t);
  const [first = '', second = ''] = await segments(testIndex);
  copyFileSync(join(testIndex.dir, second), join(testIndex.dir, first));
  const index = await open(testIndex);
  assert.deepEqual(versions(index), { b: 2, c: 1, d: 1 });
  assert.equal(index.recovery.quarantined.length, 1);
});

test('a directory in the place of a file is damage like any other: quarantined, mended, or said', async (t) => {
  for (const pattern of [/^CURRENT$/, /^manifest-/, /\.cairn$/, /\.tomb$/]) {
    const testIndex = await populated(t);
    const name = names(testIndex.dir, pattern).at(-1) as string;
    rmSync(join(testIndex.dir, name));
    mkdirSync(join(testIndex.dir, name));
    const index = await open(testIndex);
    assert.equal(index.recovery.degraded.length > 0, true, name);
    const { damages } = await index.verify({ deep: true });
    assert.deepEqual(damages, [], name);
    const reopened = await testIndex.reopen();
    assert.deepEqual((await reopened.verify({ deep: true })).damages, [], name);
  }
});

test('a directory in the place of a log file costs what the file held, and is kept', async (t) => {
  const testIndex = await populated(t);
  const name = names(join(testIndex.dir, 'wal'), /wal$/).at(-1) as string;
  rmSync(join(testIndex.dir, 'wal', name));
  mkdirSync(join(testIndex.dir, 'wal', name));
  const index = await open(testIndex);
  assert.deepEqual(versions(index), { a: 1, b: 2, c: 1 });
  assert.match(index.recovery.degraded.join(), /directory, not a file/);
  assert.deepEqual(readdirSync(join(testIndex.dir, 'quarantine')), [`${name}.1`]);
});

test('a directory in the place of metadata.json is put aside by its repair', async (t) => {
  const testIndex = await populated(t);
  const { dir, env, lease } = testIndex;
  rmSync(join(dir, 'metadata.json'));
  mkdirSync(join(dir, 'metadata.json'));
  await assert.rejects(openIndex(env, dir, testIndex.services()), { code: 'CORRUPT', path: join(dir, 'metadata.json') });
  const repaired = await restoreMetadata(env, dir, lease, false);
  assert.equal(repaired?.action.done, true);
  assert.deepEqual(versions(await open(testIndex)), ALL);
  assert.deepEqual(readdirSync(join(dir, 'quarantine')), ['metadata.json.1']);
});

test('damaged bytes are kept also where the file system has no hard links', async (t) => {
  const testIndex = await populated(t);
  const { dir, lease } = testIndex;
  writeFileSync(join(dir, 'metadata.json'), '{');
  const noLinks = { ...testIndex.env, link: async (_: string, path: string) => { throw new CairnError('PERMISSION', 'injected', { path }); } };
  await restoreMetadata(noLinks, dir, lease, false);
  assert.equal(readFileSync(join(dir, 'quarantine', 'metadata.json.1'), 'utf8'), '{');
  assert.deepEqual(versions(await open(testIndex)), ALL);
});

test('[0.4] an opening that fails on a full disk, in its own cleaning up too, keeps no file open and no memory', async (t) => {
  const testIndex = await populated(t);
  const { dir, env, arena } = testIndex;
  const [first = ''] = await segments(testIndex);
  flip(join(dir, first), -70);
  const before = arena.usage.usedBytes;
  env.fail = (call, path) => {
    if (call === 'write' && /manifest-|\.wal$/.test(path)) throw new CairnError('DISK_FULL', 'injected', { path });
  };
  await assert.rejects(open(testIndex), (error: CairnError) => error.code === 'DISK_FULL' && /manifest-/.test(error.path ?? ''));
  assert.equal(arena.usage.usedBytes, before);
  env.fail = () => undefined;
  assert.deepEqual(versions(await open(testIndex)), { b: 2, c: 1, d: 1 });
});

test('an unreadable disk ends the opening and quarantines nothing', async (t) => {
  const testIndex = await populated(t);
  const { env, dir } = testIndex;
  const faulty = { ...env, open: async (path: string, mode: 'read' | 'create' | 'update') => {
    if (path.endsWith('.cairn')) throw new CairnError('IO', 'injected', { path });
    return env.open(path, mode);
  } };
  await assert.rejects(openIndex(faulty, dir, testIndex.services()), { code: 'IO' });
  assert.equal(existsSync(join(dir, 'quarantine')), false);
  assert.deepEqual(versions(await open(testIndex)), ALL);
});

test('[3.14] a copied directory serves elsewhere', async (t) => {
  const testIndex = await populated(t);
  const elsewhere = `${testIndex.dir}-elsewhere`;
  renameSync(testIndex.dir, elsewhere);
  const index = await openIndex(testIndex.env, elsewhere, testIndex.services());
  assert.deepEqual(versions(index), ALL);
  await index.close();
  mkdirSync(testIndex.dir);
});

test('a writer that lost its lease cannot commit, publish or open; its successor sees what was acknowledged', async (t) => {
  const testIndex = await newTestIndex(t);
  const { index, env, dir, lease } = testIndex;
  await commit(index, { a: 1 });
  lease.lose();
  await assert.rejects(index.persist('fenced'), { code: 'FENCED' });
  await assert.rejects(commit(index, { b: 1 }), { code: 'FENCED' });
  assert.match(index.stats().warnings?.join() ?? '', /read-only/);
  assert.deepEqual(versions(index), { a: 1 }, 'reads go on');
  const successor = await openIndex(env, dir, { ...testIndex.services(), lease: testLease(2) });
  await commit(successor, { b: 2 });
  await successor.persist('new epoch');
  await index.close();
  assert.deepEqual(versions(successor), { a: 1, b: 2 });
  await successor.close();
  testIndex.lease = testLease(1);
  await assert.rejects(openIndex(env, dir, testIndex.services()), { code: 'FENCED' });
  testIndex.lease = testLease(3);
  await open(testIndex);
});

test('an index that lost its lease closes without a word and without a write', async (t) => {
  const { index, lease, dir } = await newTestIndex(t);
  await commit(index, { a: 1 });
  const log = join(dir, 'wal', names(join(dir, 'wal'), /wal$/).at(-1) as string);
  const before = readFileSync(log).length;
  lease.lose();
  await index.close();
  assert.ok(readFileSync(log).length <= before + 64, 'at most the seal of a log that nobody reads any more');
});

test('a frozen writer whose lease object does not know yet is refused by what is on disk', async (t) => {
  const testIndex = await newTestIndex(t);
  const { index, env, dir } = testIndex;
  await commit(index, { a: 1 });
  const successor = await openIndex(env, dir, { ...testIndex.services(), lease: testLease(2) });
  await commit(successor, { b: 2 });
  await successor.persist('new epoch');
  await assert.rejects(index.persist('frozen'), { code: 'FENCED' });
  await assert.rejects(commit(index, { c: 1 }), { code: 'FENCED' });
  await successor.close();
  await index.close();
  testIndex.lease = testLease(3);
  assert.deepEqual(versions(await open(testIndex)), { a: 1, b: 2 });
});

test('a truncated segment is found before anything reads it', async (t) => {
  const testIndex = await populated(t);
  const [first = ''] = await segments(testIndex);
  truncateSync(join(testIndex.dir, first), 500);
  const index = await open(testIndex);
  assert.match(index.recovery.quarantined[0]?.reason ?? '', /bytes expected, 500 found/);
  assert.deepEqual(versions(index), { b: 2, c: 1, d: 1 });
});

test('the log of another index with the same LSNs is put aside and named, never replayed', async (t) => {
  const [one, two] = [await newTestIndex(t), await newTestIndex(t)];
  for (const [testIndex, key] of [[one, 'mine'], [two, 'theirs']] as const) {
    await commit(testIndex.index, { [key]: 1 });
    await testIndex.index.persist('first');
    await commit(testIndex.index, { [`${key}-in-log`]: 1 });
    await testIndex.index.close();
  }
  const [log = ''] = names(join(one.dir, 'wal'), /wal$/).slice(-1);
  assert.equal(existsSync(join(two.dir, 'wal', log)), true, 'the same LSNs');
  copyFileSync(join(two.dir, 'wal', log), join(one.dir, 'wal', log));
  const index = await open(one);
  assert.deepEqual(versions(index), { mine: 1 });
  assert.match(index.recovery.degraded.join(), /batches after LSN 1 are lost: .*belongs to another log/);
  assert.deepEqual(index.recovery.quarantined.map((q) => q.file), [`wal/${log}`]);
  assert.deepEqual(readFileSync(join(one.dir, 'quarantine', `${log}.1`)), readFileSync(join(two.dir, 'wal', log)));
  assert.deepEqual(index.losses.map(({ file }) => file), ['wal']);
});

test('a log that is replaced while the index is open is found by verify and refused by flush', async (t) => {
  const [one, two] = [await newTestIndex(t), await newTestIndex(t)];
  for (const { index } of [one, two]) await commit(index, { a: 1 });
  await two.index.close();
  const log = names(join(one.dir, 'wal'), /wal$/).at(-1) as string;
  rmSync(join(one.dir, 'wal', log));
  copyFileSync(join(two.dir, 'wal', log), join(one.dir, 'wal', log));
  const { damages } = await one.index.verify({ deep: false });
  assert.deepEqual(damages.map(({ file, offset }) => [file, offset]), [[join(one.dir, 'wal', log), 48]]);
  await assert.rejects(one.index.persist('test'), { code: 'CORRUPT' });
});

test('[3.12] a metadata.json written by hand keeps the tag of the log', async (t) => {
  const testIndex = await populated(t);
  const path = join(testIndex.dir, 'metadata.json');
  const { checksum, logTag, ...byHand } = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  assert.match(String(checksum) + String(logTag), /^[0-9a-f]{24}$/);
  writeFileSync(path, JSON.stringify(byHand));
  const index = await open(testIndex);
  assert.deepEqual(versions(index), ALL);
  assert.equal(index.metadata.logTag, logTag);
  assert.equal((JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>)['logTag'], logTag);
});
