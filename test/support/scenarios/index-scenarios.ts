/** Crash workloads of log, manifest, segments, tombstones and garbage collection together. */
import type { CrashScenario } from '../crash-explorer.ts';
import { ROOT } from '../memory-env.ts';
import { seededRandom } from '../random.ts';
import { MiniIndex, type Batch } from './mini-index.ts';

type Step = Batch | 'flush' | 'compact' | 'reopen';

/** Batches that were begun, and how many were acknowledged. */
interface Mark {
  readonly begun?: Batch;
  readonly acked?: number;
  readonly created?: true;
}

const DIR = `${ROOT}/index`;

function indexScenario(name: string, steps: readonly Step[]): CrashScenario {
  return {
    name,
    run: async (env) => {
      await env.mkdir(DIR);
      await env.syncDir(ROOT);
      let index = await MiniIndex.open(env, DIR, 1);
      env.mark({ created: true });
      for (const step of steps) {
        if (step === 'flush') await index.flush();
        else if (step === 'compact') await index.compact();
        else if (step === 'reopen') {
          await index.close();
          index = await MiniIndex.open(env, DIR, 1);
        } else {
          env.mark({ begun: step });
          env.mark({ acked: await index.commit(step) });
        }
      }
      await index.close();
    },
    recover: async (env) => {
      if (!env.names.has(DIR)) return '0:';
      const index = await MiniIndex.open(env, DIR, 2);
      await index.close();
      return `${index.lsn}:${index.numbers().join(' ')}`;
    },
    judge: (state, marks) => judgeSet(state, marks as readonly Mark[]),
    goOn: async (env) => {
      await env.mkdir(DIR);
      const first = await MiniIndex.open(env, DIR, 3);
      await first.commit([77]);
      await first.flush();
      await first.commit([-77, 78]);
      await first.flush();
      await first.compact();
      const expected = first.numbers().join();
      await first.close();
      const second = await MiniIndex.open(env, DIR, 4);
      await second.close();
      if (second.numbers().join() !== expected) throw new Error(`${second.numbers().join()} after reopening, ${expected} before`);
      const temps = [...env.names.keys()].filter((path) => path.endsWith('.tmp'));
      if (temps.length > 0) throw new Error(`temp files stay: ${temps.join()}`);
    },
  };
}

function judgeSet(state: string, marks: readonly Mark[]): string | null {
  const [lsn = '', numbers = ''] = state.split(':');
  const begun = marks.flatMap((mark) => (mark.begun === undefined ? [] : [mark.begun]));
  const acked = Math.max(0, ...marks.map((mark) => mark.acked ?? 0));
  if (Number(lsn) < acked) return 'an acknowledged batch is lost';
  if (Number(lsn) > begun.length) return 'a batch that was never begun';
  const model = new Set<number>();
  for (const batch of begun.slice(0, Number(lsn))) {
    for (const n of batch) {
      if (n > 0) model.add(n);
      else model.delete(-n);
    }
  }
  const expected = [...model].sort((a, b) => a - b).join(' ');
  return numbers === expected ? null : `the state is not the one of LSN ${lsn} (${expected})`;
}

export const indexScenarios: readonly CrashScenario[] = [
  indexScenario('index, flush and manifest switch', [[1, 2], [3], 'flush', [4], [5, -1], 'flush', [6]]),
  indexScenario('index, tombstones', [[1, 2, 3], 'flush', [-2], 'flush', [-1, 4], [2], 'flush', [-3], [-2, -4], 'flush']),
  indexScenario('index, compaction and garbage', [[1, 2], 'flush', [3, -1], 'flush', 'compact', [4], 'flush', [-4], 'flush', 'compact', 'flush']),
  indexScenario('index, reopened between', [[1], 'reopen', [2], 'flush', 'reopen', [3, -2], 'reopen', 'flush', 'reopen', [4]]),
];

/** A workload of its own for each seed. */
export function randomIndexScenario(seed: number): CrashScenario {
  const random = seededRandom(seed);
  const pick = (n: number): number => Math.floor(random() * n);
  const batch = (): Batch => Array.from({ length: 1 + pick(4) }, () => (1 + pick(12)) * (pick(3) === 0 ? -1 : 1));
  const steps = Array.from({ length: 12 + pick(8) }, (): Step => (['flush', 'flush', 'compact', 'reopen'] as const)[pick(10)] ?? batch());
  return indexScenario(`index, random workload ${seed}`, steps);
}
