/** A writer lease for tests: held until `lose()`. */
import { CairnError } from '../../src/util/errors.ts';
import { asEpoch, type Epoch } from '../../src/util/ids.ts';

export interface TestLease {
  readonly epoch: Epoch;
  assertHeld(): void;
  lose(): void;
}

export function testLease(epoch = 1): TestLease {
  let held = true;
  return {
    epoch: asEpoch(epoch),
    assertHeld: () => {
      if (!held) throw new CairnError('FENCED', 'the lease of this test was taken away');
    },
    lose: () => {
      held = false;
    },
  };
}
