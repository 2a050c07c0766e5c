// Start-up over many indexes reads metadata.json of each and nothing else; metadata.json is replaced whole or not at all.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { asEpoch, CairnError, Engine, nodeEnv, type Env } from '../../src/api.ts';
import { writeFileAtomic } from '../../src/env/atomic-file.ts';
import { encodeDoc } from '../../src/format/doc-codec.ts';
import { decodeMetadata, encodeMetadata, newMetadata } from '../../src/index/metadata.ts';
import { versions } from '../index/harness.ts';
import { checkLeaks } from '../support/leaks.ts';
import { failingEnv } from '../support/failing-env.ts';
import { tempDir } from '../support/temp-dir.ts';
import { tinyDoc } from '../support/tiny-doc.ts';

checkLeaks();

const FIXTURE = fileURLToPath(new URL('../compat/fixtures/format-1/index', import.meta.url));
const lease = { epoch: asEpoch(9), assertHeld: () => undefined };

test('[3.4] [3.5] [3.9] every index is found by its metadata.json alone, before any log or segment is touched; a bad one is listed, an open one is whole', async (t) => {
  const dataDir = tempDir(t);
  const count = 60;
  for (let i = 0; i < count; i++) {
    const dir = join(dataDir, 'indexes', `i${i}`);
    cpSync(FIXTURE, dir, { recursive: true });
    writeFileSync(join(dir, 'metadata.json'), encodeMetadata(newMetadata({ name: `i${i}`, kind: 'code', dimension: 4 }, 0)));
  }
  writeFileSync(join(dataDir, 'indexes', 'i7', 'metadata.json'), 'not json');
  mkdirSync(join(dataDir, 'indexes', '.hidden'));
  const read: string[] = [];
  const real = nodeEnv();
  const env: Env = { ...real, readFile: (path, max) => (read.push(path), real.readFile(path, max)), open: (path, mode) => (read.push(path), real.open(path, mode)) };
  const engine = await Engine.open({ dataDir, lease, env });
  t.after(() => engine.close());
  assert.equal(engine.list().length, count);
  assert.deepEqual(engine.list().filter(({ state }) => state !== 'closed').map(({ name, state }) => [name, state]), [['i7', 'failed']]);
  const indexes = join(dataDir, 'indexes');
  assert.deepEqual([...new Set(read.filter((path) => path.startsWith(indexes)).map((path) => basename(path)))], ['metadata.json']);
  assert.equal(readFileSync(join(indexes, 'i7', 'metadata.json'), 'utf8'), 'not json');
  assert.equal((await engine.get('i3')).stats().docs > 0, true);
  assert.equal(engine.list().filter(({ state }) => state === 'open').length, 1);
});

test('[3.5] [3.9] a metadata.json that was copied from another index stops neither: the other serves, its own directory is named and mended', async (t) => {
  const dataDir = tempDir(t);
  const define = (name: string) => ({ name, kind: 'code' as const, dimension: 4 });
  const put = (key: string) => ({ puts: [encodeDoc(tinyDoc(key, 1, 4))], deletes: [] });
  const first = await Engine.open({ dataDir, lease });
  for (const name of ['one', 'two', 'zero']) await (await first.create(define(name))).commit(put(name));
  await first.close();
  const metadataOf = (name: string) => join(dataDir, 'indexes', name, 'metadata.json');
  cpSync(metadataOf('two'), metadataOf('one'));
  cpSync(metadataOf('two'), metadataOf('zero'));
  const engine = await Engine.open({ dataDir, lease });
  t.after(() => engine.close());
  assert.deepEqual(engine.list().map(({ name, directory, state, error }) => [name, directory, state, error?.code]), [
    ['one', 'one', 'failed', 'CORRUPT'], ['two', 'two', 'closed', undefined], ['zero', 'zero', 'failed', 'CORRUPT'],
  ]);
  assert.deepEqual(versions(await engine.get('two')), { two: 1 });
  for (const name of ['one', 'zero']) {
    assert.equal((await engine.restoreMetadata(name, { dryRun: false }))?.kind, 'rewrite-metadata');
    assert.deepEqual(versions(await engine.get(name)), { [name]: 1 });
  }
});

test('[3.5] of two whole directories with one name the one that is called so serves, wherever the copy stands in the order', async (t) => {
  const dataDir = tempDir(t);
  const first = await Engine.open({ dataDir, lease });
  await first.create({ name: 'sample', kind: 'code', dimension: 4 });
  await first.close();
  for (const copy of ['a-copy', 'z-copy']) cpSync(join(dataDir, 'indexes', 'sample'), join(dataDir, 'indexes', copy), { recursive: true });
  const engine = await Engine.open({ dataDir, lease });
  t.after(() => engine.close());
  assert.deepEqual(engine.list().map(({ name, directory, state, error }) => [name, directory, state, error?.code]), [
    ['a-copy', 'a-copy', 'failed', 'ALREADY_EXISTS'], ['sample', 'sample', 'closed', undefined], ['z-copy', 'z-copy', 'failed', 'ALREADY_EXISTS'],
  ]);
});

test('[3.9] a mended metadata.json whose name is taken is listed as failed, and takes nobody\'s place', async (t) => {
  const dataDir = tempDir(t);
  const first = await Engine.open({ dataDir, lease });
  await first.create({ name: 'one', kind: 'code', dimension: 4 });
  await first.rename('one', 'two');
  await first.create({ name: 'one', kind: 'code', dimension: 4 }); // lies beside, in a directory of another name
  await first.close();
  cpSync(join(dataDir, 'indexes', 'one'), join(dataDir, 'indexes', 'lost'), { recursive: true });
  writeFileSync(join(dataDir, 'indexes', 'lost', 'metadata.json'), '{');
  const engine = await Engine.open({ dataDir, lease });
  t.after(() => engine.close());
  await assert.rejects(engine.restoreMetadata('lost', { dryRun: false }), { code: 'ALREADY_EXISTS' });
  assert.deepEqual(engine.list().map(({ name, state }) => [name, state]), [['lost', 'failed'], ['one', 'closed'], ['two', 'closed']]);
});

test('[3.19] a start over 1,000 indexes costs two calls for each and opens none of them (time: scripts/bench/discovery.ts)', async (t) => {
  const dataDir = tempDir(t);
  const count = 1000;
  for (let i = 0; i < count; i++) {
    const dir = join(dataDir, 'indexes', `i${i}`);
    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, 'metadata.json'), encodeMetadata(newMetadata({ name: `i${i}`, kind: 'code', dimension: 4 }, 0)));
  }
  let calls = 0;
  const counted = <A extends unknown[], R>(call: (...args: A) => R) => (...args: A): R => (calls++, call(...args));
  const real = nodeEnv();
  const env: Env = { ...real, open: counted(real.open), readFile: counted(real.readFile), stat: counted(real.stat), readdir: counted(real.readdir) };
  const engine = await Engine.open({ dataDir, lease, env });
  t.after(() => engine.close());
  assert.deepEqual([engine.list().length, engine.list().filter(({ state }) => state === 'closed').length], [count, count]);
  assert.ok(calls <= 2 * count + 20, `${calls} calls`);
});

test('[3.21] a change of metadata is one small file, written once and synced once (time: scripts/bench/metadata.ts)', async (t) => {
  const dataDir = tempDir(t);
  const env = failingEnv(nodeEnv());
  const engine = await Engine.open({ dataDir, lease, env });
  t.after(() => engine.close());
  const index = await engine.create({ name: 'x', kind: 'code', dimension: 4 });
  const calls: string[] = [];
  env.fail = (call) => void calls.push(call);
  const before = env.bytesWritten;
  await index.updateMetadata({ sourceRoot: '/elsewhere' });
  assert.deepEqual(calls, ['open', 'write', 'sync', 'rename', 'syncDir']);
  assert.ok(env.bytesWritten - before < 2048, `${env.bytesWritten - before} bytes`);
});

test('[3.18] whatever call of a metadata write fails, the file is the old one or the new one, whole', async (t) => {
  const dir = tempDir(t);
  const env = failingEnv(nodeEnv());
  const version = (owner: string) => newMetadata({ name: 'x', kind: 'vector', dimension: 3, owner }, 0);
  await writeFileAtomic(env, dir, 'metadata.json', encodeMetadata(version('first')));
  for (let failing = 0; ; failing++) {
    let calls = 0;
    env.fail = (call, path) => {
      if (calls++ === failing) throw new CairnError('IO', `${call} ${path} fails`);
    };
    const owner = `attempt ${failing}`;
    const error = await writeFileAtomic(env, dir, 'metadata.json', encodeMetadata(version(owner))).then(() => null, (reason: unknown) => reason);
    env.fail = () => undefined;
    const path = join(dir, 'metadata.json');
    const { metadata, hasChecksum } = decodeMetadata(readFileSync(path), path);
    assert.ok(hasChecksum);
    if (error === null) {
      assert.equal(metadata.owner, owner);
      assert.ok(failing >= 4, `${failing} calls were made to fail`);
      return;
    }
    assert.ok([owner, 'first', `attempt ${failing - 1}`].includes(metadata.owner), metadata.owner);
  }
});
