/** Crash workloads of single files: replaced atomically, or created under a name of their own. */
import { createFileDurable, sweepTempFiles, writeFileAtomic } from '../../../src/env/atomic-file.ts';
import { isCairnError } from '../../../src/util/errors.ts';
import type { CrashScenario } from '../crash-explorer.ts';
import { ROOT, type MemoryEnv } from '../memory-env.ts';

type Mark = { readonly begun: number } | { readonly acked: number };

const last = (marks: readonly unknown[], key: 'begun' | 'acked'): number => Math.max(0, ...(marks as readonly Mark[]).map((mark) => (mark as Record<string, number>)[key] ?? 0));

const FILE = 'metadata.json';
const version = (n: number): Buffer => Buffer.from(`{"version": ${n}, "pad": "${'x'.repeat(n * 300)}"}`);

const atomicFile: CrashScenario = {
  name: 'atomic file',
  run: async (env) => {
    for (let n = 1; n <= 6; n++) {
      env.mark({ begun: n });
      await writeFileAtomic(env, ROOT, FILE, version(n));
      env.mark({ acked: n });
    }
  },
  recover: async (env) => {
    await sweepTempFiles(env, ROOT);
    try {
      const bytes = await env.readFile(`${ROOT}/${FILE}`, 10_000);
      const n = (JSON.parse(bytes.toString()) as { version: number }).version;
      return bytes.equals(version(n)) ? String(n) : 'torn';
    } catch (error) {
      if (isCairnError(error, 'NOT_FOUND')) return '0';
      throw error;
    }
  },
  judge: (state, marks) => {
    if (!/^\d+$/.test(state)) return 'neither the old nor the new file';
    if (Number(state) < last(marks, 'acked')) return 'an acknowledged version is lost';
    return Number(state) > last(marks, 'begun') ? 'from the future' : null;
  },
  goOn: async (env: MemoryEnv) => {
    await writeFileAtomic(env, ROOT, FILE, version(9));
    if ([...env.names.keys()].some((path) => path.endsWith('.tmp'))) throw new Error('a temp file stays');
  },
};

/** Files under names of their own, as segments are: what was told to be durable is there and whole. */
const durableFile: CrashScenario = {
  name: 'durable file',
  run: async (env) => {
    for (let n = 1; n <= 5; n++) {
      env.mark({ begun: n });
      await createFileDurable(env, ROOT, `file-${n}`, (file) => file.write(version(n), 0));
      env.mark({ acked: n });
    }
  },
  recover: async (env) => {
    const whole: number[] = [];
    for (let n = 1; n <= 5; n++) {
      if (env.names.has(`${ROOT}/file-${n}`) && (await env.readFile(`${ROOT}/file-${n}`, 10_000)).equals(version(n))) whole.push(n);
    }
    return whole.join(' ');
  },
  judge: (state, marks) => {
    const whole = state.split(' ').map(Number);
    for (let n = 1; n <= last(marks, 'acked'); n++) if (!whole.includes(n)) return 'a file that was told to be durable is not';
    return null;
  },
  goOn: async () => undefined,
};

export const fileScenarios: readonly CrashScenario[] = [atomicFile, durableFile];
