// Every call to the outside world fails once: writing, opening, reading and merging end in a typed error and leak nothing.
import assert from 'node:assert/strict';
import test from 'node:test';
import { createFileDurable } from '../../src/env/atomic-file.ts';
import { VectorArena } from '../../src/quantize/index.ts';
import { DocReader, mergeSegments, openSegment, verifySegment, writeSegment, type Segment } from '../../src/segment/index.ts';
import { CairnError, isCairnError } from '../../src/util/errors.ts';
import { MemoryEnv, ROOT, type CallKind } from '../support/memory-env.ts';
import { GOLDEN_DOCS } from './golden-docs.ts';
import { specOf } from './segment-folder.ts';

const arena = new VectorArena({ maxBytes: 16 << 20 });
const path = `${ROOT}/seg.cairn`;

async function filled(): Promise<MemoryEnv> {
  const env = new MemoryEnv();
  await createFileDurable(env, ROOT, 'seg.cairn', (file) => writeSegment(file, specOf('a', 5), GOLDEN_DOCS));
  return env;
}

/** Repeats `work` with its first, second, … call of one of `kinds` failing, until it gets through. Returns how often it failed. */
async function failEach(env: MemoryEnv, kinds: readonly CallKind[], errno: string, code: CairnError['code'], work: () => Promise<void>): Promise<number> {
  for (let target = 1; ; target++) {
    let seen = 0;
    let hit = false;
    env.fault = ({ kind }) => {
      if (!kinds.includes(kind) || ++seen !== target) return null;
      hit = true;
      return { errno };
    };
    const error: unknown = await work().then(() => null, (e: unknown) => e);
    env.fault = null;
    assert.equal(env.openFiles, 0, `call ${target}: files left open`);
    assert.equal(arena.usage.usedBytes, 0, `call ${target}: arena memory left`);
    if (!hit) {
      assert.equal(error, null);
      return target - 1;
    }
    assert.ok(isCairnError(error, code), `call ${target}: ${String(error)}`);
  }
}

test('an I/O error while a segment is opened or read is typed and leaks nothing', async () => {
  const env = await filled();
  const failures = await failEach(env, ['open', 'read', 'readSync', 'size'], 'EIO', 'IO', async () => {
    const segment = await openSegment(env, path, arena);
    try {
      const reader = new DocReader(segment);
      for (let doc = 0; doc < segment.docCount; doc++) reader.read(doc);
      const { damages } = await verifySegment(segment, { deep: true });
      assert.deepEqual(damages, []);
    } finally {
      await segment.close();
    }
  });
  assert.ok(failures > 50, `${failures} calls failed`);
});

test('a full disk while a segment is written is typed, and nothing stays under its name', async () => {
  const env = new MemoryEnv();
  let n = 0;
  const failures = await failEach(env, ['open', 'write', 'sync', 'syncDir'], 'ENOSPC', 'DISK_FULL', async () => {
    await createFileDurable(env, ROOT, `seg${n++}.cairn`, (file) => writeSegment(file, specOf('a', 5), GOLDEN_DOCS));
  });
  assert.ok(failures >= 3, `${failures} calls failed`);
});

test('an I/O error during a merge is typed and leaves the sources usable', async () => {
  const env = await filled();
  const source = await openSegment(env, path, new VectorArena({ maxBytes: 1 << 20 }));
  let n = 0;
  for (let target = 1; target < 40; target++) {
    let seen = 0;
    env.fault = ({ kind }) => ((kind === 'readSync' || kind === 'write') && ++seen === target ? { errno: 'EIO' } : null);
    const merging = createFileDurable(env, ROOT, `merged${n++}.cairn`, (file) => mergeSegments(file, specOf('m', 5), [{ segment: source, live: null }]));
    const error: unknown = await merging.then(() => null, (e: unknown) => e);
    env.fault = null;
    assert.ok(error === null || isCairnError(error, 'IO'), String(error));
    if (error === null) break;
  }
  const merged: Segment = await openSegment(env, `${ROOT}/merged${n - 1}.cairn`, arena);
  assert.equal(merged.docCount, GOLDEN_DOCS.length);
  await merged.close();
  await source.close();
  assert.equal(env.openFiles, 0);
});
