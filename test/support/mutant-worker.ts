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

const { explore } = await import('./crash-explorer.ts');
const { allScenarios } = await import('./scenarios/all.ts');
const scenario = allScenarios.find((one) => one.name.startsWith(request.scenario));
if (scenario === undefined) throw new Error(`no scenario is called '${request.scenario}'`);
let wrong: string[];
try {
  const result = await explore(scenario, { seed: 1, exhaustive: 7, samples: 8, maxStates: 3000, nestedEvery: 50, stopAtFirst: true });
  wrong = [...result.violations.keys()];
} catch (error) {
  wrong = [`the workload itself fails: ${String(error)}`];
}
parentPort?.postMessage(wrong);
