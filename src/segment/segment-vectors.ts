/** Vectors of an open segment: codes in the arena, exact rows on disk, each checked against its own checksum when it is read. */
import type { ContainerReader } from '../format/container-reader.ts';
import type { SectionInfo } from '../format/container.ts';
import { CodeTable, type VectorArena } from '../quantize/index.ts';
import { crc32 } from '../util/crc32.ts';
import { CairnError } from '../util/errors.ts';
import { ColumnReader } from './columns.ts';
import { TAG, type SegmentMeta } from './layout.ts';
import type { VectorColumns } from './part.ts';

/** f32 rows on disk. */
class RowFile {
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
    if (from < 0 || to > this.rows || from > to) throw new CairnError('INTERNAL', `vectors ${from}-${to} of ${this.rows}`);
    const rowBytes = this.#rowBytes;
    const bytes = new Uint8Array((to - from) * rowBytes);
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

export class SegmentVectors implements VectorColumns {
  readonly dimension: number;
  readonly chunks: CodeTable;
  readonly centroids: CodeTable;
  readonly paths: CodeTable;
  readonly #rows: RowFile;
  readonly #pathRows: RowFile;

  private constructor(dimension: number, tables: readonly [CodeTable, CodeTable, CodeTable], rows: RowFile, pathRows: RowFile) {
    this.dimension = dimension;
    [this.chunks, this.centroids, this.paths] = tables;
    this.#rows = rows;
    this.#pathRows = pathRows;
  }

  /** Loads the codes into the arena with one copy each; on an error nothing stays allocated. */
  static async load(container: ContainerReader, meta: SegmentMeta, arena: VectorArena): Promise<SegmentVectors> {
    const { dimension } = meta;
    const rows = new RowFile(container, TAG.vectors, await loadChecksums(container, TAG.vectorChecksums, meta.chunks), dimension * 4);
    const pathRows = new RowFile(container, TAG.pathVectors, await loadChecksums(container, TAG.pathVectorChecksums, meta.pathVectors), dimension * 4);
    const columns = new ColumnReader(await container.load(TAG.quantization), container.path, container.section(TAG.quantization).offset);
    const shapes = [[TAG.chunkCodes, meta.chunks], [TAG.centroidCodes, meta.docs], [TAG.pathCodes, meta.docs]] as const;
    const scales = shapes.map(([tag, count]) => ({ tag, scales: columns.f32(count), norms: columns.f32(count) }));
    columns.end();
    const tables: CodeTable[] = [];
    try {
      for (const { tag, scales: s, norms } of scales) {
        const table = CodeTable.fixed(arena, dimension, s, norms);
        tables.push(table);
        await fill(container, tag, table);
      }
    } catch (error) {
      for (const table of tables) table.free();
      throw error;
    }
    return new SegmentVectors(dimension, tables as [CodeTable, CodeTable, CodeTable], rows, pathRows);
  }

  get memoryBytes(): number {
    return this.chunks.memoryBytes + this.centroids.memoryBytes + this.paths.memoryBytes + (this.#rows.rows + this.#pathRows.rows) * 4;
  }

  readVector(chunk: number): Float32Array {
    return new Float32Array(this.#rows.read(chunk, chunk + 1).buffer);
  }

  /** Bytes of the rows [from, to), verified. */
  readRows(from: number, to: number): Uint8Array {
    return this.#rows.read(from, to);
  }

  /** `row` counts only the docs that have a path vector. */
  readPathRow(row: number): Float32Array {
    return new Float32Array(this.#pathRows.read(row, row + 1).buffer);
  }

  free(): void {
    for (const table of [this.chunks, this.centroids, this.paths]) table.free();
  }
}

async function fill(container: ContainerReader, tag: number, table: CodeTable): Promise<void> {
  const codes = table.codes();
  const section = container.section(tag);
  if (section.length !== codes.length) {
    const { path } = container;
    throw new CairnError('CORRUPT', `${path}: ${section.length} bytes of codes for ${table.rows} rows at offset ${section.offset}`, { path, offset: section.offset });
  }
  await container.loadInto(tag, new Uint8Array(codes.buffer, codes.byteOffset, codes.length));
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
