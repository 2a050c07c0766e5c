/**
 * Opens a segment: header, footer, table of contents, then every section that queries need in memory, each verified.
 * No object per row, no string per term: typed-array views over the loaded sections. The rest of the file is not read.
 */
import type { Env, EnvFile } from '../env/env.ts';
import { ContainerReader } from '../format/container-reader.ts';
import { KIND_SEGMENT } from '../format/constants.ts';
import type { VectorArena } from '../quantize/index.ts';
import { CairnError } from '../util/errors.ts';
import { BlockCache } from './block-cache.ts';
import type { FieldReader } from './field-reader.ts';
import { decodeMeta, DOC_PATH_VECTOR, DOC_CHUNK_VECTORS, DOC_PAYLOAD, fieldTag, KNOWN_TAGS, requireLittleEndian, SEGMENT_CONTENT, TAG, type SegmentMeta } from './layout.ts';
import { FIELDS, type Field } from './part.ts';
import { Payloads } from './payloads.ts';
import { DocRows, readChunks, sectionLoader } from './rows.ts';
import { SegmentVectors } from './segment-vectors.ts';
import { Segment, type SegmentContent } from './segment.ts';
import { StoredSegment, type StoredContent } from './stored-segment.ts';
import { TextBlocks } from './text-blocks.ts';
import type { SegmentSummary } from './writer.ts';

/** Decompressed texts kept per segment when the caller brings no cache. */
const DEFAULT_CACHE_BYTES = 4 << 20;

/** What the manifest says of the file; what differs is CORRUPT, TRUNCATED or COUNT_MISMATCH. */
export type SegmentExpectation = Partial<Pick<SegmentSummary, 'id' | 'bytes' | 'checksum' | 'docs' | 'chunks' | 'symbols' | 'edges' | 'vectors'>> & { readonly dimension?: number };

export interface OpenSegmentOptions {
  /** Shared by several segments; by default each has one of 4 MiB. */
  readonly cache?: BlockCache;
}

/** The segment owns its descriptor and its arena memory until `close`. On an error nothing stays open. */
export function openSegment(env: Env, path: string, arena: VectorArena, expected: SegmentExpectation = {}, options: OpenSegmentOptions = {}): Promise<Segment> {
  return withFile(env, path, async (file) => {
    const stored = await loadStored(file, expected, options);
    return new Segment(await loadContent(stored, arena));
  });
}

/** The same without what only queries need: for merges. */
export function openStoredSegment(env: Env, path: string, expected: SegmentExpectation = {}, options: OpenSegmentOptions = {}): Promise<StoredSegment> {
  return withFile(env, path, async (file) => new StoredSegment(await loadStored(file, expected, options)));
}

async function withFile<T>(env: Env, path: string, use: (file: EnvFile) => Promise<T>): Promise<T> {
  requireLittleEndian();
  const file = await env.open(path, 'read');
  try {
    return await use(file);
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function loadStored(file: EnvFile, expected: SegmentExpectation, { cache }: OpenSegmentOptions): Promise<StoredContent> {
  const container = await ContainerReader.open(file, {
    kind: KIND_SEGMENT, maxContent: SEGMENT_CONTENT, knownTags: KNOWN_TAGS,
    ...(expected.id === undefined ? {} : { id: expected.id }),
    ...(expected.bytes === undefined ? {} : { bytes: expected.bytes }),
    ...(expected.checksum === undefined ? {} : { checksum: Number.parseInt(expected.checksum, 16) }),
  });
  const meta = decodeMeta(await container.load(TAG.meta), file.path, container.section(TAG.meta).offset);
  checkCounts(meta, expected, file.path);
  const load = sectionLoader(container);
  const docs = await DocRows.read(load, meta);
  const chunks = await readChunks(load, meta);
  const texts = new TextBlocks(container, await container.load(TAG.textBlocks), meta.textBlocks, chunks.textStarts, cache ?? new BlockCache(DEFAULT_CACHE_BYTES));
  const payloads = meta.payloads === 0 ? null : new Payloads(container, await container.load(TAG.payloadIndex), meta.docs);
  checkFlags(docs, meta, container.path);
  return { file, container, meta, docs, chunks, texts, payloads };
}

async function loadContent(stored: StoredContent, arena: VectorArena): Promise<SegmentContent> {
  const { container, meta } = stored;
  const segment = new StoredSegment(stored);
  const fields = new Map<Field, FieldReader>();
  for (const name of RESIDENT_FIELDS) fields.set(name, await segment.readField(name));
  const symbols = await segment.readSymbols(fields.get('name')?.termCount ?? 0);
  // Read when they are needed; damage is found now.
  for (const tag of EDGE_TAGS) await container.verifySection(tag);
  const loadedBytes = LOADED_TAGS.reduce((sum, tag) => sum + (container.find(tag)?.length ?? 0), 0);
  // Last, because it takes arena memory that would have to be given back when something else fails.
  const vectors = meta.dimension === 0 ? null : await SegmentVectors.load(container, meta, arena);
  return { ...stored, fields, symbols, vectors, loadedBytes };
}

const RESIDENT_FIELDS: readonly Field[] = FIELDS.filter((name) => name !== 'target');
const EDGE_TAGS: readonly number[] = [TAG.edges, fieldTag('target')];
const LOADED_TAGS: readonly number[] = [TAG.docs, TAG.docKeys, TAG.labels, TAG.chunks, TAG.textBlocks, TAG.symbols, TAG.payloadIndex, ...RESIDENT_FIELDS.map(fieldTag)];

/** The flags of the docs decide which sections are read for them, so they must agree with the sections. */
function checkFlags(docs: DocRows, meta: SegmentMeta, path: string): void {
  let vectors = 0;
  for (let doc = 0; doc < docs.count; doc++) {
    if (docs.has(doc, DOC_CHUNK_VECTORS)) vectors += (docs.chunkStarts[doc + 1] as number) - (docs.chunkStarts[doc] as number);
  }
  const found = [vectors, docs.countOf(DOC_PATH_VECTOR), docs.countOf(DOC_PAYLOAD)];
  const said = [meta.vectors, meta.pathVectors, meta.payloads];
  const needsVectors = (found[0] as number) + (found[1] as number) > 0;
  if (found.some((count, i) => count !== said[i]) || (needsVectors && meta.dimension === 0)) {
    throw new CairnError('CORRUPT', `${path}: doc rows speak of ${found.join(', ')} vectors, path vectors and payloads, the meta section of ${said.join(', ')}`, { path });
  }
}

function checkCounts(meta: SegmentMeta, expected: SegmentExpectation, path: string): void {
  for (const name of ['docs', 'chunks', 'symbols', 'edges', 'vectors', 'dimension'] as const) {
    const wanted = expected[name];
    if (wanted !== undefined && wanted !== meta[name]) {
      throw new CairnError('COUNT_MISMATCH', `${path}: the manifest says ${name} ${wanted}, the file ${meta[name]}`, { path });
    }
  }
}
