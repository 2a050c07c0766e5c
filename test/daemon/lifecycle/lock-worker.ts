// A process that fights for the writer lock; the tests kill and freeze it. Usage: node lock-worker.ts <mode> <lock dir> <log file>
//  chaos  takes, writes a few lines, releases, for ever
//  race   waits for <lock dir>/../go, then tries once and holds until <lock dir>/../end is there
//  hold   takes and holds until killed; says what the fence answers on each line of stdin
import { appendFileSync, existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { acquireLock } from '../../../daemon/lifecycle/generation-lock.ts';

const [mode = '', dir = '', log = ''] = process.argv.slice(2);
const say = (line: string): void => appendFileSync(log, `${line}\n`);
const options = { version: 'test' };

if (mode === 'chaos') {
  for (;;) {
    const result = await acquireLock(dir, options);
    if (!result.held) {
      await sleep(Math.random() * 10);
      continue;
    }
    const { lock } = result;
    say(`A ${lock.epoch}`);
    for (let i = Math.floor(Math.random() * 15); i > 0; i--) {
      say(`W ${lock.epoch}`);
      await sleep(Math.random() * 3);
    }
    say(`R ${lock.epoch}`);
    await lock.release();
    await sleep(Math.random() * 3);
  }
} else if (mode === 'race') {
  say(`ready ${process.pid}`);
  while (!existsSync(join(dirname(dir), 'go'))) await sleep(1);
  const result = await acquireLock(dir, options);
  say(result.held ? `won ${process.pid} ${result.lock.epoch}` : `lost ${process.pid}`);
  // A winner that ended before the others have tried would leave a dead owner, whom they may follow.
  while (!existsSync(join(dirname(dir), 'end'))) await sleep(1);
  if (result.held) say(`held ${process.pid} ${result.lock.isHeld()}`);
  process.exit(0);
} else {
  const result = await acquireLock(dir, options);
  if (!result.held) process.exit(3);
  const { lock } = result;
  void lock.lost.then((reason) => say(`lost ${reason.code}`));
  say(`held ${lock.epoch}`);
  process.stdin.on('data', () => {
    try {
      lock.assertHeld();
      say('fence open');
    } catch (error) {
      say(`fence ${(error as { code?: string }).code}`);
    }
  });
}
