// The N-th call of the outside world fails, in every way, once and for ever.
import assert from 'node:assert/strict';
import test from 'node:test';
import { countCalls, FAULTS, preparedDisk, runErrorCase } from '../support/error-sweep.ts';

/** Every third call, a different third for each kind of fault; all of them: node scripts/crash-sweep.ts --errors */
const STEP = 3;

const disk = await preparedDisk();
const calls = await countCalls(disk);

for (const [i, fault] of FAULTS.entries()) {
  for (const isPersistent of [false, true]) {
    const name = `${fault.errno}${fault.written === undefined ? '' : ` after ${fault.written} bytes`}, ${isPersistent ? 'for ever' : 'once'}`;
    test(`[0.4] every third of ${calls} calls fails with ${name}: typed error, no acknowledged write lost, works again afterwards`, async () => {
      const bad: string[] = [];
      for (let n = 1 + ((2 * i + Number(isPersistent)) % STEP); n <= calls && bad.length < 5; n += STEP) bad.push(...(await runErrorCase(disk, { n, fault, isPersistent })).map((wrong) => `call ${n}: ${wrong}`));
      assert.deepEqual(bad, []);
    });
  }
}
