import assert from 'node:assert/strict';
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { hostname, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { connect } from '../../client/cairn-client.ts';
import type { ConnectOptions } from '../../client/connect-or-spawn.ts';
import { resolveEndpoint } from '../../daemon/protocol/endpoint.ts';
import { isOwnerAlive, isProcessAlive, isStopped, readLockOwner } from '../../client/lock-owner.ts';
import { checkLeaks } from '../support/leaks.ts';
import { PATIENCE_MS, until } from '../support/cli.ts';
import { tempDir } from '../support/temp-dir.ts';
import { FakeDaemon, WireError, never } from './fake-daemon.ts';

checkLeaks();

const entry = fileURLToPath(new URL('daemon-process.ts', import.meta.url));
/** Where the name of the temp directory is long, sockets lie in a place of their own in it: for both sides the same. */
const baseEnv = Object.fromEntries(['PATH', 'TMPDIR'].flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])));

/** Why no file of another user can be made here, or false. Being root is not enough everywhere: a container may know no other user. */
function withoutOthers(): string | false {
  const dir = mkdtempSync(join(tmpdir(), 'cairn-chown-'));
  try {
    chownSync(dir, 65534, 65534);
    chownSync(dir, 0, 0);
    return false;
  } catch {
    return 'needs the right to make files of another user';
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** The number may be that of somebody else by now. */
function isFakeDaemon(pid: number): boolean {
  if (!isProcessAlive(pid)) return false;
  if (process.platform !== 'linux') return true;
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(entry);
  } catch {
    return false; // it has ended just now
  }
}

/** The client's patience by a clock that the test moves: how long the machine takes for anything plays no part. */
function stopClock(t: TestContext): { now: number } {
  const clock = { now: 1_000 };
  t.mock.method(performance, 'now', () => clock.now);
  return clock;
}

/** Options for a private data directory; the process started in it is ended with the test. */
function sandbox(t: TestContext, env: Readonly<Record<string, string>> = {}): { dataDir: string; options: ConnectOptions; starts: () => number } {
  let dataDir = '';
  // Hooks run in the order they were registered: the processes end before their directory goes.
  t.after(async () => {
    const started = existsSync(join(dataDir, 'starts')) ? readFileSync(join(dataDir, 'starts'), 'utf8').trim().split('\n').map(Number) : [];
    for (const pid of started.filter(isFakeDaemon)) {
      process.kill(pid, 'SIGKILL'); // our child: until this process looks there is at least a zombie to kill
      await until(() => !isFakeDaemon(pid), 'the fake daemon is gone');
    }
  });
  dataDir = join(tempDir(t), 'data');
  mkdirSync(dataDir, { mode: 0o700 });
  const starts = (): number => (existsSync(join(dataDir, 'starts')) ? readFileSync(join(dataDir, 'starts'), 'utf8').trim().split('\n').length : 0);
  return { dataDir, starts, options: { dataDir, entry, env: { ...baseEnv, CAIRN_FAKE_MODE: 'serve', ...env } } };
}

/** Stopped with the test, also where that fails: what listens keeps the process alive. */
async function startFake(t: TestContext, dataDir: string): Promise<FakeDaemon> {
  const fake = await FakeDaemon.start(dataDir);
  t.after(() => fake.stop());
  return fake;
}

/** As if the last start was so long ago. */
function startedAgo(dataDir: string, ms: number): void {
  const then = new Date(Date.now() - ms);
  utimesSync(join(dataDir, 'run', 'started'), then, then);
}

/** A lock as a daemon writes it, held by this (living) process. */
function holdLock(dataDir: string, change: Readonly<Record<string, unknown>> = {}): void {
  const dir = join(dataDir, 'lock', 'g0000000007');
  mkdirSync(dir, { recursive: true });
  const stat = readFileSync('/proc/self/stat', 'latin1');
  const owner = {
    pid: process.pid, start: stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19], boot: readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim(),
    host: hostname(), epoch: 7, version: '0.1.0', ...change,
  };
  writeFileSync(join(dir, 'owner.json'), JSON.stringify(owner));
}

test('[6.1] the daemon is started when nobody serves, and used when somebody does', async (t) => {
  const { dataDir, options, starts } = sandbox(t);
  let announced = 0;
  const first = await connect({ ...options, onStart: () => announced++ });
  assert.equal((await first.health()).ok, true);
  const second = await connect({ ...options, onStart: () => announced++ });
  assert.equal(second.daemon.pid, first.daemon.pid);
  assert.deepEqual([starts(), announced], [1, 1]);
  assert.equal(statSync(join(dataDir, 'logs', 'daemon.log')).mode & 0o777, 0o600);
  first.close();
  second.close();
});

test('[C.15] the daemon gets of its first client what it needs, and nothing else that lies in its environment', async (t) => {
  const { dataDir, options } = sandbox(t, {
    HOME: '/home/me', LC_ALL: 'C.UTF-8', XDG_CONFIG_HOME: '/home/me/.config', CAIRN_LOG_LEVEL: 'warn', MALLOC_ARENA_MAX: '3',
    GITHUB_TOKEN: 'secret', GIT_DIR: '/elsewhere/.git', NODE_OPTIONS: '--no-warnings', NODE_DEBUG: 'net', NODE_EXTRA_CA_CERTS: '/tmp/ca', LD_PRELOAD: '', UV_THREADPOOL_SIZE: '1', CHOKIDAR_USEPOLLING: '1',
  });
  const client = await connect(options);
  client.close();
  const { execPath, CAIRN_DATA_DIR: given, PATH: path, TMPDIR: _, ...rest } = JSON.parse(readFileSync(join(dataDir, 'environments'), 'utf8')) as Record<string, string>;
  assert.deepEqual([execPath, given, path], [process.execPath, dataDir, process.env['PATH']]);
  assert.deepEqual(rest, {
    HOME: '/home/me', LC_ALL: 'C.UTF-8', XDG_CONFIG_HOME: '/home/me/.config', CAIRN_LOG_LEVEL: 'warn', CAIRN_FAKE_MODE: 'serve',
    MALLOC_ARENA_MAX: '3', MALLOC_MMAP_THRESHOLD_: '65536', MALLOC_TRIM_THRESHOLD_: '1048576',
  });
});

test('[6.1] many clients at once start it once', async (t) => {
  const { options, starts } = sandbox(t);
  const clients = await Promise.all(Array.from({ length: 10 }, () => connect(options)));
  assert.equal(new Set(clients.map((client) => client.daemon.pid)).size, 1);
  assert.equal(starts(), 1);
  for (const client of clients) client.close();
});

test('after a crash of a serving daemon it is started again at once', async (t) => {
  const { dataDir, options, starts } = sandbox(t);
  const first = await connect(options);
  process.kill(first.daemon.pid, 'SIGKILL');
  assert.equal((await first.closed).code, 'DAEMON_UNREACHABLE');
  await assert.rejects(first.health(), { code: 'DAEMON_UNREACHABLE', retryable: true });
  await until(() => !isProcessAlive(first.daemon.pid), 'it is gone');
  rmSync(join(dataDir, 'run'), { recursive: true });
  const second = await connect(options);
  assert.equal(starts(), 2);
  second.close();
});

test('a daemon that cannot start is reported with its output, and not started again for ten seconds', async (t) => {
  const { dataDir, options, starts } = sandbox(t, { CAIRN_FAKE_MODE: 'crash' });
  await assert.rejects(connect(options), { code: 'DAEMON_UNREACHABLE', message: /exit code 3\): cannot open the lock: disk on fire/ });
  startedAgo(dataDir, 1_000);
  await assert.rejects(connect(options), { code: 'DAEMON_UNREACHABLE', message: /has ended: cannot open the lock: disk on fire/, hint: /started again in \d+ s/ });
  assert.equal(starts(), 1);
  startedAgo(dataDir, 11_000);
  await assert.rejects(connect(options), { message: /exit code 3/ });
  assert.equal(starts(), 2);
});

test('[6.13] a daemon that says why it cannot start: its code, message and hint; it is tried again at once when that is mended', async (t) => {
  const { options, starts } = sandbox(t);
  const refusing = { ...options, env: { ...options.env, CAIRN_FAKE_MODE: 'refuse', CAIRN_FAKE_REFUSAL: 'INVALID_CONFIG: unknown setting "log.levle"' } };
  await assert.rejects(connect(refusing), { code: 'INVALID_CONFIG', message: 'unknown setting "log.levle"', hint: 'Did you mean log.level?' });
  (await connect(options)).close();
  assert.equal(starts(), 2);
});

test('a refusal that is nothing to mend quickly is not tried again at once, and the reason is repeated', async (t) => {
  const { dataDir, options, starts } = sandbox(t, { CAIRN_FAKE_MODE: 'refuse', CAIRN_FAKE_REFUSAL: 'LOCKED: Move it away.' });
  await assert.rejects(connect(options), { code: 'DAEMON_UNREACHABLE', message: /exit code 1\): Move it away\.$/, hint: 'Did you mean log.level?' });
  startedAgo(dataDir, 1_000);
  await assert.rejects(connect(options), { code: 'DAEMON_UNREACHABLE', message: /has ended: Move it away\.$/ });
  assert.equal(starts(), 1);
});

test('a run directory that cannot be written is a typed error', async (t) => {
  const { dataDir, options } = sandbox(t);
  mkdirSync(join(dataDir, 'logs', 'daemon.log'), { recursive: true });
  await assert.rejects(connect(options), { code: 'PERMISSION', message: /daemon\.log: cannot be written \(EISDIR\)/, hint: /CAIRN_DATA_DIR/ });
  assert.equal(existsSync(join(dataDir, 'run', 'started')), false);
});

test('[C.2] [C.4] a socket where somebody else could have put one gets neither token nor question', { skip: withoutOthers() }, async (t) => {
  const { dataDir, options } = sandbox(t);
  const run = join(dataDir, 'run');
  mkdirSync(run, { mode: 0o700 });
  writeFileSync(join(run, 'token'), 'a'.repeat(64), { mode: 0o600 });
  const { socket } = resolveEndpoint({}, dataDir);
  if (dirname(socket) !== run) return t.skip('the temp directory has too long a name for a socket in it');
  const heard: string[] = [];
  const squatter = createServer((peer) => void peer.on('error', () => undefined).on('data', (data) => heard.push(data.toString())));
  await new Promise<void>((resolve) => squatter.listen(socket, resolve));
  t.after(() => squatter.close());
  const refused = (message: RegExp): Promise<void> => assert.rejects(connect(options), { code: 'PERMISSION', message, hint: /XDG_RUNTIME_DIR/ });
  chownSync(socket, 65534, 65534);
  await refused(/\.sock belongs to user 65534/);
  chownSync(socket, 0, 0);
  chownSync(run, 65534, 65534);
  await refused(/run belongs to user 65534/);
  chownSync(run, 0, 0);
  for (const path of [dataDir, run, socket]) chownSync(path, 65534, 65534);
  await refused(/data belongs to user 65534/);
  for (const path of [dataDir, run, socket]) chownSync(path, 0, 0);
  chmodSync(run, 0o770);
  await refused(/run may be written by others/);
  chmodSync(run, 0o700);
  renameSync(run, `${run}-real`);
  symlinkSync(`${run}-real`, run);
  await refused(/run is a symbolic link/);
  assert.deepEqual(heard, []);
});

test('[C.2] nothing is written into a data directory that somebody else made first', { skip: withoutOthers() }, async (t) => {
  const { dataDir, options, starts } = sandbox(t);
  mkdirSync(join(dataDir, 'logs'));
  writeFileSync(join(dataDir, '..', 'precious'), 'mine');
  symlinkSync('../../precious', join(dataDir, 'logs', 'daemon.log'));
  chownSync(dataDir, 65534, 65534);
  await assert.rejects(connect(options), { code: 'PERMISSION', message: /data belongs to user 65534/, hint: /CAIRN_DATA_DIR/ });
  assert.deepEqual([starts(), readFileSync(join(dataDir, '..', 'precious'), 'utf8'), readdirSync(dataDir)], [0, 'mine', ['logs']]);
});

test('a data directory that is a file is a wrong setting', async (t) => {
  const { dataDir, options } = sandbox(t);
  const file = join(dataDir, 'file');
  writeFileSync(file, '');
  for (const wrong of [file, join(file, 'below')]) await assert.rejects(connect({ ...options, dataDir: wrong }), { code: 'INVALID_CONFIG', message: `the data directory ${wrong} is not a directory` });
});

test('a start that takes longer than ten seconds is not doubled while its process lives, for a minute', async (t) => {
  const { dataDir, options, starts } = sandbox(t);
  mkdirSync(join(dataDir, 'run'), { mode: 0o700 });
  writeFileSync(join(dataDir, 'run', 'started'), `${process.pid} 0`);
  startedAgo(dataDir, 30_000);
  let announced = 0;
  const onStart = (): number => announced++;
  await assert.rejects(connect({ ...options, onStart, startTimeoutMs: 300 }), { code: 'DAEMON_UNREACHABLE', message: /did not start in time/ });
  assert.equal(announced, 0);
  startedAgo(dataDir, 61_000);
  (await connect({ ...options, onStart })).close();
  assert.deepEqual([announced, starts()], [1, 1]);
});

test('[6.1] who finds a start of another client on its way waits for it as long as that client does', { timeout: PATIENCE_MS }, async (t) => {
  const { dataDir, options, starts } = sandbox(t);
  mkdirSync(join(dataDir, 'run'), { mode: 0o700 });
  writeFileSync(join(dataDir, 'run', 'started'), `${process.pid} 0`);
  const clock = stopClock(t);
  const pending = connect(options);
  await sleep(100); // so that it usually has looked before
  clock.now += 55_000;
  await sleep(500);
  await startFake(t, dataDir);
  const client = await pending;
  assert.deepEqual([client.daemon.pid, starts()], [process.pid, 0]);
  client.close();
});

test('a start stamp from the future (clock set back) does not block starting', async (t) => {
  const { dataDir, options } = sandbox(t);
  mkdirSync(join(dataDir, 'run'), { mode: 0o700 });
  const stamp = join(dataDir, 'run', 'started');
  writeFileSync(stamp, '');
  const future = new Date(Date.now() + 1e7);
  utimesSync(stamp, future, future);
  (await connect(options)).close();
});

test('a data directory that is removed while the daemon starts is a typed error', async (t) => {
  const { options } = sandbox(t, { CAIRN_FAKE_MODE: 'vanish' });
  await assert.rejects(connect(options), { name: 'ClientError', code: 'DAEMON_UNREACHABLE', message: /^the daemon ended while starting \(exit code 1\)$/ });
});

test('our daemon loses the race: the one that won is used', { timeout: PATIENCE_MS }, async (t) => {
  const { dataDir, options } = sandbox(t, { CAIRN_FAKE_MODE: 'lose' });
  stopClock(t);
  const pending = connect(options);
  await until(() => existsSync(join(dataDir, 'starts')), 'ours has started');
  const [pid] = readFileSync(join(dataDir, 'starts'), 'utf8').split('\n').map(Number);
  await until(() => !isFakeDaemon(pid as number), 'ours has ended');
  await sleep(200); // so that the client usually sees it too before there is anybody else
  await startFake(t, dataDir);
  const client = await pending;
  assert.equal(client.daemon.pid, process.pid);
  client.close();
});

test('without the right to start one, no daemon is a clear answer', async (t) => {
  const { options, starts } = sandbox(t);
  await assert.rejects(connect({ ...options, spawn: 'never' }), { code: 'DAEMON_UNREACHABLE', message: 'no daemon is running', hint: /cairn daemon start/ });
  assert.equal(starts(), 0);
});

test('a lock owner that lives but does not serve is reported, never replaced', { skip: process.platform !== 'linux' }, async (t) => {
  const { dataDir, options, starts } = sandbox(t);
  holdLock(dataDir);
  await assert.rejects(connect({ ...options, startTimeoutMs: 300 }), { code: 'DAEMON_UNREACHABLE', message: new RegExp(`daemon hung \\(pid ${process.pid}\\)`), hint: /--force/ });
  assert.equal(starts(), 0);
});

test('[5.2] a daemon that is stopped by a signal is not replaced; the client says so, and how it goes on', { skip: process.platform !== 'linux' }, async (t) => {
  const { dataDir, options, starts } = sandbox(t);
  const first = await connect(options);
  const { pid } = first.daemon;
  first.close();
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  holdLock(dataDir, { pid, start: stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] });
  process.kill(pid, 'SIGSTOP');
  await until(() => isStopped(pid), 'the system has stopped it');
  await assert.rejects(connect({ ...options, startTimeoutMs: 300 }), { code: 'DAEMON_UNREACHABLE', message: new RegExp(`pid ${pid}\\) is stopped by a signal`), hint: `Let it go on with: kill -CONT ${pid}` });
  assert.equal(starts(), 1);
  process.kill(pid, 'SIGCONT');
  assert.equal((await connect(options)).daemon.pid, pid);
});

test('an owner of another boot, another start time or another host is not alive', { skip: process.platform !== 'linux' }, (t) => {
  const { dataDir } = sandbox(t);
  const alive = (change: Readonly<Record<string, unknown>>): boolean => {
    holdLock(dataDir, change);
    return isOwnerAlive(readLockOwner(join(dataDir, 'lock')));
  };
  assert.deepEqual([{}, { boot: 'x' }, { start: '1' }, { host: 'elsewhere' }, { pid: 2 ** 30 }].map(alive), [true, false, false, false, false]);
  writeFileSync(join(dataDir, 'lock', 'g0000000007', 'owner.json'), '{');
  assert.equal(readLockOwner(join(dataDir, 'lock')), null);
  assert.equal(readLockOwner(join(dataDir, 'nowhere')), null);
});

test('[3.14] the lock in a copy of a data directory is not that of the daemon of the original', { skip: process.platform !== 'linux' }, (t) => {
  const { dataDir } = sandbox(t);
  const lock = join(dataDir, 'lock');
  holdLock(dataDir, {});
  const { dev, ino } = statSync(lock, { bigint: true });
  holdLock(dataDir, { directory: `${dev}:${ino}` });
  assert.equal(isOwnerAlive(readLockOwner(lock)), true);
  holdLock(dataDir, { directory: `${dev}:${ino + 1n}` });
  assert.equal(readLockOwner(lock), null);
  holdLock(dataDir, { directory: `${dev}:${ino + 1n}`, host: 'elsewhere' });
  assert.notEqual(readLockOwner(lock), null, 'across hosts it says nothing');
});

test('a busy daemon is waited for', async (t) => {
  const { dataDir, options } = sandbox(t);
  const fake = await startFake(t, dataDir);
  const hello = fake.answers.get('initialize');
  let attempts = 0;
  fake.answer('initialize', (request) => {
    attempts++;
    if (attempts < 3) throw new WireError('NOT_SERVING', 'starting', { retryable: true });
    if (attempts === 3) throw new WireError('UNAUTHORIZED', 'the token was replaced');
    return hello?.(request);
  });
  const client = await connect(options);
  assert.equal(attempts, 4);
  client.close();
});

test('a wrong token, a protocol that does not fit and a peer that is no daemon are told apart', { timeout: PATIENCE_MS }, async (t) => {
  const { dataDir, options } = sandbox(t);
  const fake = await startFake(t, dataDir);
  writeFileSync(fake.endpoint.tokenFile, 'wrong');
  const clock = stopClock(t);
  const hello = fake.answers.get('initialize');
  fake.answer('initialize', (request) => {
    clock.now += 6_000; // each time it is asked
    return hello?.(request);
  });
  await assert.rejects(connect(options), { code: 'UNAUTHORIZED' });
  assert.equal(fake.requests.length, 4, 'asked until 20 s are over: the token may be that of the daemon before');
  fake.answer('initialize', () => {
    throw new WireError('VERSION_SKEW', 'protocol 9 to 9 is spoken here');
  });
  await assert.rejects(connect(options), { code: 'VERSION_SKEW', hint: /cairn daemon stop/ });
  fake.onSocket = (socket) => void socket.end('SSH-2.0-OpenSSH_9.9\r\n'.repeat(1000));
  await assert.rejects(connect(options), { code: 'PROTOCOL' });
});

test('an older client uses a newer daemon and never asks it to stop', async (t) => {
  const { dataDir, options } = sandbox(t);
  const fake = await startFake(t, dataDir);
  fake.version = '9.0.0';
  const client = await connect(options);
  assert.equal(client.daemon.daemonVersion, '9.0.0');
  assert.deepEqual(fake.requests.map((request) => request.method), ['initialize']);
  client.close();
});

test('a newer client takes over from an older daemon once', async (t) => {
  const { options, starts } = sandbox(t, { CAIRN_FAKE_VERSION: '0.1.0' });
  const old = await connect({ ...options, clientVersion: '0.1.0' });
  const client = await connect({ ...options, clientVersion: '0.2.0', env: { ...options.env, CAIRN_FAKE_VERSION: '0.2.0' } });
  assert.notEqual(client.daemon.pid, old.daemon.pid);
  assert.equal(client.daemon.daemonVersion, '0.2.0');
  assert.equal(starts(), 2);
  client.close();
});

test('an older daemon that refuses to hand over is used as it is', async (t) => {
  const { dataDir, options } = sandbox(t);
  const fake = await startFake(t, dataDir);
  fake.answer('shutdown', ({ params }) => {
    assert.deepEqual(params, { reason: 'handover' });
    throw new WireError('VERSION_SKEW', 'not newer');
  });
  fake.answer('daemon/health', () => ({ ok: true }));
  const client = await connect({ ...options, clientVersion: '5.0.0' });
  assert.equal((await client.health()).ok, true);
  client.close();
});

test('waiting for a daemon can be cancelled', async (t) => {
  const { dataDir, options } = sandbox(t);
  const fake = await startFake(t, dataDir);
  fake.answer('initialize', never);
  const abort = new AbortController();
  const pending = connect({ ...options, signal: abort.signal });
  await until(() => fake.requests.length === 1, 'it has asked');
  abort.abort();
  await assert.rejects(pending, { code: 'CANCELLED' });
});

test('a data directory whose socket path would be too long says what to do', async (t) => {
  const { options } = sandbox(t);
  const long = join(tempDir(t), 'x'.repeat(120));
  await assert.rejects(connect({ ...options, dataDir: long, env: { TMPDIR: `/${'y'.repeat(110)}` }, spawn: 'never' }), (error: { code: string; hint?: string }) => {
    // Either a shorter place was found (then nobody serves there), or the reason is given.
    return error.code === 'DAEMON_UNREACHABLE' || (error.code === 'INVALID_CONFIG' && error.hint !== undefined);
  });
});
