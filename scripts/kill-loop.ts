// The long form of test/crash/daemon-kill.test.ts. Usage: node scripts/kill-loop.ts [rounds=1000] [take-overs=rounds/50] (after npm run build; CAIRN_SEED repeats a run)
import { KillLoop } from '../test/support/kill-loop.ts';
import { testSeed } from '../test/support/random.ts';

const rounds = Number(process.argv[2] ?? 1000);
const takeOvers = Number(process.argv[3] ?? Math.ceil(rounds / 50));
const seed = testSeed(Date.now() % 1_000_000);
console.error(`kill loop: ${rounds} rounds, CAIRN_SEED=${seed}`);
const loop = new KillLoop(seed);
try {
  await loop.run(rounds, (round) => {
    if (round % 10 === 0) console.error(`round ${round}`);
  });
  const report = { ...(await loop.takeOver(takeOvers, (round) => console.error(`take-over ${round}`))), rounds };
  const sorted = report.restartMs.toSorted((a, b) => a - b);
  const { restartMs: _all, ...counts } = report;
  console.log(JSON.stringify({ ...counts, seed, restartMsP50: sorted[sorted.length >> 1], restartMsMax: sorted.at(-1) }));
} finally {
  await loop.close();
}
