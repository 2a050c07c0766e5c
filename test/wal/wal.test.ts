// The log on the real file system: what is appended comes back, in order, whatever way the process ended.
import assert from 'node:assert/strict';
import { appendFileSync, copyFileSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import type { Env } from '../../src/env/env.ts';
import { nodeEnv } from '../../src/env/node-env.ts';
import { WAL_HEADER_BYTES, WAL_TYPE_TIME } from '../../src/format/constants.ts';
import { isCairnError } from '../../src/util/errors.ts';
import { asLsn } from '../../src/util/ids.ts';
import { crc32 } from '../../src/util/crc32.ts';
import { openWal, type OpenedWal } from '../../src/wal/open-wal.ts';
import { decodeTime, decodeWalHeader, encodeWalHeader } from '../../src/wal/record.ts';
import { listWalFiles, trimWal, walDiskBytes } from '../../src/wal/wal-files.ts';
import { replayWal } from '../../src/wal/wal-reader.ts';
import type { WalSyncMode } from '../../src/wal/wal-writer.ts';
import { testLease } from '../support/fence.ts';
import { until } from '../support/cli.ts';
import { checkLeaks } from '../support/leaks.ts';
import { tempDir } from '../support/temp-dir.ts';

checkLeaks();
const env = nodeEnv();

interface Log extends OpenedWal {
  readonly records: string[];
}

async function openLog(dir: string, options: { mode?: WalSyncMode; after?: number; maxFileBytes?: number; epoch?: number; mayCreate?: boolean; tag?: string | null; env?: Env; stampTimes?: boolean } = {}): Promise<Log> {
  const records: string[] = [];
  const opened = await openWal(options.env ?? env, dir, {
    after: asLsn(options.after ?? 0),
    tag: options.tag ?? null,
    fence: testLease(options.epoch ?? 1),
    options: { syncMode: options.mode ?? 'always', syncIntervalMs: 5, maxFileBytes: options.maxFileBytes ?? 1 << 20, stampTimes: options.stampTimes ?? false },
    mayCreate: options.mayCreate ?? true,
    onRecord: (record) => void records.push(`${record.lsn}:${record.payload.toString()}`),
  });
  return { ...opened, records };
}

const put = (log: Log, text: string) => log.writer.append(Buffer.from(text));
const files = (dir: string) => readdirSync(dir).sort();
/** Path of the newest file. */
const lastFile = (dir: string): string => join(dir, files(dir).at(-1) ?? '');

/** Leaves the files as a killed process leaves them: nothing sealed, nothing closed. */
async function copyWithoutClose(log: Log, from: string, to: string): Promise<void> {
  for (const name of files(from)) copyFileSync(join(from, name), join(to, name));
  await log.writer.close();
}

test('[1.21] what was appended is replayed in order, also over several files', async (t) => {
  const dir = tempDir(t);
  const log = await openLog(dir, { maxFileBytes: 200 });
  for (let i = 1; i <= 20; i++) assert.deepEqual(await put(log, `batch ${i}`), { lsn: i, durable: true });
  await log.writer.close();
  assert.ok(files(dir).length > 3, 'the log was rotated by size');
  const again = await openLog(dir);
  assert.deepEqual(again.records, Array.from({ length: 20 }, (_, i) => `${i + 1}:batch ${i + 1}`));
  assert.equal(again.replay.lastLsn, 20);
  assert.equal((await put(again, 'next')).lsn, 21);
  await again.writer.close();
});

test('[1.32] replay starts after the given LSN and changes nothing when repeated', async (t) => {
  const dir = tempDir(t);
  const log = await openLog(dir, { maxFileBytes: 150 });
  for (let i = 1; i <= 9; i++) await put(log, `b${i}`);
  await log.writer.close();
  for (let round = 0; round < 3; round++) {
    const again = await openLog(dir, { after: 6 });
    assert.deepEqual(again.records, ['7:b7', '8:b8', '9:b9']);
    await again.writer.close();
  }
});

test('appends that wait together share one write and one sync', async (t) => {
  const log = await openLog(tempDir(t));
  const results = await Promise.all(Array.from({ length: 500 }, (_, i) => put(log, `payload ${i}`)));
  assert.deepEqual(results.map((r) => r.lsn), Array.from({ length: 500 }, (_, i) => i + 1));
  const counters = log.writer.counters();
  assert.equal(counters.records, 500);
  assert.ok(counters.syncs <= 3, `${counters.syncs} syncs`);
  await log.writer.close();
});

for (const mode of ['always', 'interval', 'off'] as const) {
  test(`[1.40] sync mode ${mode}: the ack says whether it is durable, sync() makes it so`, async (t) => {
    const log = await openLog(tempDir(t), { mode });
    const ack = await put(log, 'x');
    assert.equal(ack.durable, mode === 'always');
    if (mode === 'off') assert.equal(log.writer.syncedLsn, 0);
    await log.writer.sync();
    assert.equal(log.writer.syncedLsn, 1);
    await log.writer.close();
  });
}

test('[1.40] sync mode interval syncs by itself', async (t) => {
  const log = await openLog(tempDir(t), { mode: 'interval' });
  await put(log, 'x');
  await until(() => log.writer.syncedLsn === 1, 'the timer has synced');
  assert.equal(log.writer.counters().syncs, 1);
  await log.writer.close();
});

test('rotate closes the file in use; a rotation without records is none', async (t) => {
  const dir = tempDir(t);
  const log = await openLog(dir);
  assert.deepEqual(await log.writer.rotate(), { closed: null, lastLsn: 0 });
  await put(log, 'a');
  assert.deepEqual(await log.writer.rotate(), { closed: '0000000000000001.wal', lastLsn: 1 });
  await put(log, 'b');
  const seen: string[] = [];
  const report = await replayWal(env, dir, { after: asLsn(0), upTo: asLsn(1), tag: null }, (r) => void seen.push(r.payload.toString()));
  assert.deepEqual([seen, report.filesRead], [['a'], 1], 'a worker reads the closed file only');
  await log.writer.close();
});

test('a file is trimmed only when the flushed LSN has passed all of it, never the newest', async (t) => {
  const dir = tempDir(t);
  const log = await openLog(dir);
  for (let i = 1; i <= 6; i++) {
    await put(log, `b${i}`);
    if (i % 2 === 0) await log.writer.rotate();
  }
  assert.deepEqual(await trimWal(env, dir, asLsn(3)), ['0000000000000001.wal']);
  assert.deepEqual(await trimWal(env, dir, asLsn(6)), ['0000000000000003.wal', '0000000000000005.wal']);
  assert.deepEqual(files(dir), ['0000000000000007.wal']);
  assert.equal(await walDiskBytes(env, dir), WAL_HEADER_BYTES);
  await log.writer.close();
  const again = await openLog(dir, { after: 6 });
  assert.equal((await put(again, 'b7')).lsn, 7);
  await again.writer.close();
});

test('a torn tail is cut at the first bad record, and what follows is appended there', async (t) => {
  const [dir, crashed] = [tempDir(t), tempDir(t)];
  const log = await openLog(dir);
  for (let i = 1; i <= 5; i++) await put(log, `batch ${i}`);
  await copyWithoutClose(log, dir, crashed);
  const size = statSync(lastFile(crashed)).size;
  for (let cut = 1; cut <= 32; cut++) {
    const each = tempDir(t);
    copyFileSync(lastFile(crashed), join(each, files(crashed)[0] ?? ''));
    truncateSync(lastFile(each), size - cut);
    const opened = await openLog(each);
    assert.equal(opened.records.length, 4, `cut ${cut}`);
    assert.equal(opened.tornTailBytes, 32 - cut);
    assert.equal((await put(opened, 'fifth')).lsn, 5);
    await opened.writer.close();
    const again = await openLog(each);
    assert.deepEqual(again.records.slice(3), ['4:batch 4', '5:fifth']);
    await again.writer.close();
  }
});

test('[0.5] garbage behind the last record is cut, damage in front of synced records is refused by file and offset', async (t) => {
  const [dir, crashed] = [tempDir(t), tempDir(t)];
  const log = await openLog(dir);
  for (let i = 1; i <= 5; i++) await put(log, `batch ${i}`);
  await copyWithoutClose(log, dir, crashed);
  const path = lastFile(crashed);
  const good = readFileSync(path);
  appendFileSync(path, Buffer.alloc(4096, 0xa5));
  const opened = await openLog(crashed);
  assert.equal(opened.records.length, 5);
  assert.equal(opened.tornTailBytes, 4096);
  await opened.writer.close();
  for (let at = WAL_HEADER_BYTES; at < good.length; at++) {
    const bad = Buffer.from(good);
    bad[at] = (bad[at] ?? 0) ^ 0x10;
    const each = tempDir(t);
    writeFileSync(join(each, '0000000000000001.wal'), bad);
    const record = Math.floor((at - WAL_HEADER_BYTES) / 32);
    if (record === 4) {
      const last = await openLog(each);
      assert.equal(last.records.length, 4, 'the last record cannot be told from a torn one');
      await last.writer.close();
      continue;
    }
    const offset = WAL_HEADER_BYTES + record * 32;
    await assert.rejects(openLog(each), (error) => isCairnError(error, 'CORRUPT') && error.path === join(each, '0000000000000001.wal') && error.offset === offset, `byte ${at}`);
    assert.deepEqual(readFileSync(join(each, '0000000000000001.wal')), bad, 'a refused log is left as it is');
  }
});

test('every damaged byte of a header is refused', async (t) => {
  const dir = tempDir(t);
  const log = await openLog(dir);
  await put(log, 'x');
  await log.writer.close();
  const good = readFileSync(lastFile(dir));
  for (let at = 0; at < WAL_HEADER_BYTES; at++) {
    const bad = Buffer.from(good);
    bad[at] = (bad[at] ?? 0) ^ 1;
    writeFileSync(lastFile(dir), bad);
    await assert.rejects(openLog(dir), (error) => isCairnError(error, 'CORRUPT') && error.path === lastFile(dir), `byte ${at}`);
  }
});

test('a missing file in the middle is a gap and refused', async (t) => {
  const dir = tempDir(t);
  const log = await openLog(dir);
  for (let i = 1; i <= 3; i++) {
    await put(log, `b${i}`);
    await log.writer.rotate();
  }
  await log.writer.close();
  await env.unlink(join(dir, '0000000000000002.wal'));
  await assert.rejects(openLog(dir), (error) => isCairnError(error, 'CORRUPT') && /jumps|next file begins/.test(error.message));
});

test('a log directory without files is a loss unless the index is new', async (t) => {
  const dir = tempDir(t);
  await assert.rejects(openLog(dir, { mayCreate: false }), (error) => isCairnError(error, 'CORRUPT'));
  await assert.rejects(openLog(join(dir, 'wal'), { mayCreate: false }), (error) => isCairnError(error, 'CORRUPT'));
  await (await openLog(join(dir, 'wal'))).writer.close();
  assert.equal((await listWalFiles(env, join(dir, 'wal'))).length, 1);
});

test('a log of a larger epoch is refused', async (t) => {
  const dir = tempDir(t);
  await (await openLog(dir, { epoch: 7 })).writer.close();
  await assert.rejects(openLog(dir, { epoch: 6 }), (error) => isCairnError(error, 'FENCED'));
});

test('a frozen writer that wakes up writes into the void', async (t) => {
  const dir = tempDir(t);
  const frozen = await openLog(dir, { epoch: 1 });
  await put(frozen, 'a');
  const taker = await openLog(dir, { epoch: 2 });
  assert.deepEqual(taker.records, ['1:a']);
  await put(frozen, 'ghost');
  await put(taker, 'b');
  await Promise.all([frozen.writer.close(), taker.writer.close()]);
  const again = await openLog(dir, { epoch: 3 });
  assert.deepEqual(again.records, ['1:a', '2:b']);
  await again.writer.close();
});

test('[5.2] a writer that is frozen at any moment of a rotation leaves the file of its successor alone', async (t) => {
  let calls = 0;
  let freezeAt = Number.POSITIVE_INFINITY;
  let meanwhile: () => Promise<void> = () => Promise.resolve();
  const frozenAt = <A extends unknown[], R>(call: (...args: A) => Promise<R>) => async (...args: A): Promise<R> => {
    if (calls++ === freezeAt) await meanwhile();
    return call(...args);
  };
  const freezing: Env = { ...env, open: frozenAt(env.open), rename: frozenAt(env.rename), link: frozenAt(env.link), unlink: frozenAt(env.unlink), syncDir: frozenAt(env.syncDir), readFile: frozenAt(env.readFile) };
  let rotations = 0;
  for (let step = 0; step === rotations; step++) {
    const dir = tempDir(t);
    const frozen = await openLog(dir, { epoch: 1, env: freezing });
    await put(frozen, 'a');
    let taker: Log | null = null;
    [calls, freezeAt] = [0, step];
    meanwhile = async () => {
      taker = await openLog(dir, { epoch: 2 });
      for (const text of ['b', 'a longer record', 'c']) await put(taker, text);
      rotations++;
    };
    // Whether it notices at once, later or never: what it does must not show.
    await frozen.writer.rotate().catch(() => null);
    await put(frozen, 'a ghost, longer than everything else in these files').catch(() => null);
    freezeAt = Number.POSITIVE_INFINITY;
    await frozen.writer.close().catch(() => null);
    if (taker === null) break;
    const { writer } = taker as Log;
    await put(taker, 'd');
    await writer.close();
    const again = await openLog(dir, { epoch: 3 });
    assert.deepEqual(again.records, ['1:a', '2:b', '3:a longer record', '4:c', '5:d'], `frozen at call ${step}`);
    await again.writer.close();
  }
  assert.ok(rotations >= 4, `${rotations} moments`);
});

test('unknown optional records are skipped, unknown required ones refused, too large ones not taken', async (t) => {
  const dir = tempDir(t);
  const log = await openLog(dir);
  await put(log, 'a');
  await log.writer.append(Buffer.from('?'), 77);
  await log.writer.close();
  await assert.rejects(openLog(dir), (error) => isCairnError(error, 'NEWER_FORMAT') && error.offset === WAL_HEADER_BYTES + 32);
  const other = await openLog(tempDir(t));
  await assert.rejects(other.writer.append({ length: 2 ** 29 } as Uint8Array), (error) => isCairnError(error, 'INVALID_ARGUMENT'));
  assert.equal((await put(other, 'b')).lsn, 1, 'a refused batch takes no LSN');
  await other.writer.close();
});

test('a file of another log is refused by its tag, one without a tag is taken; new files carry the tag', async (t) => {
  const [dir, other] = [tempDir(t), tempDir(t)];
  const [ours, theirs] = ['00000000000000aa', '00000000000000bb'];
  for (const [at, tag] of [[dir, ours], [other, theirs]] as const) {
    const log = await openLog(at, { tag });
    await put(log, `of ${tag}`);
    await log.writer.close();
  }
  const name = files(dir)[0] as string;
  writeFileSync(join(dir, name), readFileSync(join(other, name)));
  await assert.rejects(openLog(dir, { tag: ours }), (error) => isCairnError(error, 'CORRUPT') && error.path === join(dir, name) && error.offset === 48 && /another log/.test(error.message));
  const any = await openLog(other, { tag: null });
  assert.deepEqual(any.records, [`1:of ${theirs}`]);
  await any.writer.close();
  const old = tempDir(t);
  const untagged = await openLog(old);
  await put(untagged, 'old');
  await copyWithoutClose(untagged, old, dir);
  const taken = await openLog(dir, { tag: ours });
  assert.deepEqual(taken.records, ['1:old']);
  await taken.writer.close();
  assert.equal(decodeWalHeader(readFileSync(join(dir, name)), name).tag, ours, 'the file was written anew');
});

test('[1.4] a header of layout 1 has no tag, whatever stands in its place', () => {
  const header = encodeWalHeader({ salt: 1, epoch: testLease(1).epoch, firstLsn: asLsn(1), baseLength: 64, tag: '00112233445566ff' });
  assert.equal(decodeWalHeader(header, 'x').tag, '00112233445566ff');
  header.writeUInt32LE(1, 8);
  header.writeUInt32LE(crc32(header.subarray(0, 60)), 60);
  assert.equal(decodeWalHeader(header, 'x').tag, null);
});

test('[1.29] time stamps go on from the last one, whatever of the log is left, and never fall', async (t) => {
  const dir = tempDir(t);
  let now = 1_000_000;
  const clocked = { ...env, clock: { ...env.clock, now: () => now } };
  const stampsAfter = async (after: number): Promise<number[]> => {
    const times: number[] = [];
    await replayWal(env, dir, { after: asLsn(after), tag: null, onMark: ({ type, payload }) => void (type === WAL_TYPE_TIME && times.push(decodeTime(payload, dir).time)) }, () => undefined);
    return times;
  };
  for (let lsn = 1; lsn <= 12; lsn++) {
    // Reopened as a file in use, as an empty one after a rotation, sealed, trimmed, and once without stamps.
    const log = await openLog(dir, { env: clocked, stampTimes: lsn !== 6, after: lsn - 1 });
    await put(log, `b${lsn}`);
    if (lsn % 3 === 0) await log.writer.rotate();
    if (lsn % 4 === 0) await trimWal(env, dir, asLsn(lsn));
    await log.writer.close();
    assert.deepEqual(new Set(await stampsAfter(lsn)), new Set([1_000_000]), `at LSN ${lsn}`);
    now -= 1000;
  }
  assert.equal(files(dir).length, 1, 'the files with the first times are gone');
  now = 2_000_000;
  const last = await openLog(dir, { env: clocked, stampTimes: true, after: 12 });
  await put(last, 'later');
  await last.writer.close();
  assert.equal((await stampsAfter(12)).at(-1), 2_000_000);
});
