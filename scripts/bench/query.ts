/**
 * Speed of search in process: p50 and p99 over different queries, on an index of at least --chunks chunks in one core.
 *   node scripts/bench/query.ts [--chunks 50000] [--queries 1000] [--dir DIR] [--lexical] [--json]
 * Documents come from the text files under DIR (default: this project), copied under new names until there are enough, with
 * some words of each copy renamed so that the vocabulary grows as in real trees. Embedding uses the built-in model.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { createStaticEmbedder } from '../../src/embed/static-embedder.ts';
import type { DocRecord } from '../../src/format/doc.ts';
import type { Snapshot } from '../../src/index/snapshot.ts';
import { Memtable } from '../../src/memtable/index.ts';
import { VectorArena } from '../../src/quantize/index.ts';
import { pathQueryText } from '../../src/query/query-plan.ts';
import { search } from '../../src/query/search.ts';
import { searchSymbols } from '../../src/query/symbols.ts';
import { countTerms } from '../../src/text/index.ts';
import { asGeneration, asLsn } from '../../src/util/ids.ts';
import { sourceDoc } from '../../test/support/source-doc.ts';

const { values: args } = parseArgs({
  options: {
    chunks: { type: 'string', default: '50000' }, queries: { type: 'string', default: '1000' }, dir: { type: 'string' },
    lexical: { type: 'boolean', default: false }, json: { type: 'boolean', default: false },
  },
});
const root = args.dir ?? join(import.meta.dirname, '../..');
const embedder = await createStaticEmbedder();
const dimension = embedder.identity.dimension;
const memtable = new Memtable({ id: 'memtable-1', dimension, arena: new VectorArena({ dimension }) });
const files = readdirSync(root, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && !/node_modules|\.git\/|dist/.test(entry.parentPath) && /\.(ts|mjs|js|py|go|rs|java|c|h|cpp|cs|rb|kt|scala|md)$/.test(entry.name))
  .map((entry) => ({ path: relative(root, join(entry.parentPath, entry.name)), text: readFileSync(join(entry.parentPath, entry.name), 'utf8') }))
  .filter(({ text }) => text.length < 200_000);

const wanted = Number(args.chunks);
const names: string[] = [];
for (let copy = 0; memtable.chunkCount < wanted; copy++) {
  for (const file of files) {
    if (memtable.chunkCount >= wanted) break;
    memtable.add(makeDoc(file, copy));
  }
}
const view = { part: memtable, docCount: memtable.docCount, chunkCount: memtable.chunkCount, live: null, liveDocs: memtable.docCount, liveChunks: memtable.chunkCount };
const snapshot: Snapshot = { lsn: asLsn(1), generation: asGeneration(1), parts: [view], find: () => null, release: () => {} };

const queries = makeQueries(Number(args.queries));
const embedded = queries.map((query) => (args.lexical ? null : { vector: embedder.embedText(query), pathVector: embedder.embedText(pathQueryText(query)) }));
const first = time(() => search(snapshot, { query: queries[0] as string, limit: 10 }, embedded[0] ?? null));
for (let i = 0; i < 200; i++) search(snapshot, { query: queries[i % queries.length] as string, limit: 10 }, embedded[i % queries.length] ?? null);
const times = queries.map((query, i) => time(() => search(snapshot, { query, limit: 10 }, embedded[i] ?? null)));
const symbolTimes: number[] = [];
for (const name of names.slice(0, 100)) {
  const from = performance.now();
  await searchSymbols(snapshot, { query: name.slice(0, 6), limit: 20 });
  symbolTimes.push(performance.now() - from);
}
const result = {
  chunks: memtable.chunkCount, files: memtable.docCount, queries: new Set(queries).size, firstMs: round(first), p50Ms: percentile(times, 0.5), p90Ms: percentile(times, 0.9),
  p99Ms: percentile(times, 0.99), maxMs: round(Math.max(...times)), symbolsP50Ms: percentile(symbolTimes, 0.5), symbolsP99Ms: percentile(symbolTimes, 0.99), semantic: !args.lexical,
};
if (args.json) console.log(JSON.stringify(result));
else console.log(result);

function makeDoc({ path, text }: { path: string; text: string }, copy: number): DocRecord {
  const body = copy === 0 ? text : text.replace(/\b([a-z]+)([A-Z][a-z]+)\b/g, (whole, a: string, b: string) => ((a.length + copy) % 3 === 0 ? `${a}${b}${copy}` : whole));
  const doc = sourceDoc(copy === 0 ? path : `copy${copy}/${path}`, body, { chunkLines: 25 });
  for (const { name } of doc.symbols) if (names.length < 20_000) names.push(name);
  const prefix = embedder.pathPrefix(doc.key);
  return {
    ...doc,
    chunks: doc.chunks.map((chunk) => ({ ...chunk, vector: embedder.embedText(prefix + chunk.text) })),
    pathVector: embedder.embedText(embedder.pathText(doc.key)),
  };
}

/** Four kinds of query in turn: words of one comment line, a symbol, a few words from the vocabulary, a sentence around a name. */
function makeQueries(count: number): string[] {
  const lines = files.flatMap(({ text }) => text.split('\n').filter((line) => /^\s*(\/\/|\*|\/\*\*)/.test(line) && line.length > 30)).map((line) => line.replace(/^[\s/*]+/, '')).filter((line) => line.length > 20);
  const vocabulary = [...countTerms(files.map(({ text }) => text).join('\n')).terms.keys()].filter((term) => term.length > 3);
  const pick = <T>(list: readonly T[], i: number): T => list[(i * 7919) % list.length] as T;
  return Array.from({ length: count }, (_, i) => {
    if (i % 4 === 0) return pick(lines, i).slice(0, 90);
    if (i % 4 === 1) return pick(names, i);
    if (i % 4 === 2) return `${pick(vocabulary, i)} ${pick(vocabulary, i + 1)} ${pick(vocabulary, i + 2)}`;
    return `how does ${pick(names, i)} handle ${pick(vocabulary, i)} errors`;
  });
}

function time(work: () => unknown): number {
  const from = performance.now();
  work();
  return performance.now() - from;
}

function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] as number);
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
