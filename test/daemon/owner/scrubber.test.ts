// The background check of stored rows: when it reads, how much, and what becomes of damage that no query has met.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { CairnError } from '../../../daemon/errors.ts';
import { Scrubber, type ScrubTarget } from '../../../daemon/owner/scrubber.ts';
import type { ScrubPosition, ScrubStep } from '../../../src/api.ts';
import { checkLeaks } from '../../support/leaks.ts';
import { FakeClock } from './fake-clock.ts';
import { never, RealDaemon, storedText, until } from './real-owners.ts';

checkLeaks();

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const MIB = 1024 * 1024;

class FakeTarget implements ScrubTarget {
  readonly name: string;
  files: { readonly file: string; readonly bytes: number }[];
  readonly reads: string[] = [];
  readonly reported: unknown[] = [];
  readonly damaged = new Set<string>();
  failure: CairnError | null = null;

  constructor(name: string, files: Readonly<Record<string, number>>) {
    this.name = name;
    this.files = Object.entries(files).map(([file, bytes]) => ({ file, bytes }));
  }

  readonly index = {
    stats: () => ({ segments: this.files }),
    scrub: async ({ file, at, crc }: ScrubPosition, maxBytes: number): Promise<ScrubStep> => {
      if (this.failure !== null) throw this.failure;
      const size = this.files.find((one) => one.file === file)?.bytes ?? 0;
      const bytes = Math.min(maxBytes, size - at);
      this.reads.push(`${file}@${at / MIB}`);
      const isDone = at + bytes >= size;
      return { next: isDone ? null : { file, at: at + bytes, crc }, bytes, damage: isDone && this.damaged.has(file) ? new CairnError('CORRUPT', 'bad', { path: file }) : null };
    },
  };

  async reportDamage(error: unknown): Promise<boolean> {
    this.reported.push(error);
    return true;
  }
}

function scrubber(targets: readonly ScrubTarget[], everyHours = 24) {
  const clock = new FakeClock();
  const state = { busy: false };
  const log = { debug: () => undefined, info: () => undefined, warn: () => undefined };
  return { clock, state, scrubber: new Scrubber(() => targets, () => state.busy, clock, log, { everyHours, random: () => 0 }) };
}

test('every file once in a round, in pieces, and again in the next round; never with 0 hours', async () => {
  const target = new FakeTarget('a', { one: 9 * MIB, two: MIB });
  const { clock, scrubber: one } = scrubber([target]);
  await clock.advance(5 * MINUTE);
  assert.deepEqual(target.reads, ['one@0', 'one@4', 'one@8', 'two@0']);
  assert.deepEqual(one.status, { files: 2, bytes: 10 * MIB, damaged: 0, due: 0, lastError: null });
  await clock.advance(23 * HOUR);
  assert.equal(target.reads.length, 4);
  await clock.advance(2 * HOUR);
  assert.equal(target.reads.length, 8);
  await one.close();
  assert.equal(clock.timers, 0);
  const off = scrubber([target], 0);
  assert.equal(off.clock.timers, 0);
});

test('a large index is read within its round, a busy daemon is left alone', async () => {
  const target = new FakeTarget('a', Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`f${i}`, 40 * MIB])));
  const { clock, state, scrubber: one } = scrubber([target], 1);
  state.busy = true;
  await clock.advance(3 * HOUR);
  assert.deepEqual(target.reads, []);
  state.busy = false;
  await clock.advance(HOUR);
  assert.equal(one.status.files >= 100, true, `${one.status.files}`);
  await one.close();
});

test('damage is reported to the owner; a disk that fails is shown and read again in the next round; an index that closes is dropped', async () => {
  const target = new FakeTarget('a', { one: MIB, two: MIB });
  target.damaged.add('two');
  const targets = [target];
  const { clock, scrubber: one } = scrubber(targets);
  await clock.advance(5 * MINUTE);
  assert.deepEqual([target.reported.length, one.status.damaged], [1, 1]);
  target.failure = new CairnError('IO', 'cannot read');
  await clock.advance(25 * HOUR);
  assert.equal(one.status.lastError, 'a: cannot read');
  target.failure = null;
  await clock.advance(25 * HOUR);
  assert.deepEqual([one.status.lastError, one.status.files], [null, 4]);
  targets.pop();
  await clock.advance(25 * HOUR);
  assert.equal(one.status.files, 4);
  await one.close();
});

test('[0.21] a flipped byte of a stored vector that no query reads is found, and its files come back from the tree', async (t) => {
  const daemon = new RealDaemon(t);
  for (let i = 0; i < 12; i++) daemon.write(`f${i}.ts`, `export function keep${i}() { return ${i} }\n`);
  const running = await daemon.start({ embed: true, watch: false });
  const owner = await running.owners.create({ root: daemon.root });
  await owner.settled({ signal: never() });
  await owner.flush();
  const [segment] = owner.index.stats().segments;
  assert.ok(segment !== undefined);
  const scrubAll = async (maxBytes: number): Promise<ScrubStep> => {
    let step: ScrubStep = { next: { file: segment.file, at: 0, crc: 0 }, bytes: 0, damage: null };
    while (step.next !== null) step = await owner.index.scrub(step.next, maxBytes);
    return step;
  };
  assert.equal((await scrubAll(1000)).damage, null);
  const dir = join(daemon.dataDir, 'indexes', readdirSync(join(daemon.dataDir, 'indexes'))[0] ?? '');
  const bytes = readFileSync(join(dir, segment.file));
  // f32 rows are most of the file; any byte of the middle is one of them or of something else that nobody has read.
  const at = Math.floor(bytes.length * 0.8);
  bytes[at] = (bytes[at] as number) ^ 1;
  writeFileSync(join(dir, segment.file), bytes);
  const { damage } = await scrubAll(64 * 1024);
  assert.equal(damage?.code, 'CORRUPT');
  assert.equal(typeof damage?.offset, 'number');

  const clock = new FakeClock();
  const one = new Scrubber(() => [owner], () => false, clock, { debug: () => undefined, info: () => undefined, warn: () => undefined }, { everyHours: 24 });
  await clock.advance(MINUTE);
  await until('the damage to be found', async () => (await delay(10), one.status.damaged === 1));
  await one.close();
  await until('the files to be back', () => owner.status().state === 'ready' || owner.index.losses.length === 0);
  for (let i = 0; i < 12; i++) assert.match(storedText(owner, `f${i}.ts`) ?? '', new RegExp(`keep${i}`));
  assert.equal(readdirSync(join(dir, 'quarantine')).length, 1);
  assert.deepEqual((await owner.index.verify({ deep: true })).damages, []);
});
