/** Crash workloads of renamings through the engine: an index is whole under exactly one of its two names, with all that is kept of it. */
import assert from 'node:assert/strict';
import type { Engine } from '../../../src/engine.ts';
import type { CrashScenario } from '../crash-explorer.ts';
import { ROOT, type MemoryEnv } from '../memory-env.ts';
import { commit, open, reachesNow, readState } from './backup-scenarios.ts';

interface Mark {
  /** The index was made, or has this name for certain. */
  readonly name?: string;
  /** A renaming to this name has begun. */
  readonly maybe?: string;
  /** Acknowledged content of the index. */
  readonly content?: string;
  readonly begun?: string;
  readonly backup?: string;
  /** Another index may be there from now on, under the name that the first one had. */
  readonly other?: string;
}

interface Found {
  readonly content: string;
  readonly backups: readonly string[];
}

const NAMES = ['x', 'y', 'z'];
/** Only the other index has it. */
const OTHER_KEY = 'o';

async function workload(env: MemoryEnv, back: boolean): Promise<void> {
  const mark = (value: Mark): void => env.mark(value);
  const engine = await open(env, 1, true);
  const index = await engine.create({ name: 'x', kind: 'code', dimension: 0 });
  mark({ name: 'x', content: '' });
  const put = async (key: string, version: number, after: string): Promise<void> => {
    mark({ begun: after });
    await commit(index, { [key]: version });
    mark({ content: after });
  };
  const backUp = async (): Promise<void> => mark({ backup: (await engine.backups.create(index.metadata.name, 'manual')).record.id });
  const rename = async (to: string): Promise<void> => {
    mark({ maybe: to });
    await engine.rename(index.metadata.name, to);
    mark({ name: to });
  };
  await put('a', 1, 'a1');
  await backUp();
  await index.persist('crash test');
  await put('b', 1, 'a1 b1');
  await index.persist('crash test'); // the log of a1 is archived
  await rename('y');
  await put('b', 2, 'a1 b2');
  if (back) {
    await index.persist('crash test');
    await rename('x');
  } else {
    mark({ other: 'x' });
    await commit(await engine.create({ name: 'x', kind: 'code', dimension: 0 }), { [OTHER_KEY]: 1 });
    await engine.backups.create('x', 'manual');
    await index.persist('crash test');
    await rename('z');
  }
  await put('c', 1, 'a1 b2 c1');
  await engine.close();
}

async function recover(env: MemoryEnv, back: boolean): Promise<string> {
  const engine = await open(env, 2, true);
  try {
    await engine.backups.sweep();
    const state: Record<string, Found> = {};
    for (const { name } of engine.list().filter((entry) => NAMES.includes(entry.name))) state[name] = await look(engine, name, back);
    const kept = (await env.readdir(`${ROOT}/backups`).catch(() => [])).filter((name) => !NAMES.includes(name) || !(name in state));
    assert.deepEqual(kept, [], 'backups of no index');
    assert.deepEqual(await env.readdir(`${ROOT}/renaming`).catch(() => []), [], 'nothing is left of renamings');
    return JSON.stringify(state);
  } finally {
    await engine.close();
  }
}

async function look(engine: Engine, name: string, withLog: boolean): Promise<Found> {
  const index = await engine.get(name);
  assert.equal(index.metadata.name, name);
  assert.deepEqual(index.recovery.degraded, []);
  assert.deepEqual((await index.verify({ deep: true })).damages, []);
  const { backups, unreadable } = await engine.backups.list(name);
  assert.deepEqual(unreadable, []);
  for (const { record } of backups) assert.deepEqual((await engine.backups.verify(name, record.id)).damages, []);
  // From the oldest backup over the archive to now: what is kept belongs together.
  if (withLog && backups.length > 0) await reachesNow(engine, index);
  return { content: readState(index), backups: backups.map(({ record }) => record.id) };
}

function judge(state: string, marks: readonly Mark[]): string | null {
  const found = JSON.parse(state) as Readonly<Record<string, Found>>;
  const last = <T>(pick: (mark: Mark) => T | undefined, after = -1): T | undefined => marks.slice(after + 1).map(pick).findLast((value) => value !== undefined);
  const named = marks.findLastIndex((mark) => mark.name !== undefined);
  const written = marks.findLastIndex((mark) => mark.content !== undefined);
  const names = [last(({ name }) => name), last(({ maybe }) => maybe, named)].filter((name) => name !== undefined);
  const contents = [last(({ content }) => content), last(({ begun }) => begun, written)];
  const other = last(({ other: name }) => name);
  const isOther = ([name, { content }]: readonly [string, Found]): boolean => name === other && (content === '' || content.startsWith(OTHER_KEY));
  const own = Object.entries(found).filter((one) => !isOther(one));
  const [first] = own;
  if (names.length === 0) return own.every(([name, { content }]) => name === 'x' && content === '') ? null : 'an index from nowhere';
  if (own.length !== 1 || first === undefined) return `the index is there ${own.length} times`;
  if (!names.includes(first[0])) return `its name is none of ${names.join(' and ')}`;
  if (!contents.includes(first[1].content)) return `not a possible state (${contents.join(' or ')})`;
  return marks.every(({ backup }) => backup === undefined || first[1].backups.includes(backup)) ? null : 'an acknowledged backup is lost';
}

async function goOn(env: MemoryEnv): Promise<void> {
  const engine = await open(env, 3, true);
  try {
    const name = engine.list().find((entry) => NAMES.includes(entry.name))?.name;
    if (name === undefined) return;
    const index = await engine.get(name);
    await commit(index, { v: 1 });
    const { record } = await engine.backups.create(name, 'manual');
    await commit(index, { v: 2 });
    await engine.rename(name, 'w');
    await engine.backups.restore({ index: 'w', backup: record.id });
    assert.ok(readState(await engine.get('w')).includes('v1'));
    await commit(await engine.create({ name, kind: 'code', dimension: 0 }), { v: 3 });
    assert.deepEqual((await engine.backups.list(name)).backups, []);
  } finally {
    await engine.close();
  }
}

const scenario = (name: string, back: boolean): CrashScenario => ({
  name, goOn,
  recover: (env) => recover(env, back),
  run: (env) => workload(env, back),
  judge: (state, marks) => judge(state, marks as readonly Mark[]),
});

export const renameScenarios: readonly CrashScenario[] = [scenario('backup, renamed twice, the first name taken again', false), scenario('backup, renamed there and back', true)];
