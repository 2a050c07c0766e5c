// The main job through the real command and the real daemon: index, search, edit, restart, crash, restart.
import assert from 'node:assert/strict';
import { cpSync, lstatSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { IndexStatus } from '../../daemon/protocol/types.ts';
import { checkLeaks } from '../support/leaks.ts';
import { connect } from '../../client/index.ts';
import { projectRoot, Sandbox, until } from '../support/cli.ts';
import { readLiveTree } from '../support/live-tree.ts';
import { git, STORAGE_TREE, writeTree } from '../support/trees.ts';

interface Answer {
  readonly hits: readonly { path: string; startLine: number; endLine: number; score: number; symbol?: unknown; language: string; snippet: string }[];
  readonly meta: { index: string; state: string; lsn: number; lanes: unknown; tookMs: number };
}

checkLeaks();

describe('main job', () => {
  const sandbox = new Sandbox();
  const root = sandbox.path('pebble');

  before(() => {
    mkdirSync(root);
    writeTree(root, STORAGE_TREE);
    git(root, 'init', '-q');
  });
  after(() => sandbox.close());

  const search = (query: string, ...args: string[]): Promise<Answer> => sandbox.json(['search', query, '--root', root, ...args]);
  const status = async (): Promise<IndexStatus> => {
    const all = await sandbox.json<{ indexes: readonly IndexStatus[] }>(['status'], { cwd: root });
    const [index] = all.indexes;
    assert.ok(index, JSON.stringify(all));
    return index;
  };

  test('[5.1, 5.6, 6.1] search starts the daemon, indexes the tree and answers with the documented JSON', async () => {
    const answer = await search('how are records framed in the write-ahead log');
    assert.equal(answer.hits[0]?.path, 'src/log-writer.ts');
    const hit = answer.hits[0];
    assert.ok(hit.startLine >= 1 && hit.endLine >= hit.startLine && hit.score > 0);
    assert.equal(hit.language, 'typescript');
    assert.match(hit.snippet, /frameRecord|length, checksum/);
    assert.equal(typeof answer.meta.index, 'string');
    assert.ok(answer.meta.lsn > 0);
    assert.ok(Array.isArray(answer.meta.lanes));
  });

  test('[6.12] ignored and secret files are not found', async () => {
    for (const query of ['generatedThing', 'SECRET_TOKEN abcdefabcdef']) {
      const result = await sandbox.run(['search', query, '--root', root, '--json']);
      assert.doesNotMatch(result.stdout, /build\/output\.ts|\.env"/);
    }
  });

  test('[6.7] exact names and file names come first', async () => {
    assert.equal((await search('crc32')).hits[0]?.path, 'src/checksum.ts');
    assert.equal((await search('HealthHandler')).hits[0]?.path, 'server/main.go');
    assert.equal((await search('compact.py')).hits[0]?.path, 'tools/compact.py');
  });

  test('[6.6] filters apply before the limit', async () => {
    const python = await search('merge', '--lang', 'python', '--limit', '3');
    assert.ok(python.hits.length > 0);
    assert.ok(python.hits.every((hit) => hit.language === 'python'));
    const server = await search('handler', '--path', 'server/**');
    assert.ok(server.hits.length > 0 && server.hits.every((hit) => hit.path.startsWith('server/')));
  });

  test('[5.4, 6.4] an edit, a new file, a rename and a delete become visible', async () => {
    writeFileSync(join(root, 'src', 'cache.ts'), 'export function evictLeastRecentlyUsed(limit: number): number {\n  return limit;\n}\n');
    assert.equal((await search('evictLeastRecentlyUsed', '--fresh')).hits[0]?.path, 'src/cache.ts');
    writeFileSync(join(root, 'src', 'cache.ts'), 'export function evictOldestEntry(limit: number): number {\n  return limit;\n}\n');
    assert.equal((await search('evictOldestEntry', '--fresh')).hits[0]?.path, 'src/cache.ts');
    renameSync(join(root, 'src', 'cache.ts'), join(root, 'src', 'eviction.ts'));
    assert.equal((await search('evictOldestEntry', '--fresh')).hits[0]?.path, 'src/eviction.ts');
    rmSync(join(root, 'src', 'eviction.ts'));
    const gone = await sandbox.run(['search', 'evictOldestEntry', '--root', root, '--fresh', '--json']);
    assert.doesNotMatch(gone.stdout, /eviction\.ts|cache\.ts/);
  });

  test('[5.4] without --fresh the watcher makes an edit visible by itself', async () => {
    writeFileSync(join(root, 'src', 'retry.ts'), 'export function retryWithBackoff(attempts: number): number {\n  return attempts * 2;\n}\n');
    // Until then the search has no hits, which is exit code 1.
    await until(async () => (await sandbox.run(['search', 'retryWithBackoff', '--root', root, '--json'])).stdout.includes('"src/retry.ts"'), 'the new file is found');
  });

  test('[0.22, 3.6] a clean restart answers the same without one embedding', async () => {
    const before = await search('merge sorted tables');
    assert.equal((await sandbox.run(['daemon', 'stop'])).code, 0);
    assert.equal(sandbox.daemonPid(), null);
    const again = await search('merge sorted tables');
    assert.deepEqual(again.hits, before.hits);
    await until(async () => (await status()).state === 'ready', 'the index is ready');
    assert.equal((await status()).embedder?.textsEmbedded, 0);
  });

  test('[4.9] the symbol graph is there with the first question after a restart, orderly or not', async () => {
    const graph = async (): Promise<unknown[]> => {
      const client = await connect({ env: sandbox.env, clientName: 'test', entry: join(projectRoot, 'dist', 'daemon', 'main.js') });
      try {
        const { definitions } = await client.definition({ root, name: 'LogWriter' });
        const { references } = await client.callers({ root, name: 'frameRecord' });
        const { references: all } = await client.references({ root, name: 'crc32' });
        return [definitions, references, all];
      } finally {
        client.close();
      }
    };
    const before = await graph();
    assert.ok(before.every((found) => Array.isArray(found) && found.length > 0), JSON.stringify(before));
    await sandbox.run(['daemon', 'stop']);
    assert.deepEqual(await graph(), before);
    await sandbox.killDaemon('SIGKILL');
    assert.deepEqual(await graph(), before);
    await until(async () => (await status()).state === 'ready', 'the index is ready');
  });

  test('[0.4, 0.22] after kill -9 everything acknowledged is there, again without embedding', async () => {
    writeFileSync(join(root, 'src', 'quorum.ts'), 'export function countQuorumVotes(votes: number): number {\n  return votes / 2 + 1;\n}\n');
    const acknowledged = await search('countQuorumVotes', '--fresh');
    assert.equal(acknowledged.hits[0]?.path, 'src/quorum.ts');
    await sandbox.killDaemon('SIGKILL');
    const recovered = await search('countQuorumVotes');
    assert.deepEqual(recovered.hits, acknowledged.hits);
    assert.ok(recovered.meta.lsn >= acknowledged.meta.lsn);
    await until(async () => (await status()).state === 'ready', 'the index is ready');
    assert.equal((await status()).embedder?.textsEmbedded, 0);
  });

  test('[6.2] changes made while no daemon ran are found at start', async () => {
    await sandbox.run(['daemon', 'stop']);
    writeFileSync(join(root, 'src', 'gossip.ts'), 'export function spreadGossip(peers: string[]): number {\n  return peers.length;\n}\n');
    rmSync(join(root, 'src', 'quorum.ts'));
    assert.equal((await search('spreadGossip', '--fresh')).hits[0]?.path, 'src/gossip.ts');
    const gone = await sandbox.run(['search', 'countQuorumVotes', '--root', root, '--json']);
    assert.doesNotMatch(gone.stdout, /quorum\.ts/);
  });

  test('[3.16] [C.12] the data directory is private', () => {
    assert.equal(statSync(sandbox.dataDir).mode & 0o777, 0o700);
    const files = readLiveTree(sandbox.dataDir, (_, stats) => [stats.mode & 0o777, stats.isDirectory() ? 0o700 : 0o600] as const);
    assert.ok(files.some(([name]) => name.endsWith('.wal')));
    for (const [name, [mode, wanted]] of files) assert.equal(mode, wanted, name);
  });

  test('[3.14] a copy of the data directory serves elsewhere, without embedding', async () => {
    const here = await search('append records to a log file');
    assert.equal((await sandbox.run(['daemon', 'stop'])).code, 0);
    const elsewhere = new Sandbox();
    try {
      // A drain that was cut off leaves its socket, which cannot be copied.
      cpSync(sandbox.dataDir, elsewhere.dataDir, { recursive: true, filter: (source) => !lstatSync(source).isSocket() });
      const there = await elsewhere.json<Answer>(['search', 'append records to a log file', '--root', root]);
      assert.deepEqual(there.hits, here.hits);
      const { indexes } = await elsewhere.json<{ indexes: readonly IndexStatus[] }>(['status']);
      assert.equal(indexes[0]?.embedder?.textsEmbedded, 0);
    } finally {
      await elsewhere.close();
    }
  });
});
