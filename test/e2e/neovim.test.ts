// A client that shares no code with ours: Neovim's event loop over the Unix socket. Needs `nvim`; skipped where it is missing.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { liveEndpoint, resolveEndpoint } from '../../daemon/protocol/endpoint.ts';
import { projectRoot, Sandbox } from '../support/cli.ts';
import { checkLeaks } from '../support/leaks.ts';
import { STORAGE_TREE, writeTree } from '../support/trees.ts';

checkLeaks();
const hasNeovim = spawnSync('nvim', ['--version']).status === 0;

/** `home`: where it may keep its log. */
function neovim(home: string, args: Readonly<Record<string, string>>): Promise<{ code: number; output: string; errors: string }> {
  return new Promise((resolve) => {
    const script = join(projectRoot, 'test', 'support', 'neovim-client.lua');
    const named = Object.fromEntries(Object.entries(args).map(([name, value]) => [`CAIRN_TEST_${name}`, value]));
    const child = spawn('nvim', ['--headless', '--clean', '-c', `luafile ${script}`], { env: { ...process.env, HOME: home, XDG_CONFIG_HOME: home, XDG_CACHE_HOME: home, XDG_DATA_HOME: home, XDG_STATE_HOME: home, ...named } });
    let output = '';
    let errors = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
    child.on('close', (code) => resolve({ code: code ?? -1, output, errors }));
  });
}

describe('Neovim as a client', { skip: hasNeovim ? false : 'nvim is not installed' }, () => {
  const sandbox = new Sandbox();
  after(() => sandbox.close());

  test('[5.3] searches over the socket', async () => {
    const root = sandbox.path('pebble');
    mkdirSync(root);
    writeTree(root, STORAGE_TREE);
    await sandbox.json(['index', root, '--wait']);
    const { socket, tokenFile } = liveEndpoint(resolveEndpoint(sandbox.env));
    const result = await neovim(sandbox.dir, { SOCKET: socket, TOKEN_FILE: tokenFile, ROOT: root, QUERY: 'merge sorted tables' });
    assert.equal(result.code, 0, result.errors);
    const answer = JSON.parse(result.output) as { protocol: number; hits: { path: string }[]; state: string };
    assert.equal(answer.protocol, 1);
    assert.equal(answer.hits[0]?.path, 'tools/compact.py');
  });
});
