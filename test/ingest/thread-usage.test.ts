import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import test, { type TestContext } from 'node:test';
import { Worker } from 'node:worker_threads';
import { NO_THREAD, ownThread, usageOf } from '../../src/ingest/thread-usage.ts';
import { until } from '../support/cli.ts';
import { checkLeaks } from '../support/leaks.ts';

checkLeaks();
const notLinux = !existsSync('/proc/thread-self/stat') && 'needs /proc';

/** A thread that says its number and then does `what`. */
async function started(t: TestContext, what: string): Promise<number> {
  const module = JSON.stringify(new URL('../../src/ingest/thread-usage.ts', import.meta.url).href);
  const worker = new Worker(`import(${module}).then(({ ownThread }) => { require('node:worker_threads').parentPort.postMessage(ownThread()); setTimeout(() => { ${what} }, 10); })`, { eval: true });
  t.after(() => worker.terminate());
  const [thread] = (await once(worker, 'message')) as [number];
  return thread;
}

test('a thread that computes can run and takes processor time; one that waits can not and takes none', { skip: notLinux }, async (t) => {
  const busy = await started(t, 'for (;;);');
  const before = usageOf(busy)?.cpuMs ?? 0;
  await until(() => (usageOf(busy)?.cpuMs ?? 0) > before + 50 && usageOf(busy)?.isRunnable === true, 'it computes');
  const waiting = await started(t, 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);');
  await until(() => usageOf(waiting)?.isRunnable === false, 'it waits');
  assert.notEqual(busy, waiting);
  assert.notEqual(ownThread(), waiting);
});

test('of a thread that is not known, or not there, nothing is known', () => {
  assert.equal(usageOf(NO_THREAD), null);
  assert.equal(usageOf(2 ** 30), null);
});
