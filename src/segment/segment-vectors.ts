/** Vectors of an open segment: codes in the arena, exact rows on disk. */
import type { ContainerReader } from '../format/container-reader.ts';
import { CodeTable, type VectorArena } from '../quantize/index.ts';
import { CairnError } from '../util/errors.ts';
import type { SegmentMeta } from './layout.ts';
import type { VectorColumns } from './part.ts';
import { openVectorFiles, type VectorFiles } from './vector-files.ts';

export class SegmentVectors implements VectorColumns {
  readonly dimension: number;
  readonly chunks: CodeTable;
  readonly centroids: CodeTable;
  readonly paths: CodeTable;
  readonly #files: VectorFiles;

  private constructor(dimension: number, tables: readonly [CodeTable, CodeTable, CodeTable], files: VectorFiles) {
    this.dimension = dimension;
    [this.chunks, this.centroids, this.paths] = tables;
    this.#files = files;
  }

  /** Loads the codes into the arena with one copy each; on an error nothing stays allocated. */
  static async load(container: ContainerReader, meta: SegmentMeta, arena: VectorArena): Promise<SegmentVectors> {
    const { dimension } = meta;
    const files = await openVectorFiles(container, meta);
    const tables: CodeTable[] = [];
    try {
      for (const { tag, scales, norms } of [files.chunks, files.centroids, files.paths]) {
        const table = CodeTable.fixed(arena, dimension, scales, norms);
        tables.push(table);
        await fill(container, tag, table);
      }
    } catch (error) {
      for (const table of tables) table.free();
      throw error;
    }
    return new SegmentVectors(dimension, tables as [CodeTable, CodeTable, CodeTable], files);
  }

  get memoryBytes(): number {
    return this.chunks.memoryBytes + this.centroids.memoryBytes + this.paths.memoryBytes + (this.#files.rows.rows + this.#files.pathRows.rows) * 4;
  }

  readVector(chunk: number): Float32Array {
    return new Float32Array(this.#files.rows.read(chunk, chunk + 1).buffer);
  }

  /** Bytes of the rows [from, to), verified. */
  readRows(from: number, to: number): Uint8Array {
    return this.#files.rows.read(from, to);
  }

  /** `row` counts only the docs that have a path vector. */
  readPathRow(row: number): Float32Array {
    return new Float32Array(this.#files.pathRows.read(row, row + 1).buffer);
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
