import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { daemonNode, WANTED_NODE } from '../../client/version.ts';
import { tempDir } from '../support/temp-dir.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const pinned = join(root, 'node_modules', 'node', 'bin', 'node');

test('the daemon runs with the Node of its client, or, where that cannot run it, with the one beside the package', () => {
  assert.equal(daemonNode({ node: '22.22.0' }), process.execPath);
  assert.equal(daemonNode({ node: '24.0.0' }), process.execPath);
  assert.equal(daemonNode({ node: '20.20.2' }), pinned);
  assert.equal(daemonNode({ node: '22.21.9' }), pinned);
  assert.equal(daemonNode({ node: '24.0.0', electron: '40.0.0' }), pinned);
  const [, major, minor] = /WANTED = \[(\d+), (\d+)\]/.exec(readFileSync(join(root, 'client', 'bin', 'cairn.cjs'), 'utf8')) ?? [];
  assert.deepEqual([Number(major), Number(minor)], WANTED_NODE, 'client/bin/cairn.cjs wants the same');
});

test('the library needs nothing that Node 20 lacks', async (t) => {
  const dataDir = tempDir(t);
  const module = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);
  const script = `
    delete Promise.withResolvers; delete Promise.try; delete Array.fromAsync; delete Object.groupBy; delete Map.groupBy; delete RegExp.escape;
    delete globalThis.Iterator; for (const name of ['union', 'intersection', 'difference', 'isSubsetOf', 'isSupersetOf', 'isDisjointFrom']) delete Set.prototype[name];
    const { connect } = await import(${module('../../client/index.ts')});
    const { FakeDaemon } = await import(${module('fake-daemon.ts')});
    const fake = await FakeDaemon.start(${JSON.stringify(dataDir)});
    fake.answer('daemon/health', () => ({ ok: true }));
    const client = await connect({ dataDir: ${JSON.stringify(dataDir)}, spawn: 'never', env: {} });
    const { ok } = await client.health();
    client.close();
    console.log(String(ok), (await client.closed).code);
    await fake.stop();`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script]);
  assert.equal(stdout, 'true DAEMON_UNREACHABLE\n');
});
