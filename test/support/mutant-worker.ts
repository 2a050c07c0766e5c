/** Loads the modules with one source text replaced, runs one scenario, posts what is wrong with it. */
import { registerHooks } from 'node:module';
import { parentPort, workerData } from 'node:worker_threads';
import type { MutantRequest } from './mutants.ts';

const request = workerData as MutantRequest;

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    if (url !== request.url) return loaded;
    const source = Buffer.from(loaded.source as Uint8Array | string as string).toString('utf8');
    return { ...loaded, source: source.replace(request.from, () => request.to) };
  },
});

let wrong: string[];
try {
  wrong = request.scenario === 'errors' ? await errorSweep() : request.scenario.startsWith('corruption of ') ? await corruptions(request.scenario.slice('corruption of '.length)) : await crashSweep();
} catch (error) {
  wrong = [`the workload itself fails: ${String(error)}`];
}
parentPort?.postMessage(wrong);

async function crashSweep(): Promise<string[]> {
  const { explore } = await import('./crash-explorer.ts');
  const { allScenarios } = await import('./scenarios/all.ts');
  const isCalled = (one: { readonly name: string }): boolean => one.name.startsWith(request.scenario);
  const scenario =
    allScenarios.find(isCalled) ??
    (await import('./scenarios/durable-index-scenarios.ts')).durableIndexScenarios.find(isCalled) ??
    (await import('./scenarios/backup-scenarios.ts')).backupScenarios.find(isCalled) ??
    (await import('./scenarios/rename-scenarios.ts')).renameScenarios.find(isCalled);
  if (scenario === undefined) throw new Error(`no scenario is called '${request.scenario}'`);
  // Of workloads that are long and costly: few choices at each point, but every point.
  const choices = request.scenario.startsWith('backup') ? { exhaustive: 1, samples: 0, nestedEvery: 1e9, goOnEvery: 1e9 } : { exhaustive: 7, samples: 8, nestedEvery: 50 };
  const result = await explore(scenario, { seed: 1, maxStates: 3000, stopAtFirst: true, ...choices });
  return [...result.violations.keys()];
}

async function errorSweep(): Promise<string[]> {
  const { countCalls, preparedDisk, runErrorCase } = await import('./error-sweep.ts');
  const disk = await preparedDisk();
  const calls = await countCalls(disk);
  for (let n = 1; n <= calls; n++) {
    const wrong = await runErrorCase(disk, { n, fault: { errno: 'EIO' }, isPersistent: false });
    if (wrong.length > 0) return wrong;
  }
  return [];
}

async function corruptions(kind: string): Promise<string[]> {
  const { corruptionSweep } = await import('./corruption/sweep.ts');
  return (await corruptionSweep(1, 1_500, { maxViolations: 1, only: kind })).violations;
}
