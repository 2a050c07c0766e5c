/** Crash workloads of backups and restores through the engine: what was promised is there, what was not is gone or whole. */
import assert from 'node:assert/strict';
import { Engine } from '../../../src/engine.ts';
import { encodeDoc } from '../../../src/format/doc-codec.ts';
import { inlineRunner } from '../../../src/index/run-job.ts';
import type { DurableIndex } from '../../../src/index/types.ts';
import { liveDocs } from '../../model/index-model.ts';
import type { CrashScenario } from '../crash-explorer.ts';
import { testLease } from '../fence.ts';
import { ROOT, type MemoryEnv } from '../memory-env.ts';
import { tinyDoc } from '../tiny-doc.ts';

const DIMENSION = 0;

/** `{ b: 2 }`: document b with version 2; `{ b: 0 }`: b is deleted. */
type Change = Readonly<Record<string, number>>;
type Step = Change | 'persist' | 'compact' | 'backup' | 'prune' | 'reopen' | { readonly restore: 'first' | 'last' | number };

interface Mark {
  readonly created?: true;
  readonly begun?: Change;
  readonly acked?: true;
  /** Content that a restore leads to. */
  readonly restoring?: string;
  readonly restored?: true;
  /** Acknowledged backup: id and content. */
  readonly backup?: readonly [string, string];
  readonly pruning?: string;
}

const isChange = (step: Step): step is Change => typeof step === 'object' && !('restore' in step);
const stateOf = (content: ReadonlyMap<string, number>): string => [...content].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, version]) => `${key}${version}`).join(' ');
const contentOfState = (state: string): Map<string, number> => new Map(state === '' ? [] : state.split(' ').map((one) => [one.slice(0, 1), Number(one.slice(1))]));

function apply(content: ReadonlyMap<string, number>, change: Change): Map<string, number> {
  const after = new Map(content);
  for (const [key, version] of Object.entries(change)) {
    if (version === 0) after.delete(key);
    else after.set(key, version);
  }
  return after;
}

export function open(env: MemoryEnv, epoch: number, archive: boolean): Promise<Engine> {
  return Engine.open({ dataDir: ROOT, env, lease: testLease(epoch), runner: inlineRunner(env), options: { walFileMaxBytes: 4096, compactionFanIn: 2, archive }, maxVectorBytes: 1 << 20, textCacheBytes: 1 << 16 });
}

export const commit = (index: DurableIndex, change: Change): Promise<unknown> => {
  const entries = Object.entries(change);
  return index.commit({
    puts: entries.filter(([, version]) => version > 0).map(([key, version]) => encodeDoc(tinyDoc(key, version, DIMENSION))),
    deletes: entries.filter(([, version]) => version === 0).map(([key]) => key),
  });
};

export function readState(index: DurableIndex): string {
  const content = new Map<string, number>();
  const snapshot = index.snapshot();
  try {
    for (const { view, doc } of liveDocs(snapshot)) content.set(view.part.docKey(doc), Number(view.part.chunkText(view.part.chunkStart(doc)).split(' ')[1]));
  } finally {
    snapshot.release();
  }
  return stateOf(content);
}

class Run {
  readonly #env: MemoryEnv;
  readonly #archive: boolean;
  readonly #backups: string[] = [];
  readonly #states: string[] = [''];
  readonly #byBackup = new Map<string, string>();
  #engine: Engine | null = null;

  constructor(env: MemoryEnv, archive: boolean) {
    this.#env = env;
    this.#archive = archive;
  }

  async start(): Promise<void> {
    this.#engine = await open(this.#env, 1, this.#archive);
    await this.#engine.create({ name: 'x', kind: 'code', dimension: DIMENSION });
    this.#env.mark({ created: true } satisfies Mark);
  }

  get engine(): Engine {
    return this.#engine as Engine;
  }

  async step(step: Step): Promise<void> {
    const index = await this.engine.get('x');
    if (isChange(step)) {
      this.#env.mark({ begun: step } satisfies Mark);
      await commit(index, step);
      this.#env.mark({ acked: true } satisfies Mark);
      this.#states.push(readState(index));
    } else if (step === 'persist') await index.persist('crash test');
    else if (step === 'compact') await index.compact();
    else if (step === 'reopen') {
      await this.engine.close();
      this.#engine = await open(this.#env, 1, this.#archive);
    } else if (step === 'backup') {
      const { record } = await this.engine.backups.create('x', 'manual');
      this.#backups.push(record.id);
      this.#byBackup.set(record.id, readState(index));
      this.#env.mark({ backup: [record.id, readState(index)] } satisfies Mark);
    } else if (step === 'prune') {
      for (const id of this.#backups.slice(0, -1)) this.#env.mark({ pruning: id } satisfies Mark);
      await this.engine.backups.prune('x', { keep: 1 }, false);
    } else await this.#restore(step.restore);
  }

  async #restore(what: 'first' | 'last' | number): Promise<void> {
    const id = what === 'first' ? this.#backups[0] : this.#backups.at(-1);
    const target = typeof what === 'number' ? this.#states[what] : this.#byBackup.get(id as string);
    this.#env.mark({ restoring: target as string } satisfies Mark);
    await this.engine.backups.restore({ index: 'x', ...(typeof what === 'number' ? { toLsn: what } : { backup: id }) });
    this.#env.mark({ restored: true } satisfies Mark);
  }
}

function scenario(name: string, steps: readonly Step[], archive = false): CrashScenario {
  return {
    name,
    run: async (env) => {
      const run = new Run(env, archive);
      await run.start();
      for (const step of steps) await run.step(step);
      await run.engine.close();
    },
    recover: async (env) => {
      const engine = await open(env, 2, archive);
      try {
        await engine.backups.sweep();
        return await describe(env, engine, archive);
      } finally {
        await engine.close();
      }
    },
    judge: (state, marks) => judge(state, marks as readonly Mark[]),
    goOn: (env) => goOn(env, archive),
  };
}

/** `<state of x>|<id>=<documents> …`; throws for anything that is not whole. */
async function describe(env: MemoryEnv, engine: Engine, archive: boolean): Promise<string> {
  const entry = engine.entry('x');
  if (entry === null) return 'no index|';
  const index = await engine.get('x');
  assert.deepEqual(index.recovery.degraded, []);
  assert.deepEqual((await index.verify({ deep: true })).damages, []);
  const { backups, unreadable } = await engine.backups.list('x');
  assert.deepEqual(unreadable, []);
  for (const { record } of backups) assert.deepEqual((await engine.backups.verify('x', record.id)).damages, []);
  if (archive && backups.length > 0) await reachesNow(engine, index);
  const shelf = await env.readdir(`${ROOT}/backups/x`).catch(() => []);
  assert.deepEqual(shelf.sort(), backups.map(({ record }) => record.id).sort(), 'half-made backups are swept');
  assert.deepEqual(await env.readdir(`${ROOT}/restoring`).catch(() => []), [], 'nothing is left of restores');
  return `${readState(index)}|${backups.map(({ record }) => `${record.id}=${record.docs}`).join(' ')}`;
}

/** A backup, the archive and the living log together lead to the present. */
export async function reachesNow(engine: Engine, index: DurableIndex): Promise<void> {
  if (engine.entry('now') !== null) await engine.delete('now', { purge: true }); // of a recovery that was cut
  const { index: name } = await engine.backups.restore({ index: index.metadata.name, toLsn: index.version, as: 'now' });
  assert.equal(readState(await engine.get(name)), readState(index));
  await engine.delete(name, { purge: true });
}

function judge(state: string, marks: readonly Mark[]): string | null {
  const [content = '', shelf = ''] = state.split('|');
  if (content === 'no index') return marks.some((mark) => mark.created === true) ? 'a created index is gone' : null;
  const possible = possibleStates(marks);
  if (!possible.includes(content)) return `not a possible state (${possible.join(' or ')})`;
  const there = new Set(shelf.split(' '));
  const pruned = new Set(marks.flatMap((mark) => mark.pruning ?? []));
  for (const { backup } of marks) {
    if (backup === undefined || pruned.has(backup[0])) continue;
    const docs = contentOfState(backup[1]).size;
    if (!there.has(`${backup[0]}=${docs}`)) return 'an acknowledged backup is lost';
  }
  return null;
}

/** The promised state, and what was begun and not yet answered. */
function possibleStates(marks: readonly Mark[]): string[] {
  let sure = '';
  let maybe: string | null = null;
  for (const mark of marks) {
    if (mark.begun !== undefined) maybe = stateOf(apply(contentOfState(sure), mark.begun));
    else if (mark.restoring !== undefined) maybe = mark.restoring;
    else if ((mark.acked ?? mark.restored) === true && maybe !== null) {
      sure = maybe;
      maybe = null;
    }
  }
  return maybe === null ? [sure] : [sure, maybe];
}

async function goOn(env: MemoryEnv, archive: boolean): Promise<void> {
  const engine = await open(env, 3, archive);
  try {
    if (engine.entry('x') === null) return;
    const index = await engine.get('x');
    await commit(index, { z: 1 });
    await index.persist('going on');
    await commit(index, { y: 2 });
    const expected = readState(index);
    const { record } = await engine.backups.create('x', 'manual');
    await commit(index, { z: 0, y: 3 });
    await index.persist('going on');
    await engine.backups.restore({ index: 'x', backup: record.id });
    assert.equal(readState(await engine.get('x')), expected);
    await engine.backups.restore({ index: 'x', backup: record.id, as: 'y' });
    assert.equal(readState(await engine.get('y')), expected);
    const left = [...env.names.keys()].filter((path) => path.endsWith('.tmp'));
    if (left.length > 0) throw new Error(`temp files stay: ${left.join()}`);
  } finally {
    await engine.close();
  }
}

export const backupScenarios: readonly CrashScenario[] = [
  scenario('backup, made and pruned', [{ a: 1, b: 1 }, 'persist', { c: 1 }, 'backup', { b: 2, a: 0 }, 'persist', 'backup', 'prune', { d: 1 }]),
  scenario('backup, restored', [{ a: 1, b: 1 }, 'persist', { c: 1 }, 'backup', { a: 0, b: 2 }, { restore: 'first' }, { d: 1 }]),
  scenario('backup, restored to a point', [{ a: 1 }, 'backup', { b: 1 }, 'persist', { a: 2 }, 'persist', { c: 1 }, { restore: 3 }, { d: 1 }], true),
  scenario('backup, archived log', [{ a: 1 }, 'backup', { b: 1 }, 'persist', { a: 2 }, 'persist', { c: 1 }, 'persist'], true),
];
