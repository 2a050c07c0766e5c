/** An index in a temporary directory (or on an Env of the test) that can be closed and opened again. */
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { nodeEnv } from '../../src/env/node-env.ts';
import { createIndex } from '../../src/index/create.ts';
import type { IndexServices } from '../../src/index/index-context.ts';
import { newMetadata } from '../../src/index/metadata.ts';
import { openIndex } from '../../src/index/open-index.ts';
import { indexOptions } from '../../src/index/options.ts';
import { inlineRunner } from '../../src/index/run-job.ts';
import type { StorageRunner } from '../../src/index/storage-jobs.ts';
import type { DurableIndex, IndexOptions } from '../../src/index/types.ts';
import type { Snapshot } from '../../src/index/snapshot.ts';
import { VectorArena } from '../../src/quantize/arena.ts';
import { BlockCache } from '../../src/segment/block-cache.ts';
import { liveDocs } from '../model/index-model.ts';
import { failingEnv, type FailingEnv } from '../support/failing-env.ts';
import { testLease, type TestLease } from '../support/fence.ts';
import { tempDir } from '../support/temp-dir.ts';

export interface TestIndex {
  index: DurableIndex;
  readonly env: FailingEnv;
  readonly dir: string;
  readonly arena: VectorArena;
  lease: TestLease;
  services(): IndexServices;
  /** Closes (unless `isCrash`) and opens again. */
  reopen(): Promise<DurableIndex>;
}

export interface TestIndexInit {
  readonly dimension?: number;
  readonly options?: Partial<IndexOptions>;
  readonly runner?: (env: FailingEnv) => StorageRunner;
}

export async function newTestIndex(t: TestContext, init: TestIndexInit = {}): Promise<TestIndex> {
  const env = failingEnv(nodeEnv());
  const parent = join(tempDir(t), 'indexes');
  await mkdir(parent);
  const dir = join(parent, 'sample');
  const arena = new VectorArena({ maxBytes: 64 << 20 });
  const cache = new BlockCache(1 << 20);
  const options = indexOptions(init.options);
  const runner = init.runner?.(env) ?? inlineRunner(env);
  const lease = testLease();
  const metadata = newMetadata({ name: 'sample', kind: 'code', dimension: init.dimension ?? 4 }, Date.UTC(2025, 0, 1));
  await createIndex(env, dir, metadata, lease);
  const test: TestIndex = {
    env, dir, arena, lease,
    index: null as unknown as DurableIndex,
    services: () => ({ lease: test.lease, options, arena, cache, runner }),
    reopen: async () => {
      await test.index.close();
      test.index = await openIndex(env, dir, test.services());
      return test.index;
    },
  };
  test.index = await openIndex(env, dir, test.services());
  t.after(async () => {
    env.fail = () => undefined;
    await test.index.close().catch(() => undefined);
    await runner.close();
  });
  return test;
}

/** Versions of the tiny docs that a new snapshot of the index shows, by key; text and vector must agree. */
export function versions(index: DurableIndex): Record<string, number> {
  const snapshot = index.snapshot();
  try {
    return versionsOf(snapshot);
  } finally {
    snapshot.release();
  }
}

export function versionsOf(snapshot: Snapshot): Record<string, number> {
  const found: [string, number][] = [];
  for (const { view, doc } of liveDocs(snapshot)) {
    const chunk = view.part.chunkStart(doc);
    const version = Number(view.part.chunkText(chunk).split(' ')[1]);
    if (view.part.vectors !== null) assert.equal(view.part.vectors.readVector(chunk)[1], version);
    found.push([view.part.docKey(doc), version]);
  }
  return Object.fromEntries(found.sort(([a], [b]) => (a < b ? -1 : 1)));
}
