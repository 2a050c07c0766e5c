// Cold index of a real tree through a real daemon with an empty data directory: rate with embedding, delay of its event loop,
// and peak memory of the daemon (its worker threads are part of the process) until the merges that follow have ended.
// Usage: node scripts/bench/cold-index.ts --root DIR [--data-dir DIR (kept)] [--json]   (after npm run build)
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { CairnClient } from '../../client/index.ts';
import { planCompaction } from '../../src/index/compaction-policy.ts';
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

/** Returns when everything is in segments and the policy finds nothing more to merge. */
async function untilMerged(client: CairnClient, index: string): Promise<void> {
  const { values } = await client.config();
  const fanIn = Number(values.find(({ key }) => key === 'storage.compactionFanIn')?.value);
  for (;;) {
    const { segments, memtable } = await client.inspectIndex({ index });
    const loads = segments.map(({ id, docs, tombstones, chunks }) => ({ id, docs, liveDocs: docs - tombstones, liveChunks: chunks }));
    if (memtable.chunks === 0 && planCompaction(loads, fanIn) === null) return;
    await delay(200);
  }
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
  const indexed = residentMb(pid).peak;
  await untilMerged(client, run.index);
  const mergeSeconds = (performance.now() - started) / 1000 - seconds;
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
    mergeSeconds: round(mergeSeconds),
    peakRssMb: peakMb,
    peakRssWhileIndexingMb: round(indexed, 0),
    peakRssWithChildrenMb: peakWithChildrenMb,
    settledRssMb: round(residentMb(pid).current, 0),
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
