/** Parts, views and staging, against memtables in the place of all parts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeDoc } from '../../src/format/doc-codec.ts';
import { FlatDoc } from '../../src/format/flat-doc.ts';
import { FileUse } from '../../src/index/file-use.ts';
import { newMemtable } from '../../src/index/memtables.ts';
import { Mutex } from '../../src/index/mutex.ts';
import { PartTable } from '../../src/index/part-table.ts';
import { Staging } from '../../src/index/staging.ts';
import { VectorArena } from '../../src/quantize/arena.ts';
import { asGeneration, asLsn } from '../../src/util/ids.ts';
import { tinyDoc } from '../support/tiny-doc.ts';
import { versionsOf } from './harness.ts';

const arena = new VectorArena({ maxBytes: 8 << 20 });
const memtable = (): ReturnType<typeof newMemtable> => newMemtable({ arena, metadata: { dimension: 4 } });
const flat = (key: string, version: number): FlatDoc => new FlatDoc(encodeDoc(tinyDoc(key, version, 4)));

function commit(table: PartTable, lsn: number, puts: Record<string, number>, deletes: string[] = []): void {
  const staging = new Staging(table);
  for (const key of deletes) staging.delete(key);
  for (const [key, version] of Object.entries(puts)) staging.put(flat(key, version), asLsn(lsn));
  staging.publish(asLsn(lsn));
}

test('rows that are staged are seen by nobody before they are published', () => {
  const table = new PartTable([], memtable(), asGeneration(1));
  commit(table, 1, { a: 1 });
  const staging = new Staging(table);
  staging.put(flat('a', 2), asLsn(2));
  staging.put(flat('b', 1), asLsn(2));
  staging.delete('a');
  const during = table.snapshot();
  assert.deepEqual(versionsOf(during), { a: 1 });
  assert.equal(during.find('b'), null);
  assert.equal(during.lsn, 1);
  staging.publish(asLsn(2));
  const after = table.snapshot();
  assert.deepEqual(versionsOf(after), { b: 1 });
  assert.deepEqual(versionsOf(during), { a: 1 }, 'nor by a snapshot that is older');
  assert.notEqual(during.find('a'), null);
  assert.deepEqual(table.counts().docs, 1);
  for (const snapshot of [during, after]) snapshot.release();
  table.close();
});

test('a key is located in whatever part its live row is, frozen parts included', () => {
  const table = new PartTable([], memtable(), asGeneration(1));
  commit(table, 1, { a: 1, b: 1, c: 1 });
  const first = table.active;
  table.freeze(memtable());
  commit(table, 2, { b: 2 }, ['c']);
  assert.equal(table.locate('a')?.handle, first);
  assert.equal(table.locate('b')?.handle, table.active);
  assert.equal(table.locate('c'), null);
  assert.deepEqual(first.live.counts.docs, 1);
  const snapshot = table.snapshot();
  assert.deepEqual(versionsOf(snapshot), { a: 1, b: 2 });
  assert.equal(snapshot.parts.length, 2);
  snapshot.release();
  table.close();
});

test('snapshots between two commits share one view; parts go when the last of them is released', () => {
  const before = arena.usage.usedBytes;
  const table = new PartTable([], memtable(), asGeneration(1));
  commit(table, 1, { a: 1 });
  const [one, two] = [table.snapshot(), table.snapshot()];
  assert.equal(one.parts, two.parts);
  assert.equal(table.openSnapshots, 2);
  table.freeze(memtable());
  table.install(asGeneration(2), [], true);
  assert.deepEqual(versionsOf(one), { a: 1 }, 'the memtable is gone from the table, not from its readers');
  one.release();
  one.release();
  assert.equal(table.openSnapshots, 1, 'releasing twice counts once');
  assert.deepEqual(versionsOf(two), { a: 1 });
  two.release();
  table.close();
  assert.equal(arena.usage.usedBytes, before);
  assert.throws(() => two.parts, { code: 'INVALID_ARGUMENT' });
});

test('parts without a live row are left out of views', () => {
  const table = new PartTable([], memtable(), asGeneration(1));
  const empty = table.snapshot();
  assert.deepEqual(empty.parts, []);
  empty.release();
  commit(table, 1, { a: 1 });
  table.freeze(memtable());
  commit(table, 2, {}, ['a']);
  const snapshot = table.snapshot();
  assert.deepEqual(snapshot.parts, []);
  assert.equal(snapshot.find('a'), null);
  snapshot.release();
  table.close();
});

test('an older snapshot finds the version of a key that it had, however often it was replaced since', () => {
  const table = new PartTable([], memtable(), asGeneration(1));
  const snapshots = Array.from({ length: 6 }, (_, i) => {
    commit(table, i + 1, { a: i + 1, [`other${i}`]: 1 });
    return table.snapshot();
  });
  for (const [i, snapshot] of snapshots.entries()) {
    const found = snapshot.find('a');
    assert.equal(found?.view.part.chunkText(found.view.part.chunkStart(found.doc)), `a ${i + 1}`);
    snapshot.release();
  }
  table.close();
});

test('the mutex runs in order, one at a time, and survives a section that fails', async () => {
  const mutex = new Mutex();
  const log: string[] = [];
  const section = (name: string, fails = false): Promise<void> => mutex.run(async () => {
    log.push(`${name} in`);
    await new Promise((resolve) => setImmediate(resolve));
    log.push(`${name} out`);
    if (fails) throw new Error(name);
  });
  const results = await Promise.allSettled([section('a'), section('b', true), section('c')]);
  assert.deepEqual(results.map((r) => r.status), ['fulfilled', 'rejected', 'fulfilled']);
  assert.deepEqual(log, ['a in', 'a out', 'b in', 'b out', 'c in', 'c out']);
});

test('files are in use until every use has ended, and a use ends once', () => {
  const files = new FileUse();
  const [first, second] = [files.hold('x'), files.hold('x')];
  first();
  first();
  assert.deepEqual([...files.names], ['x']);
  second();
  assert.deepEqual([...files.names], []);
});
