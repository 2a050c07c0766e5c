/**
 * Speed of the embedder and of the embedding cache.
 *   node scripts/bench/embed.ts [--json] [--dir DIR] [--entries N]
 * Embeds the text files under DIR (default: this project's sources) in pieces of at most 1500 characters, on one thread,
 * then fills a cache with N vectors in a temporary directory and times open and lookup.
 */
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { createStaticEmbedder } from '../../src/embed/static-embedder.ts';
import { FileVectorCache } from '../../src/embed/vector-cache.ts';
import { vectorKey } from '../../src/embed/vector-key.ts';
import { nodeEnv } from '../../src/env/node-env.ts';

const CHUNK_CHARS = 1500;
const SECONDS = 3;
const BATCH = 1000;

const { values } = parseArgs({ options: { json: { type: 'boolean', default: false }, dir: { type: 'string' }, entries: { type: 'string', default: '100000' } } });
const root = values.dir ?? join(import.meta.dirname, '../../src');

const embedderStart = performance.now();
const embedder = await createStaticEmbedder();
const loadMs = performance.now() - embedderStart;

const texts = readdirSync(root, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && /\.(ts|js|py|go|rs|java|c|h|cpp|hpp|cs|rb|php|kt|swift|scala|sh|lua|ex|exs|hs|md)$/.test(entry.name))
  .flatMap((entry) => {
    const path = join(entry.parentPath, entry.name);
    const text = readFileSync(path, 'utf8');
    return Array.from({ length: Math.ceil(text.length / CHUNK_CHARS) }, (_, i) => embedder.documentText(relative(root, path), text.slice(i * CHUNK_CHARS, (i + 1) * CHUNK_CHARS)));
  });

function chunksPerSecond(): number {
  let chunks = 0;
  const start = performance.now();
  while (performance.now() - start < SECONDS * 1000) {
    for (const text of texts.slice(0, 2000)) embedder.embedText(text);
    chunks += Math.min(2000, texts.length);
  }
  return (chunks / (performance.now() - start)) * 1000;
}

async function benchCache(entries: number): Promise<Record<string, number>> {
  const directory = mkdtempSync(join(tmpdir(), 'cairn-bench-'));
  try {
    const options = { env: nodeEnv(), directory, identity: embedder.identity };
    const vector = embedder.embedText('one vector for all');
    const keyOf = (n: number): Uint8Array => vectorKey(`entry ${n}`);
    const cache = await FileVectorCache.open(options);
    const storeStart = performance.now();
    for (let n = 0; n < entries; n += BATCH) await cache.store(Array.from({ length: Math.min(BATCH, entries - n) }, (_, i) => ({ key: keyOf(n + i), vector })));
    const storeMs = performance.now() - storeStart;
    await cache.close();
    const openStart = performance.now();
    const again = await FileVectorCache.open(options);
    const openMs = performance.now() - openStart;
    const lookupStart = performance.now();
    for (let n = 0; n < 200; n++) await again.lookup(Array.from({ length: 100 }, (_, i) => keyOf((n * 7919 + i) % entries)));
    const lookupMs = performance.now() - lookupStart;
    const { hits, memoryBytes } = again.stats;
    await again.close();
    return { entries, storedPerSecond: (entries / storeMs) * 1000, openMs, lookupsPerSecond: (20_000 / lookupMs) * 1000, hits, memoryBytesPerEntry: memoryBytes / entries };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const embed = { loadMs, texts: texts.length, chunksPerSecond: chunksPerSecond() };
const report = { embed, cache: await benchCache(Number(values.entries)) };
console.log(values.json ? JSON.stringify(report) : report);
