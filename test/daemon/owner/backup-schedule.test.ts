// Scheduled backups: when, of what, how many are kept, and that nothing they meet stops them.
import assert from 'node:assert/strict';
import test from 'node:test';
import type { BackupInfo, PruneResult, RetentionRules } from '../../../src/api.ts';
import { BackupSchedule, type BackupPort, type ScheduleOptions } from '../../../daemon/owner/backup-schedule.ts';
import { CairnError } from '../../../daemon/errors.ts';
import { FakeClock, flushPromises } from './fake-clock.ts';

const MINUTE = 60_000;
const DEFAULTS: ScheduleOptions = { everyMinutes: 10, keep: 7, maxAgeDays: 0, maxBytes: 0 };

class FakePort implements BackupPort {
  readonly asked: string[] = [];
  readonly pruned: { readonly name: string; readonly rules: RetentionRules }[] = [];
  readonly unchanged = new Set<string>();
  failure: Error | null = null;
  /** Backups wait until this is called. */
  hold: Promise<void> | null = null;

  async createIfChanged(name: string, _cause: 'scheduled', { signal }: { readonly signal: AbortSignal }): Promise<BackupInfo | null> {
    this.asked.push(name);
    await this.hold;
    if (signal.aborted) throw new CairnError('CANCELLED', 'cancelled');
    if (this.failure !== null) throw this.failure;
    return this.unchanged.has(name) ? null : ({ record: { id: 'x', bytesWritten: 1 } } as unknown as BackupInfo);
  }

  async prune(name: string, rules: RetentionRules): Promise<PruneResult> {
    this.pruned.push({ name, rules });
    return { removed: [], kept: 1, freedBytes: 0, lastGood: null };
  }
}

function schedule(options: Partial<ScheduleOptions> = {}, open: readonly string[] = ['a', 'b']) {
  const port = new FakePort();
  const clock = new FakeClock();
  const warned: string[] = [];
  const log = { debug: () => undefined, info: () => undefined, warn: (event: string) => void warned.push(event) };
  return { port, clock, warned, schedule: new BackupSchedule(port, () => open, clock, log, { ...DEFAULTS, ...options }) };
}

test('[1.25] every open index in its turn, as often as configured; nothing at 0 minutes', async () => {
  const { port, clock, schedule: one } = schedule();
  await clock.advance(9 * MINUTE);
  assert.deepEqual(port.asked, []);
  await clock.advance(1 * MINUTE);
  assert.deepEqual(port.asked, ['a', 'b']);
  await clock.advance(20 * MINUTE);
  assert.equal(port.asked.length, 6);
  await one.close();
  assert.equal(clock.timers, 0);
  await clock.advance(60 * MINUTE);
  assert.equal(port.asked.length, 6);
  const off = schedule({ everyMinutes: 0 });
  assert.equal(off.clock.timers, 0);
  await off.schedule.close();
});

test('[1.28] after a new backup the rules are applied to what the clock has made, never to what somebody asked for', async () => {
  const { port, clock, schedule: one } = schedule({ keep: 3, maxAgeDays: 5 });
  port.unchanged.add('b');
  await clock.advance(10 * MINUTE);
  assert.deepEqual(port.pruned, [{ name: 'a', rules: { causes: ['scheduled', 'pre-restore'], keep: 3, maxAgeDays: 5 } }], 'nothing new, nothing to remove');
  await one.close();
  const all = schedule({ keep: 0 });
  await all.clock.advance(10 * MINUTE);
  assert.deepEqual(all.port.pruned, []);
  await all.schedule.close();
});

test('[1.25] a failure is a warning and is tried again; the other indexes have their turn', async () => {
  const { port, clock, warned, schedule: one } = schedule();
  port.failure = new CairnError('DISK_FULL', 'no space left');
  await clock.advance(10 * MINUTE);
  assert.deepEqual([port.asked, warned], [['a', 'b'], ['backup.failed', 'backup.failed']]);
  assert.deepEqual([...one.failures], [['a', 'no space left'], ['b', 'no space left']]);
  port.failure = null;
  await clock.advance(10 * MINUTE);
  assert.deepEqual([one.failures.size, port.pruned.length], [0, 2]);
  await one.close();
});

test('[1.25] turns never overlap, and closing ends the one that runs', async () => {
  const { port, clock, warned, schedule: one } = schedule();
  let release = (): void => undefined;
  port.hold = new Promise((resolve) => (release = resolve));
  await clock.advance(35 * MINUTE);
  assert.deepEqual([port.asked, one.isBusy], [['a'], true]);
  const closing = one.close();
  release();
  await closing;
  await flushPromises();
  assert.deepEqual([port.asked, one.isBusy, warned, clock.timers], [['a'], false, [], 0]);
});
