import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { BUILT_IN_MODEL, createStaticEmbedder, embedderFromShared } from '../../src/embed/static-embedder.ts';
import { StaticModel } from '../../src/embed/static-model.ts';

interface Golden {
  readonly dim: number;
  readonly cases: readonly { readonly name: string; readonly text: string; readonly ids: readonly number[]; readonly first8: readonly number[]; readonly checksum: number; readonly sha256_f32le: string }[];
}

const golden = JSON.parse(await readFile(new URL('golden.json', BUILT_IN_MODEL), 'utf8')) as Golden;
const embedder = await createStaticEmbedder();
const sha256 = (vector: Float32Array): string => createHash('sha256').update(new Uint8Array(vector.buffer)).digest('hex');

test('the golden file holds 25 cases of 256 numbers', () => {
  assert.equal(golden.cases.length, 25);
  assert.equal(embedder.identity.dimension, golden.dim);
});

for (const { name, text, ids, first8, checksum, sha256_f32le: hash } of golden.cases) {
  test(`[6.19] golden vector: ${name}`, () => {
    assert.deepEqual([...StaticModel.fromShared(embedder.share()).tokenIds(text)], ids);
    const vector = embedder.embedText(text);
    first8.forEach((value, k) => assert.ok(Math.abs((vector[k] as number) - value) <= 1e-6));
    const sum = vector.reduce((total, value, k) => total + (k + 1) * value, 0);
    assert.ok(Math.abs(sum - checksum) <= 1e-4);
    assert.equal(sha256(vector), hash);
  });
}

test('embed() gives the vectors in the order of the texts and counts its calls', async () => {
  const own = await createStaticEmbedder();
  const vectors = await own.embed(golden.cases.map((c) => c.text));
  assert.deepEqual(vectors.map(sha256), golden.cases.map((c) => c.sha256_f32le));
  assert.deepEqual(own.counters, { calls: 1, texts: 25 });
});

test('embed() is cancelled by its signal', async () => {
  await assert.rejects(embedder.embed(['a'], AbortSignal.abort()), { code: 'CANCELLED' });
});

test('a shared view uses the same memory and gives the same vectors', () => {
  const shared = embedder.share();
  const other = embedderFromShared(structuredClone(shared));
  assert.equal(other.share().buffer.byteLength, shared.buffer.byteLength);
  assert.deepEqual(other.identity, embedder.identity);
  for (const c of golden.cases) assert.equal(sha256(other.embedText(c.text)), c.sha256_f32le);
});

test('texts: path words in front of a chunk, missing folders left out, queries as they are', () => {
  assert.equal(embedder.documentText('packages/server/src/auth/session.store.ts', 'x'), 'server src auth session.store session.store\nx');
  assert.equal(embedder.documentText('main.go', 'x'), 'main main\nx');
  assert.equal(embedder.documentText('a/.bashrc', 'x'), 'a .bashrc .bashrc\nx');
  assert.equal(embedder.pathText('src/embed/model.ts'), 'src embed model model');
  assert.equal(embedder.pathText('Makefile'), 'Makefile Makefile');
  assert.equal(embedder.queryText('who calls close?'), 'who calls close?');
});
