import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { IngestResult } from '../../../src/api.ts';
import { Scheduler, type SchedulerHooks, type SchedulerOptions } from '../../../daemon/owner/scheduler.ts';
import { WorkQueue } from '../../../daemon/owner/work-queue.ts';
import { CairnError } from '../../../src/util/errors.ts';
import { FakeClock, flushPromises } from './fake-clock.ts';
import { FakePort } from './fake-port.ts';
import { testSeed } from '../../support/random.ts';

const FULL = new CairnError('DISK_FULL', 'no space left', { retryable: true });

function setUp(options: { capacity?: number; hooks?: SchedulerHooks; scheduler?: Partial<SchedulerOptions> } = {}) {
  const port = new FakePort();
  const clock = new FakeClock();
  const queue = new WorkQueue(options.capacity ?? 4);
  const scheduler = new Scheduler(port, queue, clock, options.hooks, options.scheduler, () => 1);
  return { port, clock, queue, scheduler };
}

/** Ends reads and lets time pass until nothing is pending. */
async function finish({ port, clock, scheduler }: ReturnType<typeof setUp>): Promise<void> {
  for (let i = 0; i < 500 && scheduler.pending > 0; i++) {
    port.endReads();
    await clock.advance(60);
  }
  assert.equal(scheduler.pending, 0);
}

const paths = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${prefix}${i}`);

test('a file becomes a document, an edit replaces it, a removal deletes it', async () => {
  const all = setUp();
  const { port, scheduler } = all;
  port.disk.set('a', '1');
  scheduler.enqueue(['a'], 'interactive');
  await finish(all);
  assert.equal(port.index.get('a'), '1');
  port.disk.set('a', '2');
  scheduler.enqueue(['a'], 'interactive');
  await finish(all);
  assert.equal(port.index.get('a'), '2');
  port.disk.delete('a');
  scheduler.enqueue(['a', 'never there'], 'interactive');
  await finish(all);
  assert.deepEqual(port.batches.map(({ puts, deletes }) => [puts.length, deletes]), [[1, []], [1, []], [0, ['a']]]);
});

test('interactive work goes before bulk work, also of another owner', async () => {
  const all = setUp({ capacity: 2 });
  const { port, scheduler, queue, clock } = all;
  const other = new Scheduler(port, queue, clock);
  port.hold = true;
  for (const path of [...paths('bulk', 20), 'edit', 'bulk19']) port.disk.set(path, path);
  other.enqueue(paths('bulk', 20), 'bulk');
  await flushPromises();
  scheduler.enqueue(['edit'], 'interactive');
  other.enqueue(['bulk19'], 'interactive'); // waits in the bulk lane already: moves up
  await flushPromises();
  assert.deepEqual(new Set(port.reads), new Set(['bulk0', 'bulk1', 'edit', 'bulk19']));
  port.hold = false;
  port.endReads();
  await finish(all);
  for (let i = 0; i < 20 && other.pending > 0; i++) await clock.advance(60);
  assert.equal(port.reads.filter((path) => path === 'bulk19').length, 1, 'one request, one read');
  assert.equal(port.index.size, 21);
});

test('[4.16] bulk files share commits, an edit commits at once', async () => {
  const all = setUp({ capacity: 8 });
  const { port, scheduler } = all;
  for (const path of paths('f', 400)) port.disk.set(path, path);
  scheduler.enqueue(paths('f', 400), 'bulk');
  await finish(all);
  assert.equal(port.index.size, 400);
  assert.ok(port.batches.length <= 60, `${port.batches.length} commits`);
  const before = port.batches.length;
  port.disk.set('edit', '1');
  scheduler.enqueue(['edit'], 'interactive');
  await flushPromises(); // no time passes
  assert.equal(port.batches.length, before + 1);
});

test('[1.22] a batch is closed by files, bytes or time, whichever comes first, as configured', async () => {
  const sizes = async (batch: { files: number; bytes: number; ms: number }): Promise<number[]> => {
    const all = setUp({ capacity: 8, scheduler: { batch } });
    for (const path of paths('f', 20)) all.port.disk.set(path, path.padEnd(100, '.'));
    all.scheduler.enqueue(paths('f', 20), 'bulk');
    await finish(all);
    return all.port.batches.map(({ puts }) => puts.length);
  };
  assert.deepEqual(await sizes({ files: 7, bytes: 1e9, ms: 1000 }), [7, 7, 6]);
  assert.ok((await sizes({ files: 1000, bytes: 250, ms: 1000 })).every((puts) => puts <= 3));
  const { port, clock, scheduler } = setUp({ scheduler: { batch: { files: 1000, bytes: 1e9, ms: 400 } } });
  port.hold = true;
  for (const path of ['a', 'b']) port.disk.set(path, '1');
  scheduler.enqueue(['a', 'b'], 'bulk');
  await flushPromises();
  port.held[0]?.end(); // waits for the other, which is still read
  await flushPromises();
  await clock.advance(399);
  assert.equal(port.batches.length, 0);
  await clock.advance(1);
  assert.deepEqual(port.batches.map(({ puts }) => puts.length), [1]);
  port.endReads();
});

test('the newest content wins: a request during a read makes the file be read again, never twice at once', async () => {
  const all = setUp();
  const { port, scheduler } = all;
  port.hold = true;
  port.disk.set('a', 'old');
  scheduler.enqueue(['a'], 'interactive');
  await flushPromises();
  port.disk.set('a', 'new');
  scheduler.enqueue(['a'], 'interactive');
  scheduler.enqueue(['a'], 'bulk');
  await flushPromises();
  assert.equal(port.reads.length, 1);
  port.hold = false;
  port.endReads();
  await finish(all);
  assert.equal(port.index.get('a'), 'new');
  assert.deepEqual(port.reads, ['a', 'a']);
});

test('a barrier waits for what was asked before it, not for what comes after', async () => {
  const { port, scheduler } = setUp();
  await scheduler.barrier();
  port.hold = true;
  port.disk.set('a', '1');
  scheduler.enqueue(['a'], 'interactive');
  let reached = false;
  const barrier = scheduler.barrier().then(() => {
    reached = true;
  });
  await flushPromises();
  assert.equal(reached, false);
  const [first] = port.held.splice(0);
  port.disk.set('b', '1');
  scheduler.enqueue(['a', 'b'], 'interactive');
  first?.end();
  await barrier;
  assert.equal(port.index.get('a'), '1');
  assert.equal(port.index.has('b'), false);
});

test('a file that cannot be read now is tried again with growing pauses, then given up and reported', async () => {
  const reports: [string, boolean][] = [];
  const all = setUp({ hooks: { failed: (path, _reason, final) => reports.push([path, final]) }, scheduler: { maxAttempts: 3 } });
  const { port, clock, scheduler } = all;
  let failures = 2;
  port.readFailure = (path) => (failures-- > 0 ? { outcome: 'failed', path, reason: 'busy', retryable: true } : null);
  port.disk.set('a', '1');
  scheduler.enqueue(['a'], 'interactive');
  await scheduler.barrier(); // answered once
  assert.equal(scheduler.pending, 1, 'still on the list');
  await clock.advance(150);
  assert.equal(port.reads.length, 1);
  await clock.advance(1_000);
  assert.equal(port.index.get('a'), '1');
  failures = 100;
  port.disk.set('a', '2');
  scheduler.enqueue(['a'], 'interactive');
  await clock.advance(60_000);
  assert.equal(scheduler.pending, 0);
  assert.equal(port.index.get('a'), '1', 'the old document stays');
  port.readFailure = (path) => ({ outcome: 'failed', path, reason: 'denied', retryable: false });
  scheduler.enqueue(['b'], 'bulk');
  await clock.advance(60_000);
  assert.deepEqual(reports.slice(-2), [['a', true], ['b', true]]);
  assert.equal(clock.timers, 0);
});

test('a pool or embedder that fails is a reason to try again, not a lost file', async () => {
  const all = setUp();
  const { port, clock, scheduler } = all;
  port.readFailure = () => new CairnError('EMBEDDER_FAILED', 'no answer');
  port.disk.set('a', '1');
  scheduler.enqueue(['a'], 'bulk');
  await clock.advance(100);
  assert.equal(scheduler.pending, 1);
  port.readFailure = null;
  await clock.advance(1_000);
  assert.equal(port.index.get('a'), '1');
});

test('[0.24] disk full: nothing is lost, barriers report it, commits resume by themselves', async () => {
  const blocked: unknown[] = [];
  const all = setUp({ hooks: { blocked: (error) => blocked.push(error) } });
  const { port, clock, scheduler } = all;
  port.commitFailure = () => FULL;
  for (const path of paths('f', 300)) port.disk.set(path, path);
  scheduler.enqueue(paths('f', 300), 'bulk');
  await assert.rejects(scheduler.barrier(), FULL);
  assert.equal(scheduler.blockedBy, FULL);
  await assert.rejects(scheduler.barrier(), FULL);
  const reads = port.reads.length;
  await clock.advance(30_000);
  assert.ok(port.reads.length - reads <= 10, 'probes with single files');
  assert.equal(scheduler.pending, 300);
  port.commitFailure = null;
  await clock.advance(31_000);
  await finish(all);
  assert.equal(port.index.size, 300);
  assert.equal(scheduler.blockedBy, null);
  assert.deepEqual(blocked, [FULL, null]);
});

test('one document that the engine refuses does not take its batch along', async () => {
  const failed: string[] = [];
  const all = setUp({ hooks: { failed: (path) => failed.push(path) } });
  const { port, scheduler } = all;
  port.commitFailure = ({ puts }) => (puts.some((doc) => Buffer.from(doc).toString().includes('bad')) ? new CairnError('DIMENSION_MISMATCH', 'wrong dimension') : null);
  for (const path of [...paths('f', 30), 'bad']) port.disk.set(path, path);
  scheduler.enqueue([...paths('f', 15), 'bad', ...paths('f', 30)], 'bulk');
  await finish(all);
  assert.equal(port.index.size, 30);
  assert.deepEqual(failed, ['bad']);
});

test('[4.5] nothing is deleted while the root is missing, other changes go on', async () => {
  const all = setUp();
  const { port, scheduler } = all;
  port.index.set('a', '1');
  port.disk.set('b', '1');
  port.present = false;
  scheduler.enqueue(['a', 'b'], 'bulk');
  await finish(all);
  assert.deepEqual([...port.index.keys()].sort(), ['a', 'b']);
});

test('[4.25] back-pressure: bulk reading stops while saves are behind, edits go on; results that wait are bounded', async () => {
  const all = setUp({ scheduler: { maxUncommitted: 10 } });
  const { port, scheduler, clock } = all;
  port.behind = true;
  for (const path of [...paths('f', 100), 'edit']) port.disk.set(path, path);
  scheduler.enqueue(paths('f', 100), 'bulk');
  scheduler.enqueue(['edit'], 'interactive');
  await clock.advance(500);
  assert.deepEqual(port.reads, ['edit']);
  port.behind = false;
  await clock.advance(100);
  await finish(all);
  assert.equal(port.index.size, 101);
});

test('stop commits what is read, drops what waits, leaves no timer', async () => {
  const all = setUp({ capacity: 3 });
  const { port, scheduler, clock } = all;
  port.hold = true;
  for (const path of paths('f', 50)) port.disk.set(path, path);
  scheduler.enqueue(paths('f', 50), 'bulk');
  await flushPromises();
  const barrier = scheduler.barrier();
  const stopped = scheduler.stop();
  port.endReads();
  await assert.rejects(barrier, (error: unknown) => error instanceof CairnError && error.code === 'CANCELLED');
  await stopped;
  assert.equal(port.index.size, 3);
  scheduler.enqueue(['f40'], 'interactive');
  await clock.advance(1_000);
  assert.equal(port.index.size, 3);
  assert.equal(clock.timers, 0);
});

test('random edits, failures and interleavings: the index ends up equal to the disk', async () => {
  const name = fc.constantFrom('a', 'b', 'c', 'd', 'e');
  const step = fc.oneof(
    fc.record({ do: fc.constant('write' as const), path: name, lane: fc.constantFrom('interactive' as const, 'bulk' as const) }),
    fc.record({ do: fc.constant('remove' as const), path: name, lane: fc.constantFrom('interactive' as const, 'bulk' as const) }),
    fc.record({ do: fc.constantFrom('hold' as const, 'let go' as const, 'turn' as const, 'wait' as const, 'read fails' as const, 'commit fails' as const, 'works' as const) }),
  );
  const seed = testSeed();
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 50 }), async (steps) => {
      const all = setUp({ capacity: 2, scheduler: { maxAttempts: 1_000 } });
      const { port, scheduler, clock } = all;
      let content = 0;
      for (const action of steps) {
        if (action.do === 'write') port.disk.set(action.path, String(++content));
        if (action.do === 'remove') port.disk.delete(action.path);
        if ('path' in action) scheduler.enqueue([action.path], action.lane);
        else if (action.do === 'hold') port.hold = true;
        else if (action.do === 'let go') port.endReads();
        else if (action.do === 'turn') await flushPromises();
        else if (action.do === 'wait') await clock.advance(300);
        else if (action.do === 'read fails') port.readFailure = (path): IngestResult => ({ outcome: 'failed', path, reason: 'busy', retryable: true });
        else if (action.do === 'commit fails') port.commitFailure = () => FULL;
        else port.readFailure = port.commitFailure = null;
      }
      port.hold = false;
      port.readFailure = port.commitFailure = null;
      for (let i = 0; i < 50 && scheduler.pending > 0; i++) {
        port.endReads();
        await clock.advance(31_000);
      }
      assert.deepEqual([...port.index].sort(), [...port.disk].sort());
      assert.ok(port.mostReads <= 1, 'two reads of one path at once');
      await scheduler.barrier();
      await scheduler.stop();
      assert.equal(clock.timers, 0);
    }),
    { seed, numRuns: 150 },
  ).catch((error: unknown) => {
    console.error(`CAIRN_SEED=${seed}`);
    throw error;
  });
});
