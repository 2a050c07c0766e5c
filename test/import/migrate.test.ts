// Old metadata is brought forward step by step, with the old file kept; a newer format is refused without a write.
import assert from 'node:assert/strict';
import { cpSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { asEpoch, Engine, nodeEnv } from '../../src/api.ts';
import { WAL_LAYOUT, CONTAINER_LAYOUT, CURRENT_WORD, MANIFEST_WORD } from '../../src/format/constants.ts';
import { encodeTextFile } from '../../src/format/text-file.ts';
import { migrateMetadata, type Migration } from '../../src/import/migrate.ts';
import { checksumHex, crc32 } from '../../src/util/crc32.ts';
import { checkLeaks } from '../support/leaks.ts';
import { tempDir } from '../support/temp-dir.ts';

checkLeaks();

const FIXTURE = fileURLToPath(new URL('../compat/fixtures/format-1/index', import.meta.url));
const lease = { epoch: asEpoch(9), assertHeld: () => undefined };

function fixture(t: TestContext, directory = 'fixture'): { readonly dataDir: string; readonly dir: string } {
  const dataDir = tempDir(t);
  const dir = join(dataDir, 'indexes', directory);
  cpSync(FIXTURE, dir, { recursive: true });
  return { dataDir, dir };
}

async function open(t: TestContext, dataDir: string): Promise<Engine> {
  const engine = await Engine.open({ dataDir, lease });
  t.after(() => engine.close());
  return engine;
}

/** Every file with its bytes, inode and modification time. */
function stateOf(dir: string): string[] {
  return readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => {
    const path = join(entry.parentPath, entry.name);
    const { mtimeNs, ino } = statSync(path, { bigint: true });
    return `${path} ${ino} ${mtimeNs} ${crc32(readFileSync(path))}`;
  }).sort();
}

test('[3.23] [3.28] metadata written by hand without a schema becomes whole: dry run first, the old file kept, then a full verification', async (t) => {
  const { dataDir, dir } = fixture(t);
  const byHand = '{"name": "mine", "distance_metric": "Cosine", "sourceRoot": "/some/tree"}';
  writeFileSync(join(dir, 'metadata.json'), byHand);
  const engine = await open(t, dataDir);
  assert.equal(engine.entry('fixture')?.error?.code, 'CORRUPT');
  const before = stateOf(dir);
  const dry = await engine.migrate({ dryRun: true });
  assert.deepEqual(stateOf(dir), before);
  const { migrated, failed } = await engine.migrate({ dryRun: false });
  assert.deepEqual(failed, []);
  assert.deepEqual(migrated.map(({ metadata }) => metadata), dry.migrated.map(({ metadata }) => metadata));
  const [report] = migrated;
  assert.deepEqual([report?.from, report?.to, report?.changed, report?.steps.length], [0, 1, true, 1]);
  assert.equal(readFileSync(report?.backup ?? '', 'utf8'), byHand);
  const index = await engine.get('mine');
  assert.deepEqual([index.metadata.kind, index.metadata.dimension, index.metadata.sourceRoot], ['code', 4, '/some/tree']);
  assert.deepEqual(index.recovery.degraded, []);
  assert.match(readFileSync(join(dir, 'metadata.json'), 'utf8'), /"checksum"/, 'verified at the first opening');
  assert.deepEqual(await engine.migrate({ dryRun: false }), { migrated: [], failed: [] }, 'again: nothing to do');
});

test('what a hand-written file says wrongly is refused by field, and nothing is changed', async (t) => {
  for (const [text, message] of [
    ['{"name": 5}', /name is not usable/], ['{"name": "x", "distance_metric": "Manhattan"}', /distance_metric/], ['{"name": "x", "distance_metric": "constructor"}', /distance_metric/], ['{"name": "UPPER"}', /name does not match/],
    ['{"name": "x", "kind": "table"}', /kind/], ['[1]', /not a JSON object/], ['{', /not JSON/], ['{"schemaVersion": "1"}', /no version/],
  ] as const) {
    const { dataDir, dir } = fixture(t);
    writeFileSync(join(dir, 'metadata.json'), text);
    const engine = await open(t, dataDir);
    const before = stateOf(dir);
    const { migrated, failed } = await engine.migrate({ dryRun: false });
    assert.deepEqual([migrated.length, failed.length], [0, 1], text);
    assert.match(failed[0]?.message ?? '', message);
    assert.deepEqual(stateOf(dir), before);
  }
});

test('[3.23] steps run forward one after the other, once, also when an earlier attempt was cut off; a gap is refused', async (t) => {
  const { dir } = fixture(t);
  const ran: number[] = [];
  const step = (from: number): Migration => ({
    from, to: from + 1, what: `step ${from}`,
    apply: async (metadata) => {
      ran.push(from);
      return { ...metadata, [`field${from + 1}`]: true };
    },
  });
  const options = { lease, dryRun: false, target: 4 };
  await assert.rejects(migrateMetadata(nodeEnv(), dir, { ...options, migrations: [step(1), step(3)] }), { code: 'UNSUPPORTED', message: /from schemaVersion 2 to 4/ });
  const original = readFileSync(join(dir, 'metadata.json'));
  writeFileSync(join(dir, 'metadata.json.schema-1'), original); // a crash after the copy, before the new file
  const report = await migrateMetadata(nodeEnv(), dir, { ...options, migrations: [step(3), step(2), step(1)] });
  assert.deepEqual([ran, report?.steps], [[1, 2, 3], ['step 1', 'step 2', 'step 3']]);
  assert.equal(report?.backup, join(dir, 'metadata.json.schema-1'));
  assert.ok(readFileSync(join(dir, 'metadata.json.schema-1')).equals(original));
  assert.match(readFileSync(join(dir, 'metadata.json'), 'utf8'), /"schemaVersion": 4[\s\S]*"field4": true/);
  assert.equal(await migrateMetadata(nodeEnv(), dir, { ...options, migrations: [step(1), step(2), step(3)] }), null);
  assert.deepEqual(ran, [1, 2, 3]);
});

test('[1.4] [1.5] [3.28] a newer format of any file is refused without a write', async (t) => {
  const segment = readdirSync(FIXTURE).find((name) => name.endsWith('.cairn')) as string;
  const cases: Readonly<Record<string, (dir: string) => void>> = {
    metadata: (dir) => writeFileSync(join(dir, 'metadata.json'), readFileSync(join(dir, 'metadata.json'), 'utf8').replace('"schemaVersion": 1', '"schemaVersion": 2')),
    manifest: (dir) => {
      const body = (name: string): Record<string, unknown> => JSON.parse(readFileSync(join(dir, name), 'utf8').replace(/^[^\n]*\n/, '')) as Record<string, unknown>;
      const current = body('CURRENT');
      const manifest = encodeTextFile(MANIFEST_WORD, body(String(current['manifest'])), 2);
      writeFileSync(join(dir, String(current['manifest'])), manifest);
      writeFileSync(join(dir, 'CURRENT'), encodeTextFile(CURRENT_WORD, { ...current, bytes: manifest.length, checksum: checksumHex(crc32(manifest)) }));
    },
    current: (dir) => writeFileSync(join(dir, 'CURRENT'), encodeTextFile(CURRENT_WORD, JSON.parse(readFileSync(join(dir, 'CURRENT'), 'utf8').replace(/^[^\n]*\n/, '')), 2)),
    segment: (dir) => newerContainer(join(dir, segment)),
    log: (dir) => newerLog(join(dir, 'wal', readdirSync(join(dir, 'wal')).sort().at(-1) as string)),
  };
  for (const [what, change] of Object.entries(cases)) {
    const { dataDir, dir } = fixture(t);
    change(dir);
    const before = stateOf(dir);
    const engine = await open(t, dataDir);
    const error = await engine.get('fixture').then(() => null, (reason: { code: string }) => reason);
    assert.equal(error?.code, 'NEWER_FORMAT', `${what}: ${String(error)}`);
    await engine.migrate({ dryRun: false });
    await engine.close();
    assert.deepEqual(stateOf(dir), before, what);
  }
});

/** Header: magic 8, layout u32, minReader u32, …, crc32 of what is before the last four bytes. */
function newerLog(path: string): void {
  const bytes = readFileSync(path);
  bytes.writeUInt32LE(WAL_LAYOUT + 1, 8);
  bytes.writeUInt32LE(WAL_LAYOUT + 1, 12);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 60)), 60);
  writeFileSync(path, bytes);
}

function newerContainer(path: string): void {
  const bytes = readFileSync(path);
  bytes.writeUInt32LE(CONTAINER_LAYOUT + 1, 8);
  bytes.writeUInt32LE(CONTAINER_LAYOUT + 1, 12);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 60)), 60);
  writeFileSync(path, bytes);
}
