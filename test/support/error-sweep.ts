/**
 * Fails the N-th call of the outside world, once or from then on, while a mini index works: every error must be typed, nothing
 * acknowledged may be lost, no file stays open, and the index works again once the fault is gone.
 */
import { CairnError } from '../../src/util/errors.ts';
import { CrashPoint, MODELS } from './crash-states.ts';
import { MemoryEnv, ROOT, type CallKind, type Disk, type Fault } from './memory-env.ts';
import { seededRandom } from './random.ts';
import { MiniIndex, type Batch } from './scenarios/mini-index.ts';

export interface ErrorCase {
  readonly n: number;
  readonly fault: Fault;
  readonly isPersistent: boolean;
}

export const FAULTS: readonly Fault[] = [
  { errno: 'EIO' },
  { errno: 'ENOSPC' },
  { errno: 'EMFILE' },
  { errno: 'EACCES' },
  { errno: 'EROFS' },
  // A full disk takes a part of the bytes first.
  { errno: 'ENOSPC', written: 13 },
  { errno: 'ENOSPC', written: 100 },
];

const DIR = `${ROOT}/index`;
const STEPS: readonly (Batch | 'flush' | 'compact' | 'reopen')[] = [[1, 2], [3], 'flush', [4, -1], [5], 'reopen', 'flush', [-4], 'compact', [6], 'flush', [7]];
/** Reads of an open file cannot run out of space or descriptors. */
const ONLY_WRITES: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EROFS']);
const WRITING: ReadonlySet<CallKind> = new Set(['open', 'write', 'truncate', 'sync', 'mkdir', 'rename', 'unlink', 'link', 'syncDir']);

/** An index that was created in peace: where each case starts. */
export async function preparedDisk(): Promise<Disk> {
  const env = new MemoryEnv();
  await env.mkdir(DIR);
  await (await MiniIndex.open(env, DIR, 1)).close();
  return env.disk();
}

/** Calls that the workload makes when nothing fails. */
export async function countCalls(disk: Disk): Promise<number> {
  const env = new MemoryEnv(disk, 2);
  const wrong = await workload(env, []);
  if (wrong.length > 0) throw new Error(wrong.join());
  return env.calls;
}

/** What is wrong; empty when the case is passed. */
export async function runErrorCase(disk: Disk, { n, fault, isPersistent }: ErrorCase): Promise<string[]> {
  const env = new MemoryEnv(disk, 2);
  env.fault = (call) => {
    const hits = isPersistent ? call.n >= n : call.n === n;
    return hits && (!ONLY_WRITES.has(fault.errno) || WRITING.has(call.kind)) ? fault : null;
  };
  const acked: Batch[] = [];
  const wrong = await workload(env, acked);
  env.fault = null;
  if (env.openFiles !== 0) wrong.push(`${env.openFiles} files stay open`);
  wrong.push(...(await afterwards(new MemoryEnv(env.disk(), 3), acked)));
  if (n % 4 !== 0) return wrong;
  // And the power goes at the end, with whatever the failed calls left unsynced.
  const point = new CrashPoint(MODELS[n % MODELS.length] ?? { sector: 512, names: 'ordered' }, disk);
  for (const op of env.ops) point.advance(op);
  for (const cut of point.disks(1, 2, seededRandom(n))) wrong.push(...(await afterwards(new MemoryEnv(cut, 4), acked)));
  return wrong;
}

/** Fills `acked`; returns errors that are not typed. */
async function workload(env: MemoryEnv, acked: Batch[]): Promise<string[]> {
  const wrong: string[] = [];
  const attempt = async <T>(act: () => Promise<T>): Promise<T | null> => {
    try {
      return await act();
    } catch (error) {
      if (!(error instanceof CairnError) || error.code === 'INTERNAL') wrong.push(`not typed: ${error instanceof Error ? error.stack : String(error)}`);
      return null;
    }
  };
  const open = () => attempt(() => MiniIndex.open(env, DIR, 1));
  let index = await open();
  for (const step of STEPS) {
    if (index === null) index = await open();
    if (index === null) continue;
    const now: MiniIndex = index;
    if (now.wal.failure !== null) await attempt(() => now.wal.heal());
    if (step === 'flush' || step === 'compact') {
      await attempt(() => now[step]());
      // Whatever came of it: collecting garbage now must not hurt.
      await attempt(() => now.collect());
    } else if (step === 'reopen') {
      await attempt(() => now.close());
      index = await open();
    } else if ((await attempt(() => now.commit(step))) !== null) acked.push(step);
  }
  const last = index;
  if (last !== null) await attempt(() => last.close());
  return wrong;
}

async function afterwards(env: MemoryEnv, acked: readonly Batch[]): Promise<string[]> {
  try {
    const index = await MiniIndex.open(env, DIR, 2);
    const found = index.numbers().join(' ');
    const wrong = allowed(acked).includes(found) ? [] : [`found '${found}', acknowledged was '${allowed(acked)[0] ?? ''}'`];
    await index.commit([50]);
    await index.flush();
    await index.close();
    if (env.openFiles !== 0) wrong.push(`${env.openFiles} files stay open afterwards`);
    return wrong;
  } catch (error) {
    return [`cannot be opened afterwards: ${error instanceof Error ? error.message : String(error)}`];
  }
}

/** The acknowledged state, or that with one more batch whose outcome the caller was never told. */
function allowed(acked: readonly Batch[]): string[] {
  const others = STEPS.filter((step): step is Batch => typeof step !== 'string');
  return [acked, ...others.map((batch) => [...acked, batch])].map((batches) => {
    const model = new Set<number>();
    for (const n of batches.flat()) {
      if (n > 0) model.add(n);
      else model.delete(-n);
    }
    return [...model].sort((a, b) => a - b).join(' ');
  });
}
