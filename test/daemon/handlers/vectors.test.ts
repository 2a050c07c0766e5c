// vectors/*: put, read back to the bit, search as brute force does, page through, delete, and all index methods on a vector index.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { MethodName } from '../../../daemon/protocol/methods.ts';
import { flipByte, sectionOffset, segmentFiles } from '../../support/damage.ts';
import { checkLeaks } from '../../support/leaks.ts';
import { seededRandom, testSeed } from '../../support/random.ts';
import { Composed } from './composed.ts';

checkLeaks();

const seed = testSeed(5);
const random = seededRandom(seed);
const DIMENSION = 16;
/** Tag of the section of exact vectors. */
const VECTORS = 32;
let daemon: Composed;

const numbers = (): number[] => Array.from(Float32Array.from({ length: DIMENSION }, () => random() - 0.5));
const base64 = (values: Float32Array): string => Buffer.from(values.buffer).toString('base64');

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);
}

describe(`vector indexes (seed ${seed})`, () => {
  before(async () => {
    daemon = await Composed.start();
    const made = await daemon.call('index/create', { kind: 'vector', name: 'notes', dimension: DIMENSION, metric: 'dot' });
    assert.deepEqual([made.index, made.root, made.state, made.created], ['notes', null, 'ready', true]);
  });
  after(async () => {
    assert.deepEqual(daemon.bugs, []);
    await daemon.close();
  });

  test('[2.1] [3.6] records come back bit for bit, ids and payloads as given, also after a restart of the index', async () => {
    const odd = Float32Array.from({ length: DIMENSION }, (_, i) => [-0, 1e-45, 3.4028234663852886e38, 0.1][i % 4] as number);
    const records = [
      { id: 42, vector: numbers(), payload: { language: 'rust', nested: { list: [1, null, 'ü'] } } },
      { id: 'größe/1', vector: base64(odd) },
      { id: '007', vector: numbers(), payload: {} },
    ];
    const put = await daemon.call('vectors/put', { index: 'notes', records });
    assert.deepEqual([put.count, put.durable, put.syncMode], [3, true, 'always']);
    for (const flush of [false, true]) {
      if (flush) await daemon.call('index/flush', { index: 'notes' });
      const got = await daemon.call('vectors/get', { index: 'notes', ids: [42, 'größe/1', '007', 'absent'], vectors: 'base64' });
      assert.deepEqual(got.records.map(({ id }) => id), [42, 'größe/1', '007']);
      assert.deepEqual(got.missing, ['absent']);
      assert.equal(got.records[1]?.vector, base64(odd));
      assert.deepEqual(got.records.map(({ payload }) => payload), [records[0]?.payload, undefined, {}]);
      const plain = await daemon.call('vectors/get', { index: 'notes', ids: ['42'] });
      assert.deepEqual(plain.records, [records[0]]);
    }
    await daemon.call('vectors/put', { index: 'notes', records: [{ id: '42', vector: numbers() }] });
    assert.equal((await daemon.call('vectors/get', { index: 'notes', ids: [42], vectors: 'none' })).records[0]?.id, '42');
    assert.equal((await daemon.call('vectors/delete', { index: 'notes', ids: [42, 'größe/1', '007', 'absent'] })).count, 3);
    assert.equal((await daemon.call('index/status', { index: 'notes' })).docs, 0);
  });

  test('search equals brute force; a prefix restricts; scan pages through everything once, in order', async () => {
    const model = new Map(Array.from({ length: 500 }, (_, i): [string, number[]] => [`${i % 3 === 0 ? 'x' : 'y'}/${i}`, numbers()]));
    const records = [...model].map(([id, vector]) => ({ id, vector }));
    await daemon.call('vectors/put', { index: 'notes', records: records.slice(0, 300) });
    await daemon.call('index/flush', { index: 'notes' });
    await daemon.call('vectors/put', { index: 'notes', records: records.slice(300) });
    const query = numbers();
    for (const prefix of [undefined, 'x/']) {
      const expected = [...model].filter(([id]) => id.startsWith(prefix ?? '')).map(([id, vector]) => ({ id, score: dot(vector, query) })).sort((a, b) => b.score - a.score).slice(0, 20);
      const { hits, scanned, meta } = await daemon.call('vectors/search', { index: 'notes', vector: query, limit: 20, ...(prefix === undefined ? {} : { prefix }) });
      assert.deepEqual(hits, expected);
      assert.equal(scanned, prefix === undefined ? 500 : 167);
      assert.equal(meta.state, 'ready');
      const seen: string[] = [];
      for (let next: string | null = ''; next !== null; ) {
        const page: { records: readonly { id: string | number; vector?: unknown }[]; next: string | null } = await daemon.call('vectors/scan', { index: 'notes', limit: 70, ...(prefix === undefined ? {} : { prefix }), ...(next === '' ? {} : { after: next }) });
        for (const { id, vector } of page.records) assert.deepEqual(vector, model.get(String(id)));
        seen.push(...page.records.map(({ id }) => String(id)));
        next = page.next;
      }
      assert.deepEqual(seen, [...model.keys()].filter((id) => id.startsWith(prefix ?? '')).sort());
    }
    const { hits } = await daemon.call('vectors/search', { index: 'notes', vector: query, limit: 1, vectors: 'numbers' });
    assert.deepEqual(hits[0]?.vector, model.get(String(hits[0]?.id)));
  });

  test('list, status, inspect, verify and flush know a vector index; a rebuild is refused', async () => {
    const { indexes } = await daemon.call('index/list', {});
    assert.deepEqual(indexes.map(({ index, kind }) => [index, kind]), [['notes', 'vector']]);
    const inspected = await daemon.call('index/inspect', { index: 'notes' });
    assert.deepEqual([inspected.docs, inspected.vectors, inspected.metadata['distanceMetric'], inspected.metadata['dimension']], [500, 500, 'dot', DIMENSION]);
    assert.deepEqual((await daemon.call('index/verify', { index: 'notes', deep: true })).damages, []);
    assert.equal((await daemon.error('index/rebuild', { index: 'notes', wait: true })).data.code, 'UNSUPPORTED');
  });

  test('[6.13] verify names what earlier damage took until it is given up: the files that are left are right, the index is not whole', async () => {
    await daemon.call('index/create', { kind: 'vector', name: 'hurt', dimension: DIMENSION });
    await daemon.call('vectors/put', { index: 'hurt', records: [{ id: 'a', vector: numbers() }, { id: 'b', vector: numbers() }] });
    await daemon.call('index/flush', { index: 'hurt' });
    const dir = join(daemon.dir, 'data', 'indexes', 'hurt');
    const [victim = ''] = segmentFiles(dir);
    flipByte(join(dir, victim), (await sectionOffset(join(dir, victim), VECTORS)) + 3);
    assert.deepEqual((await daemon.call('index/verify', { index: 'hurt' })).losses, []);
    assert.equal((await daemon.call('index/repair', { index: 'hurt', dryRun: true })).actions[0]?.kind, 'quarantine-segment');
    await daemon.call('vectors/get', { index: 'hurt', ids: ['a', 'b'] });
    const verified = await daemon.call('index/verify', { index: 'hurt', deep: true });
    assert.deepEqual([verified.ok, verified.state], [true, 'degraded']);
    assert.deepEqual(verified.losses.map(({ file, docs }) => [file, docs]), [[victim, 2]]);
    assert.match(verified.losses[0]?.what ?? '', /2 documents are lost/);
    await daemon.call('index/repair', { index: 'hurt' });
    const after = await daemon.call('index/verify', { index: 'hurt', deep: true });
    assert.deepEqual([after.ok, after.state, after.losses], [true, 'ready', []]);
  });

  test('[1.72] what does not fit is refused by name, and nothing of its batch is stored', async () => {
    const before = (await daemon.call('index/status', { index: 'notes' })).lsn;
    const good = { id: 'good', vector: numbers() };
    const cases: readonly (readonly [MethodName, object, string, RegExp])[] = [
      ['vectors/put', { records: [good, { id: 'short', vector: [1, 2] }] }, 'DIMENSION_MISMATCH', /"short" has 2 values/],
      ['vectors/put', { records: [good, { id: 1.5, vector: numbers() }] }, 'INVALID_ARGUMENT', /records\.1\.id/],
      ['vectors/put', { records: [good, { id: 'x', vector: ['1'] }] }, 'INVALID_ARGUMENT', /records\.1\.vector/],
      ['vectors/put', { records: [{ ...good, extra: 1 }] }, 'INVALID_ARGUMENT', /unknown param "extra"/],
      ['vectors/put', { records: [{ ...good, payload: [1] }] }, 'INVALID_ARGUMENT', /payload/],
      ['vectors/put', { records: [good, { id: 'x', vector: base64(Float32Array.from({ length: DIMENSION }, () => Number.NaN)) }] }, 'INVALID_ARGUMENT', /value 0 is NaN/],
      ['vectors/put', { records: [{ id: 'x', vector: 'AAAA' }] }, 'INVALID_ARGUMENT', /3 bytes are no whole f32/],
      ['vectors/search', { vector: [1] }, 'DIMENSION_MISMATCH', /the query has 1 values/],
      ['vectors/scan', { limit: 0 }, 'INVALID_ARGUMENT', /limit/],
      ['vectors/get', { ids: [true] }, 'INVALID_ARGUMENT', /ids\.0/],
    ];
    for (const [method, params, code, message] of cases) {
      const error = await daemon.error(method, { index: 'notes', ...params });
      assert.equal(error.data.code, code, `${method} ${JSON.stringify(params).slice(0, 80)}: ${error.message}`);
      assert.match(error.message, message);
    }
    assert.equal((await daemon.call('index/status', { index: 'notes' })).lsn, before);
    assert.deepEqual((await daemon.call('vectors/get', { index: 'notes', ids: ['good'] })).missing, ['good']);
    for (const wrong of [{ kind: 'vector', name: 'v' }, { kind: 'vector', dimension: 3 }, { kind: 'vector', name: 'v', dimension: 3, root: '/' }, { name: 'v' }, { root: daemon.root, dimension: 3 }]) {
      assert.equal((await daemon.error('index/create', wrong)).data.code, 'INVALID_ARGUMENT', JSON.stringify(wrong));
    }
    assert.equal((await daemon.error('index/create', { kind: 'vector', name: 'notes', dimension: 3 })).data.code, 'ALREADY_EXISTS');
    await daemon.call('index/create', { root: daemon.root, wait: true });
    assert.equal((await daemon.error('vectors/search', { index: 'pebble', vector: [1] })).data.code, 'UNSUPPORTED');
  });

  test('[0.17] a deleted vector index is gone, with its records kept aside', async () => {
    const { keptAt } = await daemon.call('index/delete', { index: 'notes' });
    assert.match(keptAt ?? '', /trash/);
    assert.equal((await daemon.error('vectors/get', { index: 'notes', ids: [1] })).data.code, 'NOT_FOUND');
  });
});
