// The log on a disk that fails: poisoned after the first failure, healed in a new file, nothing acknowledged lost, nobody told a lie.
import assert from 'node:assert/strict';
import test from 'node:test';
import { WAL_HEADER_BYTES } from '../../src/format/constants.ts';
import { isCairnError, type ErrorCode } from '../../src/util/errors.ts';
import { asLsn } from '../../src/util/ids.ts';
import { openWal, type OpenedWal } from '../../src/wal/open-wal.ts';
import { recordBytes } from '../../src/wal/record.ts';
import { replayWal } from '../../src/wal/wal-reader.ts';
import type { WalOptions } from '../../src/wal/wal-writer.ts';
import { testLease } from '../support/fence.ts';
import { MemoryEnv, ROOT, type CallKind } from '../support/memory-env.ts';

const DIR = `${ROOT}/wal`;
const code = (...codes: ErrorCode[]) => (error: unknown) => isCairnError(error, ...codes);

async function open(env: MemoryEnv, options: Partial<WalOptions> = {}, lease = testLease()): Promise<OpenedWal & { readonly records: string[] }> {
  const records: string[] = [];
  const opened = await openWal(env, DIR, {
    after: asLsn(0), tag: null,
    fence: lease,
    options: { syncMode: 'always', syncIntervalMs: 10, maxFileBytes: 1 << 20, ...options },
    mayCreate: true,
    onRecord: (record) => void records.push(`${record.lsn}:${record.payload.toString()}`),
  });
  return { ...opened, records };
}

const fail = (env: MemoryEnv, kind: CallKind, errno = 'EIO', written?: number): void => {
  env.fault = (call) => (call.kind === kind ? { errno, ...(written === undefined ? {} : { written }) } : null);
};

async function reopened(env: MemoryEnv): Promise<string[]> {
  const { writer, records } = await open(new MemoryEnv(env.disk(), 9), {}, testLease(2));
  await writer.close();
  return records;
}

test('everybody who waits for a failed write gets its error; later appends are POISONED until healed', async () => {
  const env = new MemoryEnv();
  const { writer } = await open(env);
  await writer.append(Buffer.from('a'));
  fail(env, 'write', 'ENOSPC', 10);
  const waiting = await Promise.allSettled(['b', 'c', 'd'].map((text) => writer.append(Buffer.from(text))));
  for (const one of waiting) assert.ok(one.status === 'rejected' && isCairnError(one.reason, 'DISK_FULL') && one.reason.retryable);
  await assert.rejects(writer.append(Buffer.from('e')), (error) => isCairnError(error, 'POISONED') && isCairnError(error.cause, 'DISK_FULL') && error.retryable);
  await assert.rejects(writer.rotate(), code('POISONED'));
  await assert.rejects(writer.sync(), code('POISONED'));
  fail(env, 'open', 'ENOSPC');
  await assert.rejects(writer.heal(), code('DISK_FULL'));
  assert.equal(writer.failure?.code, 'DISK_FULL', 'still poisoned');
  env.fault = null;
  await Promise.all([writer.heal(), writer.heal()]);
  assert.deepEqual(await writer.append(Buffer.from('f')), { lsn: 2, durable: true }, 'rejected LSNs are given again');
  await writer.close();
  assert.deepEqual(await reopened(env), ['1:a', '2:f']);
  assert.equal(env.openFiles, 0);
});

for (const kind of ['write', 'sync'] as const) test(`a durable write that failed (${kind}) is never tried again on the same file`, async () => {
  const env = new MemoryEnv();
  const { writer } = await open(env);
  await writer.append(Buffer.from('a'));
  let calls = 0;
  env.fault = (call) => (call.kind === kind && ++calls === 1 ? { errno: 'EIO', written: 5 } : null);
  await assert.rejects(writer.append(Buffer.from('b')), code('IO'));
  const failed = env.ops.findLast((op) => op.kind === 'sync-failed');
  await writer.heal();
  await writer.append(Buffer.from('c'));
  assert.ok(failed !== undefined);
  const later = env.ops.slice(env.ops.indexOf(failed) + 1);
  assert.ok(later.every((op) => !('ino' in op) || op.ino !== failed.ino), 'nothing touches the poisoned file');
  await writer.close();
  assert.deepEqual(await reopened(env), ['1:a', '2:c']);
});

test('acknowledged but unsynced records are written again after a failed sync', async () => {
  const env = new MemoryEnv();
  const { writer } = await open(env, { syncMode: 'interval' });
  for (const text of ['a', 'b', 'c']) await writer.append(Buffer.from(text));
  fail(env, 'sync');
  env.runTimers();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(writer.failure?.code, 'IO', 'the timer has nobody to tell, the next append hears of it');
  assert.equal(writer.syncedLsn, 0);
  env.fault = null;
  await writer.heal();
  assert.equal(writer.syncedLsn, 3);
  await writer.append(Buffer.from('d'));
  await writer.close();
  assert.deepEqual(await reopened(env), ['1:a', '2:b', '3:c', '4:d']);
});

test('close makes acknowledged records durable even after a failure, or says that it could not', async () => {
  for (const isHopeless of [false, true]) {
    const env = new MemoryEnv();
    const { writer } = await open(env, { syncMode: 'off' });
    await writer.append(Buffer.from('a'));
    fail(env, 'sync');
    await assert.rejects(writer.sync(), code('IO'));
    if (!isHopeless) env.fault = null;
    if (isHopeless) await assert.rejects(writer.close(), code('IO'));
    else await writer.close();
    assert.equal(env.openFiles, 0);
    if (!isHopeless) assert.deepEqual(await reopened(env), ['1:a']);
    await assert.rejects(writer.append(Buffer.from('b')), code('NOT_SERVING'));
    await writer.close();
  }
});

test('a rotation that fails rejects nobody who was acknowledged', async () => {
  const env = new MemoryEnv();
  const { writer } = await open(env, { maxFileBytes: 100 });
  env.fault = (call) => (call.kind === 'open' ? { errno: 'EMFILE' } : null);
  assert.deepEqual(await writer.append(Buffer.alloc(90, 0x61)), { lsn: 1, durable: true });
  await assert.rejects(writer.append(Buffer.from('b')), (error) => isCairnError(error, 'POISONED', 'TOO_MANY_FILES'));
  env.fault = null;
  await writer.heal();
  assert.equal((await writer.append(Buffer.from('c'))).lsn, 2);
  await writer.close();
  assert.equal((await reopened(env)).length, 2);
});

test('a writer that lost its lease acknowledges nothing', async () => {
  const env = new MemoryEnv();
  const lease = testLease();
  const { writer } = await open(env, {}, lease);
  await writer.append(Buffer.from('a'));
  lease.lose();
  await assert.rejects(writer.append(Buffer.from('b')), code('FENCED'));
  await assert.rejects(writer.heal(), code('FENCED'));
  await writer.close();
  assert.equal(env.openFiles, 0);
});

test('unsynced payload is bounded: the mode off syncs by itself when too much waits', async () => {
  const env = new MemoryEnv();
  const { writer } = await open(env, { syncMode: 'off', maxFileBytes: 1 << 30 });
  for (let i = 0; i < 6; i++) await writer.append(Buffer.alloc(4 << 20));
  assert.ok(writer.syncedLsn >= 4, `synced up to ${writer.syncedLsn}`);
  await writer.close();
});

test('no timer outlives the writer, and none runs without unsynced records', async () => {
  const env = new MemoryEnv();
  const { writer } = await open(env, { syncMode: 'interval' });
  assert.equal(env.pendingTimers, 0);
  await writer.append(Buffer.from('a'));
  assert.equal(env.pendingTimers, 1);
  await writer.sync();
  assert.equal(env.pendingTimers, 0);
  await writer.append(Buffer.from('b'));
  await writer.close();
  assert.equal(env.pendingTimers, 0);
});

test('counters and sizes are those of the files', async () => {
  const env = new MemoryEnv();
  const { writer } = await open(env);
  await Promise.all([writer.append(Buffer.alloc(100)), writer.append(Buffer.alloc(200))]);
  const size = WAL_HEADER_BYTES + recordBytes(100) + recordBytes(200);
  assert.equal(writer.fileBytes, size);
  assert.deepEqual(writer.counters(), { bytesWritten: recordBytes(100) + recordBytes(200), records: 2, groups: 1, syncs: 1, filesCreated: 0 });
  await writer.rotate();
  assert.equal(writer.counters().filesCreated, 1);
  assert.equal(writer.fileBytes, WAL_HEADER_BYTES);
  await writer.close();
});

test('a replay that is to reach an LSN says when the log ends before it', async () => {
  const env = new MemoryEnv();
  const { writer } = await open(env);
  await writer.append(Buffer.from('a'));
  await writer.rotate();
  await assert.rejects(replayWal(env, DIR, { after: asLsn(0), upTo: asLsn(2), tag: null }, () => undefined), code('CORRUPT'));
  await writer.close();
});

test('an error of the replay handler ends the opening and changes nothing', async () => {
  const env = new MemoryEnv();
  const { writer } = await open(env);
  await writer.append(Buffer.from('a'));
  await writer.close();
  const before = env.ops.length;
  const request = { after: asLsn(0), tag: null, fence: testLease(), options: { syncMode: 'always', syncIntervalMs: 1, maxFileBytes: 1 } as const, mayCreate: false, onRecord: () => Promise.reject(new Error('no')) };
  await assert.rejects(openWal(env, DIR, request), /no/);
  assert.deepEqual([env.ops.length, env.openFiles], [before, 0]);
});
