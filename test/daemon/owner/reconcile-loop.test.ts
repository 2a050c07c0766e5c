import assert from 'node:assert/strict';
import test from 'node:test';
import { ReconcileLoop } from '../../../daemon/owner/reconcile-loop.ts';
import { FakeClock, flushPromises } from './fake-clock.ts';

const OPTIONS = { minGapMs: 5_000, maxGapMs: 60_000, periodMs: 300_000, maxPeriodMs: 3_600_000 };

function setUp() {
  const clock = new FakeClock();
  const walks: { at: number; reasons: readonly string[] }[] = [];
  const state = { end: [] as ((error?: unknown) => void)[], hold: false, takes: 0, error: null as unknown };
  const loop = new ReconcileLoop(async (reasons) => {
    walks.push({ at: clock.monotonic(), reasons });
    if (state.hold) await new Promise<void>((resolve, reject) => state.end.push((error) => (error === undefined ? resolve() : reject(error))));
    if (state.takes > 0) await new Promise<void>((resolve) => void clock.setTimer(resolve, state.takes));
    if (state.error !== null) throw state.error;
    return true;
  }, clock, OPTIONS);
  return { clock, loop, walks, state };
}

test('many signs of loss are one walk', async () => {
  const { clock, loop, walks } = setUp();
  for (let i = 0; i < 1_000; i++) loop.request(i % 2 === 0 ? 'burst' : 'error');
  await clock.advance(1_000);
  assert.deepEqual(walks.map(({ reasons }) => reasons), [['burst', 'error']]);
  await loop.stop();
  assert.equal(clock.timers, 0);
});

test('a sign of loss during a walk is answered by another walk afterwards', async () => {
  const { clock, loop, walks, state } = setUp();
  state.hold = true;
  loop.request('burst');
  await clock.advance(1_000);
  loop.request('late');
  state.hold = false;
  state.end[0]?.();
  await clock.advance(4_000);
  assert.equal(walks.length, 1, 'backs off');
  await clock.advance(10_000);
  assert.deepEqual(walks[1]?.reasons, ['late']);
  await loop.stop();
});

test('walks that events keep asking for come 5 to 60 s apart, and soon again after a quiet time', async () => {
  const { clock, loop, walks } = setUp();
  for (let second = 0; second < 600; second++) {
    loop.request('storm');
    await clock.advance(1_000);
  }
  const gaps = walks.slice(1).map(({ at }, i) => at - (walks[i]?.at ?? 0));
  assert.ok(gaps[0] !== undefined && gaps[0] >= 5_000);
  assert.ok(gaps.every((gap) => gap <= 61_000));
  assert.ok(gaps.slice(-3).every((gap) => gap >= 59_000), gaps.join());
  assert.ok(walks.length < 20, `${walks.length} walks`);
  await clock.advance(400_000);
  const before = walks.length;
  loop.request('again');
  await clock.advance(1_000);
  assert.equal(walks.length, before + 1);
  await loop.stop();
});

test('now() does not back off, waits for a walk that begins after it, and reports its error', async () => {
  const { clock, loop, walks, state } = setUp();
  state.hold = true;
  const first = loop.now('a');
  await clock.advance(0);
  let done = false;
  const second = loop.now('b').then(() => {
    done = true;
  });
  state.end[0]?.();
  await first;
  await flushPromises();
  assert.equal(done, false);
  await clock.advance(0);
  state.end[1]?.(new Error('unreadable'));
  await assert.rejects(second, /unreadable/);
  assert.match(String(loop.lastError), /unreadable/);
  assert.equal(walks.length, 2);
  await loop.stop();
});

test('[6.2] the tree is walked without any reason every five minutes, less often when walks are long', async () => {
  const { clock, loop, walks, state } = setUp();
  await Promise.all([loop.now('start'), clock.advance(0)]);
  await clock.advance(900_000);
  assert.deepEqual(walks.slice(1).map(({ reasons }) => reasons), [['periodic'], ['periodic'], ['periodic']]);
  state.takes = 6_000;
  await clock.advance(310_000);
  const before = walks.length;
  await clock.advance(550_000);
  assert.equal(walks.length, before);
  await clock.advance(100_000);
  assert.equal(walks.length, before + 1);
  await loop.stop();
});

test('a degraded watcher means walks at shorter intervals, until it is well again', async () => {
  const { clock, loop, walks } = setUp();
  await Promise.all([loop.now('start'), clock.advance(0)]);
  loop.setPeriod(30_000);
  await clock.advance(95_000);
  assert.equal(walks.length, 4);
  loop.setPeriod(null);
  await clock.advance(35_000);
  const before = walks.length;
  await clock.advance(200_000);
  assert.ok(walks.length <= before + 1);
  await loop.stop();
});

test('a walk that fails is tried again soon', async () => {
  const { clock, loop, walks, state } = setUp();
  state.error = new Error('root is missing');
  await Promise.all([assert.rejects(loop.now('start')), clock.advance(0)]);
  await clock.advance(6_000);
  assert.equal(walks.length, 2);
  state.error = null;
  await clock.advance(6_000);
  assert.equal(loop.lastError, null);
  await loop.stop();
});

test('stop ends waiting and leaves no timer', async () => {
  const { clock, loop, state } = setUp();
  state.hold = true;
  const running = loop.now('a');
  await clock.advance(0);
  const waiting = loop.now('b');
  const stopped = loop.stop();
  state.end[0]?.();
  await stopped;
  assert.equal(await running, true);
  assert.equal(await waiting, false);
  loop.request('late');
  await clock.advance(600_000);
  assert.equal(clock.timers, 0);
});
