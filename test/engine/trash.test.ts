// What deleted indexes leave in the trash: kept until it is purged, and a purge takes everything of that name, also when it was cut off.
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { COMPONENT } from '../../src/backup/swap.ts';
import { nodeEnv } from '../../src/env/node-env.ts';
import { SWAP_WORD } from '../../src/format/constants.ts';
import { encodeTextFile } from '../../src/format/text-file.ts';
import { nameInTrash } from '../../src/index/trash.ts';
import { CairnError, isCairnError } from '../../src/util/errors.ts';
import { newEngine, type TestEngine } from '../backup/harness.ts';
import { checkLeaks } from '../support/leaks.ts';

checkLeaks();

const trash = (one: TestEngine): string[] => readdirSync(join(one.dataDir, 'trash')).sort();

/** 'sample' with two older copies in the trash, of which one lay in a directory of another name, and one of 'sample-2'. */
async function withCopies(t: Parameters<typeof newEngine>[0]): Promise<TestEngine> {
  const one = await newEngine(t);
  for (const name of ['sample', 'other', 'sample-2']) {
    await one.engine.create({ name, kind: 'code', dimension: 4 });
    await one.commit({ a: 1 }, name);
    if (name === 'other') await one.engine.rename('other', 'sample');
    await one.engine.delete(name === 'other' ? 'sample' : name, { purge: false });
  }
  await one.engine.create({ name: 'sample', kind: 'code', dimension: 4 });
  await one.commit({ a: 2 });
  return one;
}

test('[6.17] [C.11] a purge takes every copy of that name along, whatever directory it lay in, and none of another', async (t) => {
  const one = await withCopies(t);
  assert.equal(trash(one).length, 3);
  mkdirSync(join(one.dataDir, 'trash', 'sample-notes'));
  writeFileSync(join(one.dataDir, 'trash', 'sample-file'), 'of somebody');
  assert.deepEqual(await one.engine.delete('sample', { purge: true }), { keptAt: null, copies: 2 });
  assert.deepEqual(trash(one).map((name) => name.replace(/-[\d.]+-[0-9a-f]{6}$/, '')), ['sample-2', 'sample-file', 'sample-notes']);
  await one.reopen();
  assert.equal(trash(one).length, 3, 'what was only deleted stays');
  assert.equal(await one.engine.purgeCopies('sample'), 0);
  assert.equal(await one.engine.purgeCopies('sample-2'), 1, 'also when there is no such index any more');
  assert.deepEqual(trash(one), ['sample-file', 'sample-notes']);
});

test('[6.17] a copy whose metadata cannot be read belongs to the directory that it lay in', async (t) => {
  const one = await withCopies(t);
  for (const name of trash(one)) rmSync(join(one.dataDir, 'trash', name, 'metadata.json'));
  assert.deepEqual(await one.engine.delete('sample', { purge: true }), { keptAt: null, copies: 1 });
  assert.deepEqual(trash(one).map((name) => name.replace(/-[\d.]+-[0-9a-f]{6}$/, '')), ['other', 'sample-2']);
});

test('[6.17] a deletion tells where the index is kept, also among older copies; what is being purged is not listed as kept', async (t) => {
  const one = await withCopies(t);
  const older = await one.engine.keptAside();
  assert.deepEqual(older, trash(one).map((name) => join(one.dataDir, 'trash', name)));
  const { keptAt, copies } = await one.engine.delete('sample', { purge: false });
  assert.ok(keptAt !== null && !older.includes(keptAt) && existsSync(join(keptAt, 'metadata.json')));
  assert.equal(copies, 0);
  assert.deepEqual(await one.engine.keptAside(), [...older, keptAt].sort());
  renameSync(keptAt, `${keptAt}.purge`);
  assert.deepEqual(await one.engine.keptAside(), older);
});

test('[1.30] [6.17] a restore that the version before committed is carried through; a purge takes along what it replaced, readable or not', async (t) => {
  const one = await newEngine(t);
  await one.engine.create({ name: 'sample', kind: 'code', dimension: 4 });
  await one.commit({ a: 1 });
  await one.engine.close();
  const job = join(one.dataDir, 'restoring', '0123456789abcdef');
  const old = 'sample-restored-over-1763760000000-0a1b2c';
  mkdirSync(job, { recursive: true });
  cpSync(join(one.dataDir, 'indexes', 'sample'), join(job, 'index'), { recursive: true });
  writeFileSync(join(job, 'swap'), encodeTextFile(SWAP_WORD, { directory: 'sample', trash: old, dropOld: false }));
  await one.reopen();
  assert.deepEqual([one.engine.unsettled, trash(one), await one.content()], [[], [old], { a: 1 }]);
  rmSync(join(one.dataDir, 'trash', old, 'metadata.json'));
  assert.deepEqual(await one.engine.delete('sample', { purge: true }), { keptAt: null, copies: 1 });
  assert.deepEqual(trash(one), []);
});

test('[1.30] each name that is made for the trash can be an intent of a swap', () => {
  const env = { ...nodeEnv(), clock: { ...nodeEnv().clock, now: () => 1_763_760_000_000.75 } };
  for (const isRestoredOver of [false, true]) assert.match(nameInTrash(env, 'x'.repeat(64), isRestoredOver), COMPONENT);
  assert.match(nameInTrash(env, 'x'), /^x-1763760000000-[0-9a-f]{6}$/);
  assert.match(nameInTrash(env, 'x', true), /^x-restored-over-1763760000000-[0-9a-f]{6}$/);
});

test('[6.17] [C.11] a purge that is cut off at any call is finished at the next start, or has not begun with the index', async (t) => {
  let [cutBefore, cutAfter] = [0, 0];
  for (let failing = 0; ; failing += 2) {
    const one = await withCopies(t);
    let calls = 0;
    // As a crash: from here on nothing works.
    one.env.fail = (call, path) => {
      if (calls++ >= failing) throw new CairnError('IO', `${call} ${path} fails`, { path });
    };
    const failure = await one.engine.delete('sample', { purge: true }).then(() => null, (error: unknown) => error);
    one.env.fail = () => undefined;
    await one.reopen();
    const left = trash(one);
    assert.ok(left.every((name) => !name.endsWith('.purge')), left.join());
    assert.ok(left.some((name) => name.startsWith('sample-2-')), 'of another name');
    if (existsSync(join(one.dataDir, 'indexes', 'sample'))) {
      assert.deepEqual(await one.content(), { a: 2 }, 'not begun: whole');
      cutBefore++;
    } else {
      assert.equal(left.length, 1, `cut at call ${failing}: ${left.join()}`);
      cutAfter++;
    }
    if (failure === null) break;
    assert.ok(isCairnError(failure, 'IO'));
    await one.engine.close();
  }
  assert.ok(cutBefore > 0 && cutAfter > 1, `${cutBefore} before, ${cutAfter} after`);
});

test('[6.17] what cannot be removed at a start is named, and the start goes on', async (t) => {
  const one = await withCopies(t);
  const [copy = ''] = trash(one);
  renameSync(join(one.dataDir, 'trash', copy), join(one.dataDir, 'trash', `${copy}.purge`));
  one.env.fail = (call, path) => {
    if (call === 'unlink' && path.includes('.purge')) throw new CairnError('PERMISSION', 'not allowed', { path });
  };
  await one.reopen();
  assert.match(one.engine.unsettled.join(), new RegExp(`${copy}\\.purge was to be purged and is not removed yet: not allowed`));
  assert.deepEqual(await one.content(), { a: 2 });
  one.env.fail = () => undefined;
  await one.reopen();
  assert.deepEqual(one.engine.unsettled, []);
  assert.equal(trash(one).length, 2);
});
