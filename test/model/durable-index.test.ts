/** Random operations on a real index and on a Map; every snapshot, held or fresh, must equal the Map of its moment. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeDoc } from '../../src/format/doc-codec.ts';
import type { DocRecord } from '../../src/format/doc.ts';
import type { Snapshot } from '../../src/index/snapshot.ts';
import type { Batch } from '../../src/index/types.ts';
import { CairnError } from '../../src/util/errors.ts';
import { newTestIndex, type TestIndex } from '../index/harness.ts';
import { below, pick, randomDoc, WORDS, type Rng } from '../support/sample-docs.ts';
import { seededRandom, testSeed } from '../support/random-docs.ts';
import { assertSnapshotEquals, bodyPostings, docsWithTerm, modelDocsWithTerm, modelPostings } from './index-model.ts';

const KEYS = Array.from({ length: 150 }, (_, i) => `src/dir${i % 7}/file${i}.ts`);
const FIELDS = ['path', 'comment', 'pair', 'stem', 'target', 'definition'] as const;

interface Held {
  readonly snapshot: Snapshot;
  readonly model: ReadonlyMap<string, DocRecord>;
}

class Run {
  readonly #random: Rng;
  readonly #test: TestIndex;
  readonly #dimension: number;
  #model = new Map<string, DocRecord>();
  #held: Held[] = [];
  readonly done = new Map<string, number>();

  constructor(test: TestIndex, random: Rng, dimension: number) {
    this.#test = test;
    this.#random = random;
    this.#dimension = dimension;
  }

  async step(): Promise<void> {
    const dice = this.#random();
    const [name, run] = STEPS.find(([, , upTo]) => dice < upTo) as (typeof STEPS)[number];
    this.done.set(name, (this.done.get(name) ?? 0) + 1);
    await run(this);
  }

  batch(): { batch: Batch; after: Map<string, DocRecord> } {
    const after = new Map(this.#model);
    const deletes = Array.from({ length: this.#random() < 0.4 ? below(this.#random, 4) : 0 }, () => pick(this.#random, KEYS));
    const puts = Array.from({ length: 1 + (this.#random() < 0.3 ? below(this.#random, 6) : 0) }, () => randomDoc(this.#random, pick(this.#random, KEYS), { dimension: this.#dimension, maxChunks: 3, textBytes: 40 }));
    for (const key of deletes) after.delete(key);
    for (const record of puts) after.set(record.key, record);
    return { batch: { puts: puts.map(encodeDoc), deletes }, after };
  }

  async commit(): Promise<void> {
    const { batch, after } = this.batch();
    const result = await this.#test.index.commit(batch);
    assert.equal(this.#test.index.version, result.lsn);
    this.#model = after;
  }

  async burst(): Promise<void> {
    const pending: Promise<unknown>[] = [];
    for (let i = 2 + below(this.#random, 10); i > 0; i--) {
      const { batch, after } = this.batch();
      pending.push(this.#test.index.commit(batch));
      this.#model = after;
    }
    await Promise.all(pending);
  }

  async remove(): Promise<void> {
    const deletes = [pick(this.#random, KEYS)];
    await this.#test.index.commit({ puts: [], deletes });
    this.#model = new Map(this.#model);
    for (const key of deletes) this.#model.delete(key);
  }

  hold(): void {
    if (this.#held.length < 6) this.#held.push({ snapshot: this.#test.index.snapshot(), model: this.#model });
  }

  letGo(): void {
    const [held] = this.#held.splice(below(this.#random, this.#held.length || 1), 1);
    if (held !== undefined) compare(held.snapshot, held.model, this.#random);
    held?.snapshot.release();
  }

  async persist(): Promise<void> {
    await this.#test.index.persist('model');
    assert.equal(this.#test.index.durableVersion, this.#test.index.version);
  }

  async persistDuringCommits(): Promise<void> {
    const persisted = this.#test.index.persist('model, busy');
    await this.burst();
    await persisted;
  }

  async failedPersist(): Promise<void> {
    const { index, env } = this.#test;
    let calls = below(this.#random, 12);
    const call = pick(this.#random, ['sync', 'rename', 'syncDir', 'write'] as const);
    env.fail = (name, path) => {
      if (name === call && calls-- <= 0) throw new CairnError('IO', `injected at ${call} ${path}`, { path });
    };
    await index.persist('model, failing').catch((error: unknown) => assert.ok(error instanceof CairnError && /injected|log|POISONED/.test(`${error.code} ${error.message}`), String(error)));
    env.fail = () => undefined;
  }

  async compact(): Promise<void> {
    await this.#test.index.compact();
  }

  async compactDuringCommits(): Promise<void> {
    const compacted = this.#test.index.compact();
    await this.burst();
    await compacted;
  }

  async reopen(): Promise<void> {
    while (this.#held.length > 0) this.letGo();
    await this.#test.reopen();
    assert.deepEqual(this.#test.index.recovery.degraded, []);
    this.compareNow();
  }

  compareNow(): void {
    const snapshot = this.#test.index.snapshot();
    compare(snapshot, this.#model, this.#random);
    snapshot.release();
    const stats = this.#test.index.stats();
    const sum = (count: (record: DocRecord) => number): number => [...this.#model.values()].reduce((total, record) => total + count(record), 0);
    assert.deepEqual(
      { docs: stats.docs, chunks: stats.chunks, symbols: stats.symbols, edges: stats.edges, vectors: stats.vectors },
      { docs: this.#model.size, chunks: sum((r) => r.chunks.length), symbols: sum((r) => r.symbols.length), edges: sum((r) => r.edges.length), vectors: this.#dimension === 0 ? 0 : sum((r) => r.chunks.length) },
    );
  }

  async verify(): Promise<void> {
    const report = await this.#test.index.verify({ deep: true });
    assert.deepEqual(report.damages, []);
  }

  async finish(): Promise<void> {
    while (this.#held.length > 0) this.letGo();
    this.compareNow();
    await this.persist();
    while ((await this.#test.index.compact()) !== null);
    this.compareNow();
    await this.verify();
    await this.reopen();
  }
}

/** Name, action, cumulative probability. */
const STEPS: readonly (readonly [string, (run: Run) => void | Promise<void>, number])[] = [
  ['commit', (run) => run.commit(), 0.62],
  ['delete', (run) => run.remove(), 0.72],
  ['burst', (run) => run.burst(), 0.76],
  ['hold', (run) => run.hold(), 0.83],
  ['letGo', (run) => run.letGo(), 0.9],
  ['persist', (run) => run.persist(), 0.93],
  ['persistDuringCommits', (run) => run.persistDuringCommits(), 0.95],
  ['failedPersist', (run) => run.failedPersist(), 0.96],
  ['compact', (run) => run.compact(), 0.98],
  ['compactDuringCommits', (run) => run.compactDuringCommits(), 0.99],
  ['compare', (run) => run.compareNow(), 0.995],
  ['reopen', (run) => run.reopen(), 0.9985],
  ['verify', (run) => run.verify(), 1],
];

function compare(snapshot: Snapshot, model: ReadonlyMap<string, DocRecord>, random: Rng): void {
  assertSnapshotEquals(snapshot, model, KEYS);
  const sample = [...model.values()];
  const terms = [pick(random, WORDS), pick(random, WORDS), ...(sample.length > 0 ? [...(pick(random, sample).chunks[0]?.terms.keys() ?? [])].slice(0, 2) : [])];
  for (const term of terms) {
    assert.deepEqual(new Map([...bodyPostings(snapshot, term)].sort()), new Map([...modelPostings(model, term)].sort()), `postings of ${term}`);
    for (const field of FIELDS) assert.deepEqual(docsWithTerm(snapshot, field, term), modelDocsWithTerm(model, field, term), `${field} ${term}`);
  }
}

for (const { dimension, steps } of [{ dimension: 8, steps: 7000 }, { dimension: 0, steps: 3500 }]) {
  test(`[1.1] [1.19] [1.20] [2.1] [3.6] random operations equal the model, dimension ${dimension}`, async (t) => {
    const random = seededRandom(testSeed() + dimension);
    const testIndex = await newTestIndex(t, { dimension, options: { syncMode: 'off', memtableMaxChunks: 64, walFileMaxBytes: 64 << 10, compactionFanIn: 3 } });
    const run = new Run(testIndex, random, dimension);
    for (let i = 0; i < steps; i++) await run.step();
    await run.finish();
    t.diagnostic(JSON.stringify(Object.fromEntries(run.done)));
  });
}
