// Settings and surroundings that keep the daemon from starting: the reason itself, exit code 2 or 3, and no waiting once it is mended.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, describe, test } from 'node:test';
import { projectRoot, Sandbox } from '../support/cli.ts';
import { checkLeaks } from '../support/leaks.ts';

checkLeaks();

describe('wrong settings', () => {
  const sandbox = new Sandbox();
  after(() => sandbox.close());
  const config = join(sandbox.dataDir, 'config.json');

  const refused = async (): Promise<{ readonly exit: number; readonly code: string; readonly message: string; readonly hint?: string }> => {
    const { code, stdout } = await sandbox.run(['list', '--json']);
    return { exit: code, ...(JSON.parse(stdout) as { error: { code: string; message: string; hint?: string } }).error };
  };

  test('[6.13] an unknown or wrong setting: exit code 2, its name, a suggestion; served as soon as it is mended', async () => {
    mkdirSync(sandbox.dataDir, { mode: 0o700 });
    writeFileSync(config, '{"log": {"levle": "debug"}}');
    const unknown = await refused();
    assert.deepEqual([unknown.exit, unknown.code, unknown.hint], [2, 'INVALID_CONFIG', 'Did you mean log.level?']);
    assert.match(unknown.message, /unknown setting "log\.levle" in .*config\.json/);
    writeFileSync(config, '{"log": {"level": "loud"}}');
    assert.match((await refused()).message, /log\.level must be one of trace, debug/);
    writeFileSync(config, '{"log": ');
    assert.match((await refused()).message, /is not JSON/);
    rmSync(config);
    assert.deepEqual((await sandbox.json<{ indexes: unknown }>(['list'])).indexes, []);
  });

  test('a data directory that cannot be made: a typed error at once, never a loop', { skip: process.platform !== 'linux' && 'needs /proc', timeout: 300_000 }, async () => {
    const elsewhere = new Sandbox();
    elsewhere.env['CAIRN_DATA_DIR'] = '/proc/cairn-test/data';
    try {
      const { code, stdout } = await elsewhere.run(['list', '--json']);
      const { error } = JSON.parse(stdout) as { error: { code: string; message: string; hint: string } };
      assert.deepEqual([code, error.code], [3, 'PERMISSION']);
      assert.match(error.message, /\/proc\/cairn-test\/data: cannot be created \(ENOENT\)/);
      assert.match(error.hint, /CAIRN_DATA_DIR/);
      const daemon = spawnSync(process.execPath, [join(projectRoot, 'daemon', 'main.ts')], { env: elsewhere.env, timeout: 120_000, killSignal: 'SIGKILL', encoding: 'utf8' });
      assert.deepEqual([daemon.status, daemon.stderr.split(':')[0]], [1, 'PERMISSION']);
    } finally {
      await elsewhere.close();
    }
  });

  test('something else in the place of the socket is named and left alone', async () => {
    const { socket } = await sandbox.json<{ socket: string }>(['daemon', 'status']);
    assert.equal((await sandbox.run(['daemon', 'stop'])).code, 0);
    assert.equal(existsSync(socket), false);
    writeFileSync(socket, 'mine');
    const { code, stderr } = await sandbox.run(['list']);
    assert.equal(code, 4);
    assert.match(stderr, /not a socket lies where the socket goes/);
    assert.ok(stderr.includes(dirname(socket)) && existsSync(socket));
    rmSync(socket);
  });
});
