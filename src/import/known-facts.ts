/**
 * metadata.json of a directory that has none: from the mirror in its manifest; else what rows and manifest say, with the rest
 * taken from the caller. What nobody knows is named, never guessed silently.
 */
import { join } from 'node:path';
import type { Env } from '../env/env.ts';
import { KIND_SEGMENT } from '../format/constants.ts';
import { ContainerReader } from '../format/container-reader.ts';
import { peekDocHeader } from '../format/doc-codec.ts';
import { WAL_DIRECTORY } from '../format/file-names.ts';
import { decodeBatch } from '../index/batch-codec.ts';
import { checkMetadata, metadataOfMirror, newMetadata } from '../index/metadata.ts';
import type { IndexKind, IndexMetadata, Metric } from '../index/types.ts';
import { loadGenerations } from '../manifest/load.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { decodeMeta, KNOWN_TAGS, SEGMENT_CONTENT, TAG } from '../segment/layout.ts';
import { CairnError, isCairnError } from '../util/errors.ts';
import { asLsn } from '../util/ids.ts';
import { replayWal } from '../wal/wal-reader.ts';

/** What the caller says. It wins over what is found, except where the rows prove it wrong. */
export interface GivenFacts {
  readonly name?: string | undefined;
  readonly kind?: IndexKind | undefined;
  readonly dimension?: number | undefined;
  readonly metric?: Metric | undefined;
  readonly root?: string | null | undefined;
}

export interface KnownFacts {
  readonly metadata: IndexMetadata;
  readonly source: 'manifest' | 'rows';
  /** Facts that neither the directory nor the caller knew, and what was taken. */
  readonly assumed: readonly string[];
}

/** INVALID_ARGUMENT names the fact that must be given. */
export async function factsOf(env: Env, dir: string, given: GivenFacts, fallbackName: string): Promise<KnownFacts> {
  const { kept } = await loadGenerations(env, dir, 1, 'unchecked');
  const manifest = kept[0] as Manifest;
  const mirrored = metadataOfMirror(manifest.metadata);
  if (mirrored !== null) return { metadata: withGiven(mirrored, given), source: 'manifest', assumed: [] };
  const assumed: string[] = [];
  const rows = await shapeOfRows(env, dir, manifest);
  const dimension = given.dimension ?? manifest.embedder?.dimension ?? rows.dimension;
  if (dimension === null) throw new CairnError('INVALID_ARGUMENT', `${dir} has no rows that tell its dimension`, { path: dir, hint: 'Give it: --dimension N (0 for an index without vectors).' });
  const kind = given.kind ?? rows.kind ?? (manifest.embedder === null ? null : 'code');
  if (kind === null) throw new CairnError('INVALID_ARGUMENT', `${dir} has no rows that tell whether it is a code index`, { path: dir, hint: 'Give it: --kind code or --kind vector.' });
  if (given.metric === undefined) assumed.push('distanceMetric: cosine');
  if (given.root === undefined && kind === 'code') assumed.push('sourceRoot: none');
  if (manifest.embedder === null && kind === 'code' && dimension > 0) assumed.push('embedder: unknown, so the semantic lane cannot be used');
  const made = newMetadata(
    { name: given.name ?? fallbackName, kind, dimension, distanceMetric: given.metric ?? 'cosine', embedder: manifest.embedder, sourceRoot: given.root ?? null, contentVersions: manifest.contentVersions },
    Math.min(...kept.map(({ createdAt }) => Date.parse(createdAt)).filter(Number.isFinite), env.clock.now()),
  );
  return { metadata: made, source: 'rows', assumed };
}

/** The same metadata with what the caller says; INVALID_ARGUMENT when that contradicts what can never change. */
export function withGiven(metadata: IndexMetadata, given: GivenFacts): IndexMetadata {
  for (const [field, has, wanted] of [['dimension', metadata.dimension, given.dimension], ['kind', metadata.kind, given.kind], ['metric', metadata.distanceMetric, given.metric]] as const) {
    if (wanted !== undefined && wanted !== has) throw new CairnError('INVALID_ARGUMENT', `${field}: the index was made with ${has}, not ${wanted}`);
  }
  const changed = { ...metadata, name: given.name ?? metadata.name, sourceRoot: given.root === undefined ? metadata.sourceRoot : given.root };
  checkMetadata(changed);
  return changed;
}

interface Shape {
  readonly dimension: number | null;
  readonly kind: IndexKind | null;
}

/** A record of a vector index is one chunk and nothing else; a file of a code index has a path vector, or the index no vectors. */
async function shapeOfRows(env: Env, dir: string, manifest: Manifest): Promise<Shape> {
  const [first] = manifest.segments;
  return first !== undefined ? shapeOfSegment(env, join(dir, first.file)) : shapeOfLog(env, join(dir, WAL_DIRECTORY), manifest);
}

async function shapeOfSegment(env: Env, path: string): Promise<Shape> {
  const file = await env.open(path, 'read');
  try {
    const container = await ContainerReader.open(file, { kind: KIND_SEGMENT, maxContent: SEGMENT_CONTENT, knownTags: KNOWN_TAGS });
    const meta = decodeMeta(await container.load(TAG.meta), path, container.section(TAG.meta).offset);
    const isRecords = meta.dimension > 0 && meta.pathVectors === 0 && meta.chunks === meta.docs && meta.symbols === 0 && meta.edges === 0;
    return { dimension: meta.dimension, kind: isRecords ? 'vector' : 'code' };
  } finally {
    await file.close();
  }
}

async function shapeOfLog(env: Env, walDir: string, manifest: Manifest): Promise<Shape> {
  let shape: Shape = { dimension: null, kind: null };
  try {
    await replayWal(env, walDir, { after: asLsn(manifest.flushedLsn), tag: null }, (record) => {
      for (const doc of decodeBatch(record.payload, walDir, 0).puts) {
        const { dimension, language, chunkCount } = peekDocHeader(doc, walDir);
        if (chunkCount > 0) shape = { dimension, kind: language === '' ? 'vector' : 'code' };
      }
    });
  } catch (error) {
    if (!isCairnError(error, 'NOT_FOUND')) throw error; // a log that is gone tells nothing
  }
  return shape;
}
