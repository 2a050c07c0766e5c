/**
 * Retrieval engine without a daemon: ingest, memtable and ranking in this process. For work on the ranking; what users get is
 * measured by retrieval-engine.mjs. Form of a benchmark engine: `index(dir, options) → {search(query, k), stats, close}`.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createStaticEmbedder, type StaticEmbedder } from '../../src/embed/static-embedder.ts';
import { encodeDoc } from '../../src/format/doc-codec.ts';
import type { DocRecord } from '../../src/format/doc.ts';
import type { Snapshot } from '../../src/index/snapshot.ts';
import { analyzeFile } from '../../src/ingest/document.ts';
import { projectTermsOf } from '../../src/ingest/discovery/repository.ts';
import { judgePath } from '../../src/ingest/guards/paths.ts';
import { TreeSitter } from '../../src/ingest/syntax/tree-sitter.ts';
import { Memtable } from '../../src/memtable/index.ts';
import { VectorArena } from '../../src/quantize/index.ts';
import { pathQueryText } from '../../src/query/query-plan.ts';
import { search } from '../../src/query/search.ts';
import type { Lane, SearchResult } from '../../src/query/types.ts';
import { asGeneration, asLsn } from '../../src/util/ids.ts';
import type { Found } from './retrieval-labels.ts';

export interface OfflineOptions {
  /** Leave the embedder out. */
  readonly lexical?: boolean | undefined;
  readonly without?: readonly Lane[] | undefined;
  /** Folder that keeps analysed documents between runs; delete it when ingest changes. */
  readonly cache?: string | undefined;
  readonly explain?: boolean | undefined;
  /** Path patterns; all files if left out. */
  readonly paths?: readonly string[] | undefined;
}

export interface OfflineIndex {
  readonly stats: { readonly chunks: number; readonly files: number };
  readonly snapshot: Snapshot;
  search(query: string, k: number, options?: OfflineOptions): Found[];
  query(query: string, k: number, options?: OfflineOptions): SearchResult;
  close(): void;
}

const SKIPPED = new Set(['.git', '.hg', '.svn', 'node_modules', '__pycache__', '.venv', 'venv', 'dist', 'build', '.cache', '.next', '.tox', '.eggs']);

let parser: TreeSitter | null = null;
let embedder: StaticEmbedder | null = null;

export async function index(directory: string, options: OfflineOptions = {}): Promise<OfflineIndex> {
  embedder ??= await createStaticEmbedder();
  const docs = await cachedDocs(directory, options);
  const dimension = embedder.identity.dimension;
  const memtable = new Memtable({ id: 'memtable-1', dimension, arena: new VectorArena({ dimension }) });
  for (const doc of docs) memtable.add(doc);
  const view = { part: memtable, docCount: memtable.docCount, chunkCount: memtable.chunkCount, live: null, liveDocs: memtable.docCount, liveChunks: memtable.chunkCount };
  const snapshot: Snapshot = { lsn: asLsn(1), generation: asGeneration(1), parts: [view], find: () => null, release: () => {} };
  const projectTerms = projectTermsOf(directory);
  const query = (text: string, limit: number, more: OfflineOptions = {}): SearchResult => {
    const { lexical, without, explain, paths } = { ...options, ...more };
    const vectors = lexical === true ? null : { vector: (embedder as StaticEmbedder).embedText(text), pathVector: (embedder as StaticEmbedder).embedText(pathQueryText(text)) };
    return search(snapshot, { query: text, projectTerms, limit, without, explain, filters: { codeOnly: true, ...(paths === undefined ? {} : { paths }) } }, vectors);
  };
  return {
    stats: { chunks: memtable.chunkCount, files: memtable.docCount },
    snapshot,
    query,
    search: (text, k, more) => query(text, k, more).hits.map(({ key, startLine, endLine }) => ({ file: key, startLine, endLine })),
    close: () => {},
  };
}

/** Encoded documents of a tree, from the cache if there is one. File layout: u32 length, bytes, … */
async function cachedDocs(directory: string, options: OfflineOptions): Promise<Uint8Array[]> {
  if (options.cache === undefined) return analyzeTree(directory);
  mkdirSync(options.cache, { recursive: true });
  const path = join(options.cache, `${createHash('sha256').update(directory).digest('hex').slice(0, 16)}.docs`);
  if (!existsSync(path)) {
    const docs = await analyzeTree(directory);
    writeFileSync(path, Buffer.concat(docs.flatMap((doc) => [lengthOf(doc), doc])));
    return docs;
  }
  const bytes = readFileSync(path);
  const docs: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32LE(at);
    docs.push(bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return docs;
}

function lengthOf(doc: Uint8Array): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32LE(doc.length);
  return out;
}

async function analyzeTree(directory: string): Promise<Uint8Array[]> {
  const docs: Uint8Array[] = [];
  for (const path of walk(directory, '')) {
    parser ??= await TreeSitter.create(new URL('../../src/ingest/queries/', import.meta.url));
    if (parser.isWorn) parser = await TreeSitter.create(new URL('../../src/ingest/queries/', import.meta.url));
    const bytes = readFileSync(join(directory, path));
    const stamp = { size: bytes.length, mtimeNs: 0n, hash: new Uint8Array(16) };
    const doc = await analyzeFile(path, bytes, stamp, { parser, parseBudgetMs: 10_000, plainReason: null });
    docs.push(encodeDoc(embed(doc)));
  }
  return docs;
}

function embed(doc: DocRecord): DocRecord {
  const model = embedder as StaticEmbedder;
  const prefix = model.pathPrefix(doc.key);
  return { ...doc, chunks: doc.chunks.map((chunk) => ({ ...chunk, vector: model.embedText(prefix + chunk.text) })), pathVector: model.embedText(model.pathText(doc.key)) };
}

function* walk(root: string, under: string): Generator<string> {
  const entries = readdirSync(join(root, under), { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    const path = under === '' ? entry.name : `${under}/${entry.name}`;
    if (entry.isDirectory() && !SKIPPED.has(entry.name)) yield* walk(root, path);
    else if (entry.isFile() && judgePath(path) === null && statSync(join(root, path)).size <= 1 << 20) yield path;
  }
}
