/** Crash workloads of the real durable index (commits, flushes, compactions, reopening) for the crash explorer. */
import assert from 'node:assert/strict';
import { encodeDoc } from '../../../src/format/doc-codec.ts';
import { createIndex } from '../../../src/index/create.ts';
import { newMetadata } from '../../../src/index/metadata.ts';
import { openIndex } from '../../../src/index/open-index.ts';
import { indexOptions } from '../../../src/index/options.ts';
import { inlineRunner } from '../../../src/index/run-job.ts';
import type { DurableIndex, SyncMode } from '../../../src/index/types.ts';
import { VectorArena } from '../../../src/quantize/arena.ts';
import { BlockCache } from '../../../src/segment/block-cache.ts';
import type { CrashScenario } from '../crash-explorer.ts';
import { testLease } from '../fence.ts';
import { ROOT, type MemoryEnv } from '../memory-env.ts';
import { liveDocs } from '../../model/index-model.ts';
import { tinyDoc } from '../tiny-doc.ts';

const DIR = `${ROOT}/indexes/x`;
const DIMENSION = 4;
const arena = new VectorArena({ maxBytes: 32 << 20 });

/** `{ b: 2 }`: document b with version 2; `{ b: 0 }`: b is deleted. */
type Change = Readonly<Record<string, number>>;
type Step = Change | 'persist' | 'compact' | 'reopen' | readonly Change[] | { readonly persistWith: readonly Change[] };

interface Mark {
  readonly begun?: Change;
  readonly acked?: number;
  readonly created?: true;
}

const stateOf = (content: ReadonlyMap<string, number>): string => [...content].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, version]) => `${key}${version}`).join(' ');

function apply(content: ReadonlyMap<string, number>, change: Change): Map<string, number> {
  const after = new Map(content);
  for (const [key, version] of Object.entries(change)) {
    if (version === 0) after.delete(key);
    else after.set(key, version);
  }
  return after;
}

/** Also for tests that open what a scenario left. */
export async function openScenarioIndex(env: MemoryEnv, epoch: number, syncMode: SyncMode): Promise<DurableIndex> {
  return openIndex(env, DIR, { lease: testLease(epoch), arena, cache: new BlockCache(1 << 16), runner: inlineRunner(env), options: indexOptions({ syncMode, walFileMaxBytes: 4096, compactionFanIn: 2 }) });
}

const commit = (index: DurableIndex, change: Change): ReturnType<DurableIndex['commit']> => {
  const entries = Object.entries(change);
  return index.commit({
    puts: entries.filter(([, version]) => version > 0).map(([key, version]) => encodeDoc(tinyDoc(key, version, DIMENSION))),
    deletes: entries.filter(([, version]) => version === 0).map(([key]) => key),
  });
};

/** `key version …` of everything that is live. */
export const contentText = (index: DurableIndex): string => stateOf(contentOf(index));

/** Keys and versions, read back from texts and vectors; throws when they contradict each other or the counts. */
function contentOf(index: DurableIndex): Map<string, number> {
  const content = new Map<string, number>();
  const snapshot = index.snapshot();
  try {
    for (const { view, doc } of liveDocs(snapshot)) {
      const { part } = view;
      const key = part.docKey(doc);
      const chunk = part.chunkStart(doc);
      const version = Number(part.chunkText(chunk).split(' ')[1]);
      if (part.vectors?.readVector(chunk)[1] !== version) throw new Error(`text and vector of ${key} are of different versions`);
      if (content.has(key)) throw new Error(`${key} is live twice`);
      content.set(key, version);
    }
  } finally {
    snapshot.release();
  }
  if (index.stats().docs !== content.size) throw new Error(`${index.stats().docs} docs counted, ${content.size} found`);
  return content;
}

function scenario(name: string, steps: readonly Step[], syncMode: SyncMode): CrashScenario {
  return {
    name,
    run: async (env) => {
      await env.mkdir(`${ROOT}/indexes`);
      await env.syncDir(ROOT);
      await createIndex(env, DIR, newMetadata({ name: 'x', kind: 'code', dimension: DIMENSION }, 0), testLease());
      env.mark({ created: true });
      let index = await openScenarioIndex(env, 1, syncMode);
      const run = async (change: Change): Promise<void> => {
        env.mark({ begun: change });
        const { lsn, durable } = await commit(index, change);
        if (durable) env.mark({ acked: lsn });
      };
      for (const step of steps) {
        if (step === 'persist') {
          await index.persist('crash test');
          env.mark({ acked: index.durableVersion });
        } else if (step === 'compact') await index.compact();
        else if (step === 'reopen') {
          await index.close();
          index = await openScenarioIndex(env, 1, syncMode);
        } else if ('persistWith' in step) {
          const persisted = index.persist('busy');
          for (const change of (step as { readonly persistWith: readonly Change[] }).persistWith) await run(change);
          await persisted;
          env.mark({ acked: index.durableVersion });
        } else if (Array.isArray(step)) await Promise.all((step as readonly Change[]).map(run));
        else await run(step as Change);
      }
      await index.close();
    },
    recover: async (env) => {
      if (!env.names.has(`${DIR}/metadata.json`)) return 'no index';
      const index = await openScenarioIndex(env, 2, syncMode);
      try {
        assert.deepEqual(index.recovery.degraded, []);
        const { damages } = await index.verify({ deep: true });
        assert.deepEqual(damages, []);
        return `${index.version}:${stateOf(contentOf(index))}`;
      } finally {
        await index.close();
      }
    },
    judge: (state, marks) => judge(state, marks as readonly Mark[]),
    goOn: async (env) => {
      if (!env.names.has(`${DIR}/metadata.json`)) return;
      const first = await openScenarioIndex(env, 3, syncMode);
      await commit(first, { z: 1 });
      await first.persist('going on');
      await commit(first, { z: 2, y: 1 });
      await first.persist('going on');
      while ((await first.compact()) !== null);
      const expected = stateOf(contentOf(first));
      await first.close();
      const second = await openScenarioIndex(env, 4, syncMode);
      const found = stateOf(contentOf(second));
      await second.close();
      if (found !== expected) throw new Error(`${found} after reopening, ${expected} before`);
      const left = [...env.names.keys()].filter((path) => path.endsWith('.tmp'));
      if (left.length > 0) throw new Error(`temp files stay: ${left.join()}`);
    },
  };
}

/** The state is a prefix of the commits that were begun, and holds all that were acknowledged as durable. */
function judge(state: string, marks: readonly Mark[]): string | null {
  if (state === 'no index') return marks.some((mark) => mark.created === true) ? 'a created index is gone' : null;
  const [lsn, content] = state.split(':') as [string, string];
  const begun = marks.flatMap((mark) => (mark.begun === undefined ? [] : [mark.begun]));
  const acked = Math.max(0, ...marks.map((mark) => mark.acked ?? 0));
  if (Number(lsn) < acked) return 'an acknowledged batch is lost';
  if (Number(lsn) > begun.length) return 'more batches than were begun';
  const expected = stateOf(begun.slice(0, Number(lsn)).reduce<Map<string, number>>(apply, new Map()));
  return content === expected ? null : `not the state of its LSN, which is ${expected}`;
}

export const durableIndexScenarios: readonly CrashScenario[] = [
  scenario('commit, flush, delete', [{ a: 1, b: 1 }, { b: 2 }, 'persist', { a: 0 }, { c: 1, b: 3 }, 'persist', { c: 0, d: 1 }], 'always'),
  scenario('compaction', [{ a: 1, b: 1 }, 'persist', { c: 1, a: 2 }, 'persist', { b: 0 }, 'compact', { d: 1 }, 'persist'], 'always'),
  scenario('groups and rotation', [[{ a: 1 }, { b: 1 }, { c: 1 }], [{ a: 2, b: 2 }, { b: 0 }], 'reopen', [{ d: 1 }, { d: 2 }], 'persist'], 'always'),
  scenario('commits during a flush', [{ a: 1, b: 1 }, 'persist', { c: 1, b: 2 }, { persistWith: [{ a: 2 }, { c: 2, b: 0 }] }, { d: 1 }], 'off'),
  scenario('unsynced commits', [{ a: 1 }, { b: 1 }, { a: 2 }, 'persist', { b: 2 }, { a: 0, c: 1 }], 'off'),
];
