import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Persister, type PersisterHooks, type PersisterOptions } from '../../../daemon/owner/persister.ts';
import { CairnError } from '../../../src/util/errors.ts';
import { FakeClock, flushPromises } from './fake-clock.ts';
import { FakeTarget } from './fake-target.ts';
import { testSeed } from '../../support/random.ts';

const OPTIONS: Partial<PersisterOptions> = { quietMs: 1_000, maxAgeMs: 5_000, retry: { minMs: 100, maxMs: 1_000 }, compactDelayMs: 50 };
const FULL = new CairnError('DISK_FULL', 'no space left', { retryable: true });

function setUp(hooks: PersisterHooks = {}, options = OPTIONS) {
  const target = new FakeTarget();
  const clock = new FakeClock();
  const persister = new Persister(target, clock, options, hooks, () => 1);
  const commit = (count = 1): void => {
    for (let i = 0; i < count; i++) {
      target.commit();
      persister.committed();
    }
  };
  return { target, clock, persister, commit };
}

test('[4.16] [4.17] 600 concurrent commits are few saves, never two at once', async () => {
  const { target, persister, commit } = setUp();
  for (let i = 0; i < 600; i++) {
    commit();
    persister.request('commit');
    if (i % 100 === 99) {
      await flushPromises();
      target.end();
      await flushPromises();
    }
  }
  while (target.running !== null) {
    target.running.end();
    await flushPromises();
  }
  assert.equal(target.durableVersion, 600);
  assert.ok(target.persists <= 8, `${target.persists} saves`);
  assert.equal(target.most, 1);
  await persister.stop();
});

test('[4.18] [4.19] a commit during a save is not lost: another save follows by itself', async () => {
  const { target, clock, persister, commit } = setUp();
  commit();
  persister.request('first');
  await flushPromises();
  commit(); // the memtable of the running save is frozen already
  persister.request('second');
  target.end();
  await flushPromises();
  assert.equal(target.cause, 'second');
  target.end();
  await flushPromises();
  assert.equal(target.durableVersion, 2);
  // The same without an explicit request: the age trigger saves it.
  commit();
  persister.request('third');
  await flushPromises();
  commit();
  target.end();
  await clock.advance(1_100);
  assert.equal(target.cause, 'age');
  target.end();
  await flushPromises();
  assert.equal(target.durableVersion, 4);
  await persister.stop();
});

test('[4.20] no number of turns ends the loop while work arrives', async () => {
  const { target, persister, commit } = setUp();
  for (let turn = 0; turn < 500; turn++) {
    commit();
    persister.request('busy');
    await Promise.resolve();
    await Promise.resolve();
    target.end();
    await flushPromises();
  }
  target.end();
  await flushPromises();
  assert.equal(target.durableVersion, target.version);
  await persister.stop();
});

test('[4.21] [0.25] a failed save keeps the work, backs off, retries and shows in status', async () => {
  const failures: (number | null)[] = [];
  const { target, clock, persister, commit } = setUp({ failed: (_error, _what, retryIn) => failures.push(retryIn) });
  commit();
  persister.request('size');
  for (let i = 0; i < 6; i++) {
    await flushPromises();
    target.end(FULL);
    await flushPromises();
    assert.deepEqual({ ...persister.status(), saves: 0 }, { inFlight: false, dirty: true, saves: 0, compactions: 0, failures: i + 1, failing: i + 1, lastError: 'no space left', lastCause: 'size' });
    commit();
    persister.request('during back-off'); // joins the work that waits, does not hammer the disk
    assert.equal(target.running, null);
    await clock.advance(1_000);
  }
  assert.deepEqual(failures, [100, 200, 400, 800, 1_000, 1_000]);
  assert.equal(persister.error, FULL);
  target.end();
  await flushPromises();
  assert.equal(target.durableVersion, target.version);
  assert.equal(persister.error, null);
  assert.equal(persister.status().failing, 0);
  await persister.stop();
});

test('a fenced writer does not retry', async () => {
  const { target, clock, persister, commit } = setUp();
  commit();
  persister.request('size');
  await flushPromises();
  target.end(new CairnError('FENCED', 'another daemon owns the index'));
  await clock.advance(100_000);
  assert.equal(target.persists, 1);
  assert.equal(persister.status().failing, 1);
  await persister.stop();
});

test('[4.15] [0.24] drain is a barrier: everything committed before it is durable when it resolves', async () => {
  const { target, persister, commit } = setUp();
  await persister.drain(); // nothing to do: resolves at once
  commit(3);
  persister.request('size');
  await flushPromises();
  commit(2); // not in the running save
  let done = false;
  const drained = persister.drain().then(() => {
    done = true;
  });
  target.end();
  await flushPromises();
  assert.equal(done, false);
  assert.equal(target.durableVersion, 3);
  target.end();
  await drained;
  assert.equal(target.durableVersion, 5);
  await persister.stop();
});

test('a drain during failure reports the failure, tries at once, and the work survives', async () => {
  const { target, clock, persister, commit } = setUp();
  commit();
  persister.request('size');
  await flushPromises();
  target.end(FULL);
  await flushPromises();
  const drained = persister.drain('flush');
  await flushPromises();
  assert.notEqual(target.running, null, 'does not wait for the back-off');
  target.end(FULL);
  await assert.rejects(drained, FULL);
  await clock.advance(1_000);
  target.end();
  await flushPromises();
  assert.equal(target.durableVersion, 1);
  await persister.stop();
});

test('[2.3] a save that reports success without progress is a failure', async () => {
  const { target, persister, commit } = setUp();
  commit();
  const drained = persister.drain();
  await flushPromises();
  target.forgets = true;
  target.end();
  await assert.rejects(drained, (error: unknown) => error instanceof CairnError && error.code === 'INTERNAL');
  await persister.stop();
});

test('[1.16] [4.22] triggers: size at once, age after quiet, age at the latest', async () => {
  const { target, clock, persister, commit } = setUp();
  target.limit = 10;
  commit(9);
  await flushPromises();
  assert.equal(target.running, null);
  commit();
  await flushPromises();
  assert.equal(target.cause, 'size');
  target.end();
  await flushPromises();
  // Quiet: 1 s after the last commit.
  commit();
  await clock.advance(900);
  commit();
  await clock.advance(900);
  assert.equal(target.running, null);
  await clock.advance(200);
  assert.equal(target.cause, 'age');
  target.end();
  await flushPromises();
  // Never quiet: at the latest 5 s after the first commit.
  target.limit = 1_000;
  const before = target.persists;
  for (let i = 0; i < 11; i++) {
    commit();
    await clock.advance(500);
  }
  assert.equal(target.persists, before + 1);
  target.end();
  await flushPromises();
  await persister.stop();
  assert.equal(clock.timers, 0);
});

test('compaction: after saves, step by step, below saves and bulk work; a failure backs off', async () => {
  let mayCompact = false;
  const { target, clock, persister, commit } = setUp({ mayCompact: () => mayCompact });
  target.compactSteps = 2;
  commit();
  persister.request('size');
  await flushPromises();
  target.end();
  await clock.advance(500);
  assert.equal(target.compacts, 0);
  mayCompact = true;
  commit();
  persister.request('size');
  await clock.advance(500);
  assert.equal(target.compacts, 0, 'not during a save');
  target.end();
  await clock.advance(500);
  assert.equal(target.compacts, 3); // two steps and one that found nothing
  assert.equal(persister.status().compactions, 2);
  await clock.advance(10_000);
  assert.equal(target.compacts, 3);
  target.compactError = FULL;
  commit();
  persister.request('size');
  await flushPromises();
  target.end();
  await clock.advance(160);
  assert.equal(target.compacts, 5);
  target.compactError = null;
  await clock.advance(1_000);
  assert.equal(target.compacts, 6);
  assert.equal(persister.status().failing, 0);
  await persister.stop();
  assert.equal(clock.timers, 0);
});

test('[4.23] stop ends on every path: waits for the save in flight, starts none, answers drains', async () => {
  const { target, clock, persister, commit } = setUp();
  commit();
  const drained = persister.drain();
  await flushPromises();
  commit();
  const late = persister.drain();
  const stopped = persister.stop();
  target.end();
  await stopped;
  await drained;
  await assert.rejects(late, (error: unknown) => error instanceof CairnError && error.code === 'CANCELLED');
  await assert.rejects(persister.drain());
  await clock.advance(60_000);
  assert.equal(target.persists, 1);
  assert.equal(clock.timers, 0);
});

test('[4.16] [4.19] [4.21] random interleavings: never two saves, no drain lies, nothing is left behind', async () => {
  const step = fc.oneof(
    fc.constant('commit' as const),
    fc.constant('request' as const),
    fc.constant('drain' as const),
    fc.constant('end' as const),
    fc.constant('fail' as const),
    fc.constant('wait' as const),
    fc.constant('turn' as const),
  );
  const seed = testSeed();
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const { target, clock, persister, commit } = setUp();
      target.limit = 5;
      const drains: Promise<void>[] = [];
      for (const action of steps) {
        if (action === 'commit') commit();
        else if (action === 'request') persister.request('asked');
        else if (action === 'end') target.end();
        else if (action === 'fail') target.end(FULL);
        else if (action === 'wait') await clock.advance(300);
        else if (action === 'turn') await flushPromises();
        else {
          const version = target.version;
          drains.push(persister.drain().then(() => assert.ok(target.durableVersion >= version), (error: unknown) => assert.equal(error, FULL)));
        }
        assert.ok(target.most <= 1);
      }
      // From here on saves work: everything becomes durable without another request.
      for (let i = 0; i < 200 && target.durableVersion < target.version; i++) {
        target.end();
        await clock.advance(1_000);
      }
      assert.equal(target.durableVersion, target.version);
      target.end();
      await Promise.all(drains);
      target.end();
      await persister.stop();
      assert.equal(clock.timers, 0);
    }),
    { seed, numRuns: 150 },
  ).catch((error: unknown) => {
    console.error(`CAIRN_SEED=${seed}`);
    throw error;
  });
});
