// What a deleted index leaves: named, and removed on request, also when the removal was cut off.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { CairnError, isCairnError } from '../../src/util/errors.ts';
import { checkLeaks } from '../support/leaks.ts';
import { newSample, type TestEngine } from './harness.ts';

checkLeaks();

/** Two backups and archived log of an index that is gone. */
async function leftovers(t: Parameters<typeof newSample>[0]): Promise<TestEngine> {
  const one = await newSample(t, { options: { archive: true } });
  for (let n = 1; n <= 4; n++) {
    await one.commit({ [`k${n}`]: n });
    await (await one.index()).persist('test');
    if (n % 2 === 0) await one.engine.backups.create('sample', 'manual');
  }
  return one;
}

test('[6.17] backups and archived log of a deleted index are counted and named; they are removed only when it is gone', async (t) => {
  const one = await leftovers(t);
  const { backups } = one.engine;
  await assert.rejects(backups.removeAll('sample'), (error) => isCairnError(error, 'ALREADY_EXISTS'));
  await one.engine.delete('sample', { purge: true });
  const kept = await backups.kept('sample');
  assert.deepEqual([kept?.backups, kept?.directories], [2, [join(one.dataDir, 'backups', 'sample'), join(one.dataDir, 'archive', 'sample')]]);
  assert.ok((kept?.bytes ?? 0) > 1000);
  await backups.removeAll('sample');
  assert.equal(await backups.kept('sample'), null);
  for (const path of kept?.directories ?? ['none']) assert.equal(existsSync(path), false);
  await backups.removeAll('sample');
  assert.equal(await backups.kept('../sample'), null);
});

test('[6.17] a removal that fails at any call leaves whole backups or none, and is repeated', async (t) => {
  for (let failing = 0; ; failing += 3) {
    const one = await leftovers(t);
    const { backups } = one.engine;
    await one.engine.delete('sample', { purge: true });
    let calls = 0;
    one.env.fail = (call, path) => {
      if (calls++ === failing) throw new CairnError('IO', `${call} ${path} fails`, { path });
    };
    const failure = await backups.removeAll('sample').then(() => null, (error: unknown) => error);
    one.env.fail = () => undefined;
    for (const { record } of (await backups.list('sample')).backups) assert.deepEqual((await backups.verify('sample', record.id)).damages, []);
    await backups.removeAll('sample');
    assert.equal(await backups.kept('sample'), null);
    if (failure === null) return;
    assert.ok(isCairnError(failure, 'IO'));
    await one.engine.close();
  }
});
