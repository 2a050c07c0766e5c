import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, constants, existsSync, openSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Embedder, VectorCache } from '../../src/embed/embedder.ts';
import { createStaticEmbedder } from '../../src/embed/static-embedder.ts';
import { vectorKey } from '../../src/embed/vector-key.ts';
import type { DocRecord } from '../../src/format/doc.ts';
import { decodeDoc } from '../../src/format/doc-codec.ts';
import { IngestPool, type IngestPoolOptions } from '../../src/ingest/pool.ts';
import type { IngestResult } from '../../src/ingest/types.ts';
import { isCairnError } from '../../src/util/errors.ts';
import { PATIENCE_MS, until } from '../support/cli.ts';
import { checkLeaks } from '../support/leaks.ts';
import { makeTree } from './temp-tree.ts';

checkLeaks();

const STUCK = new URL('./workers/stuck-worker.ts', import.meta.url);
const FAULTY = new URL('./workers/faulty-worker.ts', import.meta.url);

function makePool(t: TestContext, options: Partial<IngestPoolOptions> = {}): IngestPool {
  const pool = new IngestPool({ workers: 2, embedder: null, cache: null, ...options });
  t.after(() => pool.close());
  return pool;
}

function indexed(result: IngestResult): Extract<IngestResult, { outcome: 'indexed' }> {
  assert.equal(result.outcome, 'indexed', JSON.stringify({ ...result, doc: null, stamp: null }));
  return result as Extract<IngestResult, { outcome: 'indexed' }>;
}

/** Without those that took the place of one that stood still: the machine may do that to any thread. */
const firstStarts = ({ stats }: IngestPool): number => stats.started - stats.timeouts;

const decode = (result: IngestResult): DocRecord => decodeDoc(indexed(result).doc);

/** A cache that counts; keys as hex. */
class MemoryCache implements VectorCache {
  readonly rows = new Map<string, Float32Array>();
  lookups = 0;

  async lookup(keys: readonly Uint8Array[]): Promise<(Float32Array | null)[]> {
    this.lookups += keys.length;
    return keys.map((key) => this.rows.get(Buffer.from(key).toString('hex')) ?? null);
  }

  async store(entries: readonly { readonly key: Uint8Array; readonly vector: Float32Array }[]): Promise<void> {
    for (const { key, vector } of entries) this.rows.set(Buffer.from(key).toString('hex'), vector.slice());
  }
}

test('a file becomes an encoded document with everything filled in', async (t) => {
  const root = makeTree(t, { 'src/lib/jobs.ts': '/** Keeps jobs. */\nexport class JobList {\n  push(job: Job): void {\n    store(job);\n  }\n}\n' });
  const pool = makePool(t, { embedder: { modelPath: null } });
  const result = indexed(await pool.ingest({ root, path: 'src/lib/jobs.ts', known: null }));
  const doc = decodeDoc(result.doc);
  assert.deepEqual([doc.key, doc.language, doc.stem], ['src/lib/jobs.ts', 'typescript', 'jobs']);
  assert.deepEqual(doc.symbols.map(({ qualified, kind, terms }) => [qualified, kind, ...terms]), [['JobList', 'class', 'joblist', 'job', 'list'], ['JobList.push', 'method', 'push']]);
  assert.deepEqual(doc.edges.map(({ kind, target, from }) => [kind, target, from]), [['reference', 'Job', 1], ['call', 'store', 1]]);
  assert.deepEqual([doc.pathTerms.get('job'), doc.pathTerms.get('lib'), doc.commentTerms.get('job'), doc.pairs], [2, 1, 1, ['job list']]);
  assert.equal(doc.source?.size, statSync(join(root, 'src/lib/jobs.ts')).size);
  assert.deepEqual([result.chunks, result.embedded, result.cached, result.note], [1, 1, 0, null]);

  const embedder = await createStaticEmbedder();
  const chunk = doc.chunks[0];
  assert.deepEqual(chunk?.vector, embedder.embedText(`src lib jobs jobs\n${chunk?.text}`), 'the document template: last folders, stem twice, text');
  assert.deepEqual(doc.pathVector, embedder.embedText('src lib jobs jobs'));
});

test('[6.3] vectors come from the cache when it has them, also for another path with the same text', async (t) => {
  const root = makeTree(t, { 'a/x.ts': 'export const one = 1;\n', 'b/a/x.ts': 'export const two = 2;\n' });
  const cache = new MemoryCache();
  const pool = makePool(t, { embedder: { modelPath: null }, cache });
  const first = indexed(await pool.ingest({ root, path: 'a/x.ts', known: null }));
  assert.deepEqual([first.embedded, first.cached], [1, 0]);
  assert.deepEqual([...cache.rows.keys()].sort(), ['a x x\nexport const one = 1;', 'a x x'].map((text) => Buffer.from(vectorKey(text)).toString('hex')).sort());
  const again = indexed(await pool.ingest({ root, path: 'a/x.ts', known: null }));
  assert.deepEqual([again.embedded, again.cached], [0, 1]);
  assert.deepEqual(decodeDoc(again.doc), decodeDoc(first.doc));
  assert.deepEqual([pool.stats.embedded, pool.stats.cached], [1, 1]);
});

test('a cache that fails is reported and costs only time', async (t) => {
  const root = makeTree(t, { 'a.ts': 'export const one = 1;\n' });
  const errors: unknown[] = [];
  const cache: VectorCache = { lookup: () => Promise.reject(new Error('lookup')), store: () => Promise.reject(new Error('store')) };
  const pool = makePool(t, { embedder: { modelPath: null }, cache, onCacheError: (error) => errors.push((error as Error).message) });
  const result = indexed(await pool.ingest({ root, path: 'a.ts', known: null }));
  assert.equal(result.embedded, 1);
  assert.deepEqual(errors, ['lookup', 'store']);
});

test('an embedder of the host is asked for the missing texts; its failure is a result', async (t) => {
  const root = makeTree(t, { 'a.ts': 'export const one = 1;\n', 'b.ts': 'export const two = 2;\n' });
  const asked: string[] = [];
  let fails = false;
  const host: Embedder = {
    identity: { name: 'test', revision: '1', dimension: 3, normalized: false, fingerprint: 'f' },
    embed: async (texts) => {
      if (fails) throw new Error('the model is away');
      asked.push(...texts);
      return texts.map((text) => Float32Array.of(text.length, 1, 2));
    },
    close: async () => undefined,
  };
  const pool = makePool(t, { workers: 1, embedder: { host, documentTemplate: '{stem}: {text}' } });
  const doc = decode(await pool.ingest({ root, path: 'a.ts', known: null }));
  assert.deepEqual(asked, ['a: export const one = 1;', 'a:']);
  assert.deepEqual([doc.chunks[0]?.vector, doc.pathVector], [Float32Array.of(24, 1, 2), Float32Array.of(2, 1, 2)]);
  fails = true;
  const failed = await pool.ingest({ root, path: 'b.ts', known: null });
  assert.deepEqual(failed, { outcome: 'failed', path: 'b.ts', reason: 'the model is away', retryable: true });
});

test('[1.23] as many workers are started as configured, not more', async (t) => {
  const files = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`f${i}.ts`, `export const f${i} = ${i};\n`]));
  const root = makeTree(t, files);
  for (const workers of [1, 3]) {
    const pool = makePool(t, { workers });
    let most = 0;
    await Promise.all(Object.keys(files).map(async (path) => {
      await pool.ingest({ root, path, known: null });
      most = Math.max(most, pool.stats.workers);
    }));
    assert.deepEqual([most, firstStarts(pool)], [workers, workers]);
  }
});

test('the same content is unchanged, with a fresh stamp; other content is not', async (t) => {
  const root = makeTree(t, { 'a.ts': 'let a = 1;\n', '.env': 'A=1' });
  const pool = makePool(t, { workers: 1 });
  const { source: known } = decode(await pool.ingest({ root, path: 'a.ts', known: null }));
  assert.ok(known);
  utimesSync(join(root, 'a.ts'), 1_700_000_000, 1_700_000_000);
  const touched = await pool.ingest({ root, path: 'a.ts', known });
  assert.deepEqual(touched, { outcome: 'unchanged', path: 'a.ts', stamp: { ...known, mtimeNs: 1_700_000_000_000_000_000n } });
  writeFileSync(join(root, 'a.ts'), 'let a = 2;\n');
  assert.equal((await pool.ingest({ root, path: 'a.ts', known })).outcome, 'indexed');
  const secret = decode(await pool.ingest({ root, path: '.env', known: null }));
  assert.deepEqual([secret.source?.note, secret.chunks.length], ['secret', 0]);
  assert.equal((await pool.ingest({ root, path: '.env', known: secret.source })).outcome, 'unchanged');
  rmSync(join(root, 'a.ts'));
  assert.deepEqual(await pool.ingest({ root, path: 'a.ts', known }), { outcome: 'gone', path: 'a.ts' });
});

test('a file that changes while it is read is read again; one that never rests is left for later', async (t) => {
  const root = makeTree(t, { 'changing.ts': 'let a = 1;\n', 'restless.ts': 'let b = 1;\n' });
  const pool = makePool(t, { workers: 1, workerEntry: FAULTY });
  assert.match(decode(await pool.ingest({ root, path: 'changing.ts', known: null })).chunks[0]?.text ?? '', /more/);
  assert.deepEqual(await pool.ingest({ root, path: 'restless.ts', known: null }), { outcome: 'failed', path: 'restless.ts', reason: 'changed while it was read', retryable: true });
});

test('a file that hangs a worker fails alone; everything else is indexed', async (t) => {
  const files = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`f${i}.ts`, `export const v${i} = ${i};\n`]));
  const root = makeTree(t, { ...files, 'hang.ts': 'let a = 1;\n' });
  const pool = makePool(t, { workerEntry: FAULTY, fileTimeoutMs: 3000 });
  await pool.ingest({ root, path: 'f0.ts', known: null }); // starting a worker takes its time
  const results = await Promise.all([...Object.keys(files).slice(0, 10), 'hang.ts', ...Object.keys(files).slice(10)].map((path) => pool.ingest({ root, path, known: null })));
  const bad = results.filter((result) => result.outcome !== 'indexed');
  assert.deepEqual(bad, [{ outcome: 'failed', path: 'hang.ts', reason: 'took too long, also without parsing', retryable: false }]);
  assert.ok(pool.stats.timeouts >= 2, 'with the parser and without'); // more where the machine lets a worker stand still
  assert.equal(pool.stats.running + pool.stats.waiting, 0);
});

test('a crash is retried once with the parser; then the file fails, and no other', async (t) => {
  const root = makeTree(t, { 'crash-once.ts': 'export const a = 1;\n', 'crash-always.ts': 'let b;\n', 'ok.ts': 'let c;\n' });
  const pool = makePool(t, { workerEntry: FAULTY });
  const [once, always, ok] = await Promise.all(['crash-once.ts', 'crash-always.ts', 'ok.ts'].map((path) => pool.ingest({ root, path, known: null })));
  assert.equal(decode(once as IngestResult).symbols[0]?.name, 'a');
  assert.deepEqual(always, { outcome: 'failed', path: 'crash-always.ts', reason: 'crashed the parser, also without parsing', retryable: false });
  assert.equal(ok?.outcome, 'indexed');
  assert.ok(pool.stats.crashes >= 4, `${pool.stats.crashes} crashes`);
});

test('a worker that runs out of memory ends alone', async (t) => {
  const root = makeTree(t, { 'heap.ts': 'let a;\n', 'ok.ts': 'let b;\n' });
  const pool = makePool(t, { workers: 1, workerEntry: FAULTY, fileTimeoutMs: 30_000 });
  const [heap, ok] = await Promise.all(['heap.ts', 'ok.ts'].map((path) => pool.ingest({ root, path, known: null })));
  assert.equal(heap?.outcome, 'failed');
  assert.equal(ok?.outcome, 'indexed');
});

test('workers that cannot start give a typed error, not a hang', async (t) => {
  const root = makeTree(t, { 'a.ts': 'let a;\n' });
  const pool = makePool(t, { workerEntry: new URL('./workers/dead-worker.ts', import.meta.url) });
  await assert.rejects(pool.ingest({ root, path: 'a.ts', known: null }), (error) => isCairnError(error, 'INTERNAL'));
  const model = makePool(t, { embedder: { modelPath: join(root, 'no-model') } });
  await assert.rejects(model.ingest({ root, path: 'a.ts', known: null }), (error) => isCairnError(error));
});

/** For the worker threads of one test. */
function setEnvironment(t: TestContext, name: string, value: string): void {
  process.env[name] = value;
  t.after(() => delete process.env[name]);
}

/** The time that watches of threads see passes only by this function: a thread that does start may take as long as it needs. */
function standingClock(t: TestContext): (ms: number) => void {
  let now = performance.now();
  t.mock.method(performance, 'now', () => now);
  t.mock.timers.enable({ apis: ['setInterval'] });
  return (ms) => {
    now += ms;
    t.mock.timers.tick(ms);
  };
}

/** Lets time pass until the thread that stands still is given up. */
async function giveUpFirst(pool: IngestPool, mark: string, pass: (ms: number) => void): Promise<void> {
  await until(() => existsSync(mark), 'the first thread stands still');
  assert.equal(pool.stats.timeouts, 0);
  for (let i = 0; i < 1000 && pool.stats.started < 2; i++) {
    pass(1000);
    await sleep(20);
  }
  assert.equal(pool.stats.started, 2);
}

test('a worker that never becomes ready is replaced, and its files are indexed by the next one', { timeout: PATIENCE_MS }, async (t) => {
  const root = makeTree(t, { 'a.ts': 'export const a = 1;\n', 'b.ts': 'export const b = 1;\n' });
  setEnvironment(t, 'CAIRN_TEST_STUCK_ONCE', join(root, 'mark'));
  const pass = standingClock(t);
  const pool = makePool(t, { workers: 1, workerEntry: STUCK });
  const results = Promise.all(['a.ts', 'b.ts'].map((path) => pool.ingest({ root, path, known: null })));
  await giveUpFirst(pool, join(root, 'mark'), pass);
  assert.deepEqual((await results).map(decode).map(({ symbols, source }) => [symbols[0]?.name, source?.note]), [['a', null], ['b', null]], 'parsed, not cut into windows');
  assert.deepEqual([pool.stats.timeouts, pool.stats.started], [1, 2]);
});

test('workers that never become ready give a typed error, and the pool can be used again', async (t) => {
  const root = makeTree(t, { 'a.ts': 'export const a = 1;\n' });
  const pool = makePool(t, { workers: 1, workerEntry: STUCK, fileTimeoutMs: 100, silenceTimeoutMs: 200 });
  await assert.rejects(pool.ingest({ root, path: 'a.ts', known: null }), (error) => isCairnError(error, 'INTERNAL') && error.retryable && /do not become ready/.test(error.message));
  assert.deepEqual([pool.stats.timeouts, pool.stats.running + pool.stats.waiting], [3, 0]);
});

test('a worker that cannot even be ended is left behind: its files go on, and closing does not wait for it', { timeout: PATIENCE_MS }, async (t) => {
  const root = makeTree(t, { 'a.ts': 'export const a = 1;\n' });
  const pipe = join(root, 'pipe');
  execFileSync('mkfifo', [pipe]);
  setEnvironment(t, 'CAIRN_TEST_STUCK_ONCE', join(root, 'mark'));
  setEnvironment(t, 'CAIRN_TEST_STUCK_PIPE', pipe);
  const pass = standingClock(t);
  const pool = new IngestPool({ workers: 1, embedder: null, cache: null, workerEntry: STUCK });
  try {
    const result = pool.ingest({ root, path: 'a.ts', known: null });
    await giveUpFirst(pool, join(root, 'mark'), pass);
    assert.equal(decode(await result).symbols[0]?.name, 'a');
    await pool.close();
  } finally {
    // Lets the thread go, so that nothing of this test stays. Opened for both, a pipe waits for nobody.
    closeSync(openSync(pipe, constants.O_RDWR));
    await pool.close();
  }
});

test('cancel: before it starts, while it runs, and by closing', async (t) => {
  const root = makeTree(t, { 'hang.ts': 'let a;\n', 'a.ts': 'let b;\n' });
  const pool = makePool(t, { workers: 1, workerEntry: FAULTY, fileTimeoutMs: 600_000 });
  await assert.rejects(pool.ingest({ root, path: 'a.ts', known: null }, AbortSignal.abort()), (error) => isCairnError(error, 'CANCELLED'));
  const abort = new AbortController();
  const running = pool.ingest({ root, path: 'hang.ts', known: null }, abort.signal);
  await until(() => existsSync(join(root, 'hang.ts.begun')), 'a worker is at it');
  abort.abort();
  await assert.rejects(running, (error) => isCairnError(error, 'CANCELLED'));
  const waiting = pool.ingest({ root, path: 'a.ts', known: null });
  const closed = assert.rejects(waiting, (error) => isCairnError(error, 'CANCELLED'));
  await pool.close();
  await closed;
  await assert.rejects(pool.ingest({ root, path: 'a.ts', known: null }), (error) => isCairnError(error, 'CANCELLED'));
});

test('idle workers end, and come back when there is work', async (t) => {
  const root = makeTree(t, { 'a.ts': 'let a;\n' });
  const pool = makePool(t, { idleMs: 30 });
  await pool.ingest({ root, path: 'a.ts', known: null });
  await until(() => pool.stats.workers === 0, 'the workers have ended');
  assert.equal((await pool.ingest({ root, path: 'a.ts', known: null })).outcome, 'indexed');
  assert.equal(firstStarts(pool), 2);
});

test('many files: every request settles once, with its own path', async (t) => {
  const files = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`d${i % 7}/f${i}.${['ts', 'py', 'go', 'md', 'txt'][i % 5]}`, `name ${i}\n`]));
  const root = makeTree(t, files);
  const pool = makePool(t, { embedder: { modelPath: null }, cache: new MemoryCache() });
  const results = await Promise.all(Object.keys(files).map((path) => pool.ingest({ root, path, known: null })));
  assert.deepEqual(results.map((result) => decode(result).key), Object.keys(files));
  assert.deepEqual([pool.stats.files, pool.stats.chunks], [300, 300]);
});
