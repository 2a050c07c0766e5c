// The foreign layouts, written byte by byte.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface CodannaOptions {
  readonly magic?: string;
  readonly version?: number;
  readonly dimension?: number;
  readonly headerCount?: number;
  readonly metadata?: Readonly<Record<string, unknown>> | null;
  readonly languages?: Readonly<Record<string, unknown>> | string | null;
  /** Bytes cut off the end, or added. */
  readonly cut?: number;
}

export function writeCodanna(dir: string, records: readonly (readonly [id: number, vector: readonly number[]])[], options: CodannaOptions = {}): string {
  const dimension = options.dimension ?? records[0]?.[1].length ?? 3;
  const header = Buffer.alloc(16);
  header.write(options.magic ?? 'CVEC', 'latin1');
  header.writeUInt32LE(options.version ?? 1, 4);
  header.writeUInt32LE(dimension, 8);
  header.writeUInt32LE(options.headerCount ?? records.length, 12);
  const rows = records.map(([id, vector]) => {
    const row = Buffer.alloc(4 + vector.length * 4);
    row.writeUInt32LE(id, 0);
    vector.forEach((value, i) => row.writeFloatLE(value, 4 + i * 4));
    return row;
  });
  const bytes = Buffer.concat([header, ...rows]);
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'segment_0.vec'), options.cut === undefined ? bytes : bytes.subarray(0, bytes.length - options.cut));
  const metadata = { model_name: 'AllMiniLML6V2', backend: 'local', dimension, embedding_count: records.length, created_at: 1_700_000_000, updated_at: 1_700_000_100, version: 1, ...options.metadata };
  if (options.metadata !== null) writeFileSync(join(dir, 'metadata.json'), JSON.stringify(metadata));
  if (options.languages !== null && options.languages !== undefined) {
    writeFileSync(join(dir, 'languages.json'), typeof options.languages === 'string' ? options.languages : JSON.stringify(options.languages));
  }
  return dir;
}

export interface DvecdbRecord {
  /** One byte, repeated sixteen times. */
  readonly id: number;
  readonly vector: readonly number[];
  readonly tag?: number;
  readonly n?: bigint;
}

export function dvecdbRecord({ id, vector, tag = 0, n = BigInt(vector.length) }: DvecdbRecord): Buffer {
  const bytes = Buffer.alloc(32 + vector.length * 4 + 1);
  bytes.writeBigUInt64LE(16n, 0);
  bytes.fill(id, 8, 24);
  bytes.writeBigUInt64LE(n, 24);
  vector.forEach((value, i) => bytes.writeFloatLE(value, 32 + i * 4));
  bytes.writeUInt8(tag, bytes.length - 1);
  return bytes;
}

export function uuidOf(id: number): string {
  const hex = id.toString(16).padStart(2, '0').repeat(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

export interface DvecdbOptions {
  readonly metadata?: Readonly<Record<string, unknown>> | null;
  /** The file is preallocated with zeros to this size. */
  readonly size?: number;
  readonly wal?: Uint8Array;
}

export function writeDvecdb(dir: string, records: readonly Uint8Array[], { metadata, size = 1 << 20, wal }: DvecdbOptions = {}): string {
  mkdirSync(dir, { recursive: true });
  const data = Buffer.concat(records);
  writeFileSync(join(dir, 'vectors.bin'), Buffer.concat([data, Buffer.alloc(Math.max(0, size - data.length))]));
  writeFileSync(join(dir, 'index.bin'), Buffer.alloc(4096));
  const full = { name: 'Notes Of Mine', dimension: 3, distance_metric: 'Cosine', vector_type: 'Float32', index_config: { max_connections: 32, ef_construction: 100, ef_search: 20, max_layer: 8 }, ...metadata };
  if (metadata !== null) writeFileSync(join(dir, 'metadata.json'), JSON.stringify(full));
  if (wal !== undefined) writeFileSync(join(dir, 'wal'), wal);
  return dir;
}

export function trustyChunk(file: string, start: number, end: number, content: string, more: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    id: `${file}:${start}:${end}`, file, start_line: start, end_line: end, content, chunk_type: 'Code',
    calls: [], inherits_from: [], chunk_depth: 0, child_chunk_ids: [], nlp_keywords: [], nlp_code_refs: [], ...more,
  };
}

export function writeTrusty(path: string, chunks: readonly unknown[], more: Readonly<Record<string, unknown>> = {}): string {
  writeFileSync(path, JSON.stringify({ version: 1, chunks, entities: [['src/a.rs', ['Parser']]], ...more }));
  return path;
}
