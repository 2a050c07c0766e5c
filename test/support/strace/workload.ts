/**
 * One workload of the whole engine (batches, flush, compaction, publish, backup, restore, delete) for any Env. Run as a program it works on
 * the real file system below the directory that is named, for a tracer to watch: node workload.ts DIR
 */
import { encodeDoc } from '../../../src/format/doc-codec.ts';
import { Engine } from '../../../src/engine.ts';
import type { Env } from '../../../src/env/env.ts';
import { nodeEnv } from '../../../src/env/node-env.ts';
import { inlineRunner } from '../../../src/index/run-job.ts';
import type { DurableIndex, SyncMode } from '../../../src/index/types.ts';
import { testLease } from '../fence.ts';
import { MemoryEnv } from '../memory-env.ts';
import { tinyDoc } from '../tiny-doc.ts';

const DIMENSION = 4;
const NAME = 'sample';

/** Clock and randomness are those of the double, so that names and sizes are the same. */
export const CHANCE_SEED = 7;

function withFixedChance(env: Env): Env {
  const { clock, random } = new MemoryEnv(undefined, CHANCE_SEED);
  return { ...env, clock, random };
}

export async function runWorkload(env: Env, dataDir: string): Promise<void> {
  const open = (epoch: number, syncMode: SyncMode = 'always'): Promise<Engine> =>
    Engine.open({ dataDir, env, lease: testLease(epoch), runner: inlineRunner(env), options: { syncMode, walFileMaxBytes: 4096, compactionFanIn: 2, archive: true }, maxVectorBytes: 1 << 20, textCacheBytes: 1 << 16 });
  const put = (index: DurableIndex, keys: readonly string[], version: number, deletes: readonly string[] = []): Promise<unknown> =>
    index.commit({ puts: keys.map((key) => encodeDoc(tinyDoc(key, version, DIMENSION))), deletes });
  let engine = await open(1);
  let index = await engine.create({ name: NAME, kind: 'code', dimension: DIMENSION });
  await put(index, ['a', 'b', 'c'], 1);
  await index.persist('first');
  await put(index, ['b', 'd'], 2, ['c']);
  await index.persist('second');
  for (let version = 3; version < 6; version++) await put(index, ['a', 'e'], version);
  await index.compact();
  const { record } = await engine.backups.create(NAME, 'manual');
  await put(index, ['f'], 1);
  await index.updateMetadata({ sourceRoot: '/elsewhere' });
  await engine.close();
  engine = await open(2);
  index = await engine.get(NAME);
  await put(index, ['g'], 1);
  await index.persist('third');
  await engine.backups.create(NAME, 'manual');
  await engine.backups.restore({ index: NAME, backup: record.id });
  await put(await engine.get(NAME), ['h'], 1);
  await engine.backups.prune(NAME, { keep: 1 }, false);
  await engine.create({ name: 'gone', kind: 'vector', dimension: DIMENSION });
  await engine.delete('gone', { purge: true });
  await engine.delete(NAME, { purge: false });
  await engine.close();
  engine = await open(3, 'off');
  index = await engine.create({ name: 'unsynced', kind: 'vector', dimension: DIMENSION });
  await put(index, ['a'], 1);
  await put(index, ['b'], 1);
  await index.sync();
  await engine.close();
}

if (import.meta.main) {
  const [dir] = process.argv.slice(2);
  if (dir === undefined) throw new Error('name a directory');
  await runWorkload(withFixedChance(nodeEnv()), dir);
}
