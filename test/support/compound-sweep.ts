/**
 * Two misfortunes at once: the power goes during a workload of the real index, and while it is recovered a call of the disk fails,
 * once or for a while. The opening either succeeds with the right state or fails with a typed error; when the fault is over, also
 * after another power cut, the state is the one that an undisturbed recovery gives.
 */
import { CairnError } from '../../src/util/errors.ts';
import type { CrashScenario } from './crash-explorer.ts';
import { CrashPoint, MODELS, type CrashModel } from './crash-states.ts';
import { MemoryEnv, type Disk, type Fault } from './memory-env.ts';
import { seededRandom } from './random.ts';
import { contentText, openScenarioIndex } from './scenarios/durable-index-scenarios.ts';

export const COMPOUND_FAULTS: readonly Fault[] = [{ errno: 'EIO' }, { errno: 'ENOSPC' }, { errno: 'ENOSPC', written: 20 }, { errno: 'EMFILE' }, { errno: 'EACCES' }];

export interface CompoundReport {
  readonly scenario: string;
  readonly seed: number;
  /** Faults injected; crash states they were injected into. */
  faults: number;
  states: number;
  readonly violations: string[];
}

/** `every`: of the calls of a recovery one in so many fails, a different one for each state and kind of fault. */
export async function compoundSweep(scenario: CrashScenario, seed: number, limits: { readonly states: number; readonly every: number }): Promise<CompoundReport> {
  const report: CompoundReport = { scenario: scenario.name, seed, faults: 0, states: 0, violations: [] };
  const random = seededRandom(seed);
  const model = MODELS[seed % MODELS.length] as CrashModel;
  const workload = new MemoryEnv(undefined, seed);
  await scenario.run(workload);
  const { ops } = workload;
  const step = Math.max(1, Math.floor(ops.length / limits.states));
  const point = new CrashPoint(model);
  for (const [i, op] of ops.entries()) {
    point.advance(op);
    if (i % step !== step - 1 || report.states >= limits.states) continue;
    const disk = [...point.disks(0, 1, random)].at(-1);
    if (disk === undefined || !disk.names.has('/d/indexes/x/metadata.json')) continue;
    report.states++;
    await injectInto(scenario, disk, { model, every: limits.every, shift: report.states }, report);
  }
  return report;
}

interface Injection {
  readonly model: CrashModel;
  readonly every: number;
  readonly shift: number;
}

async function injectInto(scenario: CrashScenario, disk: Disk, { model, every, shift }: Injection, report: CompoundReport): Promise<void> {
  const calm = new MemoryEnv(disk, 1);
  const expected = await recovered(calm);
  const { calls } = calm;
  for (const [f, fault] of COMPOUND_FAULTS.entries()) {
    for (let n = 1 + ((shift + f) % every); n <= calls; n += every) {
      report.faults++;
      // For ever, for three calls, or once.
      const length = [Number.POSITIVE_INFINITY, 3, 1][(n + f) % 3] as number;
      const env = new MemoryEnv(disk, 2);
      env.fault = (call) => (call.n >= n && call.n < n + length ? fault : null);
      const wrong = await disturbed(env, expected);
      env.fault = null;
      if (env.openFiles !== 0) wrong.push(`${env.openFiles} files stay open`);
      wrong.push(...(await afterwards(new MemoryEnv(env.disk(), 3), expected, 'when the fault is over')));
      if (n % 3 === 0) {
        const point = new CrashPoint(model, disk);
        for (const op of env.ops) point.advance(op);
        for (const cut of point.disks(0, 1, seededRandom(n))) wrong.push(...(await afterwards(new MemoryEnv(cut, 4), expected, 'after another power cut')));
      }
      report.violations.push(...wrong.map((what) => `${scenario.name}, state ${report.states}, call ${n}, ${fault.errno}: ${what}`));
    }
  }
}

async function recovered(env: MemoryEnv): Promise<string> {
  const index = await openScenarioIndex(env, 2, 'always');
  try {
    if (index.recovery.degraded.length > 0) throw new Error(`degraded: ${index.recovery.degraded.join()}`);
    return `${index.version}: ${contentText(index)}`;
  } finally {
    await index.close();
  }
}

async function disturbed(env: MemoryEnv, expected: string): Promise<string[]> {
  try {
    const found = await recovered(env);
    return found === expected ? [] : [`opens with '${found}', not '${expected}'`];
  } catch (error) {
    return error instanceof CairnError && error.code !== 'INTERNAL' ? [] : [`not typed: ${error instanceof Error ? error.stack : String(error)}`];
  }
}

async function afterwards(env: MemoryEnv, expected: string, when: string): Promise<string[]> {
  try {
    const found = await recovered(env);
    return found === expected ? [] : [`${when}: '${found}', not '${expected}'`];
  } catch (error) {
    return [`${when}: ${error instanceof Error ? error.message : String(error)}`];
  }
}
