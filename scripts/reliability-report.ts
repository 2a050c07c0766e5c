// One table of what the storage engine and the daemon survive: crash states, mutants, faults, corruptions, kill rounds, with seeds.
// Short forms by default; the counts are flags. After npm run build.
// Usage: node scripts/reliability-report.ts [--short] [--seed 1] [--states 5000] [--faults 500] [--damages 3000] [--kills 10] [--take-overs 1] [--json]
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { compoundSweep } from '../test/support/compound-sweep.ts';
import { corruptionMutants } from '../test/support/corruption/mutants.ts';
import type { SweepReport } from '../test/support/corruption/sweep.ts';
import { explore } from '../test/support/crash-explorer.ts';
import { countCalls, FAULTS, preparedDisk, runErrorCase } from '../test/support/error-sweep.ts';
import { KillLoop } from '../test/support/kill-loop.ts';
import { mutants, runMutant } from '../test/support/mutants.ts';
import { allScenarios } from '../test/support/scenarios/all.ts';
import { durableIndexScenarios } from '../test/support/scenarios/durable-index-scenarios.ts';
import { randomIndexScenario } from '../test/support/scenarios/index-scenarios.ts';
import { randomWalScenario } from '../test/support/scenarios/wal-scenarios.ts';

const { values } = parseArgs({
  options: {
    short: { type: 'boolean', default: false }, json: { type: 'boolean', default: false }, seed: { type: 'string', default: '1' },
    states: { type: 'string' }, faults: { type: 'string' }, damages: { type: 'string' }, kills: { type: 'string' }, 'take-overs': { type: 'string' },
  },
});
/** `--short` is for a look: everything runs, little of it. */
const countOf = (given: string | undefined, normal: number, short: number): number => Number(given ?? (values.short ? short : normal));
const seed = Number(values.seed);

interface Row {
  readonly check: string;
  readonly tried: number;
  readonly passed: number;
  readonly detail: string;
  readonly seconds: number;
}

/** In a process of its own, so that its memory can be told from that of the other checks. */
async function corruptions(damages: number): Promise<Omit<SweepReport, 'violations'> & { readonly violations: number }> {
  const script = fileURLToPath(new URL('./corruption-sweep.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [script, '--damages', String(damages), '--seed', String(seed), '--json']);
  return JSON.parse(stdout) as Omit<SweepReport, 'violations'> & { readonly violations: number };
}

const rows: Row[] = [];
const bad: string[] = [];

async function row(check: string, run: () => Promise<Omit<Row, 'check' | 'seconds'>>): Promise<void> {
  const started = performance.now();
  if (!values.json) console.error(`${check} …`);
  try {
    const result = await run();
    rows.push({ check, ...result, seconds: Math.round((performance.now() - started) / 100) / 10 });
  } catch (error) {
    bad.push(`${check}: ${error instanceof Error ? error.message : String(error)}`);
    rows.push({ check, tried: 1, passed: 0, detail: `stopped: ${String(error).slice(0, 120)}`, seconds: Math.round((performance.now() - started) / 100) / 10 });
  }
}

await row('crash states', async () => {
  const wanted = countOf(values.states, 5_000, 1_000);
  let [states, nested, points, violating] = [0, 0, 0, 0];
  for (let round = seed; states < wanted; round++) {
    const fixed = round === seed ? [...durableIndexScenarios, ...allScenarios] : [];
    for (const scenario of [...fixed, randomWalScenario(round), randomIndexScenario(round)]) {
      if (states >= wanted) break;
      const share = round === seed ? Math.ceil(wanted / fixed.length) : wanted - states;
      const result = await explore(scenario, { seed: round, exhaustive: 8, samples: 16, maxStates: Math.min(share, wanted - states), nestedEvery: 60, goOnEvery: 5 });
      states += result.states;
      nested += result.nestedStates;
      points += result.points;
      for (const [what, times] of result.violations) {
        violating += times;
        bad.push(`${scenario.name}: ${what}`);
      }
    }
  }
  return { tried: states + nested, passed: states + nested - violating, detail: `${states} states of ${points} crash points, ${nested} more cut in recovery` };
});

await row('protocol and check mutants caught', async () => {
  const all = values.short ? [...mutants, ...corruptionMutants].filter((_, i) => i % 8 === 0) : [...mutants, ...corruptionMutants];
  let caught = 0;
  for (const mutant of all) {
    if ((await runMutant(mutant)).length > 0) caught++;
    else bad.push(`the mutant survives: ${mutant.name}`);
  }
  return { tried: all.length, passed: caught, detail: `${mutants.length} of protocols, ${corruptionMutants.length} of checks in the tree` };
});

await row('faults of the disk', async () => {
  const wanted = countOf(values.faults, 500, 100);
  const disk = await preparedDisk();
  const calls = await countCalls(disk);
  const cases = FAULTS.length * 2;
  const step = Math.max(1, Math.floor((calls * cases) / wanted));
  let [tried, passed] = [0, 0];
  for (let k = 0; k < calls * cases; k += step) {
    const fault = FAULTS[k % FAULTS.length] as (typeof FAULTS)[number];
    const wrong = await runErrorCase(disk, { n: 1 + Math.floor(k / cases), fault, isPersistent: Math.floor(k / FAULTS.length) % 2 === 1 });
    tried++;
    if (wrong.length === 0) passed++;
    else bad.push(...wrong);
  }
  return { tried, passed, detail: `${FAULTS.length} kinds, once and for ever, over ${calls} calls` };
});

await row('faults during recovery', async () => {
  const wanted = countOf(values.faults, 500, 100);
  let [faults, states, violating] = [0, 0, 0];
  for (let round = 0; faults < wanted; round++) {
    const scenario = durableIndexScenarios[round % durableIndexScenarios.length] as (typeof durableIndexScenarios)[number];
    const report = await compoundSweep(scenario, seed + round, { states: 6, every: 8 });
    faults += report.faults;
    states += report.states;
    violating += report.violations.length;
    bad.push(...report.violations);
  }
  return { tried: faults, passed: faults - violating, detail: `in ${states} crash states of the durable index` };
});

await row('corruptions', async () => {
  const report = await corruptions(countOf(values.damages, 3_000, 600));
  if (report.violations > 0) bad.push(`${report.violations} corruptions: node scripts/corruption-sweep.ts --damages ${report.damages} --seed ${seed}`);
  const { refused, reported, named, harmless } = report.outcomes;
  return { tried: report.damages, passed: report.damages - report.violations, detail: `${refused} refused, ${reported} served in part and said so, ${named} named, ${harmless} harmless; RSS at most ${Math.round(report.maxRssBytes / 2 ** 20)} MiB` };
});

await row('kill -9 and take-over rounds', async () => {
  const [kills, takeOvers] = [countOf(values.kills, 10, 2), countOf(values['take-overs'], 1, 1)];
  const loop = new KillLoop(seed);
  try {
    await loop.run(kills);
    const report = await loop.takeOver(takeOvers);
    const restarts = report.restartMs.toSorted((a, b) => a - b);
    return { tried: kills + takeOvers, passed: kills + takeOvers, detail: `${takeOvers} with the lock taken by force; ${report.acknowledgements} acknowledgements, ${report.writes} writes; restart p50 ${Math.round(restarts[restarts.length >> 1] ?? 0)} ms` };
  } finally {
    await loop.close();
  }
});

for (const one of bad.slice(0, 20)) console.error(`violation: ${one.slice(0, 500)}`);
if (values.json) console.log(JSON.stringify({ seed, rows, violations: bad.length }));
else {
  const cells = [['check', 'tried', 'passed', 'seconds', `seed ${seed}`], ...rows.map(({ check, tried, passed, seconds, detail }) => [check, String(tried), String(passed), String(seconds), detail])];
  const widths = (cells[0] as string[]).map((_, i) => Math.max(...cells.map((line) => (line[i] as string).length)));
  for (const line of cells) console.log(line.map((cell, i) => (i === 0 || i === 4 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  ').trimEnd());
}
process.exitCode = bad.length === 0 && rows.every(({ tried, passed }) => tried === passed) ? 0 : 1;
