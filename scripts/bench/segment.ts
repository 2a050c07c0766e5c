// Measures the storage of rows: scan kernel, memtable, building, opening, merging and reading a segment.
// Usage: node scripts/bench/segment.ts [--json] [--chunks 50000] [--scan 100000]
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createFileDurable } from '../../src/env/atomic-file.ts';
import { nodeEnv } from '../../src/env/node-env.ts';
import { encodeDoc } from '../../src/format/doc-codec.ts';
import { Memtable } from '../../src/memtable/index.ts';
import { CodeTable, prepareQuery, VectorArena, type KernelName } from '../../src/quantize/index.ts';
import { mergeSegments, openSegment, writeSegment, type Segment, type SegmentSpec } from '../../src/segment/index.ts';
import { TAG } from '../../src/segment/layout.ts';
import { asLsn, asSegmentId } from '../../src/util/ids.ts';
import { makeDoc, seededRandom } from '../../test/support/random-docs.ts';

const argument = (name: string, fallback: number): number => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
};
const CHUNKS = argument('chunks', 50_000);
const SCAN_ROWS = argument('scan', 100_000);
const DIMENSION = 256;
const CHUNKS_PER_DOC = 20;
const random = seededRandom(1);
const report: Record<string, number | string> = { node: process.version, cpu: cpus()[0]?.model ?? '', chunks: CHUNKS };

const round = (value: number): number => Number(value.toPrecision(4));
const percentile = (sorted: readonly number[], p: number): number => round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] as number);
function repeat(times: number, work: (i: number) => void): number[] {
  const took: number[] = [];
  for (let i = 0; i < times; i++) {
    const start = performance.now();
    work(i);
    took.push(performance.now() - start);
  }
  return took.sort((a, b) => a - b);
}
async function timed<T>(work: () => Promise<T>): Promise<[T, number]> {
  const start = performance.now();
  const result = await work();
  return [result, performance.now() - start];
}
const randomVector = (): Float32Array => Float32Array.from({ length: DIMENSION }, () => random() - 0.5);

function benchScan(kernel: KernelName, times: number): void {
  const arena = new VectorArena({ kernel });
  const table = CodeTable.growing(arena, DIMENSION);
  const row = randomVector();
  for (let i = 0; i < SCAN_ROWS; i++) {
    row[i % DIMENSION] = random() - 0.5;
    table.append(row);
  }
  const query = prepareQuery(randomVector());
  const out = new Float32Array(SCAN_ROWS);
  const took = repeat(times, () => table.dots(query, 0, SCAN_ROWS, out));
  report[`scan ${SCAN_ROWS} x ${DIMENSION} ${arena.kernel} p50 ms`] = percentile(took, 0.5);
  table.free();
}

function benchMemtable(docs: readonly Uint8Array[]): void {
  const memtable = new Memtable({ id: 'memtable-1', dimension: DIMENSION, arena: new VectorArena() });
  const some = docs.slice(0, 400);
  const took = repeat(some.length, (i) => void memtable.add(some[i] as Uint8Array));
  report['memtable add (20 chunks) p50 ms'] = percentile(took, 0.5);
  report['memtable add (20 chunks) p99 ms'] = percentile(took, 0.99);
  report['memtable bytes per chunk'] = round(memtable.memoryBytes / memtable.chunkCount);
  memtable.close();
}

/** BM25 over 3 to 6 frequent and rare terms, accumulated per chunk: the inner loop of a lexical query. */
function benchPostings(segment: Segment): void {
  const body = segment.field('body');
  const lengths = segment.chunkLengths;
  const average = lengths.reduce((a, b) => a + b, 0) / lengths.length;
  const scores = new Float32Array(segment.chunkCount);
  const took = repeat(500, () => {
    scores.fill(0);
    for (let t = 3 + Math.floor(random() * 4); t > 0; t--) {
      const postings = body.lookup(`t${Math.floor(200 * 250 ** random())}`);
      if (postings === null) continue;
      const idf = Math.log(1 + (segment.chunkCount - postings.count + 0.5) / (postings.count + 0.5));
      for (let i = 0; i < postings.count; i++) {
        const chunk = postings.ids[i] as number;
        const tf = postings.values[i] as number;
        scores[chunk]! += (idf * tf * 2.2) / (tf + 1.2 * (0.25 + (0.75 * (lengths[chunk] as number)) / average));
      }
    }
  });
  report['BM25 query p50 ms'] = percentile(took, 0.5);
  report['BM25 query p99 ms'] = percentile(took, 0.99);
}

async function main(): Promise<void> {
  benchScan('wasm-simd', 50);
  benchScan('reference', 5);

  const keys = Array.from({ length: Math.ceil(CHUNKS / CHUNKS_PER_DOC) }, (_, i) => `src/module${String(i % 50).padStart(2, '0')}/file${i}.ts`).sort();
  const docs = keys.map((key) => encodeDoc(makeDoc(random, key, { chunks: CHUNKS_PER_DOC, dimension: DIMENSION, terms: 130 })));
  benchMemtable(docs);

  const env = nodeEnv();
  const folder = mkdtempSync(join(tmpdir(), 'cairn-bench-'));
  const spec = (n: number): SegmentSpec => ({
    id: asSegmentId(String(n).padStart(16, '0')), dimension: DIMENSION, contentVersions: { chunker: 1, tokenizer: 1 },
    minLsn: asLsn(1), maxLsn: asLsn(1), createdAt: '2026-01-01T00:00:00.000Z',
  });
  try {
    const [summary, buildMs] = await timed(() => createFileDurable(env, folder, 'all', (file) => writeSegment(file, spec(1), docs)));
    report['build ms per 1,000 chunks'] = round((buildMs / summary.chunks) * 1000);
    report['bytes per chunk'] = round(summary.bytes / summary.chunks);

    const opens: number[] = [];
    for (let i = 0; i < 5; i++) {
      const [segment, ms] = await timed(() => openSegment(env, join(folder, 'all'), new VectorArena(), summary));
      opens.push(ms);
      await segment.close();
    }
    report['open ms (median of 5)'] = percentile(opens.sort((a, b) => a - b), 0.5);

    const arena = new VectorArena();
    const segment = await openSegment(env, join(folder, 'all'), arena, summary);
    report['memory bytes per chunk'] = round(segment.memoryBytes / segment.chunkCount);
    for (const [name, tags] of Object.entries({ texts: [TAG.texts], 'f32 vectors': [TAG.vectors, TAG.pathVectors], 'int8 codes': [TAG.chunkCodes, TAG.centroidCodes, TAG.pathCodes], 'body postings': [TAG.firstField] })) {
      report[`bytes per chunk: ${name}`] = round(tags.reduce((sum, tag) => sum + segment.container.section(tag).length, 0) / segment.chunkCount);
    }
    benchPostings(segment);
    const pick = (): number => Math.floor(random() * segment.chunkCount);
    report['text of a chunk p50 ms'] = percentile(repeat(500, () => void segment.chunkText(pick())), 0.5);
    report['40 exact vectors p50 ms'] = percentile(repeat(200, () => { for (let i = 0; i < 40; i++) segment.vectors?.readVector(pick()); }), 0.5);
    report['find a key p50 ms'] = percentile(repeat(500, (i) => void segment.findDoc(keys[(i * 7919) % keys.length] as string)), 0.5);
    await segment.close();

    const halves: Segment[] = [];
    for (const [n, half] of [docs.filter((_, i) => i % 2 === 0), docs.filter((_, i) => i % 2 === 1)].entries()) {
      await createFileDurable(env, folder, `half${n}`, (file) => writeSegment(file, spec(n + 2), half));
      halves.push(await openSegment(env, join(folder, `half${n}`), arena));
    }
    const sources = halves.map((half) => ({ segment: half, live: null }));
    const [, mergeMs] = await timed(() => createFileDurable(env, folder, 'merged', (file) => mergeSegments(file, spec(1), sources)));
    report['merge ms per 1,000 chunks'] = round((mergeMs / summary.chunks) * 1000);
    for (const half of halves) await half.close();
    report['peak rss MB'] = Math.round(process.resourceUsage().maxRSS / 1024);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

await main();
if (process.argv.includes('--json')) console.log(JSON.stringify(report, null, 1));
else for (const [name, value] of Object.entries(report)) console.log(`${name.padEnd(40)} ${value}`);
