// The nearest records of a vector index: equal to scoring all of them, whatever the parts, and with few rows read.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { asEpoch, encodeVectorRecord, Engine, exactScore, nearest, type DurableIndex, type Metric } from '../../src/api.ts';
import { checkLeaks } from '../support/leaks.ts';
import { seededRandom, testSeed } from '../support/random.ts';
import { tempDir } from '../support/temp-dir.ts';

checkLeaks();

const seed = testSeed(71);
const METRICS: readonly Metric[] = ['cosine', 'dot', 'euclidean'];

/** Closed before its directory goes: what is set up first is done first. */
async function openEngine(t: TestContext): Promise<Engine> {
  let engine: Engine | undefined;
  t.after(() => engine?.close());
  engine = await Engine.open({ dataDir: tempDir(t), lease: { epoch: asEpoch(1), assertHeld: () => undefined } });
  return engine;
}

type Model = Map<string, Float32Array>;

function randomVector(random: () => number, dimension: number, scale = 1): Float32Array {
  return Float32Array.from({ length: dimension }, () => (random() + random() + random() - 1.5) * scale);
}

function bruteForce(model: Model, query: Float32Array, metric: Metric, limit: number): [string, number][] {
  const all = [...model].map(([key, vector]): [string, number] => [key, exactScore(vector, query, metric)]);
  return all.sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, limit);
}

async function search(index: DurableIndex, vector: Float32Array, limit: number, prefix?: string) {
  const snapshot = index.snapshot();
  try {
    const found = await nearest(snapshot, { vector, metric: index.metadata.distanceMetric, limit, prefix });
    return { ...found, hits: found.hits.map(({ key, score }): [string, number] => [key, score]) };
  } finally {
    snapshot.release();
  }
}

for (const metric of METRICS) {
  test(`[2.1] [6.6] nearest by ${metric} equals brute force over memtable, segments, updates and deletes (seed ${seed})`, async (t) => {
    const random = seededRandom(seed);
    const dimension = 24;
    const engine = await openEngine(t);
    const index = await engine.create({ name: 'v', kind: 'vector', dimension, distanceMetric: metric });
    const model: Model = new Map();
    const put = async (keys: readonly string[]): Promise<void> => {
      const records = keys.map((id) => ({ id, payload: null, vector: random() < 0.05 ? new Float32Array(dimension) : randomVector(random, dimension, 10 ** Math.floor(random() * 5 - 2)) }));
      await index.commit({ puts: records.map(encodeVectorRecord), deletes: [] });
      for (const { id, vector } of records) model.set(id, vector);
    };
    for (let round = 0; round < 6; round++) {
      await put(Array.from({ length: 150 }, () => `${random() < 0.5 ? 'a' : 'b'}/${Math.floor(random() * 600)}`));
      const gone = [...model.keys()].filter(() => random() < 0.1);
      await index.commit({ puts: [], deletes: gone });
      for (const key of gone) model.delete(key);
      if (round % 2 === 0) await index.persist('test');
      for (const limit of [1, 7, 1000]) {
        const query = randomVector(random, dimension);
        assert.deepEqual((await search(index, query, limit)).hits, bruteForce(model, query, metric, limit));
        const inA: Model = new Map([...model].filter(([key]) => key.startsWith('a/')));
        assert.deepEqual((await search(index, query, limit, 'a/')).hits, bruteForce(inA, query, metric, limit));
      }
    }
  });
}

test('vectors that codes cannot tell apart, and values at both ends of f32, are still ranked exactly', async (t) => {
  const random = seededRandom(seed + 1);
  const engine = await openEngine(t);
  for (const metric of METRICS) {
    const index = await engine.create({ name: metric, kind: 'vector', dimension: 8, distanceMetric: metric });
    const model: Model = new Map();
    const centre = randomVector(random, 8);
    for (let i = 0; i < 300; i++) model.set(`near-${i}`, centre.map((value) => value + (random() - 0.5) * 1e-5));
    for (const [name, value] of [['tiny', 1e-44], ['small', 1e-37], ['huge', 3e38], ['large', 1e30]] as const) {
      model.set(name, Float32Array.from({ length: 8 }, (_, i) => (i === 3 ? value : 0)));
    }
    await index.commit({ puts: [...model].map(([id, vector]) => encodeVectorRecord({ id, vector, payload: null })), deletes: [] });
    const queries = [centre, Float32Array.from([0, 0, 0, 1, 0, 0, 0, 0]), Float32Array.from({ length: 8 }, () => 1e-40)];
    for (const query of queries) assert.deepEqual((await search(index, query, 12)).hits, bruteForce(model, query, metric, 12), metric);
  }
});

test('few stored rows are read; a wrong dimension, zeros with cosine and a cancelled search are refused', async (t) => {
  const random = seededRandom(seed + 2);
  const engine = await openEngine(t);
  const index = await engine.create({ name: 'v', kind: 'vector', dimension: 64 });
  await index.commit({ puts: Array.from({ length: 4000 }, (_, i) => encodeVectorRecord({ id: i, vector: randomVector(random, 64), payload: null })), deletes: [] });
  await index.persist('test');
  const { scanned, rescored } = await search(index, randomVector(random, 64), 10);
  assert.equal(scanned, 4000);
  assert.ok(rescored < 200, `${rescored} rows were read`);
  await assert.rejects(search(index, randomVector(random, 63), 10), { code: 'DIMENSION_MISMATCH' });
  await assert.rejects(search(index, new Float32Array(64), 10), { code: 'INVALID_ARGUMENT' });
  const snapshot = index.snapshot();
  try {
    await assert.rejects(nearest(snapshot, { vector: randomVector(random, 64), metric: 'cosine', limit: 1 }, AbortSignal.abort()), { code: 'CANCELLED' });
  } finally {
    snapshot.release();
  }
});
