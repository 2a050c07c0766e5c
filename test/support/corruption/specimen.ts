/**
 * A small but complete data directory, built by the real engine in memory: an index with vectors and one without, each with two
 * generations of segments, tombstones, two log files, quarantine; the embedding cache. With it: what each index held at each LSN
 * (the oracle), and earlier contents of the files that change.
 */
import { encodeDoc } from '../../../src/format/doc-codec.ts';
import type { DocRecord } from '../../../src/format/doc.ts';
import { FileVectorCache } from '../../../src/embed/vector-cache.ts';
import type { EmbedderIdentity } from '../../../src/embed/embedder.ts';
import { createIndex } from '../../../src/index/create.ts';
import { newMetadata } from '../../../src/index/metadata.ts';
import { openIndex } from '../../../src/index/open-index.ts';
import { indexOptions } from '../../../src/index/options.ts';
import { inlineRunner } from '../../../src/index/run-job.ts';
import type { DurableIndex } from '../../../src/index/types.ts';
import { VectorArena } from '../../../src/quantize/arena.ts';
import { BlockCache } from '../../../src/segment/block-cache.ts';
import { canonicalDoc } from '../../../src/segment/dump.ts';
import { testLease } from '../fence.ts';
import { DIRECTORY, MemoryEnv, ROOT, type Disk } from '../memory-env.ts';
import { seededRandom } from '../random.ts';
import { randomDoc } from '../sample-docs.ts';

export const INDEXES = ['lexical', 'vectors'] as const;
export type IndexName = (typeof INDEXES)[number];
export const DIMENSION: Readonly<Record<IndexName, number>> = { lexical: 0, vectors: 8 };
export const directoryOf = (name: IndexName): string => `${ROOT}/indexes/${name}`;
export const CACHE_DIRECTORY = `${ROOT}/embeddings`;
export const IDENTITY: EmbedderIdentity = { name: 'specimen', revision: '1', dimension: 8, normalized: true, fingerprint: 'ab'.repeat(32) };

/** Key → the document in canonical text. */
export type Content = ReadonlyMap<string, string>;

export interface Specimen {
  readonly disk: Disk;
  readonly files: readonly string[];
  /** By LSN; 0 is empty. */
  readonly history: Readonly<Record<IndexName, readonly Content[]>>;
  /** Earlier contents of a path, different from the last. */
  readonly older: ReadonlyMap<string, readonly Buffer[]>;
  readonly cached: ReadonlyMap<string, Float32Array>;
}

const arena = new VectorArena({ maxBytes: 32 << 20 });

export function openSpecimen(env: MemoryEnv, name: IndexName, epoch = 2): Promise<DurableIndex> {
  const services = { lease: testLease(epoch), arena, cache: new BlockCache(1 << 16), runner: inlineRunner(env), archive: null, options: indexOptions({ walFileMaxBytes: 4096, compactionFanIn: 8 }) };
  return openIndex(env, directoryOf(name), services);
}

export async function buildSpecimen(seed: number): Promise<Specimen> {
  const env = new MemoryEnv(undefined, seed);
  const random = seededRandom(seed);
  const older = new Map<string, Buffer[]>();
  const history: Record<IndexName, Content[]> = { lexical: [new Map()], vectors: [new Map()] };
  await env.mkdir(`${ROOT}/indexes`);
  for (const name of INDEXES) {
    await createIndex(env, directoryOf(name), newMetadata({ name, kind: 'code', dimension: DIMENSION[name], sourceRoot: '/tree' }, 0), testLease(1));
    const index = await openSpecimen(env, name, 1);
    const grow = async (from: number, puts: number, deletes: readonly number[]): Promise<void> => {
      const docs = Array.from({ length: puts }, (_, i) => randomDoc(random, `doc${from + i}`, { dimension: DIMENSION[name], maxChunks: 3 }));
      await commit(index, history[name], docs, deletes.map((n) => `doc${n}`));
      remember(env, older);
    };
    await grow(0, 6, []);
    await grow(4, 5, []);
    await index.persist('first');
    await grow(6, 6, [0, 1]);
    await index.updateMetadata({ sourceRoot: '/other-tree' });
    await index.persist('second');
    remember(env, older);
    await index.persist('nothing new');
    for (let i = 0; i < 4; i++) await grow(10 + i, 3, [i === 2 ? 3 : 50]);
    await index.close();
    await env.mkdir(`${directoryOf(name)}/quarantine`);
    await write(env, `${directoryOf(name)}/quarantine/seg-00000000000000aa.cairn.1`, Buffer.from('damaged once'));
  }
  const cached = await fillCache(env, random);
  const disk = env.disk();
  const files = [...disk.names].filter(([, ino]) => ino !== DIRECTORY).map(([path]) => path).sort();
  return { disk, files, history, older: distinct(older, disk), cached };
}

async function commit(index: DurableIndex, history: Content[], docs: readonly DocRecord[], deletes: readonly string[]): Promise<void> {
  const { lsn } = await index.commit({ puts: docs.map(encodeDoc), deletes });
  const next = new Map(history.at(-1));
  for (const key of deletes) next.delete(key);
  for (const doc of docs) next.set(doc.key, textOf(canonicalDoc(doc)));
  if (lsn !== history.length) throw new Error(`LSN ${lsn} after ${history.length - 1} commits`);
  history.push(next);
}

/** Every bit of a document: vectors by their bytes, which JSON would lose. */
export function textOf(doc: DocRecord): string {
  return JSON.stringify(doc, (_, value: unknown) => {
    if (value instanceof Map) return [...value];
    if (value instanceof Float32Array || value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex');
    return typeof value === 'bigint' ? String(value) : value;
  });
}

async function fillCache(env: MemoryEnv, random: () => number): Promise<Map<string, Float32Array>> {
  const cached = new Map<string, Float32Array>();
  const cache = await FileVectorCache.open({ env, directory: CACHE_DIRECTORY, identity: IDENTITY });
  for (let i = 0; i < 40; i++) {
    const key = Buffer.alloc(16, i + 1);
    const vector = Float32Array.from({ length: IDENTITY.dimension }, () => random());
    cached.set(key.toString('hex'), vector);
    await cache.store([{ key, vector }]);
  }
  await cache.close();
  return cached;
}

function remember(env: MemoryEnv, older: Map<string, Buffer[]>): void {
  for (const [path, ino] of env.names) {
    if (ino !== DIRECTORY) older.set(path, [...(older.get(path) ?? []), env.inodes.get(ino) as Buffer]);
  }
}

function distinct(older: ReadonlyMap<string, readonly Buffer[]>, disk: Disk): Map<string, Buffer[]> {
  const found = new Map<string, Buffer[]>();
  for (const [path, versions] of older) {
    const ino = disk.names.get(path);
    const last = ino === undefined ? null : disk.inodes.get(ino);
    const kept = versions.filter((bytes, i) => last?.equals(bytes) !== true && versions.findIndex((other) => other.equals(bytes)) === i);
    if (ino !== undefined && kept.length > 0) found.set(path, kept);
  }
  return found;
}

async function write(env: MemoryEnv, path: string, bytes: Buffer): Promise<void> {
  const file = await env.open(path, 'create');
  await file.write(bytes, 0);
  await file.close();
}
