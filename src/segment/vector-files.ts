/** The vector sections of a segment file: exact rows, each checked against its own checksum when it is read; scales and norms of the codes. */
import type { ContainerReader } from '../format/container-reader.ts';
import type { SectionInfo } from '../format/container.ts';
import { crc32 } from '../util/crc32.ts';
import { CairnError } from '../util/errors.ts';
import { ColumnReader } from './columns.ts';
import { TAG, type SegmentMeta } from './layout.ts';

/** f32 rows on disk. */
export class RowFile {
  readonly #container: ContainerReader;
  readonly #section: SectionInfo;
  readonly #checksums: Uint32Array;
  readonly #rowBytes: number;

  constructor(container: ContainerReader, tag: number, checksums: Uint32Array, rowBytes: number) {
    this.#container = container;
    this.#section = container.section(tag);
    this.#checksums = checksums;
    this.#rowBytes = rowBytes;
    if (this.#section.length !== checksums.length * rowBytes) throw this.#corrupt(0, `${this.#section.length} bytes for ${checksums.length} vectors of ${rowBytes} bytes`);
  }

  get rows(): number {
    return this.#checksums.length;
  }

  /** Rows [from, to), verified, in memory of their own. */
  read(from: number, to: number): Uint8Array {
    return this.readInto(from, to, new Uint8Array((to - from) * this.#rowBytes));
  }

  /** The same in memory of the caller, of exactly their size. */
  readInto(from: number, to: number, bytes: Uint8Array): Uint8Array {
    if (from < 0 || to > this.rows || from > to) throw new CairnError('INTERNAL', `vectors ${from}-${to} of ${this.rows}`);
    const rowBytes = this.#rowBytes;
    this.#container.readSync(this.#section, from * rowBytes, bytes);
    for (let row = from; row < to; row++) {
      const at = (row - from) * rowBytes;
      if (crc32(bytes.subarray(at, at + rowBytes)) !== this.#checksums[row]) throw this.#corrupt(row * rowBytes, `vector ${row} fails its checksum`);
    }
    return bytes;
  }

  #corrupt(at: number, what: string): CairnError {
    const offset = this.#section.offset + at;
    return new CairnError('CORRUPT', `${this.#container.path}: ${what} at offset ${offset}`, { path: this.#container.path, offset });
  }
}

/** What stands beside the codes of one matrix; the codes themselves are a section of their own. */
export interface CodeScales {
  readonly tag: number;
  readonly scales: Float32Array;
  readonly norms: Float32Array;
}

export interface VectorFiles {
  /** One row per chunk, one per doc with a path vector. */
  readonly rows: RowFile;
  readonly pathRows: RowFile;
  readonly chunks: CodeScales;
  readonly centroids: CodeScales;
  readonly paths: CodeScales;
}

export async function openVectorFiles(container: ContainerReader, meta: SegmentMeta): Promise<VectorFiles> {
  const rowBytes = meta.dimension * 4;
  const rows = new RowFile(container, TAG.vectors, await loadChecksums(container, TAG.vectorChecksums, meta.chunks), rowBytes);
  const pathRows = new RowFile(container, TAG.pathVectors, await loadChecksums(container, TAG.pathVectorChecksums, meta.pathVectors), rowBytes);
  const columns = new ColumnReader(await container.load(TAG.quantization), container.path, container.section(TAG.quantization).offset);
  const scalesOf = (tag: number, count: number): CodeScales => ({ tag, scales: columns.f32(count), norms: columns.f32(count) });
  const codes = { chunks: scalesOf(TAG.chunkCodes, meta.chunks), centroids: scalesOf(TAG.centroidCodes, meta.docs), paths: scalesOf(TAG.pathCodes, meta.docs) };
  columns.end();
  return { rows, pathRows, ...codes };
}

async function loadChecksums(container: ContainerReader, tag: number, rows: number): Promise<Uint32Array> {
  const bytes = await container.load(tag);
  if (bytes.length !== rows * 4) {
    const { path } = container;
    const { offset } = container.section(tag);
    throw new CairnError('CORRUPT', `${path}: ${bytes.length} bytes of checksums for ${rows} rows at offset ${offset}`, { path, offset });
  }
  return new Uint32Array(bytes.buffer, bytes.byteOffset, rows);
}
