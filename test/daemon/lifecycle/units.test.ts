// Small parts of the life cycle: liveness, phases, idleness, registration, arguments, event-loop delay.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, lstatSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArguments } from '../../../daemon/lifecycle/arguments.ts';
import { IdleWatch } from '../../../daemon/lifecycle/idle.ts';
import { livenessOf, selfIdentity, startTime } from '../../../daemon/lifecycle/liveness.ts';
import { watchLoopDelay } from '../../../daemon/lifecycle/loop-delay.ts';
import { Phase } from '../../../daemon/lifecycle/phase.ts';
import { newToken, register, unregister, writeToken } from '../../../daemon/lifecycle/registration.ts';
import { resolveEndpoint } from '../../../daemon/protocol/endpoint.ts';
import { compareVersions } from '../../../daemon/protocol/versions.ts';
import { PATIENCE_MS, until } from '../../support/cli.ts';
import { checkLeaks } from '../../support/leaks.ts';
import { tempDir } from '../../support/temp-dir.ts';

checkLeaks();

test('[5.2] liveness compares pid, start time, boot, host and pid namespace', () => {
  const me = selfIdentity();
  assert.equal(livenessOf(me), 'alive');
  assert.equal(livenessOf(null), 'unknown');
  assert.equal(livenessOf({ ...me, host: 'elsewhere' }), 'unknown');
  assert.equal(livenessOf({ ...me, pidNamespace: 'pid:[1]' }), 'unknown');
  if (process.platform !== 'linux') return;
  assert.equal(livenessOf({ ...me, boot: 'another boot' }), 'dead');
  assert.equal(livenessOf({ ...me, boot: 'another boot', pidNamespace: 'pid:[1]' }), 'dead');
  assert.equal(livenessOf({ ...me, start: '12' }), 'dead');
  assert.equal(livenessOf({ ...me, pid: 2 ** 22 + 1 }), 'dead');
});

test('[5.2] a zombie is dead although its pid exists', { skip: process.platform !== 'linux' }, async () => {
  // The shell becomes a sleep before its child is ended; sleep never waits for children, so that the child stays a zombie.
  const parent = spawn('sh', ['-c', 'sleep 1000 & echo $!; exec sleep 1000'], { stdio: ['ignore', 'pipe', 'ignore'] });
  const exited = once(parent, 'exit');
  try {
    const [line] = (await once(parent.stdout, 'data')) as [Buffer];
    const pid = Number(line.toString());
    await until(() => readFileSync(`/proc/${parent.pid}/comm`, 'utf8') === 'sleep\n', 'the shell is a sleep');
    process.kill(pid, 'SIGKILL');
    await until(() => startTime(pid) === 'zombie', 'it is a zombie');
    assert.equal(livenessOf({ ...selfIdentity(), pid, start: null }), 'dead');
  } finally {
    parent.kill('SIGKILL');
    await exited;
  }
});

test('phases go forwards only and tell their listeners', () => {
  const phase = new Phase();
  const seen: string[] = [];
  phase.onChange((state) => seen.push(state));
  assert.equal(phase.advance('serving'), true);
  assert.equal(phase.advance('serving'), false);
  assert.equal(phase.advance('stopped'), true);
  assert.equal(phase.advance('draining'), false);
  assert.deepEqual(seen, ['serving', 'stopped']);
  assert.equal(phase.state, 'stopped');
});

test('an idle daemon ends once, only after the whole time without clients and work', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  let busy = true;
  let ends = 0;
  const watch = new IdleWatch({ idleMs: 60, everyMs: 10, busy: () => busy, onIdle: () => { ends++; } });
  watch.start();
  watch.start();
  t.mock.timers.tick(150);
  assert.equal(ends, 0, 'busy');
  busy = false;
  t.mock.timers.tick(50);
  assert.equal(ends, 0, 'not for the whole time');
  watch.touch();
  t.mock.timers.tick(50);
  assert.equal(ends, 0, 'somebody was there between two looks');
  t.mock.timers.tick(10);
  assert.equal(ends, 1);
  t.mock.timers.tick(150);
  assert.equal(ends, 1);
  const never = new IdleWatch({ idleMs: null, everyMs: 1, busy: () => false, onIdle: () => assert.fail('never') });
  never.start();
  t.mock.timers.tick(20);
  never.stop();
});

test('the watch for idleness does not keep a process alive', async () => {
  const script = `const { IdleWatch } = await import(${JSON.stringify(new URL('../../../daemon/lifecycle/idle.ts', import.meta.url).href)});
    new IdleWatch({ idleMs: 1e9, everyMs: 1e6, busy: () => false, onIdle: () => undefined }).start();`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'inherit', 'inherit'], timeout: PATIENCE_MS });
  assert.deepEqual(await once(child, 'exit'), [0, null]);
});

test('registration and token are private files, and are removed only by their own epoch', (t) => {
  const endpoint = resolveEndpoint({}, tempDir(t));
  mkdirSync(join(endpoint.dataDir, 'run'));
  const token = newToken();
  assert.notEqual(newToken(), token);
  writeToken(endpoint, newToken());
  writeToken(endpoint, token);
  assert.equal(readFileSync(endpoint.tokenFile, 'utf8'), token);
  register(endpoint, { pid: 1, epoch: 7, version: '1', protocol: { min: 1, max: 1 }, socket: '/s', tokenFile: endpoint.tokenFile, startedAt: '', execPath: '', entry: '' });
  for (const file of [endpoint.tokenFile, endpoint.registrationFile]) assert.equal(lstatSync(file).mode & 0o777, 0o600);
  unregister(endpoint, 6);
  assert.ok(existsSync(endpoint.registrationFile) && existsSync(endpoint.tokenFile));
  unregister(endpoint, 7);
  assert.ok(!existsSync(endpoint.registrationFile) && !existsSync(endpoint.tokenFile));
});

test('a registration that cannot be written is a typed error and leaves nothing behind', (t) => {
  const endpoint = resolveEndpoint({}, tempDir(t));
  assert.throws(() => writeToken(endpoint, newToken()), { code: 'IO', path: endpoint.tokenFile });
});

test('arguments', () => {
  assert.deepEqual(parseArguments([]), { dataDir: undefined, settings: [], takeOver: false, help: false });
  assert.deepEqual(parseArguments(['--data-dir', '/d', '--set', 'a=1', '--set', 'b=2', '--take-over']), { dataDir: '/d', settings: ['a=1', 'b=2'], takeOver: true, help: false });
  for (const wrong of [['--nope'], ['extra'], ['--set']]) assert.throws(() => parseArguments(wrong), { code: 'INVALID_ARGUMENT' });
});

test('event-loop delay is measured without the sampling distance', async () => {
  const delay = watchLoopDelay();
  await sleep(50);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 80); // the loop stands still at least so long
  await sleep(30);
  const { maxMs, p50Ms } = delay.read();
  assert.ok(maxMs > 30, `${maxMs}`);
  assert.ok(p50Ms <= maxMs);
  delay.stop();
});

test('versions are ordered like semver', () => {
  const sorted = ['nonsense', '0.1.0-alpha', '0.1.0-beta', '0.1.0', '0.1.1', '0.2.0', '1.0.0', '1.10.0'];
  for (let i = 0; i < sorted.length; i++) {
    for (let j = 0; j < sorted.length; j++) assert.equal(Math.sign(compareVersions(sorted[i] ?? '', sorted[j] ?? '')), Math.sign(i - j), `${sorted[i]} ${sorted[j]}`);
  }
  assert.equal(compareVersions('1.2.3+build', '1.2.3'), 0);
});
