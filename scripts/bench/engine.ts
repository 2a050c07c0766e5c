// Measures the durable index in one process: commits per second in each sync mode against raw append + fdatasync of the same
// run, persist and compaction with the event-loop delay they cause, bytes written by one delete of 100,000 chunks (log, tombstones and
// manifest; exit code 1 at 64 KiB or more), time to open.
// Usage: node scripts/bench/engine.ts [--json] [--chunks 100000] [--dir DIR]
import { mkdtempSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay, type IntervalHistogram } from 'node:perf_hooks';
import { asEpoch, Engine, encodeDoc, type DurableIndex, type SyncMode } from '../../src/api.ts';
import { makeDoc, seededRandom } from '../../test/support/random-docs.ts';

const argument = (name: string): string | undefined => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? undefined : process.argv[at + 1];
};
const CHUNKS = Number(argument('chunks') ?? 100_000);
const CHUNKS_PER_DOC = 20;
const DIMENSION = 256;
const random = seededRandom(1);
const dir = mkdtempSync(join(argument('dir') ?? tmpdir(), 'cairn-bench-'));
const lease = { epoch: asEpoch(1), assertHeld: () => undefined };
const figures: Record<string, number | string> = { node: process.version, chunks: CHUNKS };
const round = (value: number): number => Number(value.toPrecision(4));

function doc(key: string, chunks = CHUNKS_PER_DOC): Uint8Array {
  return encodeDoc(makeDoc(random, key, { chunks, dimension: DIMENSION, terms: 60 }));
}

async function timed<T>(work: () => Promise<T>): Promise<[T, number]> {
  const start = performance.now();
  const result = await work();
  return [result, performance.now() - start];
}

/** Runs `work` and notes how long the event loop was held up meanwhile (above the 1 ms that the timer itself needs). */
async function watched<T>(name: string, work: () => Promise<T>): Promise<T> {
  const delay: IntervalHistogram = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const [result, took] = await timed(work);
  await new Promise((resolve) => setTimeout(resolve, 20));
  delay.disable();
  figures[`${name}Ms`] = round(took);
  figures[`${name}LoopDelayP99Ms`] = round(delay.percentile(99) / 1e6);
  figures[`${name}LoopDelayMaxMs`] = round(delay.max / 1e6);
  return result;
}

/** Most that the disk allows: `count` appends of `bytes` bytes, one fdatasync each, and all of them under one. */
async function rawCeiling(bytes: number, count: number): Promise<void> {
  const file = await open(join(dir, 'raw'), 'w');
  const data = Buffer.alloc(bytes, 1);
  const [, each] = await timed(async () => {
    for (let i = 0; i < count; i++) {
      await file.write(data, 0, bytes, i * bytes);
      await file.datasync();
    }
  });
  const [, together] = await timed(async () => {
    for (let i = 0; i < count; i++) await file.write(data, 0, bytes, (count + i) * bytes);
    await file.datasync();
  });
  await file.close();
  figures['rawSyncedAppendsPerSecond'] = round((count / each) * 1000);
  figures['rawAppendsPerSecond'] = round((count / together) * 1000);
}

async function commits(engine: Engine, syncMode: SyncMode): Promise<void> {
  const index = await engine.create({ name: `commits-${syncMode}`, kind: 'code', dimension: DIMENSION });
  const docs = Array.from({ length: 400 }, (_, i) => doc(`file${i}`, 1));
  const [, serial] = await timed(async () => {
    for (const put of docs.slice(0, 200)) await index.commit({ puts: [put], deletes: [] });
  });
  const [, parallel] = await timed(() => Promise.all(docs.map((put) => index.commit({ puts: [put], deletes: [] }))));
  figures[`commitsPerSecondSerial_${syncMode}`] = round((200 / serial) * 1000);
  figures[`commitsPerSecond400InFlight_${syncMode}`] = round((400 / parallel) * 1000);
  figures['commitBytes'] = docs[0]?.length ?? 0;
  await engine.delete(`commits-${syncMode}`, { purge: true });
}

async function bulk(index: DurableIndex): Promise<void> {
  let persists = 0;
  let commitMs = 0;
  for (let chunks = 0; chunks < CHUNKS; chunks += CHUNKS_PER_DOC) {
    const put = doc(`dir${chunks % 97}/file${chunks}.ts`);
    commitMs += (await timed(() => index.commit({ puts: [put], deletes: [] })))[1];
    if (!index.wantsPersist) continue;
    persists++;
    figures['memtableBytesPerChunk'] = round(index.stats().memtableBytes / index.stats().memtableChunks);
    await watched('persist', () => index.persist('bench'));
  }
  await index.persist('bench');
  figures['persists'] = persists + 1;
  figures['bulkCommitMsPerChunk'] = round(commitMs / CHUNKS);
}

try {
  await rawCeiling(3000, 200);
  for (const syncMode of ['always', 'interval', 'off'] as const) {
    const engine = await Engine.open({ dataDir: join(dir), lease, options: { syncMode } });
    await commits(engine, syncMode);
    await engine.close();
  }
  const engine = await Engine.open({ dataDir: dir, lease, options: { syncMode: 'always' } });
  const index = await engine.create({ name: 'bulk', kind: 'code', dimension: DIMENSION });
  await bulk(index);
  figures['bytesPerChunkOnDisk'] = round(index.stats().segments.reduce((total, s) => total + s.bytes, 0) / CHUNKS);
  await watched('compaction', async () => {
    while ((await index.compact()) !== null);
  });
  const before = index.stats().bytesWritten;
  await index.commit({ puts: [], deletes: ['dir0/file0.ts'] });
  await index.persist('one delete');
  const after = index.stats().bytesWritten;
  figures['oneDeleteBytesWritten'] = after.wal + after.flush + after.manifest - before.wal - before.flush - before.manifest;
  const beforeEdit = index.stats().bytesWritten;
  await index.commit({ puts: [doc('dir20/file20.ts')], deletes: [] });
  await index.persist('one edit');
  const afterEdit = index.stats().bytesWritten;
  figures['oneEditBytesWritten'] = afterEdit.wal + afterEdit.flush + afterEdit.manifest - beforeEdit.wal - beforeEdit.flush - beforeEdit.manifest;
  figures['indexMemoryMb'] = round(index.stats().memoryBytes / 2 ** 20);
  await engine.close();
  const reopened = await Engine.open({ dataDir: dir, lease });
  await watched('open', () => reopened.get('bulk'));
  await reopened.close();
  figures['peakRssMb'] = round(process.resourceUsage().maxRSS / 1024);
} finally {
  rmSync(dir, { recursive: true, force: true });
}
if (process.argv.includes('--json')) console.log(JSON.stringify(figures));
else for (const [name, value] of Object.entries(figures)) console.log(`${name.padEnd(34)} ${value}`);
if (Number(figures['oneDeleteBytesWritten']) >= 64 * 1024) process.exitCode = 1;
