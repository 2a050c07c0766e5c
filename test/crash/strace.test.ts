// The double of the file system against the kernel: a workload does the same to the disk, in the same order, as the double recorded.
// What the crash sweeps prove of the record, they then prove of what the system was asked to do.
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { MemoryEnv, ROOT } from '../support/memory-env.ts';
import { describe, recordedOperations, tracedOperations } from '../support/strace/operations.ts';
import { CHANCE_SEED, runWorkload } from '../support/strace/workload.ts';
import { tempDir } from '../support/temp-dir.ts';

const WORKLOAD = fileURLToPath(new URL('../support/strace/workload.ts', import.meta.url));
// With '?', a call that the machine's kind of processor does not have is no error.
const CALLS = 'openat,write,writev,pwrite64,pwritev,pwritev2,fsync,fdatasync,ftruncate,rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,link,linkat'.replaceAll(/\w+/g, '?$&');

/** Why there can be no trace here; false when there can. */
function noTrace(): string | false {
  if (process.platform !== 'linux') return 'strace is of Linux';
  try {
    execFileSync('strace', ['-f', '-o', '/dev/null', 'true'], { stdio: 'pipe' });
    return false;
  } catch (error) {
    return `strace does not run here: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`;
  }
}

test('[0.9] what the system is asked to do is what the recording double recorded, in the same order', { skip: noTrace() }, async (t) => {
  const memory = new MemoryEnv(undefined, CHANCE_SEED);
  await runWorkload(memory, ROOT);
  const recorded = recordedOperations(memory.ops, ROOT).map(describe);

  const dir = join(tempDir(t), 'data');
  const trace = join(dir, '..', 'trace');
  mkdirSync(dir, { mode: 0o700 });
  await promisify(execFile)('strace', ['-f', '-y', '-qq', '-s', '0', '-e', `trace=${CALLS}`, '-e', 'signal=none', '-o', trace, process.execPath, '--disable-warning=ExperimentalWarning', WORKLOAD, dir], { env: { ...process.env, UV_USE_IO_URING: '0' } });
  const traced = tracedOperations(readFileSync(trace, 'utf8'), dir).map(describe);

  assert.ok(recorded.length > 200, `${recorded.length} operations`);
  for (const kind of ['create', 'write', 'sync ', 'sync-dir', 'rename', 'link', 'remove', 'mkdir']) assert.ok(recorded.some((op) => op.startsWith(kind)), `the workload has ${kind}`);
  assert.deepEqual(traced, recorded);
});
