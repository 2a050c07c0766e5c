// Ingest without storage: crawl a tree, read, parse, chunk, embed and encode every file; rate, time of the main thread, memory.
// Usage: node scripts/bench/ingest.ts DIR [--workers N] [--no-embedding] [--cached] [--json]
import { realpathSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { VectorCache } from '../../src/embed/embedder.ts';
import { IngestPool, SourceTree } from '../../src/ingest/index.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { workers: { type: 'string', default: '2' }, 'no-embedding': { type: 'boolean', default: false }, cached: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } },
});
const root = realpathSync(resolve(positionals[0] ?? '.'));

/** Remembers everything: the second pass of --cached computes nothing. */
class MemoryCache implements VectorCache {
  readonly #rows = new Map<string, Float32Array>();

  async lookup(keys: readonly Uint8Array[]): Promise<(Float32Array | null)[]> {
    return keys.map((key) => this.#rows.get(Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1')) ?? null);
  }

  async store(entries: readonly { readonly key: Uint8Array; readonly vector: Float32Array }[]): Promise<void> {
    for (const { key, vector } of entries) this.#rows.set(Buffer.from(key).toString('latin1'), vector.slice());
  }
}

const pool = new IngestPool({
  workers: Number(values.workers),
  embedder: values['no-embedding'] ? null : { modelPath: null },
  cache: values.cached ? new MemoryCache() : null,
});

async function pass(): Promise<Record<string, unknown>> {
  const before = pool.stats;
  const loop = monitorEventLoopDelay({ resolution: 1 });
  loop.enable();
  let peak = 0;
  const sampler = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 20);
  const cpu = process.cpuUsage();
  const started = performance.now();
  let crawlMs = 0;
  let files = 0;
  let bytes = 0;
  let docBytes = 0;
  const notes = new Map<string, number>();
  const running = new Set<Promise<void>>();
  const source = await SourceTree.open(root);
  for await (const batch of source.crawl()) {
    crawlMs = performance.now() - started;
    for (const { path, size } of batch) {
      files++;
      bytes += size;
      const task: Promise<void> = pool.ingest({ root, path, known: null }).then((result) => {
        running.delete(task);
        const note = result.outcome === 'indexed' ? result.note : result.outcome;
        if (note !== null) notes.set(note, (notes.get(note) ?? 0) + 1);
        if (result.outcome === 'indexed') docBytes += result.doc.length;
      });
      running.add(task);
      if (running.size >= pool.capacity) await Promise.race(running);
    }
  }
  await Promise.all(running);
  const seconds = (performance.now() - started) / 1000;
  clearInterval(sampler);
  loop.disable();
  const { user, system } = process.cpuUsage(cpu);
  const chunks = pool.stats.chunks - before.chunks;
  return {
    files, megabytes: round(bytes / 1e6), chunks, embedded: pool.stats.embedded - before.embedded, cached: pool.stats.cached - before.cached,
    seconds: round(seconds), chunksPerSecond: Math.round(chunks / seconds), cpuSeconds: round((user + system) / 1e6), chunksPerCpuSecond: Math.round(chunks / ((user + system) / 1e6)),
    crawlMs: Math.round(crawlMs), docBytesPerChunk: Math.round(docBytes / Math.max(1, chunks)), peakRssMb: Math.round(peak / 1e6),
    loopDelayMs: { p50: round(loop.percentile(50) / 1e6), p99: round(loop.percentile(99) / 1e6), max: round(loop.max / 1e6) },
    workers: { started: pool.stats.started, retired: pool.stats.retired, timeouts: pool.stats.timeouts, crashes: pool.stats.crashes },
    notes: Object.fromEntries([...notes].sort((a, b) => b[1] - a[1]).slice(0, 12)),
  };
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

const results = [await pass()];
if (values.cached) results.push(await pass());
await pool.close();
for (const result of results) console.log(values.json ? JSON.stringify(result) : result);
