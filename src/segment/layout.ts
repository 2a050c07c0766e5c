/**
 * Numbers of the segment file (FORMAT.md, "Segment"): section tags and the meta section. Tags are never reused.
 * Numbers in sections are little-endian and read in place as typed arrays, so a big-endian machine is refused.
 */
import { ByteReader, ByteWriter } from '../util/bytes.ts';
import { CairnError } from '../util/errors.ts';
import { asLsn, type Lsn } from '../util/ids.ts';
import { FIELDS, type Field } from './part.ts';

/** Version of the section contents, in the container header. 1: first format. */
export const SEGMENT_CONTENT = 1;

export const TAG = {
  meta: 1,
  docs: 2,
  docKeys: 3,
  labels: 4,
  chunks: 5,
  textBlocks: 6,
  texts: 7,
  symbols: 8,
  edges: 9,
  payloadIndex: 10,
  payloads: 11,
  /** Eight tags from here, in the order of FIELDS. */
  firstField: 16,
  vectors: 32,
  vectorChecksums: 33,
  pathVectors: 34,
  pathVectorChecksums: 35,
  quantization: 36,
  chunkCodes: 37,
  centroidCodes: 38,
  pathCodes: 39,
} as const;

export const fieldTag = (field: Field): number => TAG.firstField + FIELDS.indexOf(field);

export const KNOWN_TAGS: ReadonlySet<number> = new Set([...Object.values(TAG), ...FIELDS.map(fieldTag)]);

/** Flags of a doc row. */
export const DOC_SOURCE = 1;
export const DOC_NOTE = 2;
export const DOC_CHUNK_VECTORS = 4;
export const DOC_PATH_VECTOR = 8;
export const DOC_PAYLOAD = 16;

export const CODEC_RAW = 0;
export const CODEC_ZSTD = 1;

export interface ContentVersions {
  readonly chunker: number;
  readonly tokenizer: number;
}

export interface SegmentMeta {
  readonly docs: number;
  readonly chunks: number;
  readonly symbols: number;
  readonly edges: number;
  /** 0 = no vectors. */
  readonly dimension: number;
  /** Chunks that came with a vector. */
  readonly vectors: number;
  readonly pathVectors: number;
  readonly payloads: number;
  readonly textBlocks: number;
  readonly minLsn: Lsn;
  readonly maxLsn: Lsn;
  readonly createdMs: number;
  readonly contentVersions: ContentVersions;
}

export const META_BYTES = 72;

export function encodeMeta(meta: SegmentMeta): Buffer {
  return new ByteWriter(META_BYTES)
    .u32(meta.docs).u32(meta.chunks).u32(meta.symbols).u32(meta.edges)
    .u32(meta.dimension).u32(meta.vectors).u32(meta.pathVectors).u32(meta.payloads).u32(meta.textBlocks)
    .u32(meta.contentVersions.chunker).u32(meta.contentVersions.tokenizer).u32(0)
    .u64(meta.minLsn).u64(meta.maxLsn).u64(meta.createdMs)
    .finish();
}

export function decodeMeta(bytes: Uint8Array, path: string, base: number): SegmentMeta {
  const reader = new ByteReader(bytes, { path, base });
  if (bytes.length !== META_BYTES) throw reader.fail(`meta section of ${bytes.length} bytes`);
  const counts = { docs: reader.u32(), chunks: reader.u32(), symbols: reader.u32(), edges: reader.u32() };
  const vectors = { dimension: reader.u32(), vectors: reader.u32(), pathVectors: reader.u32() };
  const rest = { payloads: reader.u32(), textBlocks: reader.u32() };
  const contentVersions = { chunker: reader.u32(), tokenizer: reader.u32() };
  reader.u32();
  const lsns = { minLsn: asLsn(reader.u64()), maxLsn: asLsn(reader.u64()) };
  return { ...counts, ...vectors, ...rest, contentVersions, ...lsns, createdMs: reader.u64() };
}

export function requireLittleEndian(): void {
  if (new Uint8Array(Uint16Array.of(1).buffer)[0] !== 1) {
    throw new CairnError('UNSUPPORTED', 'segments are read in place as little-endian numbers; this machine is big-endian');
  }
}
