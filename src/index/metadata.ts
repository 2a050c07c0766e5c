/**
 * metadata.json: builds, parses and checks it. Identity and configuration only, never counts. [3.1]
 * A file that is not exactly right is CORRUPT with the field named; nothing is guessed or filled in.
 */
import type { Env } from '../env/env.ts';
import type { EmbedderIdentity } from '../embed/embedder.ts';
import { METADATA_SCHEMA } from '../format/constants.ts';
import { DOC_LIMITS } from '../format/doc-layout.ts';
import { checksumHex, crc32 } from '../util/crc32.ts';
import { CairnError } from '../util/errors.ts';
import type { LogTag } from '../wal/record.ts';
import type { IndexKind, IndexMetadata, Metric } from './types.ts';

export { METADATA_FILE } from '../format/file-names.ts';
const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const LOG_TAG = /^[0-9a-f]{16}$/;
const TIMELINE = /^[0-9]{8}T[0-9]{9}Z$/;
const MAX_DIMENSION = DOC_LIMITS.dimension;
const METRICS: readonly Metric[] = ['cosine', 'dot', 'euclidean'];
const KINDS: readonly IndexKind[] = ['code', 'vector'];

/** What a caller decides about a new index; the rest is filled in by `newMetadata`. */
export interface IndexDefinition {
  readonly name: string;
  readonly kind: IndexKind;
  readonly dimension: number;
  readonly distanceMetric?: Metric;
  readonly indexConfig?: IndexMetadata['indexConfig'];
  readonly embedder?: EmbedderIdentity | null;
  readonly sourceRoot?: string | null;
  readonly contentVersions?: IndexMetadata['contentVersions'];
  readonly owner?: string;
}

/** `now` in milliseconds since 1970. INVALID_ARGUMENT names the field that is wrong. */
export function newMetadata(definition: IndexDefinition, now: number): IndexMetadata {
  const time = new Date(now).toISOString();
  const metadata: IndexMetadata = {
    schemaVersion: 1,
    name: definition.name,
    kind: definition.kind,
    dimension: definition.dimension,
    distanceMetric: definition.distanceMetric ?? 'cosine',
    vectorType: 'f32',
    indexConfig: definition.indexConfig ?? { max_connections: 16, ef_construction: 200, ef_search: 50, max_layer: 16 },
    embedder: definition.embedder ?? null,
    sourceRoot: definition.sourceRoot ?? null,
    contentVersions: definition.contentVersions ?? { chunker: 1, tokenizer: 1 },
    createdAt: time,
    modifiedAt: time,
    owner: definition.owner ?? '',
  };
  checkMetadata(metadata);
  return metadata;
}

/** INVALID_ARGUMENT names the first field that is wrong. */
export function checkMetadata(metadata: IndexMetadata): void {
  const problem = problemOf(metadata);
  if (problem !== null) throw new CairnError('INVALID_ARGUMENT', `index definition: ${problem}`);
}

/** Each log has its own: a file of another one is found out. */
export function newLogTag(env: Pick<Env, 'random'>): LogTag {
  return env.random.bytes(8).toString('hex');
}

/** Milliseconds since 1970 as a name that sorts by time: 20250131T235959123Z. */
export function timeName(time: number): string {
  return new Date(time).toISOString().replace(/[-:.]/g, '');
}

/** A moment whose name sorts behind that of the timeline: now, unless the clock was set back. */
export function momentAfter(timeline: string, now: number): number {
  const [, date = '', hour = '', minute = '', second = '', ms = ''] = /^([0-9]{8})T([0-9]{2})([0-9]{2})([0-9]{2})([0-9]{3})Z$/.exec(timeline) ?? [];
  const began = Date.parse(`${date.slice(0, 4)}-${date.slice(4, 6)}-${date.slice(6)}T${hour}:${minute}:${second}.${ms}Z`);
  return Number.isNaN(began) ? Math.floor(now) : Math.max(Math.floor(now), began + 1);
}

/** Which history the LSNs of an index belong to: the moment of its creation, or of the restore that began it. */
export function timelineOf(metadata: IndexMetadata): string {
  return metadata.timeline ?? timeName(Date.parse(metadata.createdAt));
}

export function encodeMetadata(metadata: IndexMetadata): Uint8Array {
  return Buffer.from(`${JSON.stringify({ ...metadata, checksum: checksumOf(metadata) }, null, 2)}\n`, 'utf8');
}

/** Of the values in the order of the file, not of their layout: a formatter changes nothing. */
function checksumOf(value: object): string {
  return checksumHex(crc32(Buffer.from(JSON.stringify(value), 'utf8')));
}

export interface DecodedMetadata {
  readonly metadata: IndexMetadata;
  /** False for a file that was written by hand: damage inside its values cannot be noticed. */
  readonly hasChecksum: boolean;
}

/** CORRUPT when it is no metadata.json, NEWER_FORMAT when a later cairn wrote it. `path` is for the message only. */
export function decodeMetadata(bytes: Uint8Array, path: string): DecodedMetadata {
  if (bytes.length === 0) throw corrupt(path, 'the file is empty');
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw corrupt(path, 'is not JSON', cause);
  }
  if (!isObject(value)) throw corrupt(path, 'is not a JSON object');
  const schema = value['schemaVersion'];
  if (Number.isSafeInteger(schema) && (schema as number) > METADATA_SCHEMA) {
    throw new CairnError('NEWER_FORMAT', `${path}: schemaVersion ${String(schema)}, this cairn reads ${METADATA_SCHEMA}`, { path, hint: 'Use the cairn version that wrote it, or a newer one.' });
  }
  if (!Object.hasOwn(value, 'schemaVersion')) {
    throw new CairnError('CORRUPT', `${path}: it has no schemaVersion`, { path, offset: 0, hint: 'Written by hand? `cairn migrate --dry-run` shows how it would be completed.' });
  }
  const { checksum, ...metadata } = value;
  const problem = problemOf(metadata);
  if (problem !== null) throw corrupt(path, problem);
  if (checksum !== undefined && checksum !== checksumOf(metadata)) {
    throw new CairnError('CORRUPT', `${path}: the values fail the checksum ${JSON.stringify(checksum)}`, {
      path, offset: 0,
      hint: 'Edited by hand? Remove its "checksum" line and restart the daemon. Otherwise `cairn repair` restores the file.',
    });
  }
  return { metadata: metadata as unknown as IndexMetadata, hasChecksum: checksum !== undefined };
}

/** What the rows of an index depend on and what never changes; CORRUPT when metadata.json and manifest disagree about it. */
export function requireSameIdentity(metadata: IndexMetadata, mirror: Readonly<Record<string, unknown>> | null, path: string): void {
  const problem = identityProblem(metadata, mirror, path);
  if (problem !== null) throw problem;
}

export function identityProblem(metadata: IndexMetadata, mirror: Readonly<Record<string, unknown>> | null, path: string): CairnError | null {
  if (mirror === null) return null;
  for (const field of ['kind', 'dimension', 'distanceMetric', 'vectorType', 'logTag'] as const) {
    if (mirror[field] === metadata[field]) continue;
    // Absent in files that were written by hand or before there were tags.
    if (field === 'logTag' && (mirror[field] === undefined || metadata[field] === undefined)) continue;
    return new CairnError('CORRUPT', `${path}: ${field} is ${JSON.stringify(metadata[field])}, the index was made with ${JSON.stringify(mirror[field])}`, {
      path, offset: 0, hint: 'Nothing was changed. It may belong to another index; `cairn repair` restores the right one.',
    });
  }
  return null;
}

/** A metadata.json that was written by hand does not know the tag of the log; the manifest does. */
export function withLogTag(metadata: IndexMetadata, mirror: Readonly<Record<string, unknown>> | null): IndexMetadata {
  const logTag = metadata.logTag ?? metadataOfMirror(mirror)?.logTag;
  return logTag === undefined ? metadata : { ...metadata, logTag };
}

/** The mirror of metadata.json in a manifest; null when it is not usable. */
export function metadataOfMirror(mirror: Readonly<Record<string, unknown>> | null): IndexMetadata | null {
  return mirror === null || problemOf(mirror) !== null ? null : (mirror as unknown as IndexMetadata);
}

/** The first field that is wrong, or null. */
function problemOf(value: object): string | null {
  const m = value as Record<string, unknown>;
  if (m['schemaVersion'] !== METADATA_SCHEMA) return `schemaVersion is not ${METADATA_SCHEMA}`;
  if (typeof m['name'] !== 'string' || !NAME.test(m['name'])) return `name does not match ${NAME.source}`;
  if (!KINDS.includes(m['kind'] as IndexKind)) return `kind is not one of ${KINDS.join(', ')}`;
  if (!isWhole(m['dimension'], 0, MAX_DIMENSION)) return `dimension is not a whole number from 0 to ${MAX_DIMENSION}`;
  if (!METRICS.includes(m['distanceMetric'] as Metric)) return `distanceMetric is not one of ${METRICS.join(', ')}`;
  if (m['vectorType'] !== 'f32') return 'vectorType is not f32';
  if (!hasWholes(m['indexConfig'], ['max_connections', 'ef_construction', 'ef_search', 'max_layer'])) return 'indexConfig is incomplete';
  if (!hasWholes(m['contentVersions'], ['chunker', 'tokenizer'])) return 'contentVersions is incomplete';
  if (m['sourceRoot'] !== null && typeof m['sourceRoot'] !== 'string') return 'sourceRoot is neither a string nor null';
  for (const field of ['createdAt', 'modifiedAt']) {
    if (typeof m[field] !== 'string' || Number.isNaN(Date.parse(m[field]))) return `${field} is not a time`;
  }
  if (typeof m['owner'] !== 'string') return 'owner is not a string';
  if (m['timeline'] !== undefined && (typeof m['timeline'] !== 'string' || !TIMELINE.test(m['timeline']))) return `timeline does not match ${TIMELINE.source}`;
  if (m['logTag'] !== undefined && (typeof m['logTag'] !== 'string' || !LOG_TAG.test(m['logTag']))) return `logTag does not match ${LOG_TAG.source}`;
  if (m['restoredFrom'] !== undefined && (typeof m['restoredFrom'] !== 'string' || m['restoredFrom'].length > 64)) return 'restoredFrom is not a backup id';
  return embedderProblem(m['embedder'], m['dimension'] as number);
}

function embedderProblem(value: unknown, dimension: number): string | null {
  if (value === null) return null;
  if (!isObject(value)) return 'embedder is neither an object nor null';
  for (const field of ['name', 'revision', 'fingerprint']) if (typeof value[field] !== 'string') return `embedder.${field} is not a string`;
  if (typeof value['normalized'] !== 'boolean') return 'embedder.normalized is not a boolean';
  return value['dimension'] === dimension ? null : 'embedder.dimension differs from dimension';
}

function hasWholes(value: unknown, fields: readonly string[]): boolean {
  return isObject(value) && fields.every((field) => isWhole(value[field], 0, 2 ** 31));
}

function isWhole(value: unknown, min: number, max: number): boolean {
  return Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function corrupt(path: string, what: string, cause?: unknown): CairnError {
  return new CairnError('CORRUPT', `${path}: ${what}`, { path, offset: 0, cause, hint: 'The file was left as it is; `cairn repair` puts back the copy that the manifest has of it.' });
}
