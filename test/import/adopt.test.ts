// Index directories that nobody lists are taken in whole, or not at all and then untouched.
import assert from 'node:assert/strict';
import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { asEpoch, encodeDoc, encodeVectorRecord, Engine, type DocRecord, type DurableIndex } from '../../src/api.ts';
import { assertSnapshotEquals } from '../model/index-model.ts';
import { docsFromJson } from '../support/doc-json.ts';
import { checkLeaks } from '../support/leaks.ts';
import { seededRandom } from '../support/random.ts';
import { randomDoc } from '../support/sample-docs.ts';
import { tempDir } from '../support/temp-dir.ts';

checkLeaks();

const FIXTURE = fileURLToPath(new URL('../compat/fixtures/format-1/', import.meta.url));
const FIXTURE_DOCS = new Map<string, DocRecord>(docsFromJson(readFileSync(join(FIXTURE, 'expected.json'), 'utf8')).map((doc) => [doc.key, doc]));

async function openEngine(t: TestContext, dataDir: string, epoch = 1): Promise<Engine> {
  const engine = await Engine.open({ dataDir, lease: { epoch: asEpoch(epoch), assertHeld: () => undefined } });
  t.after(() => engine.close());
  return engine;
}

function assertContent(index: DurableIndex, model: Map<string, DocRecord>): void {
  const snapshot = index.snapshot();
  try {
    assertSnapshotEquals(snapshot, model, []);
  } finally {
    snapshot.release();
  }
}

/** Every file below a directory with its bytes and modification time. */
function stateOf(dir: string): Map<string, string> {
  const names = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return new Map(names.sort().map((name) => [name, `${statSync(name).mtimeMs} ${readFileSync(name).toString('base64')}`]));
}

/** An index of `docs` documents, half in a segment and half in the log, in a data directory of its own that is not in use any more. */
async function anIndex(t: TestContext, name: string, epoch = 50): Promise<{ readonly dir: string; readonly dataDir: string; readonly model: Map<string, DocRecord> }> {
  const dataDir = tempDir(t);
  const random = seededRandom(9);
  const model = new Map<string, DocRecord>();
  const engine = await Engine.open({ dataDir, lease: { epoch: asEpoch(epoch), assertHeld: () => undefined } });
  const index = await engine.create({ name, kind: 'code', dimension: 4, sourceRoot: '/somewhere/else' });
  for (let i = 0; i < 8; i++) {
    const doc = randomDoc(random, `src/${i}.ts`, { dimension: 4 });
    await index.commit({ puts: [encodeDoc(doc)], deletes: [] });
    model.set(doc.key, doc);
    if (i === 3) await index.persist('test');
  }
  await engine.close();
  return { dir: join(dataDir, 'indexes', name), dataDir, model };
}

test('[3.12] [3.13] [1.4] an orphan below indexes is adopted: metadata.json comes from its rows and what the caller knows', async (t) => {
  const dataDir = tempDir(t);
  const orphan = join(dataDir, 'indexes', 'lost');
  cpSync(join(FIXTURE, 'index'), orphan, { recursive: true });
  rmSync(join(orphan, 'metadata.json'));
  const engine = await openEngine(t, dataDir);
  assert.deepEqual(engine.orphans, ['lost']);
  const report = await engine.adopt({ path: orphan, root: '/new/root' });
  assert.deepEqual([report.name, report.kind, report.docs, report.metadataFrom], ['lost', 'code', FIXTURE_DOCS.size, 'rows']);
  assert.match(report.warnings.join('\n'), /assumed: distanceMetric: cosine; embedder: unknown/);
  assert.deepEqual(engine.orphans, []);
  const index = await engine.get('lost');
  assert.equal(index.metadata.sourceRoot, '/new/root');
  assert.equal(index.metadata.dimension, 4);
  assertContent(index, FIXTURE_DOCS);
  assert.equal(readdirSync(join(dataDir, 'trash')).length, 1, 'the original is kept aside');
  assert.deepEqual(readdirSync(join(dataDir, 'staging')), []);
  assert.match(readFileSync(join(dataDir, 'audit.log'), 'utf8'), /"index-import"/);
});

test('[3.14] [5.2] an index of another data directory, written under a larger epoch, is copied in and goes on; the original is only read', async (t) => {
  const { dir, model } = await anIndex(t, 'moved', 50);
  const before = stateOf(dir);
  const dataDir = tempDir(t);
  let engine = await openEngine(t, dataDir, 2);
  const report = await engine.adopt({ path: dir });
  assert.deepEqual([report.name, report.metadataFrom, report.docs, report.left], ['moved', 'file', model.size, []]);
  assert.deepEqual(stateOf(dir), before);
  let index = await engine.get('moved');
  assertContent(index, model);
  const added = randomDoc(seededRandom(1), 'src/new.ts', { dimension: 4 });
  await index.commit({ puts: [encodeDoc(added)], deletes: [] });
  await index.persist('test');
  await engine.close();
  engine = await openEngine(t, dataDir, 3);
  index = await engine.get('moved');
  assertContent(index, new Map([...model, [added.key, added]]));
  await assert.rejects(engine.adopt({ path: dir }), { code: 'ALREADY_EXISTS', hint: /--name/ });
  assert.equal((await engine.adopt({ path: dir, name: 'twice' })).name, 'twice');
  await assert.rejects(engine.adopt({ path: join(dataDir, 'indexes', 'twice') }), { code: 'ALREADY_EXISTS', message: /served already/ });
});

test('[3.12] a missing metadata.json is taken from its mirror in the manifest, exactly', async (t) => {
  const { dir, model } = await anIndex(t, 'mirror');
  const original = JSON.parse(readFileSync(join(dir, 'metadata.json'), 'utf8')) as Record<string, unknown>;
  rmSync(join(dir, 'metadata.json'));
  const dataDir = tempDir(t);
  const own = join(dataDir, 'indexes', 'own');
  cpSync(dir, own, { recursive: true });
  const engine = await openEngine(t, dataDir);
  const report = await engine.adopt({ path: dir });
  assert.deepEqual([report.metadataFrom, report.docs], ['manifest', model.size]);
  const { checksum: _, ...rest } = original;
  const { timeline, ...copied } = (await engine.get('mirror')).metadata;
  assert.deepEqual(copied, rest);
  assert.match(timeline ?? '', /^\d{8}T\d{9}Z$/, 'from elsewhere: a history of its own');
  await engine.delete('mirror', { purge: true });
  await engine.adopt({ path: own });
  assert.deepEqual({ ...(await engine.get('mirror')).metadata }, rest, 'it is the one that was here');
  await assert.rejects(engine.adopt({ path: dir, name: 'other', dimension: 5 }), { code: 'INVALID_ARGUMENT', message: /dimension: the index was made with 4, not 5/ });
});

test('a vector index is told from a code index by its rows, in a segment and in the log', async (t) => {
  for (const persist of [true, false]) {
    const dataDir = tempDir(t);
    const engine = await Engine.open({ dataDir, lease: { epoch: asEpoch(1), assertHeld: () => undefined } });
    const index = await engine.create({ name: 'v', kind: 'vector', dimension: 3, distanceMetric: 'dot' });
    await index.commit({ puts: [encodeVectorRecord({ id: 1, vector: Float32Array.of(1, 2, 3), payload: null })], deletes: [] });
    if (persist) await index.persist('test');
    await engine.close();
    const dir = join(dataDir, 'indexes', 'v');
    rmSync(join(dir, 'metadata.json'));
    // As older versions wrote it: without a mirror.
    const { loadGenerations } = await import('../../src/manifest/load.ts');
    const { encodeManifest } = await import('../../src/manifest/manifest.ts');
    const { currentFor, encodeCurrent } = await import('../../src/manifest/current.ts');
    const { nodeEnv } = await import('../../src/env/node-env.ts');
    const manifest = (await loadGenerations(nodeEnv(), dir, 1)).kept[0];
    assert.ok(manifest !== undefined);
    const bytes = encodeManifest({ ...manifest, metadata: null });
    writeFileSync(join(dir, `manifest-${manifest.generation}`), bytes);
    writeFileSync(join(dir, 'CURRENT'), encodeCurrent(currentFor(manifest.generation, manifest.epoch, bytes)));
    const other = await openEngine(t, tempDir(t));
    const report = await other.adopt({ path: dir, metric: 'dot' });
    assert.deepEqual([report.kind, report.docs, report.warnings.join().includes('assumed')], ['vector', 1, false]);
    assert.equal((await other.get('v')).metadata.dimension, 3);
  }
});

test('[3.16] files and directories are private again after an import, whatever they were', async (t) => {
  const { dir } = await anIndex(t, 'open');
  for (const [name] of stateOf(dir)) chmodSync(name, 0o664);
  chmodSync(dir, 0o775);
  chmodSync(join(dir, 'wal'), 0o777);
  const dataDir = tempDir(t);
  const engine = await openEngine(t, dataDir);
  await engine.adopt({ path: dir });
  const root = join(dataDir, 'indexes', 'open');
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    assert.equal(statSync(join(entry.parentPath, entry.name)).mode & 0o777, entry.isDirectory() ? 0o700 : 0o600, entry.name);
  }
  assert.equal(statSync(root).mode & 0o777, 0o700);
});

test('[3.11] without its log everything in segments is there, and the gap is reported', async (t) => {
  const { dir, model } = await anIndex(t, 'gap');
  rmSync(join(dir, 'wal'), { recursive: true });
  const engine = await openEngine(t, tempDir(t));
  const report = await engine.adopt({ path: dir });
  assert.equal(report.docs, 4);
  assert.match(report.warnings.join('\n'), /wal.*lost/i);
  assertContent(await engine.get('gap'), new Map([...model].slice(0, 4)));
});

test('[0.12] any damage refuses the whole directory, names it, and changes nothing anywhere', async (t) => {
  const { dir } = await anIndex(t, 'bad');
  const dataDir = tempDir(t);
  const engine = await openEngine(t, dataDir);
  const segment = readdirSync(dir).find((name) => name.endsWith('.cairn')) as string;
  const bytes = readFileSync(join(dir, segment));
  for (const at of [70, Math.floor(bytes.length / 2), bytes.length - 10]) {
    const flipped = Buffer.from(bytes);
    flipped[at] = (flipped[at] as number) ^ 0x10;
    writeFileSync(join(dir, segment), flipped);
    const before = stateOf(dir);
    await assert.rejects(engine.adopt({ path: dir }), (error: { code: string; message: string }) => error.code === 'CORRUPT' && error.message.includes(segment), `byte ${at}`);
    assert.deepEqual(stateOf(dir), before);
    assert.deepEqual([engine.list(), readdirSync(join(dataDir, 'indexes')), readdirSync(join(dataDir, 'staging'))], [[], [], []]);
  }
});

test('links and strangers in the directory are never followed or taken', async (t) => {
  const { dir } = await anIndex(t, 'links');
  const secret = join(tempDir(t), 'secret');
  writeFileSync(secret, 'secret');
  symlinkSync(secret, join(dir, 'seg-00000000000000aa.cairn'));
  writeFileSync(join(dir, 'notes.txt'), 'mine');
  mkdirSync(join(dir, 'sub'));
  const dataDir = tempDir(t);
  const engine = await openEngine(t, dataDir);
  const { left } = await engine.adopt({ path: dir });
  assert.deepEqual([...left].sort(), ['notes.txt', 'seg-00000000000000aa.cairn', 'sub']);
  assert.ok(!existsSync(join(dataDir, 'indexes', 'links', 'notes.txt')));
  await assert.rejects(engine.adopt({ path: tempDir(t) }), { code: 'NOT_FOUND', message: /no cairn index/ });
  const link = join(tempDir(t), 'link');
  symlinkSync(dir, link);
  await assert.rejects(engine.adopt({ path: link }), { code: 'NOT_FOUND' });
});

test('[3.12] a metadata.json written by hand beside data is adopted at the next opening after a full verification', async (t) => {
  const { dir, dataDir, model } = await anIndex(t, 'hand');
  const file = join(dir, 'metadata.json');
  const { checksum: _, ...written } = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  const byHand = `${JSON.stringify({ ...written, name: 'renamed' })}\n`;
  writeFileSync(file, byHand);
  let engine = await openEngine(t, dataDir, 51);
  assertContent(await engine.get('renamed'), model);
  assert.match(readFileSync(file, 'utf8'), /"checksum"/);
  await engine.close();
  // The same with damage inside a segment: it is not adopted, and says so as long as it lasts.
  writeFileSync(file, byHand);
  const segment = readdirSync(dir).find((name) => name.endsWith('.cairn')) as string;
  const bytes = readFileSync(join(dir, segment));
  const { CONTAINER_HEADER_BYTES } = await import('../../src/format/constants.ts');
  bytes[CONTAINER_HEADER_BYTES + 40] = (bytes[CONTAINER_HEADER_BYTES + 40] as number) ^ 1;
  writeFileSync(join(dir, segment), bytes);
  engine = await openEngine(t, dataDir, 52);
  assert.ok((await engine.get('renamed')).recovery.degraded.length > 0);
});

test('what a crash left in staging is gone after the next start', async (t) => {
  const dataDir = tempDir(t);
  mkdirSync(join(dataDir, 'staging', '0011223344556677', 'wal'), { recursive: true });
  writeFileSync(join(dataDir, 'staging', '0011223344556677', 'CURRENT'), 'half');
  const engine = await openEngine(t, dataDir);
  assert.deepEqual(engine.list(), []);
  assert.ok(!existsSync(join(dataDir, 'staging', '0011223344556677')));
});
