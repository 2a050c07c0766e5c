// Warm restart of a real daemon: process start to first answer, and the embedder calls after it has looked at the whole tree.
// Half of the rounds end with a drain, half with kill -9. They begin when the merges that follow a first build have ended, as they have
// for any index that is a minute old; with --fresh-segments at once.
// Usage: node scripts/bench/restart.ts --root DIR [--rounds 10] [--fresh-segments] [--data-dir DIR (kept)] [--json]   (after npm run build)
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { CairnClient } from '../../client/index.ts';
import { isAlive } from '../../test/support/cli.ts';
import { BenchDaemon, option, percentile, report, required, round } from './support.ts';

const root = resolve(required('root'));
const rounds = Number(option('rounds') ?? 10);
const query = 'where is the configuration read';

/** A tenth of a second each: a merge of all segments takes a few seconds. */
const LOOKS = process.argv.includes('--fresh-segments') ? 1 : 100;

const daemon = new BenchDaemon();
try {
  let client = await daemon.connect();
  const run = await client.openIndex({ root, wait: true }, { timeoutMs: 3_600_000 });
  await client.flushIndex({ index: run.index });
  const segments = await mergedSegments(client, run.index);
  const times: Record<'drained' | 'killed', number[]> = { drained: [], killed: [] };
  const caughtUp: number[] = [];
  let embedderCalls = 0;
  let emptyAnswers = 0;
  let replayed = 0;
  for (let i = 0; i < rounds; i++) {
    const how = i % 2 === 0 ? 'drained' : 'killed';
    const { pid } = await client.health();
    if (how === 'drained') await client.shutdown({});
    else process.kill(pid, 'SIGKILL');
    await client.closed;
    while (isAlive(pid)) await delay(5);
    const started = performance.now();
    client = await daemon.connect();
    const { hits } = await client.search({ root, query, limit: 10 });
    times[how].push(performance.now() - started);
    if (hits.length === 0) emptyAnswers++;
    await client.openIndex({ root, wait: true }, { timeoutMs: 600_000 });
    caughtUp.push(performance.now() - started);
    const status = await client.indexStatus({ index: run.index });
    embedderCalls += status.embedder?.calls ?? 0;
    replayed += status.recovery.replayedBatches;
  }
  const figures = (values: readonly number[]) => ({ p50: round(percentile(values, 0.5), 0), max: round(Math.max(...values), 0) });
  report('warm restart', {
    root,
    files: run.files,
    chunks: run.chunks,
    segments,
    rounds,
    firstAnswerMs: { afterDrain: figures(times.drained), afterKill: figures(times.killed) },
    caughtUpMs: figures(caughtUp),
    embedderCalls,
    emptyAnswers,
    replayedBatches: replayed,
  });
  client.close();
} finally {
  await daemon.close();
}

/** Number of segments, once it has been the same for all looks. */
async function mergedSegments(client: CairnClient, index: string): Promise<number> {
  let count = -1;
  for (let same = 0; same < LOOKS; ) {
    const { segments } = await client.inspectIndex({ index });
    same = segments.length === count ? same + 1 : 1;
    count = segments.length;
    if (same < LOOKS) await delay(100);
  }
  return count;
}
