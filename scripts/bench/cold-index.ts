// Cold index of a real tree through a real daemon with an empty data directory: rate with embedding, peak memory of the
// daemon (its worker threads are part of the process), delay of its event loop meanwhile.
// Usage: node scripts/bench/cold-index.ts --root DIR [--data-dir DIR (kept)] [--json]   (after npm run build)
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BenchDaemon, report, required, residentMb, round } from './support.ts';

/** Highest sum of the daemon and its children (git), sampled; the daemon's own peak is the kernel's. */
async function watchMemory(pid: number, signal: AbortSignal): Promise<{ peakMb: number; peakWithChildrenMb: number }> {
  let withChildren = 0;
  let peak = 0;
  while (!signal.aborted) {
    const now = residentMb(pid);
    withChildren = Math.max(withChildren, now.current + now.children);
    peak = now.peak;
    await delay(50, undefined, { signal }).catch(() => undefined);
  }
  return { peakMb: round(peak, 0), peakWithChildrenMb: round(Math.max(withChildren, peak), 0) };
}

const root = resolve(required('root'));
const daemon = new BenchDaemon();
try {
  const client = await daemon.connect();
  const { pid } = await client.health();
  const done = new AbortController();
  const memory = watchMemory(pid, done.signal);
  const started = performance.now();
  const run = await client.openIndex({ root, wait: true }, { timeoutMs: 3_600_000 });
  const seconds = (performance.now() - started) / 1000;
  await client.flushIndex({ index: run.index });
  done.abort();
  const [{ peakMb, peakWithChildrenMb }, daemonStatus, status] = await Promise.all([memory, client.status(), client.indexStatus({ index: run.index })]);
  report('cold index', {
    root,
    files: run.files,
    chunks: run.chunks,
    embedded: run.embedded,
    cached: run.cached,
    seconds: round(seconds),
    chunksPerSecond: round(run.chunks / seconds, 0),
    peakRssMb: peakMb,
    peakRssWithChildrenMb: peakWithChildrenMb,
    eventLoopMs: daemonStatus.eventLoop,
    saves: status.persist.saves,
    segments: status.segments,
    diskBytes: status.diskBytes,
    bytesPerChunk: round(status.diskBytes / Math.max(1, status.chunks), 0),
    skipped: status.skipped,
  });
  client.close();
} finally {
  await daemon.close();
}
