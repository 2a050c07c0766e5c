// The long corruption sweep: every byte range of every file kind, seed after seed, in a thread with bounded memory.
// Usage: node scripts/corruption-sweep.ts [--damages 50000] [--seed 1] [--json]
import { parseArgs } from 'node:util';
import { runSweep } from '../test/support/corruption/sweep.ts';

const { values } = parseArgs({ options: { damages: { type: 'string', default: '50000' }, seed: { type: 'string', default: '1' }, json: { type: 'boolean', default: false } } });
const MAX_RSS_BYTES = 256 * 1024 * 1024;
const started = performance.now();
let last = started;
const report = await runSweep({ seed: Number(values.seed), wanted: Number(values.damages) }, (count) => {
  if (values.json || performance.now() - last < 10_000) return;
  last = performance.now();
  console.error(`${count} damages`);
});
for (const violation of report.violations) console.error(violation);
const seconds = Math.round((performance.now() - started) / 1000);
const isBounded = report.maxRssBytes < MAX_RSS_BYTES;
if (!isBounded) console.error(`resident set of ${report.maxRssBytes} bytes, more than ${MAX_RSS_BYTES}`);
console.log(JSON.stringify({ ...report, violations: report.violations.length, seconds }, null, values.json ? 0 : 1));
process.exitCode = report.violations.length === 0 && isBounded ? 0 : 1;
