// A daemon that died on a disk that is full: the next one starts, serves, and keeps its reserve again when there is room.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, statfsSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { checkLeaks } from '../../support/leaks.ts';
import { DaemonBox } from './daemon-process.ts';

checkLeaks();

/** A file system of its own; null where that is not allowed. */
function smallDisk(t: TestContext, megabytes: number): string | null {
  const dir = mkdtempSync(join(tmpdir(), 'cairn-disk-'));
  // Hooks run in the order they were registered: lazily, because daemons end after this.
  t.after(() => {
    spawnSync('umount', ['-l', dir]);
    rmSync(dir, { recursive: true, force: true });
  });
  return spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=0700`, 'tmpfs', dir]).status === 0 ? dir : null;
}

function fill(file: string): void {
  const fd = openSync(file, 'a');
  try {
    for (let size = 1 << 20; size > 0; size >>= 1) {
      try {
        for (;;) if (writeSync(fd, Buffer.alloc(size, 1)) < size) break;
      } catch {
        // full for this size: the rest in smaller pieces
      }
    }
  } finally {
    closeSync(fd);
  }
}

test('a daemon that was killed on a full disk is started again from its reserve', async (t) => {
  const disk = smallDisk(t, 100);
  if (disk === null) return t.skip('needs the right to mount');
  const box = new DaemonBox(t, 'data', disk);
  const first = await box.start();
  const { reserveFile } = box.endpoint;
  assert.deepEqual([statSync(reserveFile).size, statSync(reserveFile).mode & 0o777], [512 * 1024, 0o600]);
  fill(join(disk, 'fill'));
  await first.daemon.end('SIGKILL');
  fill(join(disk, 'fill'));
  assert.equal(statfsSync(disk).bavail, 0);
  const second = await box.start();
  assert.deepEqual((await second.client.request('daemon/health')).result, { state: 'serving', held: true });
  assert.equal(existsSync(reserveFile), false, 'no room for another');
  assert.equal((await second.daemon.end('SIGTERM')).code, 0);
  rmSync(join(disk, 'fill'));
  await box.start();
  assert.equal(statSync(reserveFile).size, 512 * 1024);
});
