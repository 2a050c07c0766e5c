// The long crash sweep: fixed and random workloads, seed after seed, until so many distinct post-crash states were recovered.
// Usage: node scripts/crash-sweep.ts [--states 200000] [--seed 1] [--only TEXT] [--json]
//        node scripts/crash-sweep.ts --errors      every call x every fault x once and for ever instead
import { parseArgs } from 'node:util';
import { describe, explore, type CrashScenario } from '../test/support/crash-explorer.ts';
import { countCalls, FAULTS, preparedDisk, runErrorCase } from '../test/support/error-sweep.ts';
import { allScenarios } from '../test/support/scenarios/all.ts';
import { backupScenarios } from '../test/support/scenarios/backup-scenarios.ts';
import { renameScenarios } from '../test/support/scenarios/rename-scenarios.ts';
import { durableIndexScenarios } from '../test/support/scenarios/durable-index-scenarios.ts';
import { randomIndexScenario } from '../test/support/scenarios/index-scenarios.ts';
import { randomWalScenario } from '../test/support/scenarios/wal-scenarios.ts';

const { values } = parseArgs({
  options: { states: { type: 'string', default: '200000' }, seed: { type: 'string', default: '1' }, only: { type: 'string', default: '' }, json: { type: 'boolean', default: false }, errors: { type: 'boolean', default: false } },
});
const wanted = Number(values.states);
const firstSeed = Number(values.seed);
const started = performance.now();
const total = { states: 0, nestedStates: 0, points: 0, workloads: 0, violating: 0 };

function scenariosOf(seed: number): readonly CrashScenario[] {
  const random = [randomWalScenario(seed), randomIndexScenario(seed)];
  return (seed === firstSeed ? [...allScenarios, ...durableIndexScenarios, ...backupScenarios, ...renameScenarios, ...random] : random).filter((scenario) => scenario.name.includes(values.only));
}

async function errorSweep(): Promise<void> {
  const disk = await preparedDisk();
  const calls = await countCalls(disk);
  for (const fault of FAULTS) {
    for (const isPersistent of [false, true]) {
      for (let n = 1; n <= calls; n++) {
        total.workloads++;
        const wrong = await runErrorCase(disk, { n, fault, isPersistent });
        if (wrong.length === 0) continue;
        total.violating++;
        console.error(`call ${n}, ${fault.errno} ${isPersistent ? 'for ever' : 'once'}: ${wrong.join('; ')}`);
      }
    }
  }
}

async function crashSweep(): Promise<void> {
  for (let seed = firstSeed; total.states < wanted; seed++) {
    const scenarios = scenariosOf(seed);
    if (scenarios.length === 0) throw new Error(`no scenario's name contains '${values.only}'`);
    for (const scenario of scenarios) {
      if (total.states >= wanted) break;
      const result = await explore(scenario, { seed, exhaustive: 10, samples: 64, maxStates: wanted - total.states, nestedEvery: 25, goOnEvery: 2 });
      total.states += result.states;
      total.nestedStates += result.nestedStates;
      total.points += result.points;
      total.workloads++;
      if (result.violations.size > 0) total.violating++;
      if (!values.json || result.violations.size > 0) console.error(describe(result));
    }
  }
}

await (values.errors ? errorSweep() : crashSweep());
const seconds = Math.round((performance.now() - started) / 1000);
if (values.json) console.log(JSON.stringify({ ...total, seconds }));
else console.log(`${total.workloads} workloads, ${total.points} crash points, ${total.states} states, ${total.nestedStates} nested, ${total.violating} with violations, ${seconds} s`);
process.exitCode = total.violating === 0 ? 0 : 1;
