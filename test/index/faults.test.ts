/**
 * The N-th call of the outside world fails, once and from then on, while the real index works: every error is typed, nothing
 * acknowledged is lost, a batch is whole or absent, no file stays open, and the index goes on when the fault is gone.
 * CAIRN_FAULT_STEP=1 tries every call instead of every 17th.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeDoc } from '../../src/format/doc-codec.ts';
import { createIndex } from '../../src/index/create.ts';
import { newMetadata } from '../../src/index/metadata.ts';
import { openIndex } from '../../src/index/open-index.ts';
import { indexOptions } from '../../src/index/options.ts';
import { inlineRunner } from '../../src/index/run-job.ts';
import type { DurableIndex } from '../../src/index/types.ts';
import { VectorArena } from '../../src/quantize/arena.ts';
import { BlockCache } from '../../src/segment/block-cache.ts';
import { CairnError } from '../../src/util/errors.ts';
import { testLease } from '../support/fence.ts';
import { MemoryEnv, ROOT, type CallKind, type Disk, type Fault } from '../support/memory-env.ts';
import { tinyDoc } from '../support/tiny-doc.ts';
import { versions } from './harness.ts';

const DIR = `${ROOT}/indexes/x`;
const STEP = Number(process.env['CAIRN_FAULT_STEP'] ?? 17);
const WRITING: ReadonlySet<CallKind> = new Set(['open', 'write', 'truncate', 'sync', 'mkdir', 'rename', 'unlink', 'link', 'syncDir']);
const FAULTS: readonly (Fault & { readonly onlyWrites: boolean })[] = [
  { errno: 'EIO', onlyWrites: false },
  { errno: 'EMFILE', onlyWrites: false },
  { errno: 'ENOSPC', onlyWrites: true },
  { errno: 'ENOSPC', written: 70, onlyWrites: true },
];

type Change = Readonly<Record<string, number>>;
const STEPS: readonly (Change | 'persist' | 'compact' | 'reopen')[] = [
  { a: 1, b: 1 }, 'persist', { b: 2, c: 1 }, { a: 0 }, 'persist', { c: 2 }, 'compact', 'reopen', { d: 1, b: 0 }, 'persist', { e: 1 },
];
const arena = new VectorArena({ maxBytes: 32 << 20 });

class Workload {
  readonly #env: MemoryEnv;
  #index: DurableIndex | null = null;
  #model: Readonly<Record<string, number>> = {};
  /** Commits that failed since the last one that was acknowledged: each may be in the log, whole. */
  #failed: Change[] = [];
  readonly wrong: string[] = [];

  constructor(env: MemoryEnv) {
    this.#env = env;
  }

  async run(): Promise<void> {
    await this.#open();
    for (const step of STEPS) {
      if (step === 'reopen') {
        await this.#try(async () => this.#index?.close());
        this.#index = null;
        await this.#open();
      } else if (step === 'persist') await this.#try(async () => this.#index?.persist('fault test'));
      else if (step === 'compact') await this.#try(async () => this.#index?.compact());
      else if (this.#index !== null) await this.#commit(step);
    }
  }

  /** After the fault has ended. */
  async finish(): Promise<void> {
    if (this.#index === null) await this.#open();
    const index = this.#index;
    if (index === null) return void this.wrong.push('it does not open after the fault');
    await this.#commit({ z: 9 });
    if (this.#failed.length > 0) this.wrong.push('it takes no commits after the fault');
    await index.persist('afterwards');
    await index.compact();
    if (index.durableVersion !== index.version) this.wrong.push('persist leaves something out');
    this.#compare();
    const { damages } = await index.verify({ deep: true });
    if (damages.length > 0) this.wrong.push(JSON.stringify(damages));
    await index.close();
    await this.#open();
    if (this.#index?.recovery.degraded.length !== 0) this.wrong.push(`degraded: ${this.#index?.recovery.degraded.join()}`);
    await this.#index?.close();
    if (this.#env.openFiles !== 0) this.wrong.push(`${this.#env.openFiles} files stay open`);
  }

  async #open(): Promise<void> {
    await this.#try(async () => {
      const services = { lease: testLease(), arena, cache: new BlockCache(1 << 16), runner: inlineRunner(this.#env), options: indexOptions({ walFileMaxBytes: 4096, compactionFanIn: 2 }) };
      this.#index = await openIndex(this.#env, DIR, services);
      this.#compare();
    });
  }

  async #commit(change: Change): Promise<void> {
    const index = this.#index as DurableIndex;
    const entries = Object.entries(change);
    const done = await this.#try(() => index.commit({ puts: entries.filter(([, v]) => v > 0).map(([key, v]) => encodeDoc(tinyDoc(key, v, 4))), deletes: entries.filter(([, v]) => v === 0).map(([key]) => key) }));
    if (!done) return void this.#failed.push(change);
    this.#failed = [];
    this.#model = applied(this.#model, change);
    this.#compare();
  }

  async #try(work: () => Promise<unknown>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      if (!(error instanceof CairnError) || error.code === 'INTERNAL' || error.code === 'CORRUPT') this.wrong.push(error instanceof Error ? `${error.stack}` : String(error));
      return false;
    }
  }

  /** With the fault held back: a read that fails is an error of the reader, not of the index. */
  #compare(): void {
    const { fault } = this.#env;
    this.#env.fault = null;
    const found = JSON.stringify(versions(this.#index as DurableIndex));
    this.#env.fault = fault;
    const allowed = [this.#model];
    for (const change of this.#failed) allowed.push(...allowed.map((state) => applied(state, change)));
    const match = allowed.find((state) => JSON.stringify(sorted(state)) === found);
    if (match === undefined) this.wrong.push(`${found} is none of ${JSON.stringify(allowed)}`);
    else this.#model = match;
  }
}

const sorted = (state: Change): Change => Object.fromEntries(Object.entries(state).sort(([a], [b]) => (a < b ? -1 : 1)));
const applied = (state: Change, change: Change): Change => Object.fromEntries(Object.entries({ ...state, ...change }).filter(([, version]) => version > 0));

async function prepared(): Promise<Disk> {
  const env = new MemoryEnv();
  await env.mkdir(`${ROOT}/indexes`);
  await createIndex(env, DIR, newMetadata({ name: 'x', kind: 'code', dimension: 4 }, 0), testLease());
  return env.disk();
}

const disk = await prepared();
const calm = new MemoryEnv(disk, 2);
const calmRun = new Workload(calm);
await calmRun.run();
assert.deepEqual(calmRun.wrong, []);
const calls = calm.calls;

for (const [i, fault] of FAULTS.entries()) {
  for (const isPersistent of [false, true]) {
    const name = `${fault.errno}${fault.written === undefined ? '' : ` after ${fault.written} bytes`}, ${isPersistent ? 'for ever' : 'once'}`;
    test(`[0.4] [4.22] the index under ${name}, at every ${STEP}th of ${calls} calls`, async () => {
      const bad: string[] = [];
      for (let n = 1 + ((3 * i + Number(isPersistent)) % STEP); n <= calls && bad.length < 3; n += STEP) {
        const env = new MemoryEnv(disk, 2);
        env.fault = (call) => ((isPersistent ? call.n >= n : call.n === n) && (!fault.onlyWrites || WRITING.has(call.kind)) ? fault : null);
        const workload = new Workload(env);
        await workload.run();
        env.fault = null;
        await workload.finish().catch((error: unknown) => workload.wrong.push(`afterwards: ${error instanceof Error ? error.stack : String(error)}`));
        bad.push(...workload.wrong.map((wrong) => `call ${n}: ${wrong}`));
      }
      assert.deepEqual(bad, []);
    });
  }
}
