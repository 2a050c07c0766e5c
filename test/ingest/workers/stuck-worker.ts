/**
 * An ingest worker that stands still before it is ready. By the environment: CAIRN_TEST_STUCK_ONCE (only the first thread does; the
 * file is its mark), CAIRN_TEST_STUCK_PIPE (inside a system call, where a thread cannot be ended, until the pipe is written to).
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

const { CAIRN_TEST_STUCK_ONCE: mark, CAIRN_TEST_STUCK_PIPE: pipe } = process.env;
if (mark === undefined || !existsSync(mark)) {
  if (mark !== undefined) writeFileSync(mark, '');
  if (pipe === undefined) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  else readFileSync(pipe);
}
await import('../../../src/ingest/worker.ts');
