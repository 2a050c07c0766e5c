/** What a progress bar is told. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { RunMeter } from '../../../daemon/owner/run-meter.ts';
import { FakeClock } from './fake-clock.ts';

const gone = { outcome: 'gone', path: 'a' } as const;

test('progress: finding files until there are some, then a rate, and a time left as soon as the total stands', async () => {
  const clock = new FakeClock();
  const meter = new RunMeter(clock);
  const since = meter.tally;
  assert.deepEqual(meter.progress(since, 0, false), { phase: 'crawl', done: 0, total: 0, unit: 'files', chunks: 0 });
  assert.equal(meter.progress(since, 0, true).phase, 'crawl');
  assert.deepEqual(meter.progress(since, 100, true), { phase: 'index', done: 0, total: 100, unit: 'files', chunks: 0 });
  await clock.advance(1_000);
  for (let i = 0; i < 20; i++) meter.add(gone);
  assert.deepEqual(meter.progress(since, 80, true), { phase: 'index', done: 20, total: 100, unit: 'files', chunks: 0, rate: 20 });
  assert.deepEqual(meter.progress(since, 80, false), { phase: 'index', done: 20, total: 100, unit: 'files', chunks: 0, rate: 20, etaSeconds: 4 });
  assert.equal(meter.progress(since, 0, false).phase, 'index', 'the last files are being stored');
});
