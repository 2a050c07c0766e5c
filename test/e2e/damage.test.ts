// Damaged data through the real command and daemon: verify, repair, doctor, exit codes, and that the other indexes serve.
import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { IndexListResult, IndexRepairResult, IndexStatus, IndexVerifyResult, SearchResultWire } from '../../daemon/protocol/types.ts';
import { Sandbox, until } from '../support/cli.ts';
import { flipByte, sectionOffset, segmentFiles } from '../support/damage.ts';
import { checkLeaks } from '../support/leaks.ts';
import { STORAGE_TREE, writeTree } from '../support/trees.ts';

checkLeaks();

const TEXTS = 7;

interface Findings {
  readonly ok: boolean;
  readonly findings: readonly { readonly check: string; readonly level: string; readonly detail: string; readonly hint?: string }[];
}

describe('damaged data', () => {
  // The daemon's own check of stored rows would find a damage first, on a machine that takes a minute for a test.
  const sandbox = new Sandbox({ CAIRN_STORAGE_SCRUB_HOURS: '0' });
  const root = sandbox.path('pebble');
  const other = sandbox.path('other');
  const dir = join(sandbox.dataDir, 'indexes', 'pebble');
  after(() => sandbox.close());

  before(async () => {
    for (const tree of [root, other]) {
      mkdirSync(tree);
      writeTree(tree, STORAGE_TREE);
    }
    await sandbox.json(['index', root, '--wait']);
    await sandbox.json(['index', other, '--lexical-only', '--wait']);
    for (const tree of [root, other]) await sandbox.json(['flush', '--root', tree]);
  });

  /** With an exit code that is part of the test. */
  const json = async <T>(code: number, ...args: readonly string[]): Promise<T> => {
    const result = await sandbox.run([...args, '--json']);
    assert.equal(result.code, code, `cairn ${args.join(' ')}\n${result.stdout}\n${result.stderr}`);
    return JSON.parse(result.stdout) as T;
  };
  const statusOf = async (name: string): Promise<IndexStatus> => {
    const { stdout } = await sandbox.run(['status', '--index', name, '--json']);
    return (JSON.parse(stdout) as { indexes: IndexStatus[] }).indexes[0] as IndexStatus;
  };

  test('[6.13] verify names file and offset of a flipped byte and exits with 3; repair --dry-run changes nothing; repair mends it', async () => {
    const [victim = ''] = segmentFiles(dir);
    const offset = (await sectionOffset(join(dir, victim), TEXTS)) + 5;
    flipByte(join(dir, victim), offset);
    const verified = await json<IndexVerifyResult>(3, 'verify', '--deep', '--index', 'pebble');
    assert.equal(verified.ok, false);
    const damage = verified.damages.find(({ file, offset: at }) => file.endsWith(victim) && at !== null);
    assert.ok(damage !== undefined, JSON.stringify(verified));
    const before = readdirSync(dir, { recursive: true }).sort();
    const planned = await json<IndexRepairResult>(3, 'repair', '--index', 'pebble', '--dry-run');
    assert.deepEqual(planned.actions.map(({ kind, file, done }) => ({ kind, file, done })), [{ kind: 'quarantine-segment', file: victim, done: false }, { kind: 'reindex', file: victim, done: false }]);
    assert.deepEqual(readdirSync(dir, { recursive: true }).sort(), before);
    const mended = await json<IndexRepairResult>(0, 'repair', '--index', 'pebble');
    assert.equal(mended.state, 'ready');
    assert.ok(mended.actions.every(({ done }) => done), JSON.stringify(mended));
    assert.deepEqual(mended.quarantine.map(({ file }) => file), [`quarantine/${victim}.1`]);
    assert.equal(mended.embedded, 0, 'the cache has every vector');
    assert.ok(mended.cached > 0);
    assert.equal((await json<IndexVerifyResult>(0, 'verify', '--deep', '--index', 'pebble')).ok, true);
    assert.deepEqual((await json<IndexRepairResult>(0, 'repair', '--index', 'pebble')).actions, []);
    const found = await json<SearchResultWire>(0, 'search', 'frameRecord', '--root', root);
    assert.equal(found.hits[0]?.path, 'src/log-writer.ts');
    assert.equal((await statusOf('pebble')).quarantine?.length, 1);
  });

  test('[0.8, 6.13] a query over damage answers from the rest with exit code 3 and the reason, and the index becomes whole by itself', async () => {
    await sandbox.json(['flush', '--index', 'other']);
    const otherDir = join(sandbox.dataDir, 'indexes', 'other');
    const [victim = ''] = segmentFiles(otherDir);
    // A new process has no text in memory.
    await sandbox.run(['daemon', 'restart']);
    await until(async () => (await statusOf('other')).state === 'ready', 'the lexical index is ready');
    flipByte(join(otherDir, victim), (await sectionOffset(join(otherDir, victim), TEXTS)) + 5);
    const result = await sandbox.run(['search', 'frameRecord', '--root', other, '--json']);
    assert.equal(result.code, 3, result.stderr);
    const { meta } = JSON.parse(result.stdout) as SearchResultWire;
    assert.equal(meta.state, 'degraded');
    assert.match(meta.reasons.join('\n'), /documents are lost until they are indexed again/);
    await until(async () => (await statusOf('other')).state === 'ready', 'the index mended itself');
    const found = await json<SearchResultWire>(0, 'search', 'frameRecord', '--root', other);
    assert.equal(found.hits[0]?.path, 'src/log-writer.ts');
  });

  test('[3.9, 1.31] damaged metadata fails one index with exit code 3, the other serves; repair restores it from the manifest', async () => {
    await sandbox.run(['daemon', 'stop']);
    const file = join(dir, 'metadata.json');
    const whole = readFileSync(file, 'utf8');
    writeFileSync(file, whole.replace('"cosine"', '"dot"'));
    const list = await json<IndexListResult>(3, 'list');
    await until(async () => JSON.stringify(await json<IndexListResult>(3, 'list')).includes('checksum'), 'the damage is reported');
    assert.ok(list.failed.some(({ index }) => index === 'pebble'), JSON.stringify(list));
    assert.equal((await json<SearchResultWire>(0, 'search', 'frameRecord', '--root', other)).hits[0]?.path, 'src/log-writer.ts');
    const planned = await json<IndexRepairResult>(3, 'repair', '--index', 'pebble', '--dry-run');
    assert.equal(planned.actions[0]?.kind, 'rewrite-metadata');
    assert.notEqual(readFileSync(file, 'utf8'), whole);
    const mended = await json<IndexRepairResult>(0, 'repair', '--index', 'pebble');
    assert.equal(mended.actions[0]?.done, true);
    assert.equal(readFileSync(file, 'utf8'), whole);
    assert.ok(existsSync(join(dir, 'quarantine', 'metadata.json.1')));
    assert.equal((await json<SearchResultWire>(0, 'search', 'frameRecord', '--root', root)).hits[0]?.path, 'src/log-writer.ts');
  });

  test('[6.13] CURRENT removed and a manifest damaged under the running daemon: repair writes them anew and keeps the bytes', async () => {
    const manifest = readdirSync(dir).filter((name) => name.startsWith('manifest-')).sort((a, b) => Number(b.slice(9)) - Number(a.slice(9)))[0] as string;
    flipByte(join(dir, manifest), 70);
    rmSync(join(dir, 'CURRENT'));
    assert.equal((await json<IndexVerifyResult>(3, 'verify', '--index', 'pebble')).ok, false);
    const mended = await json<IndexRepairResult>(0, 'repair', '--index', 'pebble');
    assert.ok(mended.actions.some(({ kind }) => kind === 'rewrite-manifest'), JSON.stringify(mended));
    assert.ok(mended.quarantine.some(({ file }) => file === `quarantine/${manifest}.1`));
    assert.equal((await json<IndexVerifyResult>(0, 'verify', '--deep', '--index', 'pebble')).ok, true);
  });

  test('[6.13] a damaged log under the running daemon: repair cuts it, and the tree brings back what it held', async () => {
    const logged = async (path: string, text: string, query: string): Promise<string> => {
      writeFileSync(join(root, path), text);
      await json<SearchResultWire>(0, 'search', query, '--root', root, '--fresh');
      return readdirSync(join(dir, 'wal')).sort().at(-1) as string;
    };
    let [log, first] = ['', ''];
    // Two records in one file, of which the first is damaged; a save in between begins another one.
    for (let n = 1; log === '' || first !== log; n++) {
      first = await logged('late.ts', `export function lateArrival(): void {} // ${n}\n`, 'lateArrival');
      log = await logged('later.ts', `export function evenLater(): void {} // ${n}\n`, 'evenLater');
    }
    flipByte(join(dir, 'wal', log), 64 + 40);
    const verified = await json<IndexVerifyResult>(3, 'verify', '--index', 'pebble');
    assert.ok(verified.damages.some(({ file, offset }) => file.includes(log) && offset !== null), JSON.stringify(verified));
    const mended = await json<IndexRepairResult>(0, 'repair', '--index', 'pebble');
    assert.ok(mended.actions.some(({ kind, done }) => kind === 'reopen' && done), JSON.stringify(mended));
    assert.equal((await json<IndexVerifyResult>(0, 'verify', '--deep', '--index', 'pebble')).ok, true);
    assert.equal((await json<SearchResultWire>(0, 'search', 'evenLater', '--root', root)).hits[0]?.path, 'later.ts');
  });

  test('[0.16] the derived keys of the embedding cache are made again from its records, while searches are answered', async () => {
    const embeddings = join(sandbox.dataDir, 'embeddings');
    const keyFiles = (): string[] => readdirSync(embeddings, { recursive: true }).map(String).filter((name) => name.endsWith('.keys'));
    await sandbox.run(['daemon', 'stop']);
    assert.ok(keyFiles().length > 0);
    for (const name of keyFiles()) rmSync(join(embeddings, name));
    assert.equal((await json<SearchResultWire>(0, 'search', 'frameRecord', '--root', root)).hits[0]?.path, 'src/log-writer.ts');
    await json(0, 'index', root, '--rebuild', '--wait');
    const { embedder } = await statusOf('pebble');
    assert.equal(embedder?.textsEmbedded, 0, 'the vectors are known still');
    await sandbox.run(['daemon', 'stop']);
    assert.ok(keyFiles().length > 0, 'the keys are there again');
    await json<SearchResultWire>(0, 'search', 'frameRecord', '--root', root);
  });

  test('[6.13, 3.16] doctor lists the quarantine with the next command; doctor --fix closes what is open and removes leftovers', async () => {
    const first = JSON.parse((await sandbox.run(['doctor', '--json'])).stdout) as Findings;
    const kept = first.findings.find(({ check }) => check === 'quarantine of pebble');
    assert.match(kept?.detail ?? '', /damaged files kept .*metadata\.json\.1/);
    assert.match(kept?.hint ?? '', /cairn verify --deep --index pebble/);
    await sandbox.killDaemon();
    const temp = join(dir, 'manifest-9.0123456789ab.tmp');
    writeFileSync(temp, 'half a manif');
    chmodSync(join(dir, 'CURRENT'), 0o644);
    mkdirSync(join(sandbox.dataDir, 'indexes', 'stray'), { mode: 0o700 });
    writeFileSync(join(sandbox.dataDir, 'indexes', 'stray', 'notes.txt'), 'mine', { mode: 0o600 });
    const found = await json<Findings>(3, 'doctor');
    const levels = new Map(found.findings.map(({ check, level }) => [check, level]));
    for (const [check, level] of [['rights', 'problem'], ['leftovers', 'warning'], ['temp files', 'warning'], ['directory stray', 'warning']] as const) assert.equal(levels.get(check), level, JSON.stringify(found));
    assert.ok(existsSync(temp), 'looking changes nothing');
    const fixed = await json<Findings>(0, 'doctor', '--fix');
    assert.equal(fixed.findings.filter(({ detail }) => detail.startsWith('fixed: ')).length, 3, JSON.stringify(fixed));
    assert.equal(existsSync(temp), false);
    assert.equal(statSync(join(dir, 'CURRENT')).mode & 0o077, 0);
    assert.ok(existsSync(join(sandbox.dataDir, 'indexes', 'stray', 'notes.txt')), 'what is not ours stays');
    assert.ok(readdirSync(join(dir, 'quarantine')).length > 0);
    assert.equal((await json<SearchResultWire>(0, 'search', 'frameRecord', '--root', root)).hits[0]?.path, 'src/log-writer.ts');
  });

  test('[6.13] a directory without metadata.json is an orphan that repair brings back', async () => {
    await sandbox.run(['daemon', 'stop']);
    renameSync(join(dir, 'metadata.json'), sandbox.path('metadata.json'));
    const before = await json<IndexListResult>(0, 'list');
    assert.ok(before.indexes.every(({ index }) => index !== 'pebble'));
    const mended = await json<IndexRepairResult>(0, 'repair', '--index', 'pebble');
    assert.equal(mended.actions[0]?.kind, 'rewrite-metadata');
    assert.equal((await json<SearchResultWire>(0, 'search', 'frameRecord', '--root', root)).hits[0]?.path, 'src/log-writer.ts');
  });
});
