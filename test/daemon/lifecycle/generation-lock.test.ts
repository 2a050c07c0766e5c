// The writer lock under fire: races, kill -9 anywhere, frozen owners, forced takeover, lost directories.
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { afterEach, beforeEach } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { acquireLock, highestGeneration, inspectLock, type GenerationLock } from '../../../daemon/lifecycle/generation-lock.ts';
import { PATIENCE_MS } from '../../support/cli.ts';
import { checkLeaks } from '../../support/leaks.ts';

checkLeaks();
const WORKER = fileURLToPath(new URL('./lock-worker.ts', import.meta.url));
let base = '';
let dir = '';
let log = '';
const children = new Set<ChildProcess>();

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'cairn-lock-'));
  dir = join(base, 'lock');
  log = join(base, 'log');
  writeFileSync(log, '');
});
afterEach(async () => {
  await Promise.all([...children].map(kill));
  await rm(base, { recursive: true, force: true });
});

function start(mode: string): ChildProcess {
  const child = spawn(process.execPath, [WORKER, mode, dir, log], { stdio: ['pipe', 'ignore', 'inherit'] });
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

const lines = (): string[] => readFileSync(log, 'utf8').split('\n').filter((line) => line !== '');

async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (performance.now() < deadline) {
    if (holds()) return;
    await sleep(10);
  }
  assert.fail(`never: ${what}; log: ${lines().slice(-5).join(' | ')}`);
}

async function take(force = false): Promise<GenerationLock> {
  const result = await acquireLock(dir, { version: 'test', force });
  assert.ok(result.held, 'the lock should have been free');
  return result.lock;
}

test('[5.2] a lock that is held refuses a second taker and is free after release, with a new epoch', async () => {
  const first = await take();
  assert.equal(first.epoch, 1);
  assert.equal(inspectLock(dir)?.liveness, 'alive');
  const second = await acquireLock(dir, { version: 'test' });
  assert.ok(!second.held && second.liveness === 'alive' && second.owner?.pid === process.pid);
  await first.release();
  assert.equal(inspectLock(dir), null);
  assert.throws(() => first.assertHeld(), { code: 'FENCED' });
  const third = await take();
  assert.equal(third.epoch, 2);
  third.assertHeld();
  await third.release();
});

test('[5.2] a dead owner of another boot, start time or pid is replaced at once; a foreign host is watched first', async () => {
  const lock = await take();
  const owner = lock.owner;
  await lock.release();
  const plant = (epoch: number, change: object): void => {
    mkdirSync(join(dir, `g${String(epoch).padStart(10, '0')}`));
    writeFileSync(join(dir, `g${String(epoch).padStart(10, '0')}`, 'owner.json'), JSON.stringify({ ...owner, epoch, ...change }));
  };
  let epoch = 1;
  for (const dead of [{ pid: 2 ** 22 + 1 }, { start: '1' }, { boot: 'another' }]) {
    plant(++epoch, dead);
    const taken = await take();
    assert.equal(taken.epoch, ++epoch);
    await taken.release();
  }
  plant(++epoch, { host: 'elsewhere' });
  const beating = setInterval(() => utimesSync(join(dir, `g${String(epoch).padStart(10, '0')}`), new Date(), new Date()), 20);
  const refused = await acquireLock(dir, { version: 'test', foreignStaleMs: 300 });
  clearInterval(beating);
  assert.ok(!refused.held && refused.liveness === 'unknown', 'a foreign owner with a heartbeat is respected');
  const future = new Date(Date.now() + 3_600_000);
  utimesSync(join(dir, `g${String(epoch).padStart(10, '0')}`), future, future);
  const stale = await acquireLock(dir, { version: 'test', foreignStaleMs: 300 });
  assert.ok(stale.held, 'a heartbeat that stands still is stale, also when its time lies in the future');
  await stale.lock.release();
});

test('[3.14] a copy of a data directory, made while its daemon runs, is free; a renamed one is not', async () => {
  const lock = await take();
  cpSync(dir, join(base, 'copy'), { recursive: true });
  const copy = await acquireLock(join(base, 'copy'), { version: 'test' });
  assert.ok(copy.held && copy.lock.epoch === 2);
  await copy.lock.release();
  renameSync(dir, join(base, 'moved'));
  const moved = await acquireLock(join(base, 'moved'), { version: 'test' });
  assert.ok(!moved.held && moved.liveness === 'alive');
  renameSync(join(base, 'moved'), dir);
  await lock.release();
});

test('[5.2] twenty racing starters give one winner, fresh and with a dead lock left behind', async () => {
  for (const left of ['fresh', 'dead']) {
    rmSync(dir, { recursive: true, force: true });
    for (const name of ['go', 'end']) rmSync(join(base, name), { force: true });
    if (left === 'dead') {
      const holder = start('hold');
      await until('held', () => lines().some((line) => line.startsWith('held')));
      await kill(holder);
    }
    writeFileSync(log, '');
    const racers = Array.from({ length: 20 }, () => start('race'));
    const ended = Promise.all(racers.map((racer) => once(racer, 'exit')));
    await until('all ready', () => lines().filter((line) => line.startsWith('ready')).length === 20);
    writeFileSync(join(base, 'go'), '');
    await until('all have tried', () => lines().filter((line) => line.startsWith('won') || line.startsWith('lost')).length === 20);
    writeFileSync(join(base, 'end'), '');
    await ended;
    assert.equal(lines().filter((line) => line.startsWith('won')).length, 1, left);
    assert.equal(lines().filter((line) => line.endsWith('true')).length, 1, left);
  }
});

test('[5.2] chaos: kill -9 anywhere, all epochs unique, never two holders', async (t) => {
  const seconds = Number(process.env['CAIRN_CHAOS_SECONDS'] ?? '4');
  const workers = Array.from({ length: 5 }, () => start('chaos'));
  const end = performance.now() + seconds * 1_000;
  const deadline = end + PATIENCE_MS;
  const acquisitions = (): number => lines().filter((line) => line.startsWith('A')).length;
  let kills = 0;
  // Where a process takes longer to start than it is left alive, the pauses grow until some get the lock.
  for (let late = 1; performance.now() < end || (acquisitions() <= 10 && performance.now() < deadline); late *= performance.now() < end ? 1 : 1.1) {
    await sleep((50 + Math.random() * 150) * late);
    const victim = Math.floor(Math.random() * workers.length);
    await kill(workers[victim] as ChildProcess);
    workers[victim] = start('chaos');
    kills++;
  }
  await Promise.all(workers.map(kill));
  const records = lines().map((line) => ({ kind: line[0], epoch: Number(line.slice(2)) }));
  const taken = records.filter((record) => record.kind === 'A').map((record) => record.epoch);
  t.diagnostic(`${taken.length} acquisitions, ${kills} kills`);
  assert.ok(taken.length > 10, `only ${taken.length} acquisitions`);
  assert.equal(new Set(taken).size, taken.length, 'an epoch was given twice');
  records.reduce((before, { kind, epoch }) => {
    // Holders write all the time, so two at once would show as an epoch that goes back.
    assert.ok(epoch >= before, `epoch ${epoch} (${kind}) after ${before}: two holders at once`);
    return epoch;
  }, 0);
});

test('[5.2] a frozen living owner is not robbed; a forced takeover fences it when it wakes up', async () => {
  const holder = start('hold');
  await until('held', () => lines().includes('held 1'));
  holder.kill('SIGSTOP');
  const refused = await acquireLock(dir, { version: 'test' });
  assert.ok(!refused.held && refused.liveness === 'alive' && refused.owner?.pid === holder.pid);
  const taken = await take(true);
  assert.equal(taken.epoch, 2);
  holder.kill('SIGCONT');
  holder.stdin?.write('?\n');
  await until('fenced', () => lines().includes('fence FENCED'));
  await until('told', () => lines().includes('lost FENCED'));
  taken.assertHeld();
  await taken.release();
});

test('the heartbeat notices a takeover by itself and never throws', async () => {
  const first = await acquireLock(dir, { version: 'test', heartbeatMs: 1_000 });
  assert.ok(first.held);
  const second = await take(true);
  assert.equal((await first.lock.lost).code, 'FENCED');
  await first.lock.release();
  assert.ok(second.isHeld());
  await second.release();
});

test('a touched lock directory is not a lost lock', async () => {
  const result = await acquireLock(dir, { version: 'test', heartbeatMs: 1_000 });
  assert.ok(result.held);
  const beat = (): number => statSync(join(dir, 'g0000000001')).mtimeMs;
  let lost = false;
  void result.lock.lost.then(() => { lost = true; });
  utimesSync(join(dir, 'g0000000001'), new Date(0), new Date(0));
  await until('the heart beats again', () => beat() !== 0);
  const again = beat();
  await until('and goes on', () => beat() !== again);
  assert.equal(lost, false);
  assert.ok(result.lock.isHeld());
  await result.lock.release();
});

test('[5.2] a removed lock directory is a lost lock, and the floor keeps the epoch from going back', async () => {
  const lock = await take();
  rmSync(dir, { recursive: true });
  assert.throws(() => lock.assertHeld(), { code: 'FENCED' });
  const next = await acquireLock(dir, { version: 'test', floor: () => 41 });
  assert.ok(next.held && next.lock.epoch === 42);
  assert.equal(highestGeneration(dir), 42);
  await next.lock.release();
  await lock.release();
  assert.deepEqual(readdirSync(dir), ['g0000000042']);
});

test('an unusable lock directory is a typed error', async () => {
  writeFileSync(dir, 'a file');
  await assert.rejects(acquireLock(dir, { version: 'test' }), { code: 'IO' });
});
