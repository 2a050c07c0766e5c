// Start-up with many indexes: what a data directory of N indexes adds to a start, lazily opened. Figures are medians of the rounds.
//   engine   Engine.open alone, and the epoch floor of the lock
//   daemon   process start to first answer (index/list), of the built daemon
// Usage: node scripts/bench/discovery.ts [--indexes 1000] [--rounds 5] [--json]   (after npm run build; exit code 1 above 0.7 s)
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from '../../client/index.ts';
import { highestPublishedEpoch } from '../../daemon/lifecycle/epoch-floor.ts';
import { asEpoch, Engine } from '../../src/api.ts';
import { decodeMetadata, encodeMetadata } from '../../src/index/metadata.ts';
import { projectRoot, Sandbox } from '../../test/support/cli.ts';
import { randomDoc } from '../../test/support/sample-docs.ts';
import { seededRandom } from '../../test/support/random.ts';
import { encodeDoc } from '../../src/format/doc-codec.ts';
import { option, percentile, report, round } from './support.ts';

const TARGET_MS = 700;
const count = Number(option('indexes') ?? 1000);
const rounds = Number(option('rounds') ?? 5);
const lease = (epoch: number) => ({ epoch: asEpoch(epoch), assertHeld: () => undefined });

/** A small index with a segment and a log. */
async function makeTemplate(dir: string): Promise<string> {
  const engine = await Engine.open({ dataDir: dir, lease: lease(1) });
  const index = await engine.create({ name: 'template', kind: 'code', dimension: 4, sourceRoot: null });
  const random = seededRandom(1);
  for (let i = 0; i < 10; i++) {
    await index.commit({ puts: [encodeDoc(randomDoc(random, `src/${i}.ts`, { dimension: 4 }))], deletes: [] });
    if (i === 7) await index.persist('bench');
  }
  await engine.close();
  return join(dir, 'indexes', 'template');
}

async function fill(dataDir: string, template: string): Promise<void> {
  const { metadata } = decodeMetadata(readFileSync(join(template, 'metadata.json')), template);
  for (let i = 0; i < count; i++) {
    const name = `index-${String(i).padStart(4, '0')}`;
    const dir = join(dataDir, 'indexes', name);
    cpSync(template, dir, { recursive: true });
    writeFileSync(join(dir, 'metadata.json'), encodeMetadata({ ...metadata, name }), { mode: 0o600 });
  }
}

async function engineMs(dataDir: string): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < rounds; i++) {
    const started = performance.now();
    const engine = await Engine.open({ dataDir, lease: lease(100) });
    times.push(performance.now() - started);
    await engine.close();
  }
  return percentile(times, 0.5);
}

async function daemonMs(sandbox: Sandbox, expected: number): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < rounds; i++) {
    const started = performance.now();
    const client = await connect({ env: sandbox.env, clientName: 'bench', entry: join(projectRoot, 'dist', 'daemon', 'main.js') });
    const { indexes } = await client.listIndexes();
    times.push(performance.now() - started);
    if (indexes.length !== expected) throw new Error(`${indexes.length} indexes are listed, ${expected} are there`);
    await client.shutdown({});
    await client.closed;
    while (sandbox.daemonPid() !== null) await delay(5);
    client.close();
  }
  return percentile(times, 0.5);
}

const work = mkdtempSync(join(tmpdir(), 'cairn-discovery-'));
const [empty, full] = [new Sandbox(), new Sandbox()];
try {
  const template = await makeTemplate(join(work, 'template'));
  for (const { dataDir } of [empty, full]) mkdirSync(dataDir, { mode: 0o700, recursive: true });
  await fill(full.dataDir, template);
  const floorStarted = performance.now();
  highestPublishedEpoch(full.dataDir);
  const floorMs = performance.now() - floorStarted;
  const engine = { empty: await engineMs(empty.dataDir), full: await engineMs(full.dataDir) };
  const daemon = { empty: await daemonMs(empty, 0), full: await daemonMs(full, count) };
  const addedMs = daemon.full - daemon.empty;
  report('start-up with many indexes', {
    indexes: count, rounds,
    engineOpenMs: { empty: round(engine.empty), full: round(engine.full), added: round(engine.full - engine.empty) },
    epochFloorMs: round(floorMs),
    daemonFirstAnswerMs: { empty: round(daemon.empty), full: round(daemon.full), added: round(addedMs) },
    targetMs: TARGET_MS, isMet: addedMs < TARGET_MS,
  });
  if (addedMs >= TARGET_MS) process.exitCode = 1;
} finally {
  rmSync(work, { recursive: true, force: true });
  await empty.close();
  await full.close();
}
