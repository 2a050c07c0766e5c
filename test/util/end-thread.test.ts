// Threads end in the middle of something; one that cannot be ended keeps nobody waiting.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { endThread } from '../../src/util/end-thread.ts';
import { checkLeaks } from '../support/leaks.ts';

checkLeaks();

test('a thread that computes for ever has ended, and ending it again is nothing', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] }); // it is not left behind, however long the machine takes to end it
  const worker = new Worker(`require('node:worker_threads').parentPort.postMessage('here'); for (;;);`, { eval: true });
  await once(worker, 'message');
  let exits = 0;
  worker.on('exit', () => exits++);
  await endThread(worker);
  assert.equal(exits, 1);
  await endThread(worker);
  assert.equal(exits, 1);
});

test('a thread that cannot be ended is left behind after 2 s, and not before', async (t) => {
  let now = 0;
  t.mock.method(performance, 'now', () => now);
  t.mock.timers.enable({ apis: ['setInterval'] });
  const pass = (ms: number): void => {
    now += ms;
    t.mock.timers.tick(ms);
  };
  const seen: string[] = [];
  const stuck = { terminate: () => new Promise<number>(() => seen.push('terminate')), unref: () => seen.push('unref') };
  const ended = endThread(stuck).then(() => seen.push('goes on'));
  for (let i = 0; i < 9; i++) pass(200);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(seen, ['terminate']);
  pass(200);
  await ended;
  assert.deepEqual(seen, ['terminate', 'unref', 'goes on']);
});
