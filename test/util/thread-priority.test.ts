// A worker lowers its own priority and nobody else's.
import assert from 'node:assert/strict';
import { getPriority, platform } from 'node:os';
import test from 'node:test';
import { Worker } from 'node:worker_threads';

test('only the thread that asks gets out of the way', async () => {
  const before = getPriority(0);
  const entry = new URL('../../src/util/thread-priority.ts', import.meta.url).href;
  const code = `import(${JSON.stringify(entry)}).then(({ yieldToOtherThreads }) => {
    yieldToOtherThreads();
    require('node:worker_threads').parentPort.postMessage(require('node:os').getPriority(0));
  })`;
  const worker = new Worker(code, { eval: true });
  const inside = await new Promise<number>((resolve, reject) => worker.once('message', resolve).once('error', reject));
  await worker.terminate();
  assert.equal(inside, platform() === 'linux' ? Math.max(before, 10) : before);
  assert.equal(getPriority(0), before);
});
