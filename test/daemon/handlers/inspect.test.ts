// What a user sees of an index, and that settings of batches and workers reach the work.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { checkLeaks } from '../../support/leaks.ts';
import { Composed, TREE } from './composed.ts';

checkLeaks();

async function indexed(t: TestContext, settings: readonly string[] = []): Promise<Composed> {
  const daemon = await Composed.start(['watch.enabled=false', ...settings]);
  t.after(() => daemon.close());
  await daemon.call('index/open', { root: daemon.root, wait: true });
  return daemon;
}

test('[0.1] inspect shows vectors, the language of each id, and model, counts and times', async (t) => {
  const daemon = await indexed(t);
  const found = await daemon.call('index/inspect', { root: daemon.root, documents: 2, vectors: true });
  const { embedder, createdAt, modifiedAt, dimension } = found.metadata as { embedder: { name: string; revision: string; dimension: number }; createdAt: string; modifiedAt: string; dimension: number };
  assert.ok(embedder.name !== '' && embedder.revision !== '' && embedder.dimension === dimension);
  assert.ok(Date.parse(createdAt) > 0 && Date.parse(modifiedAt) >= Date.parse(createdAt));
  assert.equal(found.docs, Object.keys(TREE).length);
  assert.equal(found.languages.reduce((sum, { docs }) => sum + docs, 0), found.docs);
  assert.equal(found.languages.reduce((sum, { chunks }) => sum + chunks, 0), found.chunks);
  const pages = [...(found.documents ?? [])];
  for (let next = found.nextDocument ?? null; next !== null; ) {
    const page = await daemon.call('index/inspect', { root: daemon.root, documents: 2, after: next, vectors: true });
    pages.push(...(page.documents ?? []));
    next = page.nextDocument ?? null;
  }
  assert.deepEqual(pages.map(({ id }) => id), Object.keys(TREE).sort());
  for (const { id, language, chunks, source, vectors = [] } of pages) {
    assert.equal(language, id.endsWith('.ts') ? 'typescript' : language);
    assert.equal(source?.size, Buffer.byteLength(TREE[id] as string));
    assert.match(`${source?.hash} ${source?.modifiedAt}`, /^[0-9a-f]{32} 20\d\d-/);
    assert.deepEqual([vectors.length, vectors.every((vector) => vector.length === dimension && vector.some((value) => value !== 0))], [chunks, true]);
  }
  assert.equal((await daemon.error('index/inspect', { root: daemon.root, documents: 51, vectors: true })).data.code, 'INVALID_ARGUMENT');
  assert.equal((await daemon.call('index/inspect', { root: daemon.root })).documents, undefined);
});

test('[1.22] the size of a batch is a setting', async (t) => {
  const batches = async (settings: readonly string[]): Promise<number> => {
    const daemon = await Composed.start(['watch.enabled=false', ...settings]);
    t.after(() => daemon.close());
    for (let i = 0; i < 30; i++) writeFileSync(join(daemon.root, `more${i}.ts`), `export const more${i} = ${i};\n`);
    await daemon.call('index/open', { root: daemon.root, wait: true });
    const before = (await daemon.call('index/inspect', { root: daemon.root })).incremental;
    // A walk hands files over as it finds them, and what is read before the next ones come is stored; a rebuild has them all from the start.
    await daemon.call('index/rebuild', { root: daemon.root, wait: true });
    const { incremental, docs } = await daemon.call('index/inspect', { root: daemon.root });
    assert.equal(incremental.operations - before.operations, docs);
    return incremental.batches - before.batches;
  };
  const count = 30 + Object.keys(TREE).length;
  assert.equal(await batches(['ingest.batchFiles=1']), count, 'each file alone');
  assert.equal(await batches(['ingest.batchBytes=4096', 'ingest.batchFiles=192', 'ingest.batchMs=10000']) > 1, true, 'closed by bytes');
  assert.equal(await batches([`ingest.batchFiles=${count}`, 'ingest.batchMs=10000', `ingest.batchBytes=${32 * 1024 * 1024}`]), 1, 'all in one');
});
