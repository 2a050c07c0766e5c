// Measures backups of one index: full, after no change, after a small change, without hard links; verify; restore; and how commits
// fare meanwhile.
// Usage: node scripts/bench/backup.ts [--json] [--chunks 100000]   (exit code 1 when a backup of what has not changed writes more than 64 KiB)
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asEpoch, CairnError, encodeDoc, Engine, nodeEnv, type DurableIndex, type Env } from '../../src/api.ts';
import { makeDoc, seededRandom } from '../../test/support/random-docs.ts';
import { option, percentile, report, round } from './support.ts';

const CHUNKS = Number(option('chunks') ?? 100_000);
const CHUNKS_PER_DOC = 20;
const DIMENSION = 256;
const DOCS_PER_BATCH = 50;
/** A manifest, CURRENT, metadata.json and backup.json of its own. */
const UNCHANGED_LIMIT = 64 * 1024;
const random = seededRandom(1);

async function timed<T>(work: () => Promise<T>): Promise<readonly [T, number]> {
  const started = performance.now();
  const result = await work();
  return [result, round((performance.now() - started) / 1000, 3)];
}

const doc = (n: number): Uint8Array => encodeDoc(makeDoc(random, `src/dir${n % 97}/file${n}.ts`, { chunks: CHUNKS_PER_DOC, dimension: DIMENSION, terms: 40 }));

async function fill(index: DurableIndex): Promise<void> {
  const docs = Math.ceil(CHUNKS / CHUNKS_PER_DOC);
  for (let n = 0; n < docs; n += DOCS_PER_BATCH) {
    await index.commit({ puts: Array.from({ length: Math.min(DOCS_PER_BATCH, docs - n) }, (_, i) => doc(n + i)), deletes: [] });
    if (index.wantsPersist) await index.persist('bench');
  }
  await index.persist('bench');
}

/** Milliseconds of each commit of one small document, one after the other, while `work` runs. */
async function commitsDuring(index: DurableIndex, work: () => Promise<unknown>): Promise<number[]> {
  let isDone = false;
  const working = work().finally(() => (isDone = true));
  const took: number[] = [];
  for (let n = 0; !isDone; n++) {
    const put = encodeDoc(makeDoc(random, `hot/${n % 50}.ts`, { chunks: 1, dimension: DIMENSION, terms: 40 }));
    const started = performance.now();
    await index.commit({ puts: [put], deletes: [] });
    took.push(performance.now() - started);
  }
  await working;
  return took;
}

const withoutLinks = (env: Env): Env => ({
  ...env,
  link: (_existing, path) => Promise.reject(new CairnError('IO', 'links are switched off', { path })),
});

const dir = mkdtempSync(join(tmpdir(), 'cairn-bench-backup-'));
const elsewhere = join(dir, 'elsewhere');
mkdirSync(elsewhere);
const lease = { epoch: asEpoch(1), assertHeld: () => undefined };
let env: Env = nodeEnv();
try {
  let engine = await Engine.open({ dataDir: join(dir), lease, env });
  let index = await engine.create({ name: 'bench', kind: 'code', dimension: DIMENSION });
  const [, fillSeconds] = await timed(() => fill(index));
  const { backups } = engine;
  const [first, firstSeconds] = await timed(() => backups.create('bench', 'manual'));
  const [same, sameSeconds] = await timed(() => backups.create('bench', 'manual'));
  await index.commit({ puts: [doc(3)], deletes: [] });
  const [small, smallSeconds] = await timed(() => backups.create('bench', 'manual'));
  const quiet = await commitsDuring(index, () => new Promise((resolve) => setTimeout(resolve, 2000)));
  const busy = await commitsDuring(index, () => backups.create('bench', 'manual'));
  const [check, verifySeconds] = await timed(() => backups.verify('bench', first.record.id));
  const [, restoreSeconds] = await timed(() => backups.restore({ index: 'bench', backup: first.record.id }));
  await engine.close();
  env = withoutLinks(env);
  engine = await Engine.open({ dataDir: join(dir), lease, env, backupDir: elsewhere });
  index = await engine.get('bench');
  const [copied, copySeconds] = await timed(() => engine.backups.create('bench', 'manual'));
  await engine.close();
  if (same.record.bytesWritten > UNCHANGED_LIMIT) process.exitCode = 1;
  report('backup', {
    chunks: CHUNKS, documents: first.record.docs, indexBytes: first.bytes, files: first.record.files.length, fillSeconds,
    firstSeconds, firstBytesWritten: first.record.bytesWritten, unchangedSeconds: sameSeconds, unchangedBytesWritten: same.record.bytesWritten,
    oneDocumentSeconds: smallSeconds, oneDocumentBytesWritten: small.record.bytesWritten,
    commitP50Ms: round(percentile(quiet, 0.5)), commitP99Ms: round(percentile(quiet, 0.99)),
    commitP50MsDuringBackup: round(percentile(busy, 0.5)), commitP99MsDuringBackup: round(percentile(busy, 0.99)), commitMaxMsDuringBackup: round(Math.max(...busy)), commitsDuringBackup: busy.length,
    verifySeconds, damages: check.damages.length, restoreSeconds, copiedSeconds: copySeconds, copiedBytesWritten: copied.record.bytesWritten,
  });
} finally {
  rmSync(dir, { recursive: true, force: true });
}
