/** An engine in a temporary directory with an index of tiny documents, a clock that moves by itself, and a model beside it. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { Engine, type EngineInit } from '../../src/engine.ts';
import { nodeEnv } from '../../src/env/node-env.ts';
import { encodeDoc } from '../../src/format/doc-codec.ts';
import { inlineRunner } from '../../src/index/run-job.ts';
import type { DurableIndex } from '../../src/index/types.ts';
import { versions } from '../index/harness.ts';
import { failingEnv, type FailingEnv } from '../support/failing-env.ts';
import { testLease, type TestLease } from '../support/fence.ts';
import { tempDir } from '../support/temp-dir.ts';
import { tinyDoc } from '../support/tiny-doc.ts';

export const DIMENSION = 4;
/** Key → version; 0 deletes. */
export type Change = Readonly<Record<string, number>>;
export type Content = Readonly<Record<string, number>>;

export interface TestEngine {
  engine: Engine;
  readonly env: FailingEnv & { now: number };
  readonly dataDir: string;
  lease: TestLease;
  /** Closes and opens again under the next epoch. */
  reopen(): Promise<Engine>;
  index(name?: string): Promise<DurableIndex>;
  content(name?: string): Promise<Content>;
  commit(change: Change, name?: string): Promise<number>;
}

export async function newEngine(t: TestContext, init: Partial<EngineInit> = {}): Promise<TestEngine> {
  const dataDir = init.dataDir ?? join(tempDir(t), 'data');
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const inner = nodeEnv();
  const env = Object.assign(failingEnv(inner), { now: Date.UTC(2026, 0, 1) });
  (env as { clock: unknown }).clock = { ...inner.clock, now: () => (env.now += 1) };
  const test: TestEngine = {
    engine: null as unknown as Engine,
    env, dataDir, lease: testLease(1),
    reopen: async () => {
      await test.engine.close();
      test.lease = testLease(test.lease.epoch + 1);
      test.engine = await open();
      return test.engine;
    },
    index: (name = 'sample') => test.engine.get(name),
    content: async (name) => versions(await test.index(name)),
    commit: async (change, name) => (await (await test.index(name)).commit(batchOf(change))).lsn,
  };
  const open = (): Promise<Engine> =>
    Engine.open({ ...init, dataDir, lease: test.lease, env, runner: inlineRunner(env), options: { walFileMaxBytes: 4096, compactionFanIn: 2, ...init.options } });
  test.engine = await open();
  t.after(async () => {
    env.fail = () => undefined;
    await test.engine.close();
  });
  return test;
}

export async function newSample(t: TestContext, init: Partial<EngineInit> = {}): Promise<TestEngine> {
  const test = await newEngine(t, init);
  await test.engine.create({ name: 'sample', kind: 'code', dimension: DIMENSION });
  return test;
}

export function batchOf(change: Change) {
  const entries = Object.entries(change);
  return {
    puts: entries.filter(([, version]) => version > 0).map(([key, version]) => encodeDoc(tinyDoc(key, version, DIMENSION))),
    deletes: entries.filter(([, version]) => version === 0).map(([key]) => key),
  };
}

export function applied(content: Content, change: Change): Content {
  const after: Record<string, number> = { ...content, ...change };
  return Object.fromEntries(Object.entries(after).filter(([, version]) => version > 0).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** What an index of this data directory says after a deep check. */
export async function assertSound(test: TestEngine, name = 'sample'): Promise<void> {
  const index = await test.index(name);
  assert.deepEqual((await index.verify({ deep: true })).damages, []);
  assert.deepEqual(index.recovery.degraded, []);
}
