/** verify finds what is wrong, names file and offset, and finds nothing in a sound index. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { encodeDoc } from '../../src/format/doc-codec.ts';
import { checkRows } from '../../src/index/check-rows.ts';
import type { PartView } from '../../src/index/snapshot.ts';
import { VectorArena } from '../../src/quantize/arena.ts';
import { Memtable } from '../../src/memtable/memtable.ts';
import { CairnError } from '../../src/util/errors.ts';
import { checkLeaks } from '../support/leaks.ts';
import { seededRandom } from '../support/random-docs.ts';
import { randomDoc } from '../support/sample-docs.ts';
import { tinyDoc } from '../support/tiny-doc.ts';
import { newTestIndex, type TestIndex } from './harness.ts';

checkLeaks();

async function populated(t: Parameters<typeof newTestIndex>[0]): Promise<TestIndex> {
  const testIndex = await newTestIndex(t, { dimension: 8 });
  const random = seededRandom(3);
  const batch = (from: number): { puts: Uint8Array[]; deletes: string[] } => ({ puts: Array.from({ length: 20 }, (_, i) => encodeDoc(randomDoc(random, `doc${from + i}`, { dimension: 8 }))), deletes: [] });
  await testIndex.index.commit(batch(0));
  await testIndex.index.persist('1');
  await testIndex.index.commit(batch(10));
  await testIndex.index.persist('2');
  await testIndex.index.commit(batch(25));
  return testIndex;
}

function flip(path: string, offset: number): void {
  const bytes = readFileSync(path);
  bytes[offset] = (bytes[offset] as number) ^ 1;
  writeFileSync(path, bytes);
}

test('a sound index has no damage, and every file is counted', async (t) => {
  const { index } = await populated(t);
  for (const deep of [false, true]) {
    const report = await index.verify({ deep });
    assert.deepEqual(report.damages, []);
    assert.equal(report.ok, true);
    assert.ok(report.filesChecked >= 4 && report.bytesChecked > 0);
  }
});

test('[0.12] a flipped byte in any file of an open index is found, with its file and offset', async (t) => {
  const { index, dir } = await populated(t);
  const files = readdirSync(dir).filter((name) => /^(seg-.*|CURRENT|metadata\.json)$/.test(name));
  assert.ok(files.some((name) => name.endsWith('.tomb')) && files.some((name) => name.endsWith('.cairn')));
  for (const name of files) {
    const path = join(dir, name);
    const whole = readFileSync(path);
    for (const share of [0.05, 0.4, 0.7, 0.97]) {
      flip(path, Math.floor(whole.length * share));
      const report = await index.verify({ deep: true });
      // JSON has bytes that mean nothing (the digits of a time): only framed files promise to notice every bit.
      if (name !== 'metadata.json') assert.equal(report.ok, false, `${name} at ${share}`);
      for (const damage of report.damages) assert.ok(damage.file !== '' && damage.what !== '', JSON.stringify(damage));
      if (name.startsWith('seg-') && name.endsWith('.cairn')) assert.ok(report.damages.some((d) => d.file.includes(name) && d.offset !== null), JSON.stringify(report.damages));
      writeFileSync(path, whole);
    }
  }
  assert.equal((await index.verify({ deep: true })).ok, true);
});

test('verify can be cancelled', async (t) => {
  const { index } = await populated(t);
  await assert.rejects(index.verify({ deep: true, signal: AbortSignal.abort() }), { code: 'CANCELLED' });
});

test('rows that refer to rows of another document, and vectors without chunks, are found', async () => {
  const arena = new VectorArena({ maxBytes: 4 << 20 });
  const memtable = new Memtable({ id: 'memtable-test', dimension: 8, arena });
  const random = seededRandom(5);
  for (let i = 0; i < 20; i++) memtable.add(randomDoc(random, `doc${i}`, { dimension: 8 }));
  const view = (part: object): PartView => ({ part: part as PartView['part'], docCount: 20, chunkCount: memtable.chunkCount, live: null, liveDocs: 20, liveChunks: memtable.chunkCount });
  const problems = async (change: Record<string, unknown>): Promise<string[]> => {
    const part = new Proxy(memtable, { get: (target, name) => {
      if (name in change) return change[name as string];
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value;
    } });
    const found: string[] = [];
    for await (const error of checkRows(view(part), 8)) found.push(error.message);
    return found;
  };
  assert.deepEqual(await problems({}), []);
  assert.match((await problems({ vectors: null })).join(), /chunks without vectors/);
  assert.match((await problems({ vectors: { ...memtable.vectors, dimension: 8, chunks: { rows: 1 } } })).join(), /1 vectors for/);
  const stranger = memtable.symbolCount - 1;
  assert.match((await problems({ chunk: (chunk: number) => ({ ...memtable.chunk(chunk), symbol: stranger }) })).join(), /of another document/);
  assert.match((await problems({ symbol: (symbol: number) => ({ ...memtable.symbol(symbol), parent: symbol === 0 ? stranger : memtable.symbol(symbol).parent }) })).join(), /of another document/);
  assert.match((await problems({ edge: (edge: number) => ({ ...memtable.edge(edge), from: stranger }) })).join(), /leads from another document/);
  memtable.close();
});

test('a save whose outcome is unknown is no damage: CURRENT leads to what it wrote, or to what is in use', async (t) => {
  const { index, env } = await newTestIndex(t, { dimension: 4 });
  await index.commit({ puts: [encodeDoc(tinyDoc('a', 1, 4))], deletes: [] });
  await index.persist('first');
  for (const n of [2, 3]) {
    await index.commit({ puts: [encodeDoc(tinyDoc('b', n, 4))], deletes: [] });
    let isCurrent = false;
    env.fail = (call, path) => {
      if (call === 'rename' && path.includes('CURRENT')) isCurrent = true;
      if (call === 'syncDir' && isCurrent) throw new CairnError('IO', 'injected', { path });
    };
    await assert.rejects(index.persist('unknown outcome'), { code: 'IO' });
    env.fail = () => undefined;
    assert.deepEqual((await index.verify({ deep: true })).damages, []);
  }
  await index.persist('known again');
  assert.deepEqual((await index.verify({ deep: true })).damages, []);
});
