// The model of the disk itself: which states a power cut can leave, and that known-bad protocols are found out.
import assert from 'node:assert/strict';
import test from 'node:test';
import { explore, type CrashScenario } from '../support/crash-explorer.ts';
import { CrashPoint, MODELS, type CrashModel } from '../support/crash-states.ts';
import { MemoryEnv, ROOT, type Disk } from '../support/memory-env.ts';
import { seededRandom } from '../support/random.ts';

const [ordered, , weak] = MODELS as readonly [CrashModel, CrashModel, CrashModel];

/** All disks after the whole log, as `name=content` texts. */
function states(env: MemoryEnv, model: CrashModel, start?: Disk): Set<string> {
  const point = new CrashPoint(model, start);
  for (const op of env.ops) point.advance(op);
  const found = new Set<string>();
  for (const disk of point.disks(12, 50, seededRandom(1))) {
    const files = [...disk.names].filter(([, ino]) => ino !== 0).map(([path, ino]) => `${path.slice(ROOT.length + 1)}=${(disk.inodes.get(ino) ?? Buffer.alloc(0)).toString('latin1').replaceAll('\0', '.')}`);
    found.add(files.sort().join(' '));
  }
  return found;
}

async function write(env: MemoryEnv, name: string, text: string): Promise<void> {
  const file = await env.open(`${ROOT}/${name}`, 'create');
  await file.write(Buffer.from(text), 0);
  await file.close();
}

test('an unsynced file can be missing, empty, zeros, garbage or there', async () => {
  const env = new MemoryEnv();
  await write(env, 'a', 'xy');
  const found = states(env, ordered);
  for (const state of ['', 'a=', 'a=..', 'a=xy']) assert.ok(found.has(state), `'${state}' is possible`);
  assert.ok(found.size > 4, 'and garbage');
});

test('a synced file in a synced directory has one state', async () => {
  const env = new MemoryEnv();
  const file = await env.open(`${ROOT}/a`, 'create');
  await file.write(Buffer.from('xy'), 0);
  await file.sync();
  await file.close();
  assert.deepEqual([...states(env, weak)].sort(), ['', 'a=xy'], 'the name is not yet safe');
  await env.syncDir(ROOT);
  assert.deepEqual([...states(env, weak)], ['a=xy']);
});

test('names appear in order, or in any order in the weak model, where a rename may leave both names', async () => {
  const env = new MemoryEnv();
  for (const name of ['a', 'b']) {
    const file = await env.open(`${ROOT}/${name}`, 'create');
    await file.sync();
    await file.close();
  }
  assert.deepEqual([...states(env, ordered)].sort(), ['', 'a=', 'a= b=']);
  assert.deepEqual([...states(env, weak)].sort(), ['', 'a=', 'a= b=', 'b=']);
  await env.syncDir(ROOT);
  const start = env.disk();
  const next = new MemoryEnv(start);
  await next.rename(`${ROOT}/a`, `${ROOT}/c`);
  assert.deepEqual([...states(next, ordered, start)].sort(), ['a= b=', 'b= c=']);
  assert.deepEqual([...states(next, weak, start)].sort(), ['a= b=', 'a= b= c=', 'b=', 'b= c=']);
});

test('what a failed sync dropped does not come back with a later one; a removed file can come back until the directory is synced', async () => {
  const env = new MemoryEnv();
  await write(env, 'a', 'x');
  env.fault = (call) => (call.kind === 'sync' ? { errno: 'EIO' } : null);
  const file = await env.open(`${ROOT}/a`, 'update');
  await assert.rejects(file.sync());
  env.fault = null;
  await assert.rejects(file.sync());
  await file.close();
  await env.syncDir(ROOT);
  assert.ok(states(env, ordered).has('a='));
  await env.unlink(`${ROOT}/a`);
  assert.ok(states(env, ordered).has('') && states(env, ordered).has('a=x'));
  await env.syncDir(ROOT);
  assert.deepEqual([...states(env, ordered)], ['']);
});

/** Protocols that are in the field: two files that belong together. */
function pair(name: string, publish: (env: MemoryEnv, file: string, bytes: Buffer) => Promise<void>): CrashScenario {
  const content = (n: number): Buffer => Buffer.alloc(1500, n);
  return {
    name,
    run: async (env) => {
      for (let n = 1; n <= 3; n++) {
        for (const file of ['vectors', 'chunks']) await publish(env, `${ROOT}/${file}`, content(n));
        env.mark(n);
      }
    },
    recover: async (env) => {
      const read = async (file: string) => (env.names.has(`${ROOT}/${file}`) ? env.readFile(`${ROOT}/${file}`, 10_000) : Buffer.alloc(0));
      const [a, b] = [await read('vectors'), await read('chunks')];
      return a.equals(b) && (a.length === 0 || a.equals(content(a[0] ?? 0))) ? String(a[0] ?? 0) : 'torn or mixed';
    },
    judge: (state, marks) => (state === 'torn or mixed' ? state : Number(state) < marks.length ? 'lost' : null),
    goOn: async () => undefined,
  };
}

test('the explorer finds what is wrong with protocols that other programs use', async () => {
  const tempAndRename = pair('temp and rename without sync', async (env, path, bytes) => {
    const file = await env.open(`${path}.t`, 'create');
    await file.write(bytes, 0);
    await file.close();
    await env.rename(`${path}.t`, path);
  });
  const twoRenames = pair('synced files, two renames', async (env, path, bytes) => {
    const file = await env.open(`${path}.t`, 'create');
    await file.write(bytes, 0);
    await file.sync();
    await file.close();
    await env.rename(`${path}.t`, path);
  });
  for (const scenario of [tempAndRename, twoRenames]) {
    const { states: count, violations } = await explore(scenario, { seed: 1, exhaustive: 8, samples: 20, maxStates: 500, nestedEvery: 1000 });
    assert.ok(count > 20 && [...violations.values()].reduce((sum, n) => sum + n, 0) > count / 4, `${scenario.name}: ${count} states, ${violations.size} kinds of violation`);
  }
});
