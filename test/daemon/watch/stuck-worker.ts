/** A watch worker whose first thread never begins; the next one is as it should be. CAIRN_TEST_STUCK names a file that tells them apart. */
import { existsSync, writeFileSync } from 'node:fs';

const mark = process.env['CAIRN_TEST_STUCK'] as string;
if (existsSync(mark)) await import('../../../daemon/watch/watch-worker.ts');
else {
  writeFileSync(mark, '');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}
