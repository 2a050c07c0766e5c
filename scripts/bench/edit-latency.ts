// From a file being written to its new text being found by search/query, through a real daemon that watches a copy of the tree.
// Usage: node scripts/bench/edit-latency.ts --root DIR [--edits 100] [--json]   (after npm run build)
import { appendFileSync, cpSync, renameSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { CairnClient } from '../../client/cairn-client.ts';
import { BenchDaemon, option, percentile, report, required, round } from './support.ts';

const source = resolve(required('root'));
const edits = Number(option('edits') ?? 100);
const PATIENCE_MS = 10_000;

/** One word that nothing else contains and that no tokenizer splits or stems: ten consonants. */
function wordFor(i: number): string {
  let state = (i + 1) * 2654435761;
  return Array.from({ length: 10 }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return 'bcdfghjkmnpqrtvwxz'[(state >>> 16) % 18];
  }).join('');
}

/** As an editor saves: half in place, half by a temporary file and a rename. */
function save(path: string, line: string, atomically: boolean): void {
  if (!atomically) {
    appendFileSync(path, line);
    return;
  }
  writeFileSync(`${path}.tmp~`, readFileSync(path, 'utf8') + line);
  renameSync(`${path}.tmp~`, path);
}

/** Source files that have rows: an edit of a generated file, say, is rightly never found. */
async function indexedCode(client: CairnClient, index: string): Promise<string[]> {
  const files: string[] = [];
  for (let after: string | null | undefined; after !== null; ) {
    const page = await client.inspectIndex({ index, documents: 1_000, ...(after === undefined ? {} : { after }) });
    for (const { id, chunks, source } of page.documents ?? []) {
      if (chunks > 0 && (source?.size ?? 0) < 100_000 && /\.(ts|js|py|go|rs|java|cc?|cpp|h|cs|rb|php|kt|swift|scala|lua|ex|hs)$/.test(id)) files.push(id);
    }
    after = page.nextDocument ?? null;
  }
  return files;
}

const daemon = new BenchDaemon();
try {
  const root = daemon.sandbox.path(basename(source));
  cpSync(source, root, { recursive: true });
  const client = await daemon.connect();
  const run = await client.openIndex({ root, wait: true }, { timeoutMs: 3_600_000 });
  const files = await indexedCode(client, run.index);
  const before = await client.indexStatus({ index: run.index });
  const times: number[] = [];
  let missed = 0;
  for (let i = 0; i < edits; i++) {
    const file = files[(i * 7919) % files.length] ?? '';
    const word = wordFor(i);
    await delay(50 + ((i * 37) % 200));
    save(join(root, file), `\n// ${word}\n`, i % 2 === 1);
    const saved = performance.now();
    for (;;) {
      const { hits } = await client.search({ root, query: word, limit: 200 });
      const age = performance.now() - saved;
      if (hits.some((hit) => hit.path === file && hit.snippet.includes(word))) {
        times.push(age);
        break;
      }
      if (age > PATIENCE_MS) {
        missed++;
        break;
      }
      await delay(5);
    }
  }
  await client.flushIndex({ index: run.index });
  const after = await client.indexStatus({ index: run.index });
  report('edit to visible', {
    files: run.files,
    chunks: run.chunks,
    edits,
    missed,
    p50Ms: round(percentile(times, 0.5), 0),
    p95Ms: round(percentile(times, 0.95), 0),
    maxMs: round(Math.max(...times), 0),
    embedderCalls: (after.embedder?.calls ?? 0) - (before.embedder?.calls ?? 0),
    saves: after.persist.saves - before.persist.saves,
    eventLoopMs: (await client.status()).eventLoop,
  });
  client.close();
} finally {
  await daemon.close();
}
