// Writing metadata.json [3.21]: how long a change takes, and how much of that is not waiting for fsync. Medians.
// Usage: node scripts/bench/metadata.ts [--json] [--writes 200] [--dir DIR]   (exit code 1 at 1 ms or more apart from fsync)
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { asEpoch, Engine, nodeEnv, type Env, type EnvFile } from '../../src/api.ts';
import { option, percentile, report, round } from './support.ts';

const TARGET_MS = 1;
const WRITES = Number(option('writes') ?? 200);
const dir = mkdtempSync(join(option('dir') ?? tmpdir(), 'cairn-bench-metadata-'));
const lease = { epoch: asEpoch(1), assertHeld: () => undefined };

let syncing = 0;
async function counted<T>(sync: () => Promise<T>): Promise<T> {
  const started = performance.now();
  try {
    return await sync();
  } finally {
    syncing += performance.now() - started;
  }
}

/** The real file system, with the time in fsync counted. */
function countingEnv(): Env {
  const env = nodeEnv();
  const wrap = (file: EnvFile): EnvFile => ({
    path: file.path,
    read: (position, length) => file.read(position, length),
    readSync: (target, position) => file.readSync(target, position),
    write: (data, position) => file.write(data, position),
    truncate: (length) => file.truncate(length),
    sync: () => counted(() => file.sync()),
    datasync: () => counted(() => file.datasync()),
    size: () => file.size(),
    close: () => file.close(),
  });
  return { ...env, open: async (path, mode) => wrap(await env.open(path, mode)), syncDir: (path) => counted(() => env.syncDir(path)) };
}

try {
  const engine = await Engine.open({ dataDir: dir, lease, env: countingEnv() });
  const index = await engine.create({ name: 'bench', kind: 'code', dimension: 256 });
  const total: number[] = [];
  const apart: number[] = [];
  for (let n = 0; n < WRITES; n++) {
    syncing = 0;
    const started = performance.now();
    await index.updateMetadata({ sourceRoot: `/tree/${n}` });
    const took = performance.now() - started;
    if (n < 20) continue; // compilation
    total.push(took);
    apart.push(took - syncing);
  }
  await engine.close();
  const apartMs = percentile(apart, 0.5);
  report('metadata writes', { writes: total.length, totalMs: round(percentile(total, 0.5)), apartFromFsyncMs: round(apartMs, 3), apartFromFsyncP99Ms: round(percentile(apart, 0.99), 3), targetMs: TARGET_MS, isMet: apartMs < TARGET_MS });
  if (apartMs >= TARGET_MS) process.exitCode = 1;
} finally {
  rmSync(dir, { recursive: true, force: true });
}
