// Many clients write at the same time through the real daemon: few saves, made by the storage thread, and nothing is lost by kill -9.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { connect } from '../../client/index.ts';
import type { CairnClient } from '../../client/index.ts';
import { checkLeaks } from '../support/leaks.ts';
import { Sandbox } from '../support/cli.ts';
import { seededRandom, testSeed } from '../support/random.ts';

checkLeaks();

const WRITERS = 6;
const BATCHES = 100;
const DIMENSION = 8;
const INDEX = 'notes';

/** '' of one that has ended meanwhile. */
function nameOfThread(task: string): string {
  try {
    return readFileSync(join(task, 'comm'), 'utf8').trim();
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return '';
    throw error;
  }
}

describe('writers and saves', () => {
  const sandbox = new Sandbox();
  const seed = testSeed(11);
  const random = seededRandom(seed);
  const model = new Map<string, number[]>();

  after(() => sandbox.close());

  const open = (): Promise<CairnClient> => connect({ clientName: 'coalescing-test', env: sandbox.env });
  const vector = (): number[] => Array.from(Float32Array.from({ length: DIMENSION }, () => random() - 0.5));

  /** One writer: a batch after the other, each acknowledged before the next, so that the model is what was acknowledged. */
  async function write(client: CairnClient, writer: number): Promise<void> {
    for (let batch = 0; batch < BATCHES; batch++) {
      const record = { id: `w${writer}/${batch % 40}`, vector: vector() };
      assert.equal((await client.putVectors({ index: INDEX, records: [record] })).durable, true);
      model.set(record.id, record.vector);
    }
  }

  async function assertEqualsModel(client: CairnClient): Promise<void> {
    const { records, missing } = await client.getVectors({ index: INDEX, ids: [...model.keys()] });
    assert.deepEqual(missing, []);
    assert.deepEqual(new Map(records.map(({ id, vector: stored }) => [String(id), stored])), model);
    assert.equal((await client.indexStatus({ index: INDEX })).docs, model.size);
  }

  test(`[5.5] [4.2] ${WRITERS * BATCHES} commits of ${WRITERS} clients are few saves in the storage thread, and all are there after kill -9 (seed ${seed})`, async () => {
    const clients = await Promise.all(Array.from({ length: WRITERS }, open));
    const [first] = clients as [CairnClient, ...CairnClient[]];
    await first.createIndex({ kind: 'vector', name: INDEX, dimension: DIMENSION, metric: 'dot' });
    let isWriting = true;
    // Asks for a save again and again while the others write: each is one in flight at most.
    const saver = (async (): Promise<number> => {
      let asked = 0;
      for (; isWriting; asked++) await Promise.all([first.flushIndex({ index: INDEX }), first.flushIndex({ index: INDEX }), first.flushIndex({ index: INDEX })]);
      return asked * 3;
    })();
    await Promise.all(clients.map(write));
    isWriting = false;
    const asked = (await saver) + 1;
    await first.flushIndex({ index: INDEX }); // a barrier: everything acknowledged before it is in segments
    const { persist, lsn, durableLsn } = await first.indexStatus({ index: INDEX });
    assert.equal(lsn, durableLsn);
    assert.ok(persist.saves >= 1 && persist.saves <= asked, `${persist.saves} saves for ${asked} requests`);
    assert.ok(persist.saves < (WRITERS * BATCHES) / 2, `${persist.saves} saves for ${WRITERS * BATCHES} commits`);
    const pid = sandbox.daemonPid();
    const threads = readdirSync(`/proc/${pid}/task`).map((id) => nameOfThread(`/proc/${pid}/task/${id}`));
    assert.ok(threads.some((name) => name.startsWith('cairn-stor')), threads.join(' '));
    await assertEqualsModel(first);
    await sandbox.killDaemon('SIGKILL');
    const again = await open();
    await assertEqualsModel(again);
    for (const client of [...clients, again]) client.close();
  });
});
