// Every call of the disk that a backup, a pruning, a restore or a renaming makes fails, once or from then on: typed errors, the index is the old one or the
// restored one, no acknowledged write is lost, earlier backups stay whole, and everything works again when the fault is over.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Engine } from '../../src/engine.ts';
import { inlineRunner } from '../../src/index/run-job.ts';
import { isCairnError } from '../../src/util/errors.ts';
import { versions } from '../index/harness.ts';
import { testLease } from '../support/fence.ts';
import { MemoryEnv, ROOT, type Disk } from '../support/memory-env.ts';
import { applied, batchOf, type Content } from './harness.ts';

/** All of them: CAIRN_ALL_FAULTS=1 */
const STEP = 41;
const FAULTS = ['ENOSPC', 'EIO', 'EMFILE', 'EACCES'] as const;

const open = (env: MemoryEnv, epoch: number): Promise<Engine> =>
  Engine.open({ dataDir: ROOT, env, lease: testLease(epoch), runner: inlineRunner(env), options: { walFileMaxBytes: 4096, compactionFanIn: 2, archive: true }, maxVectorBytes: 1 << 20, textCacheBytes: 1 << 16 });

const OLD: Content = { a: 1, b: 2 };
const NEW: Content = { b: 3, c: 1 };

/** A disk with an index at NEW, and a backup of it at OLD. */
async function prepared(): Promise<{ readonly disk: Disk; readonly backup: string }> {
  const env = new MemoryEnv();
  const engine = await open(env, 1);
  const index = await engine.create({ name: 'x', kind: 'code', dimension: 4 });
  await index.commit(batchOf({ a: 1, b: 1 }));
  await index.persist('test');
  await index.commit(batchOf({ b: 2 }));
  const { record } = await engine.backups.create('x', 'manual');
  await index.commit(batchOf({ b: 3, a: 0 }));
  await index.persist('test');
  await index.commit(batchOf({ c: 1 }));
  await engine.close();
  return { disk: env.disk(), backup: record.id };
}

/** null when there is none, or more than one. */
const nameIn = (engine: Engine): string | null => (engine.list().length === 1 ? (engine.list()[0]?.name ?? null) : null);

type Act = (engine: Engine, backup: string) => Promise<unknown>;
const ACTS: readonly (readonly [string, Act])[] = [
  ['create', (engine) => engine.backups.create('x', 'manual')],
  ['restore', (engine, backup) => engine.backups.restore({ index: 'x', backup })],
  ['restore to a point', (engine) => engine.backups.restore({ index: 'x', toLsn: 3 })],
  ['rename', (engine) => engine.rename('x', 'y')],
  ['create and prune', async (engine) => (await engine.backups.create('x', 'manual'), engine.backups.prune('x', { keep: 1 }, false))],
];

interface Case {
  readonly n: number;
  readonly errno: string;
  readonly isPersistent: boolean;
}

/** null, or what is wrong. */
async function runCase({ disk, backup }: Awaited<ReturnType<typeof prepared>>, act: Act, { n, errno, isPersistent }: Case): Promise<{ readonly wrong: string | null; readonly calls: number }> {
  const env = new MemoryEnv(disk, n + 1);
  let engine = await open(env, 2);
  await engine.get('x');
  const start = env.calls;
  env.fault = (call) => (call.n === start + n || (isPersistent && call.n > start + n) ? { errno } : null);
  const failure = await act(engine, backup).then(() => null, (error: unknown) => error);
  const calls = env.calls - start;
  env.fault = null;
  const wrong = await judge();
  await engine.close();
  if (wrong === null && env.openFiles !== 0) return { wrong: `${env.openFiles} files are left open`, calls };
  return { wrong, calls };

  async function judge(): Promise<string | null> {
    if (failure !== null && !isCairnError(failure)) return `untyped: ${String(failure)}`;
    let name = nameIn(engine);
    if (name === null) return 'not one index';
    const content = versions(await engine.get(name));
    const allowed = [NEW, OLD, { b: 3 }].map((one) => JSON.stringify(one));
    if (!allowed.includes(JSON.stringify(content))) return `neither old nor new: ${JSON.stringify(content)}`;
    const change = { y: n + 1 };
    await (await engine.get(name)).commit(batchOf(change));
    await engine.close();
    engine = await open(env, 3);
    name = nameIn(engine);
    if (name === null) return 'not one index after a restart';
    const after = versions(await engine.get(name));
    if (JSON.stringify(after) !== JSON.stringify(applied(content, change))) return `${JSON.stringify(after)} after a restart, ${JSON.stringify(content)} before`;
    await engine.backups.sweep();
    const { backups, unreadable } = await engine.backups.list(name);
    if (unreadable.length > 0 || backups.length === 0) return `${backups.length} backups, ${unreadable.length} unreadable`;
    for (const { record } of backups) {
      const { damages } = await engine.backups.verify(name, record.id);
      if (damages.length > 0) return `${record.id}: ${damages[0]?.what}`;
    }
    const { record } = await engine.backups.create(name, 'manual');
    await engine.backups.restore({ index: name, backup: record.id });
    // And on with the name, whatever is left of the failure.
    await engine.rename(name, 'z');
    const left = (await env.readdir(`${ROOT}/restoring`)).length + (await env.readdir(`${ROOT}/renaming`)).length + [...env.names.keys()].filter((path) => path.endsWith('.tmp')).length;
    return left === 0 ? null : `${left} leftovers`;
  }
}

const state = await prepared();

for (const [name, act] of ACTS) {
  test(`[0.4] [1.30] each disk call of ${name} fails, once and for ever`, async (t) => {
    const { wrong, calls } = await runCase(state, act, { n: 1_000_000, errno: 'EIO', isPersistent: false });
    assert.equal(wrong, null);
    const bad: string[] = [];
    let tried = 0;
    for (const [i, errno] of FAULTS.entries()) {
      for (const isPersistent of [false, true]) {
        for (let n = 1 + ((2 * i + Number(isPersistent)) % STEP); n <= calls && bad.length < 5; n += process.env['CAIRN_ALL_FAULTS'] === undefined ? STEP : 1) {
          tried++;
          const one = await runCase(state, act, { n, errno, isPersistent }).catch((error: unknown) => ({ wrong: String(error) }));
          if (one.wrong !== null) bad.push(`call ${n} of ${calls}, ${errno} ${isPersistent ? 'for ever' : 'once'}: ${one.wrong}`);
        }
      }
    }
    t.diagnostic(`${calls} calls, ${tried} cases`);
    assert.deepEqual(bad, []);
  });
}
