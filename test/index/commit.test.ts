/** The write path: atomic batches, group commit, sync modes, faults of the log. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { encodeDoc } from '../../src/format/doc-codec.ts';
import type { DurableIndex } from '../../src/index/types.ts';
import { CairnError } from '../../src/util/errors.ts';
import { checkLeaks } from '../support/leaks.ts';
import { tinyDoc } from '../support/tiny-doc.ts';
import { newTestIndex, versions } from './harness.ts';

checkLeaks();

const put = (key: string, version: number, dimension = 4): Uint8Array => encodeDoc(tinyDoc(key, version, dimension));
const commit = (index: DurableIndex, key: string, version: number): ReturnType<DurableIndex['commit']> => index.commit({ puts: [put(key, version)], deletes: [] });

/** No slice of work ends because the machine is slow: what is asked for together goes to the log together. */
function stopTime(t: TestContext): void {
  const now = performance.now();
  t.mock.method(performance, 'now', () => now);
}

test('a batch is visible as a whole and only after its commit', async (t) => {
  const { index } = await newTestIndex(t);
  const before = index.snapshot();
  const pending = index.commit({ puts: [put('a', 1), put('b', 1)], deletes: [] });
  assert.deepEqual(versions(index), {});
  const result = await pending;
  assert.deepEqual(result, { lsn: 1, syncMode: 'always', durable: true });
  assert.deepEqual(versions(index), { a: 1, b: 1 });
  await index.commit({ puts: [put('b', 2)], deletes: ['a', 'absent'] });
  assert.deepEqual(versions(index), { b: 2 });
  assert.equal(before.find('a'), null, 'a snapshot stays at its LSN');
  before.release();
  assert.throws(() => before.find('a'), /released/);
});

test('in one batch deletes come before puts and the last put of a key counts', async (t) => {
  const { index } = await newTestIndex(t);
  await index.commit({ puts: [put('a', 1), put('a', 2), put('b', 1)], deletes: ['a', 'b'] });
  assert.deepEqual(versions(index), { a: 2, b: 1 });
  assert.equal(index.stats().docs, 2);
});

test('[4.17] 600 commits in flight share few syncs, keep their order and are all acknowledged', async (t) => {
  const { index, env } = await newTestIndex(t);
  stopTime(t);
  let syncs = 0;
  env.fail = (call) => void (call === 'datasync' && syncs++);
  const results = await Promise.all(Array.from({ length: 600 }, (_, i) => commit(index, `k${i % 50}`, i + 1)));
  assert.deepEqual(results.map((r) => r.lsn), Array.from({ length: 600 }, (_, i) => i + 1));
  assert.ok(syncs < 60, `${syncs} syncs for 600 commits`);
  assert.equal(index.version, 600);
  const expected = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`k${i}`, 551 + i]));
  assert.deepEqual(versions(index), expected);
});

test('[1.24] operations, batches, failures, pending ones, mean time, log writes and segments are counted', async (t) => {
  const { index, env } = await newTestIndex(t);
  await index.commit({ puts: [put('a', 1), put('b', 1)], deletes: ['c'] });
  stopTime(t);
  const waiting = Array.from({ length: 20 }, (_, i) => commit(index, `k${i}`, 1));
  assert.equal(index.stats().incremental.pending, 20);
  await Promise.all(waiting);
  await assert.rejects(index.commit({ puts: [], deletes: [''] }), { code: 'INVALID_ARGUMENT' });
  env.fail = (call, path) => {
    if (call === 'datasync') throw new CairnError('IO', 'injected', { path });
  };
  await assert.rejects(commit(index, 'z', 1), { code: 'IO' });
  env.fail = () => undefined;
  await index.persist('test');
  const { meanMs, logWrites, logSyncs, ...counted } = index.stats().incremental;
  assert.deepEqual(counted, { operations: 23, batches: 21, failures: 2, pending: 0, segments: 1 });
  assert.ok(meanMs > 0 && logSyncs > 0 && logWrites >= 3 && logWrites < 21, `mean ${meanMs}, ${logWrites} writes, ${logSyncs} syncs`);
});

test('[1.40] what an ack means is said by the result, and sync() makes all of them durable', async (t) => {
  for (const syncMode of ['interval', 'off'] as const) {
    const { index, env } = await newTestIndex(t, { options: { syncMode, syncIntervalMs: 60_000 } });
    let syncs = 0;
    env.fail = (call) => void (call === 'datasync' && syncs++);
    assert.deepEqual(await commit(index, 'a', 1), { lsn: 1, syncMode, durable: false });
    assert.equal(syncs, 0);
    assert.equal(index.stats().syncedVersion, 0);
    await index.sync();
    assert.equal(syncs, 1);
    assert.equal(index.stats().syncedVersion, 1);
    await index.close();
  }
});

test('wrong dimension, missing vectors, bad keys and damaged documents are refused and leave no trace', async (t) => {
  const { index } = await newTestIndex(t);
  const refuse = (puts: Uint8Array[], deletes: string[], code: string): Promise<void> => assert.rejects(index.commit({ puts, deletes }), { code });
  await refuse([put('ok', 1), put('a', 1, 8)], [], 'DIMENSION_MISMATCH');
  await refuse([put('a', 1, 0)], [], 'DIMENSION_MISMATCH');
  await refuse([], [''], 'INVALID_ARGUMENT');
  await refuse([], ['x'.repeat(5000)], 'INVALID_ARGUMENT');
  const damaged = put('a', 1);
  damaged[60] = (damaged[60] as number) ^ 1;
  await refuse([damaged], [], 'CORRUPT');
  assert.equal(index.version, 0);
  assert.deepEqual(versions(index), {});
  assert.equal((await commit(index, 'a', 1)).lsn, 1);
});

test('a commit that cannot be written fails, reads go on, and writing resumes when the fault ends', async (t) => {
  const testIndex = await newTestIndex(t);
  const { index, env } = testIndex;
  await commit(index, 'a', 1);
  env.fail = (call, path) => {
    if (call === 'write' && path.includes('wal')) throw new CairnError('DISK_FULL', 'injected', { path, retryable: true });
  };
  await assert.rejects(commit(index, 'a', 2), { code: 'DISK_FULL', retryable: true });
  assert.match(index.stats().warnings?.join() ?? '', /the log takes no writes: injected/);
  await assert.rejects(commit(index, 'b', 1), { code: 'DISK_FULL' });
  await assert.rejects(index.persist('full'), { code: 'DISK_FULL' });
  assert.deepEqual(versions(index), { a: 1 }, 'reads keep serving');
  env.fail = () => undefined;
  assert.equal((await commit(index, 'c', 1)).lsn, 2, 'a batch that failed has no LSN');
  assert.deepEqual(index.stats().warnings, []);
  assert.deepEqual(versions(index), { a: 1, c: 1 });
  await testIndex.reopen();
  assert.deepEqual(versions(testIndex.index), { a: 1, c: 1 }, 'a failed batch does not come back');
});

test('after a failed sync the file is given up; what failed never happened, what was acknowledged stays', async (t) => {
  const testIndex = await newTestIndex(t);
  const { index, env } = testIndex;
  await commit(index, 'a', 1);
  let fails = 1;
  env.fail = (call, path) => {
    if (call === 'datasync' && fails-- > 0) throw new CairnError('IO', 'injected', { path });
  };
  const results = await Promise.allSettled([commit(index, 'b', 1), commit(index, 'c', 1)]);
  assert.deepEqual(results.map((r) => r.status), ['rejected', 'rejected']);
  assert.deepEqual(versions(index), { a: 1 });
  await commit(index, 'd', 1);
  await index.persist('after the fault');
  await testIndex.reopen();
  assert.deepEqual(versions(testIndex.index), { a: 1, d: 1 });
});

test('in mode interval an acknowledged commit survives a failed sync in memory and in the next file', async (t) => {
  const testIndex = await newTestIndex(t, { options: { syncMode: 'interval', syncIntervalMs: 60_000 } });
  const { index, env } = testIndex;
  await commit(index, 'a', 1);
  env.fail = (call, path) => {
    if (call === 'datasync') throw new CairnError('IO', 'injected', { path });
  };
  await assert.rejects(index.sync(), { code: 'IO' });
  env.fail = () => undefined;
  await commit(index, 'b', 1);
  await testIndex.reopen();
  assert.deepEqual(versions(testIndex.index), { a: 1, b: 1 });
});

test('a closed index answers with NOT_SERVING; a commit under way at close is finished first', async (t) => {
  const testIndex = await newTestIndex(t);
  const { index } = testIndex;
  const pending = commit(index, 'a', 1);
  const closed = index.close();
  await pending;
  await closed;
  await assert.rejects(commit(index, 'a', 2), { code: 'NOT_SERVING' });
  assert.throws(() => index.snapshot(), { code: 'NOT_SERVING' });
});

test('memory of closed parts goes back to the arena, and a snapshot keeps its parts readable', async (t) => {
  const { index, arena } = await newTestIndex(t);
  for (let i = 0; i < 50; i++) await commit(index, `k${i}`, 1);
  await index.persist('test');
  const held = index.snapshot();
  await index.close();
  assert.equal(held.find('k7')?.view.part.chunkText(held.find('k7')?.view.part.chunkStart(held.find('k7')?.doc ?? 0) ?? 0), 'k7 1');
  held.release();
  assert.equal(arena.usage.usedBytes, 0);
});
