// The life of real daemon processes: start, race, crash, freeze, take over, drain, bugs.
import assert from 'node:assert/strict';
import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspectLock } from '../../../daemon/lifecycle/generation-lock.ts';
import { readRegistration } from '../../../daemon/protocol/endpoint.ts';
import { until } from '../../support/cli.ts';
import { checkLeaks } from '../../support/leaks.ts';
import { DaemonBox } from './daemon-process.ts';

checkLeaks();
const modeOf = (path: string): number => lstatSync(path).mode & 0o777;

test('[3.16, 4.15] start, serve, SIGTERM: private files, registration, exit 0, nothing left but the released lock', async (t) => {
  const box = new DaemonBox(t);
  const { daemon, client } = await box.start();
  assert.deepEqual((await client.request('daemon/health')).result, { state: 'serving', held: true });
  const { dataDir, socket, tokenFile, registrationFile, logFile, lockDir } = box.endpoint;
  for (const dir of [dataDir, join(dataDir, 'run'), join(dataDir, 'logs'), lockDir]) assert.equal(modeOf(dir), 0o700, dir);
  for (const file of [socket, tokenFile, registrationFile, logFile]) assert.equal(modeOf(file), 0o600, file);
  assert.ok(Buffer.byteLength(socket) <= 103);
  assert.equal(readRegistration(box.endpoint)?.pid, daemon.pid);
  assert.match(readFileSync(tokenFile, 'utf8'), /^[0-9a-f]{64}$/);
  assert.deepEqual(await daemon.end('SIGTERM'), { code: 0, signal: null });
  await client.gone();
  for (const file of [socket, tokenFile, registrationFile]) assert.ok(!existsSync(file), file);
  assert.equal(inspectLock(lockDir), null, 'released');
  assert.deepEqual(box.closings(), ['1 persist=true']);
  assert.match(box.log(), /daemon\.serving[\s\S]*daemon\.draining[\s\S]*daemon\.stopped/);
});

test('[5.2] twenty racing starts give one daemon; the others end with 0 and say who serves', async (t) => {
  const box = new DaemonBox(t);
  const daemons = Array.from({ length: 20 }, () => box.spawn());
  const client = await box.connect();
  const pid = readRegistration(box.endpoint)?.pid;
  const losers = daemons.filter((daemon) => daemon.pid !== pid);
  for (const loser of losers) {
    assert.deepEqual(await loser.exited, { code: 0, signal: null }, loser.output);
    assert.match(loser.output, new RegExp(`running already: pid ${pid}`));
  }
  assert.equal(losers.length, 19);
  assert.deepEqual((await client.request('daemon/health')).result, { state: 'serving', held: true });
  assert.equal((box.log().match(/daemon\.serving/g) ?? []).length, 1);
});

test('[5.2] after kill -9 the next start takes over at once, with a new epoch, token and socket', async (t) => {
  const box = new DaemonBox(t);
  const first = await box.start();
  const oldToken = readFileSync(box.endpoint.tokenFile, 'utf8');
  assert.deepEqual(await first.daemon.end('SIGKILL'), { code: null, signal: 'SIGKILL' });
  assert.ok(existsSync(box.endpoint.socket), 'a stale socket is left behind');
  const second = await box.start();
  assert.equal(readRegistration(box.endpoint)?.epoch, 2);
  assert.notEqual(readFileSync(box.endpoint.tokenFile, 'utf8'), oldToken);
  assert.deepEqual((await second.client.request('daemon/health')).result, { state: 'serving', held: true });
  assert.deepEqual(readdirSync(join(box.dataDir, 'run')).filter((name) => name.includes('.sock')).length, 1, 'no temporary socket names');
});

test('[5.2] a frozen daemon is not robbed; after a forced takeover it ends fenced and leaves the new one alone', async (t) => {
  const box = new DaemonBox(t);
  const first = await box.start();
  first.daemon.child.kill('SIGSTOP');
  const polite = box.spawn();
  assert.deepEqual(await polite.exited, { code: 0, signal: null });
  assert.match(polite.output, new RegExp(`pid ${first.daemon.pid}`));
  const second = await box.start(['--take-over']);
  first.daemon.child.kill('SIGCONT');
  assert.deepEqual(await first.daemon.exited, { code: 3, signal: null });
  assert.deepEqual(box.closings(), ['1 persist=false'], 'nothing is written after the lock is lost');
  assert.equal(readRegistration(box.endpoint)?.pid, second.daemon.pid);
  const again = await box.connect(second.daemon.pid);
  assert.deepEqual((await again.request('daemon/health')).result, { state: 'serving', held: true });
});

test('running requests end or are cancelled by the drain, and get their answer', async (t) => {
  const box = new DaemonBox(t);
  const { daemon, client } = await box.start();
  client.message({ jsonrpc: '2.0', id: 'slow', method: 'index/flush', params: {} });
  client.message({ jsonrpc: '2.0', id: 'endless', method: 'index/verify', params: {} });
  await client.request('daemon/health');
  daemon.child.kill('SIGTERM');
  assert.deepEqual((await client.answer('slow')).result, { slow: true });
  assert.equal((await client.answer('endless')).error?.data.code, 'CANCELLED');
  assert.equal((await daemon.exited).code, 0);
});

test('shutdown answers first, then drains', async (t) => {
  const box = new DaemonBox(t);
  const { daemon, client } = await box.start();
  assert.deepEqual((await client.request('shutdown')).result, { pid: daemon.pid });
  assert.equal((await daemon.exited).code, 0);
});

test('a second signal ends a drain that hangs; the next start works', async (t) => {
  const box = new DaemonBox(t);
  const { daemon } = await box.start([], { STUB_CLOSE: 'hang' });
  daemon.child.kill('SIGTERM');
  while (box.closings().length === 0) await sleep(10);
  daemon.child.kill('SIGINT');
  assert.equal((await daemon.exited).code, 1);
  assert.match(box.log(), /daemon\.hurry[\s\S]*daemon\.gave-up/);
  await box.start();
});

test('a failing close is logged, the rest of the drain happens, the exit code says so', async (t) => {
  const box = new DaemonBox(t);
  const { daemon } = await box.start([], { STUB_CLOSE: 'fail' });
  assert.equal((await daemon.end('SIGTERM')).code, 1);
  assert.match(box.log(), /planted close failure/);
  assert.ok(!existsSync(box.endpoint.socket));
  assert.equal(inspectLock(box.endpoint.lockDir), null);
});

for (const [what, method, text] of [['an uncaught exception', 'index/list', 'planted exception'], ['an unhandled rejection', 'index/status', 'planted rejection']] as const) {
  test(`${what} is logged with its stack, drained without writing, and ends with 70`, async (t) => {
    const box = new DaemonBox(t);
    const { daemon, client } = await box.start();
    await client.request(method);
    assert.deepEqual(await daemon.exited, { code: 70, signal: null });
    assert.match(box.log(), new RegExp(`${text}.*stack`));
    assert.deepEqual(box.closings(), ['1 persist=false']);
    assert.equal(inspectLock(box.endpoint.lockDir), null, 'the lock is free for the next start');
  });
}

test('[C.1] [C.2] a daemon whose run directory is removed makes its names again, and serves on', async (t) => {
  const box = new DaemonBox(t);
  const { daemon, client } = await box.start([], { STUB_SELF_CHECK_MS: '50' });
  const { socket, tokenFile, registrationFile } = box.endpoint;
  const token = readFileSync(tokenFile, 'utf8');
  for (const victim of [join(box.dataDir, 'run'), socket, tokenFile, registrationFile]) {
    renameSync(victim, `${victim}.gone`); // in one go: a directory that is emptied is filled again meanwhile
    const again = await box.connect(daemon.pid);
    assert.deepEqual((await again.request('daemon/health')).result, { state: 'serving', held: true });
    while (!existsSync(victim)) await sleep(10);
    assert.deepEqual([socket, tokenFile, registrationFile].map((path) => modeOf(path)), [0o600, 0o600, 0o600]);
    assert.equal(modeOf(join(box.dataDir, 'run')), 0o700);
  }
  assert.equal(readFileSync(tokenFile, 'utf8'), token);
  assert.deepEqual((await client.request('daemon/health')).result, { state: 'serving', held: true }, 'connections from before live on');
  assert.match(box.log(), /daemon\.names-restored/);
  assert.equal((await daemon.end('SIGTERM')).code, 0);
  for (const file of [socket, tokenFile, registrationFile]) assert.ok(!existsSync(file), `${file} stays away after the stop`);
});

test('[C.2] names that cannot be made again in safety are not: the daemon persists and ends', { skip: process.platform !== 'linux' && 'needs /proc' }, async (t) => {
  const box = new DaemonBox(t);
  const { daemon } = await box.start([], { STUB_SELF_CHECK_MS: '20' });
  mkdirSync(join(box.dataDir, 'elsewhere'));
  // Frozen meanwhile: a look in between would make the directory anew.
  daemon.child.kill('SIGSTOP');
  await until(() => / T /.test(readFileSync(`/proc/${daemon.pid}/stat`, 'latin1')), 'it is stopped');
  renameSync(join(box.dataDir, 'run'), join(box.dataDir, 'run-old'));
  symlinkSync(join(box.dataDir, 'elsewhere'), join(box.dataDir, 'run'));
  daemon.child.kill('SIGCONT');
  assert.equal((await daemon.exited).code, 3);
  assert.deepEqual(box.closings(), ['1 persist=true']);
  assert.deepEqual(readdirSync(join(box.dataDir, 'elsewhere')), []);
});

test('a daemon whose socket is replaced persists and ends by itself', async (t) => {
  const box = new DaemonBox(t);
  const { daemon } = await box.start([], { STUB_SELF_CHECK_MS: '50' });
  writeFileSync(`${box.endpoint.socket}.new`, 'something else');
  renameSync(`${box.endpoint.socket}.new`, box.endpoint.socket);
  assert.equal((await daemon.exited).code, 3);
  assert.deepEqual(box.closings(), ['1 persist=true']);
  assert.equal(readFileSync(box.endpoint.socket, 'utf8'), 'something else', 'what is not ours is not removed');
  const next = box.spawn();
  assert.equal((await next.exited).code, 1);
  assert.match(next.output, /not a socket/);
});

test('a start that fails releases the lock and says why', async (t) => {
  const box = new DaemonBox(t);
  const failed = box.spawn([], { STUB_START: 'fail' });
  assert.equal((await failed.exited).code, 1);
  assert.match(failed.output, /planted start failure/);
  assert.equal(inspectLock(box.endpoint.lockDir), null);
  await box.start();
});

test('[1.70] wrong settings keep the daemon from starting and name the setting', async (t) => {
  const box = new DaemonBox(t);
  mkdirSync(box.dataDir, { mode: 0o700 });
  writeFileSync(box.endpoint.configFile, '{"log": {"levle": "debug"}}');
  const wrong = box.spawn();
  assert.equal((await wrong.exited).code, 1);
  assert.match(wrong.output, /INVALID_CONFIG: unknown setting "log.levle".*config\.json[\s\S]*Did you mean log\.level\?/);
  writeFileSync(box.endpoint.configFile, '{"log": {"level": "debug"}}');
  const { client } = await box.start();
  await client.request('daemon/health');
  assert.match(box.log(), /rpc\.done/, 'the level of the file is used');
});

test('[C.1] a run directory that is a link, or open to others, is refused', async (t) => {
  const box = new DaemonBox(t);
  const run = join(box.dataDir, 'run');
  mkdirSync(run, { recursive: true, mode: 0o700 });
  renameSync(run, `${run}-real`);
  symlinkSync(`${run}-real`, run);
  const linked = box.spawn();
  assert.equal((await linked.exited).code, 1);
  assert.match(linked.output, /PERMISSION: .*symbolic link/);
  unlinkSync(run);
  mkdirSync(run);
  chmodSync(run, 0o777);
  const open = box.spawn();
  assert.equal((await open.exited).code, 1);
  assert.match(open.output, /may be written by others[\s\S]*chmod 700/);
  assert.equal(modeOf(run), 0o777, 'not repaired silently');
});

test('[C.13] no log line holds the token', async (t) => {
  const box = new DaemonBox(t);
  const { daemon } = await box.start(['--set', 'log.level=trace']);
  const token = readFileSync(box.endpoint.tokenFile, 'utf8');
  await daemon.end('SIGINT');
  assert.ok(!box.log().includes(token));
});
