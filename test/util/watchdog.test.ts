// The watch-dog counts the time that it saw pass.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { startWatchdog } from '../../src/util/watchdog.ts';

/** Moves the clock and then lets a timer of `everyMs` go off once. */
function clock(t: TestContext, everyMs: number): (ms: number) => void {
  let now = 0;
  t.mock.method(performance, 'now', () => now);
  t.mock.timers.enable({ apis: ['setInterval'] });
  return (ms) => {
    now += ms;
    t.mock.timers.tick(everyMs);
  };
}

test('it barks once, when the limit has passed', (t) => {
  const pass = clock(t, 10);
  let barks = 0;
  startWatchdog(100, () => barks++);
  for (let i = 0; i < 9; i++) pass(10);
  assert.equal(barks, 0);
  pass(10);
  assert.equal(barks, 1);
  for (let i = 0; i < 20; i++) pass(10);
  assert.equal(barks, 1);
});

test('it does not bark after it was stopped', (t) => {
  const pass = clock(t, 10);
  const stop = startWatchdog(100, () => assert.fail('it barked'));
  for (let i = 0; i < 9; i++) pass(10);
  stop();
  for (let i = 0; i < 20; i++) pass(10);
});

test('a process that was stopped for an hour has not waited for an hour', (t) => {
  const pass = clock(t, 10);
  let barks = 0;
  startWatchdog(100, () => barks++);
  pass(3_600_000);
  for (let i = 0; i < 7; i++) pass(10);
  assert.equal(barks, 0);
  pass(10);
  assert.equal(barks, 1);
});
