import assert from 'node:assert/strict';
import { appendFileSync, readFileSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { FileVectorCache, cacheDirectory } from '../../src/embed/vector-cache.ts';
import type { VectorCacheOptions } from '../../src/embed/vector-cache.ts';
import type { EmbedderIdentity } from '../../src/embed/embedder.ts';
import { vectorKey } from '../../src/embed/vector-key.ts';
import type { Env, EnvFile } from '../../src/env/env.ts';
import { nodeEnv } from '../../src/env/node-env.ts';
import { CairnError } from '../../src/util/errors.ts';
import { checkLeaks } from '../support/leaks.ts';
import { seededRandom, testSeed } from '../support/random-docs.ts';
import { tempDir } from '../support/temp-dir.ts';

checkLeaks();

const DIMENSION = 5;
const RECORD = 16 + DIMENSION * 4 + 4;
const identity: EmbedderIdentity = { name: 'test', revision: '1', dimension: DIMENSION, normalized: true, fingerprint: 'ab'.repeat(32) };
const vectorOf = (n: number): Float32Array => Float32Array.from({ length: DIMENSION }, (_, k) => n + k / 8);
const entry = (n: number): { key: Uint8Array; vector: Float32Array } => ({ key: vectorKey(`text ${n}`), vector: vectorOf(n) });
const keys = (...numbers: readonly number[]): Uint8Array[] => numbers.map((n) => vectorKey(`text ${n}`));
const numbers = (count: number, first = 0): number[] => Array.from({ length: count }, (_, i) => first + i);

interface Fixture {
  readonly directory: string;
  readonly files: string;
  readonly warnings: CairnError[];
  open(options?: Partial<VectorCacheOptions>): Promise<FileVectorCache>;
}

function fixture(t: TestContext): Fixture {
  const directory = tempDir(t);
  const warnings: CairnError[] = [];
  return {
    directory, warnings, files: cacheDirectory(directory, identity),
    open: (options) => FileVectorCache.open({ env: nodeEnv(), directory, identity, onWarning: (warning) => warnings.push(warning), ...options }),
  };
}

const dataFile = (f: Fixture): string => join(f.files, readdirSync(f.files).filter((name) => name.endsWith('.dat')).sort().at(-1) as string);

test('[6.3] what was stored is found, also after reopening, bit for bit', async (t) => {
  const f = fixture(t);
  const cache = await f.open();
  const odd = Float32Array.from([NaN, -0, Infinity, 1e-40, 3.5]);
  await cache.store([entry(1), { key: vectorKey('odd'), vector: odd }]);
  assert.deepEqual(await cache.lookup(keys(1, 2)), [vectorOf(1), null]);
  await cache.close();
  const again = await f.open();
  const [one, none, bits] = await again.lookup([...keys(1, 2), vectorKey('odd')]);
  assert.deepEqual(one, vectorOf(1));
  assert.equal(none, null);
  assert.deepEqual(new Uint32Array((bits as Float32Array).buffer), new Uint32Array(odd.buffer));
  assert.deepEqual({ hits: again.stats.hits, misses: again.stats.misses, entries: again.stats.entries, scanned: again.stats.scannedFiles }, { hits: 2, misses: 1, entries: 2, scanned: 0 });
  await again.close();
  assert.deepEqual(f.warnings, []);
});

test('[6.3] a key is written once, however often it is stored', async (t) => {
  const cache = await fixture(t).open();
  await Promise.all([cache.store([entry(1), entry(1)]), cache.store([entry(1), entry(2)]), cache.store([])]);
  assert.equal(cache.stats.stored, 2);
  const [a, b] = await cache.lookup(keys(1, 1));
  (a as Float32Array)[0] = 99;
  assert.deepEqual(b, vectorOf(1), 'each caller has numbers of its own');
  await cache.close();
});

test('[6.3] vectors of another embedder are in another directory and never mixed in', async (t) => {
  const f = fixture(t);
  const cache = await f.open();
  await cache.store([entry(1)]);
  await cache.close();
  const other = { ...identity, fingerprint: 'cd'.repeat(32) };
  const second = await f.open({ identity: other });
  assert.deepEqual(await second.lookup(keys(1)), [null]);
  await second.close();
  const collision = { ...identity, fingerprint: identity.fingerprint.slice(0, 60) + '0000' };
  const third = await f.open({ identity: collision });
  assert.deepEqual(await third.lookup(keys(1)), [null]);
  assert.equal(third.stats.damagedFiles, 1);
  await third.close();
});

test('a vector of another dimension or a key of another length is refused', async (t) => {
  const cache = await fixture(t).open();
  await assert.rejects(cache.store([{ key: vectorKey('a'), vector: new Float32Array(3) }]), { code: 'DIMENSION_MISMATCH' });
  await assert.rejects(cache.lookup([new Uint8Array(3)]), { code: 'INVALID_ARGUMENT' });
  await cache.close();
});

test('killed without closing: everything that was written is found again', async (t) => {
  const f = fixture(t);
  const cache = await f.open();
  await cache.store(numbers(500).map(entry));
  const copy = await f.open(); // a second process after kill -9 sees these files
  assert.equal(copy.stats.scannedFiles, 1);
  assert.deepEqual(await copy.lookup(keys(...numbers(500))), numbers(500).map(vectorOf));
  await copy.close();
  await cache.close();
});

test('a torn tail is cut and counted, what is before it stays', async (t) => {
  const f = fixture(t);
  const cache = await f.open();
  await cache.store(numbers(10).map(entry));
  await cache.close();
  appendFileSync(dataFile(f), Buffer.alloc(RECORD + 7, 1));
  const again = await f.open();
  assert.equal(again.stats.tornBytes, RECORD + 7);
  assert.equal(again.stats.entries, 10);
  assert.equal(statSync(dataFile(f)).size, 64 + 10 * RECORD);
  await again.store([entry(10)]);
  assert.deepEqual(await again.lookup(keys(...numbers(11))), numbers(11).map(vectorOf));
  await again.close();
});

test('records lost behind the keys file are misses, not wrong vectors', async (t) => {
  const f = fixture(t);
  const cache = await f.open();
  await cache.store(numbers(10).map(entry));
  await cache.close();
  truncateSync(dataFile(f), 64 + 4 * RECORD);
  const again = await f.open();
  assert.equal(again.stats.scannedFiles, 1, 'keys that say more than the data hold are not used');
  assert.deepEqual(await again.lookup(keys(...numbers(10))), numbers(10).map((n) => (n < 4 ? vectorOf(n) : null)));
  await again.close();
});

test('every single damaged byte of a record makes a miss, is counted, and the text can be stored again', async (t) => {
  const f = fixture(t);
  const cache = await f.open();
  await cache.store(numbers(3).map(entry));
  await cache.close();
  const good = readFileSync(dataFile(f));
  const keysPath = dataFile(f).replace('.dat', '.keys');
  const goodKeys = readFileSync(keysPath);
  for (let at = 64 + RECORD; at < 64 + 2 * RECORD; at++) {
    const bad = Buffer.from(good);
    bad[at] = (bad[at] as number) ^ 0x10;
    writeFileSync(dataFile(f), bad);
    writeFileSync(keysPath, goodKeys);
    const again = await f.open();
    assert.deepEqual(await again.lookup(keys(0, 1, 2)), [vectorOf(0), null, vectorOf(2)]);
    assert.equal(again.stats.damagedRecords, 1);
    assert.equal(again.stats.entries, 2);
    await again.store([entry(1)]);
    assert.deepEqual(await again.lookup(keys(1)), [vectorOf(1)]);
    await again.close();
    rmSync(keysPath);
    writeFileSync(dataFile(f), bad);
    const scanned = await f.open();
    assert.deepEqual(await scanned.lookup(keys(0, 1, 2)), [vectorOf(0), null, vectorOf(2)]);
    assert.equal(scanned.stats.damagedRecords, 1);
    await scanned.close();
  }
});

test('a damaged or missing keys file costs a scan, nothing else', async (t) => {
  const f = fixture(t);
  await (await f.open()).close();
  const cache = await f.open();
  await cache.store(numbers(20).map(entry));
  await cache.close();
  const path = dataFile(f).replace('.dat', '.keys');
  const good = readFileSync(path);
  for (const at of [0, 8, 13, 20, 48, 60, 64, 200]) {
    const bad = Buffer.from(good);
    bad[at] = (bad[at] as number) ^ 1;
    writeFileSync(path, bad);
    const again = await f.open();
    assert.equal(again.stats.scannedFiles, 1);
    assert.deepEqual(await again.lookup(keys(...numbers(20))), numbers(20).map(vectorOf));
    await again.close();
  }
});

test('a data file with a damaged header is dropped, counted and reported; one of a newer version is left alone', async (t) => {
  const f = fixture(t);
  const cache = await f.open();
  await cache.store([entry(1)]);
  await cache.close();
  const path = dataFile(f);
  const newer = readFileSync(path);
  newer.writeUInt32LE(2, 8);
  writeFileSync(path, newer);
  const again = await f.open();
  assert.deepEqual(await again.lookup(keys(1)), [null]);
  assert.equal(f.warnings.at(-1)?.code, 'NEWER_FORMAT');
  await again.store([entry(1)]);
  await again.close();
  assert.deepEqual(readFileSync(path), newer);
  newer.writeUInt32LE(1, 8);
  newer[50] = 1;
  writeFileSync(path, newer);
  const third = await f.open();
  assert.equal(third.stats.damagedFiles, 1);
  assert.deepEqual(await third.lookup(keys(1)), [vectorOf(1)], 'the second file has it');
  assert.equal(readdirSync(f.files).includes(path.split('/').at(-1) as string), false);
  await third.close();
});

test('with a size limit the oldest files go as a whole, and lookups in flight are answered', async (t) => {
  const f = fixture(t);
  const maxBytes = 8 * 10 * RECORD;
  const cache = await f.open({ maxBytes });
  for (let n = 0; n < 300; n += 5) {
    const [, found] = await Promise.all([cache.store(numbers(5, n).map(entry)), cache.lookup(keys(...numbers(n)))]);
    for (const [i, vector] of found.entries()) assert.ok(vector === null || vector[0] === i);
  }
  assert.ok(cache.stats.evictedFiles > 10);
  assert.ok(cache.stats.diskBytes <= maxBytes);
  const found = await cache.lookup(keys(...numbers(300)));
  const kept = found.filter((vector) => vector !== null).length;
  assert.equal(kept, cache.stats.entries);
  assert.deepEqual(found.at(-1), vectorOf(299));
  assert.equal(found[0], null);
  await cache.close();
  const again = await f.open({ maxBytes });
  assert.equal(again.stats.entries, kept);
  await again.close();
});

/** An environment whose writes fail while `failure` is set, after taking half of the bytes. */
function failingEnv(): { env: Env; state: { failure: 'DISK_FULL' | 'IO' | null; now: number } } {
  const real = nodeEnv();
  const state: { failure: 'DISK_FULL' | 'IO' | null; now: number } = { failure: null, now: 0 };
  const check = (path: string): void => {
    if (state.failure !== null) throw new CairnError(state.failure, `${path}: no`, { path });
  };
  const wrap = (file: EnvFile): EnvFile => ({
    path: file.path,
    read: (position, length) => file.read(position, length),
    readSync: (target, position) => file.readSync(target, position),
    write: async (data, position) => {
      const bytes = data instanceof Uint8Array ? data : Buffer.concat(data);
      if (state.failure !== null) await file.write(bytes.subarray(0, bytes.length >> 1), position);
      check(file.path);
      await file.write(data, position);
    },
    truncate: (length) => file.truncate(length),
    sync: async () => (check(file.path), file.sync()),
    datasync: async () => (check(file.path), file.datasync()),
    size: () => file.size(),
    close: () => file.close(),
  });
  const env: Env = {
    ...real,
    open: async (path, mode) => (mode === 'create' && check(path), wrap(await real.open(path, mode))),
    clock: { ...real.clock, monotonic: () => state.now },
  };
  return { env, state };
}

for (const failure of ['DISK_FULL', 'IO'] as const) {
  test(`a write that fails with ${failure} means not cached, a warning and a pause; later it goes on`, async (t) => {
    const f = fixture(t);
    const { env, state } = failingEnv();
    const cache = await f.open({ env });
    await cache.store([entry(1)]);
    state.failure = failure;
    await cache.store([entry(2), entry(3)]);
    await cache.store([entry(4)]);
    assert.equal(cache.stats.notStored, 3);
    assert.equal(cache.stats.writeFailures, 1, 'paused: the second batch does not try');
    assert.equal(f.warnings.length, 1);
    assert.equal(f.warnings[0]?.code, failure);
    assert.deepEqual(await cache.lookup(keys(1, 2, 3, 4)), [vectorOf(1), null, null, null]);
    state.failure = null;
    await cache.store([entry(2)]);
    assert.deepEqual(await cache.lookup(keys(2)), [null]);
    state.now = 31_000;
    await cache.store([entry(2), entry(4)]);
    assert.deepEqual(await cache.lookup(keys(1, 2, 3, 4)), [vectorOf(1), vectorOf(2), null, vectorOf(4)]);
    await cache.flush();
    await cache.close();
    const again = await f.open();
    assert.deepEqual(await again.lookup(keys(1, 2, 3, 4)), [vectorOf(1), vectorOf(2), null, vectorOf(4)]);
    await again.close();
  });
}

test('a failed close leaves a cache that opens', async (t) => {
  const f = fixture(t);
  const { env, state } = failingEnv();
  const cache = await f.open({ env });
  await cache.store([entry(1)]);
  state.failure = 'IO';
  await cache.close();
  const again = await f.open();
  assert.deepEqual(await again.lookup(keys(1)), [vectorOf(1)]);
  await again.close();
});

test('[6.3] model test: random stores, lookups, reopenings, kills and damage against a map', async (t) => {
  const random = seededRandom(testSeed());
  const below = (n: number): number => Math.floor(random() * n);
  const f = fixture(t);
  const known = new Set<number>();
  let lost = 0;
  let cache = await f.open();
  for (let step = 0; step < 400; step++) {
    const action = random();
    if (action < 0.45) {
      const batch = numbers(1 + below(20)).map(() => below(2000));
      await cache.store(batch.map(entry));
      for (const n of batch) known.add(n);
    } else if (action < 0.9) {
      const batch = numbers(1 + below(50)).map(() => below(2000));
      const found = await cache.lookup(keys(...batch));
      for (const [i, n] of batch.entries()) {
        if (found[i] === null && known.delete(n)) lost--;
        if (found[i] !== null) assert.deepEqual([found[i], known.has(n)], [vectorOf(n), true]);
      }
      assert.ok(lost >= 0, 'nothing is lost but what was damaged');
    } else {
      await cache.close();
      // Nothing was stored yet: there is no file.
      if (action > 0.94 && known.size > 0) rmSync(dataFile(f).replace('.dat', '.keys'), { force: true });
      if (action > 0.97 && cache.stats.stored > 0) lost += damage(dataFile(f), below);
      cache = await f.open();
    }
  }
  await cache.close();
});

/** Changes one byte somewhere in the records, or cuts the end; returns how many records that can cost. */
function damage(path: string, below: (n: number) => number): number {
  const bytes = readFileSync(path);
  if (bytes.length <= 64 + RECORD) return 0;
  if (below(2) === 0) {
    truncateSync(path, bytes.length - 1 - below(RECORD));
    return 1 + 1;
  }
  const at = 64 + below(bytes.length - 64);
  bytes[at] = (bytes[at] as number) ^ 0xff;
  writeFileSync(path, bytes);
  return 1;
}
