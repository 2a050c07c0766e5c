// Group commit against the disk: bytes per second that the log acknowledges as durable to many concurrent committers, beside what
// append + fdatasync of the same disk gives in the same run, with the same bytes per sync. The two alternate in short rounds, each
// on a new file; the raw side is a plain loop of blocking calls, with nothing between write and sync. `ofRaw` is the median of the rounds;
// `ofAsync` the same against write and datasync through Node's thread pool and nothing else: on a busy machine the hops between threads
// cost more than the disk.
//   log     WalWriter.append          index     DurableIndex.commit (check, log, memtable, ack)
// Usage: node scripts/bench/wal.ts [--json] [--rounds 8] [--ms 400] [--dir DIR]   (exit code 1 when the log is below 0.7 of the raw disk)
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, unlinkSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asEpoch, encodeDoc, Engine, nodeEnv } from '../../src/api.ts';
import { asLsn } from '../../src/util/ids.ts';
import { openWal } from '../../src/wal/open-wal.ts';
import { makeDoc, seededRandom } from '../../test/support/random-docs.ts';
import { option, percentile, report, round } from './support.ts';

const TARGET = 0.7;
const ROUNDS = Number(option('rounds') ?? 8);
const ROUND_MS = Number(option('ms') ?? 400);
/** A small record, a small source file, and one of 20 chunks of 256 numbers. */
const CASES = [
  { committers: 64, payload: 1024 },
  { committers: 64, payload: 4096 },
  { committers: 16, payload: 24 * 1024 },
  { committers: 64, payload: 24 * 1024 },
] as const;
const lease = { epoch: asEpoch(1), assertHeld: () => undefined };
const dir = mkdtempSync(join(option('dir') ?? tmpdir(), 'cairn-bench-wal-'));
const mib = 2 ** 20;

/** What one side did in one round. */
interface Work {
  readonly bytes: number;
  readonly syncs: number;
  readonly seconds: number;
}

/** Something that takes commits and can say how many writes of how many bytes it made of them. */
interface Target {
  commit(n: number): Promise<unknown>;
  counters(): { readonly groups: number; readonly bytes: number };
  close(): Promise<void>;
}

async function measured(target: Target, committers: number, latencies: number[]): Promise<Work> {
  const before = target.counters();
  const started = performance.now();
  let n = 0;
  const committer = async (): Promise<void> => {
    while (performance.now() - started < ROUND_MS) {
      const asked = performance.now();
      await target.commit(n++);
      latencies.push(performance.now() - asked);
    }
  };
  await Promise.all(Array.from({ length: committers }, committer));
  const seconds = (performance.now() - started) / 1000;
  const after = target.counters();
  return { bytes: after.bytes - before.bytes, syncs: after.groups - before.groups, seconds };
}

/** The same bytes in as many syncs. */
function raw({ bytes, syncs }: Work): number {
  const path = join(dir, 'raw');
  const block = Buffer.alloc(Math.round(bytes / syncs), 7);
  const file = openSync(path, 'wx', 0o600);
  const started = performance.now();
  for (let i = 0; i < syncs; i++) {
    writeSync(file, block, 0, block.length, i * block.length);
    fdatasyncSync(file);
  }
  const seconds = (performance.now() - started) / 1000;
  closeSync(file);
  unlinkSync(path);
  return seconds;
}

async function rawAsync({ bytes, syncs }: Work): Promise<number> {
  const path = join(dir, 'raw');
  const block = Buffer.alloc(Math.round(bytes / syncs), 7);
  const file = await open(path, 'wx', 0o600);
  const started = performance.now();
  for (let i = 0; i < syncs; i++) {
    await file.write(block, 0, block.length, i * block.length);
    await file.datasync();
  }
  const seconds = (performance.now() - started) / 1000;
  await file.close();
  unlinkSync(path);
  return seconds;
}

async function openLog(payload: number, place: string): Promise<Target> {
  const body = Buffer.alloc(payload, 7);
  const { writer } = await openWal(nodeEnv(), place, {
    after: asLsn(0), tag: null, fence: lease, mayCreate: true, onRecord: () => undefined,
    options: { syncMode: 'always', syncIntervalMs: 50, maxFileBytes: 64 * mib },
  });
  return {
    commit: () => writer.append(body),
    counters: () => ({ groups: writer.counters().groups, bytes: writer.counters().bytesWritten }),
    close: () => writer.close(),
  };
}

/** Documents of about `payload` bytes, made before anything is timed; every commit replaces an earlier one. */
async function openIndex(payload: number, place: string): Promise<Target> {
  const random = seededRandom(1);
  const chunks = Math.max(1, Math.round(payload / 1300));
  const docs = Array.from({ length: 400 }, (_, i) => encodeDoc(makeDoc(random, `src/file${i}.ts`, { chunks, dimension: 256, terms: 20 })));
  const engine = await Engine.open({ dataDir: place, lease, options: { syncMode: 'always' } });
  const index = await engine.create({ name: 'bench', kind: 'code', dimension: 256 });
  return {
    commit: (n) => index.commit({ puts: [docs[n % docs.length] as Uint8Array], deletes: [] }),
    counters: () => ({ bytes: index.stats().bytesWritten.wal, groups: index.stats().incremental.logWrites }),
    close: () => engine.close(),
  };
}

async function compare(openTarget: (payload: number, place: string) => Promise<Target>, { committers, payload }: (typeof CASES)[number]): Promise<Record<string, number>> {
  const latencies: number[] = [];
  const ratios: number[] = [];
  const asyncRatios: number[] = [];
  const place = join(dir, 'store');
  let [bytes, syncs, seconds, rawSeconds] = [0, 0, 0, 0];
  for (let i = 0; i <= ROUNDS; i++) {
    const target = await openTarget(payload, place);
    const seen: number[] = [];
    const work = await measured(target, committers, seen);
    await target.close();
    rmSync(place, { recursive: true });
    const taken = raw(work);
    const takenAsync = await rawAsync(work);
    if (i === 0) continue; // compilation, and the first growth of the directory
    bytes += work.bytes;
    syncs += work.syncs;
    seconds += work.seconds;
    rawSeconds += taken;
    ratios.push(taken / work.seconds);
    asyncRatios.push(takenAsync / work.seconds);
    latencies.push(...seen);
  }
  return {
    committers, payload, commitsPerSecond: round(latencies.length / seconds, 0), bytesPerSync: round(bytes / syncs, 0), commitsPerSync: round(latencies.length / syncs, 1),
    commitP50Ms: round(percentile(latencies, 0.5)), commitP99Ms: round(percentile(latencies, 0.99)),
    mibPerSecond: round(bytes / mib / seconds), rawMibPerSecond: round(bytes / mib / rawSeconds), ofRaw: round(percentile(ratios, 0.5)), ofAsync: round(percentile(asyncRatios, 0.5)),
  };
}

try {
  const log = [];
  for (const one of CASES) log.push(await compare(openLog, one));
  const index = [];
  for (const one of CASES) index.push(await compare(openIndex, one));
  const lowest = Math.min(...log.map((one) => one['ofRaw'] as number));
  report('group commit', { log, index, target: TARGET, lowest, isMet: lowest >= TARGET });
  if (lowest < TARGET) process.exitCode = 1;
} finally {
  rmSync(dir, { recursive: true, force: true });
}
