// A pin holds one state on disk, whatever is committed, flushed and merged meanwhile, and lets go of it.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { encodeDoc } from '../../src/format/doc-codec.ts';
import { filesOf } from '../../src/manifest/manifest.ts';
import { isCairnError } from '../../src/util/errors.ts';
import { replayWal } from '../../src/wal/wal-reader.ts';
import { tinyDoc } from '../support/tiny-doc.ts';
import { newTestIndex } from './harness.ts';

test('[1.27] pinned files stay until the pin is released, then they go', async (t) => {
  const one = await newTestIndex(t, { options: { walFileMaxBytes: 4096, compactionFanIn: 2 } });
  const put = (key: string, version: number) => one.index.commit({ puts: [encodeDoc(tinyDoc(key, version, 4))], deletes: [] });
  await put('a', 1);
  await one.index.persist('test');
  await put('b', 1);
  await put('c', 1);
  const pin = await one.index.pin();
  assert.deepEqual([pin.lsn, pin.manifest.flushedLsn, pin.counts.docs, pin.counts.vectors], [3, 1, 3, 3]);
  assert.equal(pin.logs.length, 1);
  await put('d', 1);
  for (let n = 2; n < 6; n++) {
    await put('a', n);
    await one.index.persist('test');
    while ((await one.index.compact()) !== null);
  }
  const there = (): string[] => [...readdirSync(one.dir), ...readdirSync(join(one.dir, 'wal')).map((name) => `wal/${name}`)];
  const held = [...filesOf(pin.manifest), ...pin.logs.map(({ name }) => `wal/${name}`)];
  assert.deepEqual(held.filter((name) => !there().includes(name)), []);
  const seen: number[] = [];
  await replayWal(one.env, join(one.dir, 'wal'), { after: pin.manifest.flushedLsn, upTo: pin.lsn, tag: pin.metadata.logTag ?? null }, ({ lsn }) => void seen.push(lsn));
  assert.deepEqual(seen, [2, 3]);
  pin.release();
  pin.release();
  await put('e', 1);
  await one.index.persist('test');
  await one.index.persist('test');
  assert.deepEqual(held.filter((name) => there().includes(name)), []);
});

test('[1.27] a pin is one moment: counts and log end at the same batch while commits go on', async (t) => {
  const one = await newTestIndex(t);
  const commits = Array.from({ length: 200 }, (_, i) => one.index.commit({ puts: [encodeDoc(tinyDoc(`k${i}`, 1, 4))], deletes: [] }));
  const pins = await Promise.all([one.index.pin(), one.index.pin(), one.index.pin()]);
  await Promise.all(commits);
  for (const pin of pins) {
    assert.equal(pin.counts.docs, pin.lsn, 'one document per batch');
    pin.release();
  }
  const last = await one.index.pin();
  assert.deepEqual([last.lsn, last.counts.docs], [200, 200]);
  last.release();
  await one.index.close();
  await assert.rejects(one.index.pin(), (error) => isCairnError(error, 'NOT_SERVING'));
});
