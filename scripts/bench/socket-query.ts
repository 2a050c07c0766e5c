// search/query over the socket of a real daemon: latency over many different queries, idle and while a bulk index and persists run.
// Usage: node scripts/bench/socket-query.ts --root DIR [--queries 1000] [--busy-root OTHER_DIR] [--json]   (after npm run build)
import { globSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { CairnClient } from '../../client/index.ts';
import { BenchDaemon, option, percentile, report, required, round } from './support.ts';

const root = resolve(required('root'));
const count = Number(option('queries') ?? 1000);

/** Different queries made of the words and names of the tree itself: one to six words, one in four a bare identifier. */
function makeQueries(): string[] {
  const files = globSync('**/*.{ts,js,py,go,rs,java,c,h,cpp,cs,rb,php,kt,swift,scala,sh,lua,ex,hs,md}', { cwd: root }).sort();
  const queries = new Set<string>();
  let state = 12345;
  const below = (n: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
  while (queries.size < count) {
    const file = join(root, files[below(files.length)] ?? '');
    if (!statSync(file).isFile()) continue;
    const words = readFileSync(file, 'utf8').match(/[A-Za-z_]{4,24}/g) ?? [];
    if (words.length < 8) continue;
    const length = queries.size % 4 === 0 ? 1 : 2 + below(5);
    const at = below(words.length - length);
    queries.add(words.slice(at, at + length).join(' '));
  }
  return [...queries];
}

async function measure(client: CairnClient, queries: readonly string[]): Promise<{ p50: number; p99: number; max: number; empty: number }> {
  const times: number[] = [];
  let empty = 0;
  for (const query of queries) {
    const started = performance.now();
    const { hits } = await client.search({ root, query, limit: 10 });
    times.push(performance.now() - started);
    if (hits.length === 0) empty++;
  }
  return { p50: round(percentile(times, 0.5)), p99: round(percentile(times, 0.99)), max: round(Math.max(...times)), empty };
}

const daemon = new BenchDaemon();
try {
  const client = await daemon.connect();
  const run = await client.openIndex({ root, wait: true }, { timeoutMs: 3_600_000 });
  const queries = makeQueries();
  await measure(client, queries.slice(0, 100)); // warm the page cache and the compiler
  const idle = await measure(client, queries);
  const busyRoot = option('busy-root');
  let busy: unknown = null;
  if (busyRoot !== undefined) {
    const bulk = (await daemon.connect()).openIndex({ root: resolve(busyRoot), wait: true }, { timeoutMs: 3_600_000 });
    busy = await measure(client, queries);
    await bulk;
  }
  report('search/query over the socket', { chunks: run.chunks, files: run.files, queries: queries.length, idleMs: idle, busyMs: busy, metrics: (await client.metrics()).gauges });
  client.close();
} finally {
  await daemon.close();
}
