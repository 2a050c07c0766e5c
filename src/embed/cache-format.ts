/**
 * Bytes and names of the embedding cache. All integers little-endian, all checksums CRC-32 (zlib).
 *
 *   vectors-<seq>.dat   header, then records { key 16 bytes, vector dimension × f32, u32 crc of key and vector }
 *   vectors-<seq>.keys  header, then count × key; derived: says which record holds which key without reading the vectors
 *
 *   header, 64 bytes:  0  magic, 8 bytes ("CAIRNVEC" or "CAIRNKEY")
 *                      8  u32 version
 *                     12  u32 dimension
 *                     16  embedder fingerprint, 32 bytes
 *                     48  u32 count            (keys file; 0 in a data file)
 *                     52  u32 crc of the keys  (keys file; 0 in a data file)
 *                     56  zero
 *                     60  u32 crc of bytes 0..60
 *
 * <seq> is eight hex digits, grows by one with every new file and is never used twice while files exist.
 */
import { crc32 } from 'node:zlib';
import { CairnError } from '../util/errors.ts';
import { VECTOR_KEY_BYTES } from './vector-key.ts';

export const CACHE_VERSION = 1;
export const HEADER_BYTES = 64;
const CRC_BYTES = 4;
const MAGIC = { data: 'CAIRNVEC', keys: 'CAIRNKEY' } as const;

export type CacheFileKind = keyof typeof MAGIC;

export interface CacheIdentity {
  readonly dimension: number;
  /** 64 hex digits. */
  readonly fingerprint: string;
}

export interface CacheHeader {
  readonly count: number;
  readonly keysCrc: number;
}

export const recordBytes = (dimension: number): number => VECTOR_KEY_BYTES + dimension * 4 + CRC_BYTES;

export function fileName(kind: CacheFileKind, seq: number): string {
  return `vectors-${seq.toString(16).padStart(8, '0')}.${kind === 'data' ? 'dat' : 'keys'}`;
}

export function parseFileName(name: string): { readonly kind: CacheFileKind; readonly seq: number } | null {
  const match = /^vectors-([0-9a-f]{8})\.(dat|keys)$/.exec(name);
  return match === null ? null : { kind: match[2] === 'dat' ? 'data' : 'keys', seq: Number.parseInt(match[1] as string, 16) };
}

export function encodeHeader(kind: CacheFileKind, identity: CacheIdentity, header: CacheHeader = { count: 0, keysCrc: 0 }): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  bytes.write(MAGIC[kind], 0, 'latin1');
  bytes.writeUInt32LE(CACHE_VERSION, 8);
  bytes.writeUInt32LE(identity.dimension, 12);
  bytes.write(identity.fingerprint, 16, 32, 'hex');
  bytes.writeUInt32LE(header.count, 48);
  bytes.writeUInt32LE(header.keysCrc, 52);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 60)), 60);
  return bytes;
}

/** Fails with TRUNCATED, CORRUPT, NEWER_FORMAT (leave the file alone) or EMBEDDER_MISMATCH. */
export function decodeHeader(kind: CacheFileKind, bytes: Buffer, identity: CacheIdentity, path: string): CacheHeader {
  if (bytes.length < HEADER_BYTES) throw new CairnError('TRUNCATED', `${path}: ${bytes.length} bytes, the header has ${HEADER_BYTES}`, { path, offset: bytes.length });
  const version = bytes.readUInt32LE(8);
  if (bytes.toString('latin1', 0, 8) !== MAGIC[kind]) throw new CairnError('CORRUPT', `${path}: not an embedding cache file`, { path, offset: 0 });
  if (version > CACHE_VERSION) throw new CairnError('NEWER_FORMAT', `${path}: format ${version}, this version reads ${CACHE_VERSION}`, { path, offset: 8 });
  if (crc32(bytes.subarray(0, 60)) !== bytes.readUInt32LE(60)) throw new CairnError('CORRUPT', `${path}: the header is damaged`, { path, offset: 60 });
  if (bytes.readUInt32LE(12) !== identity.dimension || bytes.toString('hex', 16, 48) !== identity.fingerprint) {
    throw new CairnError('EMBEDDER_MISMATCH', `${path}: holds vectors of another embedder`, { path, offset: 12 });
  }
  return { count: bytes.readUInt32LE(48), keysCrc: bytes.readUInt32LE(52) };
}

/** Writes one record at `at` of `target`. */
export function encodeRecord(target: Buffer, at: number, key: Uint8Array, vector: Float32Array): void {
  target.set(key, at);
  target.set(new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength), at + VECTOR_KEY_BYTES);
  const end = at + VECTOR_KEY_BYTES + vector.byteLength;
  target.writeUInt32LE(crc32(target.subarray(at, end)), end);
}

export function isRecordIntact(record: Buffer): boolean {
  const end = record.length - CRC_BYTES;
  return crc32(record.subarray(0, end)) === record.readUInt32LE(end);
}

export function recordVector(record: Buffer, dimension: number): Float32Array {
  const vector = new Float32Array(dimension);
  new Uint8Array(vector.buffer).set(record.subarray(VECTOR_KEY_BYTES, VECTOR_KEY_BYTES + dimension * 4));
  return vector;
}
