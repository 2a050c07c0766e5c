// Generations of an index: publishing is all or nothing, lawful, fenced; loading fails closed to the newest whole one.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { nodeEnv } from '../../src/env/node-env.ts';
import { ManifestStore } from '../../src/manifest/manifest-store.ts';
import { quarantine } from '../../src/manifest/quarantine.ts';
import { readTombstones, writeTombstones } from '../../src/manifest/tombstone-file.ts';
import { Bitset } from '../../src/util/bitset.ts';
import { isCairnError, type ErrorCode } from '../../src/util/errors.ts';
import { asLsn } from '../../src/util/ids.ts';
import { testLease } from '../support/fence.ts';
import { checkLeaks } from '../support/leaks.ts';
import { tempDir } from '../support/temp-dir.ts';
import { draft, readTiny, tinySegment } from '../support/tiny-segment.ts';

checkLeaks();
const env = nodeEnv();
const NONE: ReadonlySet<string> = new Set();
const code = (...codes: ErrorCode[]) => (error: unknown) => isCairnError(error, ...codes);

test('[0.11] a published generation is what the next open finds', async (t) => {
  const dir = tempDir(t);
  const store = await ManifestStore.create(env, dir, draft([]), testLease(4));
  const a = await tinySegment(env, dir, 1, 'alpha', [1, 3]);
  await store.publish(draft([a], { cause: 'flush' }), testLease(4));
  const { store: again, report } = await ManifestStore.load(env, dir);
  assert.deepEqual(report, { generation: 2, skipped: [], lostFallbacks: [] });
  assert.deepEqual(again.current, store.current);
  const { generation, parent, epoch, flushedLsn, cause } = again.current;
  assert.deepEqual({ generation, parent, epoch, flushedLsn, cause }, { generation: 2, parent: 1, epoch: 4, flushedLsn: 3, cause: 'flush' });
  assert.equal(await readTiny(env, dir, again.current.segments[0] ?? a), 'alpha');
  assert.equal(again.walNeededAfter, 0, 'the log is kept for the generation one could fall back to');
});

test('missing and corrupt are different states, and a populated directory is never created over', async (t) => {
  const dir = tempDir(t);
  await assert.rejects(ManifestStore.load(env, dir), code('NOT_FOUND'));
  await assert.rejects(ManifestStore.load(env, join(dir, 'none')), code('NOT_FOUND'));
  await ManifestStore.create(env, dir, draft([]), testLease());
  await assert.rejects(ManifestStore.create(env, dir, draft([]), testLease()), code('ALREADY_EXISTS'));
  writeFileSync(join(dir, 'manifest-1'), '');
  await assert.rejects(ManifestStore.load(env, dir), (error) => isCairnError(error, 'CORRUPT') && error.path === join(dir, 'manifest-1'));
});

test('[1.31] a damaged generation falls back to the newest older whole one, and says which file and why', async (t) => {
  const damages: [string, (dir: string) => void, RegExp][] = [
    ['manifest cut', (dir) => truncateSync(join(dir, 'manifest-3'), 100), /manifest-3/],
    ['manifest gone', (dir) => rmSync(join(dir, 'manifest-3')), /manifest-3/],
    ['segment gone', (dir) => rmSync(join(dir, 'seg-0000000000000002.cairn')), /seg-0000000000000002.cairn is named by the manifest and missing/],
    ['segment cut', (dir) => truncateSync(join(dir, 'seg-0000000000000002.cairn'), 150), /seg-0000000000000002/],
    ['segment swapped', (dir) => writeFileSync(join(dir, 'seg-0000000000000002.cairn'), readFileSync(join(dir, 'seg-0000000000000001.cairn'))), /seg-0000000000000002/],
  ];
  for (const [name, damage, message] of damages) {
    const dir = tempDir(t);
    const store = await ManifestStore.create(env, dir, draft([]), testLease());
    const a = await tinySegment(env, dir, 1, 'alpha', [1, 1]);
    const b = await tinySegment(env, dir, 2, 'betas', [2, 2]);
    await store.publish(draft([a]), testLease());
    await store.publish(draft([a, b]), testLease());
    damage(dir);
    const before = readdirSync(dir);
    const { store: again, report } = await ManifestStore.load(env, dir);
    assert.equal(again.current.generation, 2, name);
    assert.match(report.skipped.map((one) => one.error.message).join(), message, name);
    assert.deepEqual(await again.collectGarbage(NONE, testLease()), { removed: [], bytes: 0, failed: [] }, 'nothing is deleted in this state');
    assert.deepEqual(readdirSync(dir), before, 'loading changes nothing');
    const c = await tinySegment(env, dir, 3, 'gamma', [2, 2]);
    assert.equal((await again.publish(draft([a, c]), testLease())).generation, 4, 'no generation number is used twice');
    assert.equal((await ManifestStore.load(env, dir)).store.current.generation, 4);
  }
});

test('[1.31] a lost or damaged CURRENT is bridged by the newest whole manifest', async (t) => {
  for (const damage of [(path: string) => rmSync(path), (path: string) => truncateSync(path), (path: string) => truncateSync(path, 40)]) {
    const dir = tempDir(t);
    const store = await ManifestStore.create(env, dir, draft([]), testLease());
    await store.publish(draft([await tinySegment(env, dir, 1, 'alpha')]), testLease());
    damage(join(dir, 'CURRENT'));
    const { store: again, report } = await ManifestStore.load(env, dir);
    assert.deepEqual([again.current.generation, report.skipped[0]?.file], [2, 'CURRENT']);
    await again.publish(draft(again.current.segments), testLease());
    assert.deepEqual((await ManifestStore.load(env, dir)).report.skipped, []);
  }
});

test('a manifest that was written but never became CURRENT is not the state', async (t) => {
  const dir = tempDir(t);
  const store = await ManifestStore.create(env, dir, draft([]), testLease());
  const before = readFileSync(join(dir, 'CURRENT'));
  await store.publish(draft([await tinySegment(env, dir, 1, 'alpha')]), testLease());
  writeFileSync(join(dir, 'CURRENT'), before);
  const { store: again } = await ManifestStore.load(env, dir);
  assert.equal(again.current.generation, 1);
  assert.equal(again.nextGeneration, 3);
  const { removed } = await again.collectGarbage(NONE, testLease());
  assert.deepEqual(removed, ['manifest-2', 'seg-0000000000000001.cairn']);
});

test('a newer format is refused, not bridged by an older generation', async (t) => {
  const dir = tempDir(t);
  const store = await ManifestStore.create(env, dir, draft([]), testLease());
  const a = await tinySegment(env, dir, 1, 'alpha');
  await store.publish(draft([a]), testLease());
  const { encodeTextFile } = await import('../../src/format/text-file.ts');
  const { currentFor, encodeCurrent } = await import('../../src/manifest/current.ts');
  const newer = encodeTextFile('cairn-manifest', store.current, 2);
  writeFileSync(join(dir, 'manifest-2'), newer);
  writeFileSync(join(dir, 'CURRENT'), encodeCurrent(currentFor(store.current.generation, store.current.epoch, newer)));
  await assert.rejects(ManifestStore.load(env, dir), code('NEWER_FORMAT'));
});

test('a segment leaves only with a reason, never changes, and flushedLsn never falls', async (t) => {
  const dir = tempDir(t);
  const a = await tinySegment(env, dir, 1, 'alpha', [1, 5]);
  const store = await ManifestStore.create(env, dir, draft([a]), testLease());
  const b = await tinySegment(env, dir, 2, 'beta', [1, 5]);
  await assert.rejects(store.publish(draft([b]), testLease()), /would vanish without a reason/);
  await assert.rejects(store.publish(draft([{ ...a, checksum: '00000000' }]), testLease()), /immutable/);
  await assert.rejects(store.publish(draft([a, a]), testLease()), /named twice/);
  await assert.rejects(store.publish(draft([{ ...a, file: '../../etc/passwd' }]), testLease()), /not its file name/);
  await assert.rejects(store.publish(draft([{ ...a, maxLsn: asLsn(3) }], { flushedLsn: asLsn(4) }), testLease()), /flushedLsn would fall/);
  await store.publish(draft([b], { dropped: [{ id: a.id, reason: 'compacted' }] }), testLease());
  assert.deepEqual((await ManifestStore.load(env, dir)).store.current.dropped, [{ id: a.id, reason: 'compacted' }]);
});

test('[0.6] empty never replaces populated without a logged delete', async (t) => {
  const dir = tempDir(t);
  const a = await tinySegment(env, dir, 1, 'alpha');
  const store = await ManifestStore.create(env, dir, draft([a]), testLease());
  const dropped = [{ id: a.id, reason: 'deleted' as const }];
  await assert.rejects(store.publish(draft([], { flushedLsn: asLsn(2), dropped }), testLease()), code('EMPTY_OVER_POPULATED'));
  const tombstones = await writeTombstones(env, dir, a.id, store.nextGeneration, Bitset.full(10));
  await assert.rejects(store.publish(draft([{ ...a, tombstones }]), testLease()), code('EMPTY_OVER_POPULATED'));
  assert.equal(store.current.generation, 1);
  await store.publish(draft([], { flushedLsn: asLsn(2), dropped, emptiedBy: 'deletes of LSN 2' }), testLease());
  assert.equal((await ManifestStore.load(env, dir)).store.current.emptiedBy, 'deletes of LSN 2');
});

test('every file is there with a valid footer before the manifest is published (invariant 7)', async (t) => {
  const dir = tempDir(t);
  const store = await ManifestStore.create(env, dir, draft([]), testLease());
  const a = await tinySegment(env, dir, 1, 'alpha');
  await assert.rejects(store.publish(draft([{ ...a, bytes: a.bytes + 1 }]), testLease()), code('TRUNCATED'));
  await assert.rejects(store.publish(draft([{ ...a, checksum: '12345678' }]), testLease()), code('CORRUPT'));
  const gone = { ...a, tombstones: { file: `seg-${a.id}-2.tomb`, bytes: 40, checksum: '00000000', count: 1 } };
  await assert.rejects(store.publish(draft([gone]), testLease()), code('CORRUPT'));
  rmSync(join(dir, a.file));
  await assert.rejects(store.publish(draft([a]), testLease()), code('CORRUPT'));
  assert.deepEqual(readdirSync(dir).sort(), ['CURRENT', 'manifest-1'], 'a refused publish leaves nothing');
});

test('a writer that lost its lease, or sees a larger epoch on disk, cannot publish (invariant 1)', async (t) => {
  const dir = tempDir(t);
  const frozen = await ManifestStore.create(env, dir, draft([]), testLease(1));
  const taker = (await ManifestStore.load(env, dir)).store;
  const a = await tinySegment(env, dir, 1, 'alpha');
  await taker.publish(draft([a]), testLease(2));
  const lease = testLease(1);
  await assert.rejects(frozen.publish(draft([a]), lease), (error) => isCairnError(error, 'FENCED') && /epoch 2, ours is 1/.test(error.message));
  lease.lose();
  await assert.rejects(frozen.publish(draft([a]), lease), code('FENCED'));
  await assert.rejects(frozen.collectGarbage(NONE, lease), code('FENCED'));
  const late = (await ManifestStore.load(env, dir)).store;
  await assert.rejects(late.publish(draft([a]), testLease(1)), code('FENCED'), 'an older epoch cannot follow a newer one');
  assert.equal((await ManifestStore.load(env, dir)).store.current.epoch, 2);
});

test('[5.2] a publish that a frozen predecessor had begun and finishes when it wakes up is replaced by the next of the lease holder', async (t) => {
  const dir = tempDir(t);
  const predecessor = await ManifestStore.create(env, dir, draft([]), testLease(1));
  const taker = (await ManifestStore.load(env, dir)).store;
  const [a, b] = [await tinySegment(env, dir, 1, 'alpha'), await tinySegment(env, dir, 2, 'beta')];
  const first = readFileSync(join(dir, 'CURRENT'));
  await predecessor.publish(draft([a]), testLease(1));
  const late = ['CURRENT', 'manifest-2'].map((name) => ({ name, bytes: readFileSync(join(dir, name)) }));
  writeFileSync(join(dir, 'CURRENT'), first);
  await taker.publish(draft([b]), testLease(2));
  for (const { name, bytes } of late) writeFileSync(join(dir, name), bytes);
  const after = await taker.publish(draft([b]), testLease(2));
  const { store } = await ManifestStore.load(env, dir);
  assert.deepEqual([store.current.epoch, store.current.generation, store.current.segments.map(({ id }) => id)], [2, after.generation, [b.id]]);
});

test('[0.10] garbage is what no kept generation and no reader names; foreign files are left alone', async (t) => {
  const dir = tempDir(t);
  const store = await ManifestStore.create(env, dir, draft([]), testLease());
  const [a, b, c] = [await tinySegment(env, dir, 1, 'a'), await tinySegment(env, dir, 2, 'b'), await tinySegment(env, dir, 3, 'c')];
  for (const name of ['seg-1.cairn', 'notes.txt', 'seg-0000000000000009.cairn.bak', 'metadata.json']) writeFileSync(join(dir, name), 'x');
  await store.publish(draft([a]), testLease());
  await store.publish(draft([b], { dropped: [{ id: a.id, reason: 'compacted' }] }), testLease());
  assert.deepEqual((await store.collectGarbage(new Set([c.file]), testLease())).removed, ['manifest-1']);
  await store.publish(draft([b]), testLease());
  assert.deepEqual((await store.collectGarbage(new Set([a.file, c.file]), testLease())).removed, ['manifest-2'], 'a reader still has a');
  assert.deepEqual((await store.collectGarbage(NONE, testLease())).removed, [a.file, c.file]);
  assert.deepEqual(readdirSync(dir).sort(), ['CURRENT', 'manifest-3', 'manifest-4', 'metadata.json', 'notes.txt', 'seg-0000000000000002.cairn', 'seg-0000000000000009.cairn.bak', 'seg-1.cairn']);
});

test('[0.17] [0.18] tombstones belong to their segment and generation; a wrong file or count is found', async (t) => {
  const dir = tempDir(t);
  const a = await tinySegment(env, dir, 1, 'alpha');
  const store = await ManifestStore.create(env, dir, draft([a]), testLease());
  const dead = new Bitset(10);
  for (const doc of [0, 3, 9]) dead.add(doc);
  const tombstones = await writeTombstones(env, dir, a.id, store.nextGeneration, dead);
  assert.ok(tombstones.bytes < 64);
  await store.publish(draft([{ ...a, tombstones }]), testLease());
  const loaded = (await ManifestStore.load(env, dir)).store.current.segments[0] ?? a;
  assert.deepEqual((await readTombstones(env, dir, loaded))?.words, dead.words);
  await assert.rejects(readTombstones(env, dir, { ...loaded, docs: 11 }), code('COUNT_MISMATCH'));
  await assert.rejects(readTombstones(env, dir, { ...loaded, id: '00000000000000aa' as typeof a.id }), code('CORRUPT'));
  const good = readFileSync(join(dir, tombstones.file));
  for (let at = 0; at < good.length; at++) {
    const bad = Buffer.from(good);
    bad[at] = (bad[at] ?? 0) ^ 1;
    writeFileSync(join(dir, tombstones.file), bad);
    await assert.rejects(readTombstones(env, dir, loaded), code('CORRUPT', 'NEWER_FORMAT'), `byte ${at}`);
  }
});

test('every damaged byte of CURRENT and of the manifest is found', async (t) => {
  const dir = tempDir(t);
  await ManifestStore.create(env, dir, draft([await tinySegment(env, dir, 1, 'alpha')]), testLease());
  for (const file of ['CURRENT', 'manifest-1']) {
    const good = readFileSync(join(dir, file));
    for (let at = 0; at < good.length; at++) {
      const bad = Buffer.from(good);
      bad[at] = (bad[at] ?? 0) ^ 1;
      writeFileSync(join(dir, file), bad);
      if (file === 'CURRENT') assert.equal((await ManifestStore.load(env, dir)).report.skipped[0]?.file, 'CURRENT', `byte ${at}`);
      else await assert.rejects(ManifestStore.load(env, dir), code('CORRUPT'), `byte ${at}`);
    }
    writeFileSync(join(dir, file), good);
  }
});

test('a quarantined file is moved aside under a name of its own', async (t) => {
  const dir = tempDir(t);
  for (const n of [1, 2]) {
    const a = await tinySegment(env, dir, 7, `round ${n}`);
    assert.equal(await quarantine(env, dir, a.file), join(dir, 'quarantine', `${a.file}.${n}`));
  }
  assert.equal(readdirSync(join(dir, 'quarantine')).length, 2);
});
