/** Vectors of a merge: rows and codes of the surviving docs, read from their files and checked, in order. In memory: one doc. */
import type { ContainerWriter } from '../format/container-writer.ts';
import { codeStride } from '../quantize/index.ts';
import { rowEnd, rowStart, type MergedDoc, type MergePlan, type RowKind } from './merge-plan.ts';
import type { CodeScales, VectorFiles } from './vector-files.ts';
import { writeVectors, type CodeRows, type VectorSource } from './vector-sections.ts';

export class MergedVectors implements VectorSource {
  readonly dimension: number;
  readonly chunks: CodeRows;
  readonly centroids: CodeRows;
  readonly paths: CodeRows;
  chunkVectorCount = 0;
  pathVectorCount = 0;
  readonly #plan: MergePlan;
  readonly #files: readonly VectorFiles[];
  readonly #piece = new Piece();

  private constructor(plan: MergePlan, dimension: number, files: readonly VectorFiles[]) {
    this.#plan = plan;
    this.#files = files;
    this.dimension = dimension;
    const codes = (scales: (from: VectorFiles) => CodeScales, kind: RowKind): CodeRows => new MergedCodes(plan, codeStride(dimension), files.map(scales), kind);
    this.chunks = codes((from) => from.chunks, 'chunk');
    this.centroids = codes((from) => from.centroids, 'doc');
    this.paths = codes((from) => from.paths, 'doc');
    for (const { segment, doc } of plan.docs()) {
      if (segment.docHasVectors(doc)) this.chunkVectorCount += segment.chunkStart(doc + 1) - segment.chunkStart(doc);
      if (segment.docHasPathVector(doc)) this.pathVectorCount += 1;
    }
  }

  static async open(plan: MergePlan, dimension: number): Promise<MergedVectors> {
    const files: VectorFiles[] = [];
    for (const segment of plan.segments) {
      const opened = await segment.openVectors();
      // Their rows have no checksums of their own.
      for (const { tag } of [opened.chunks, opened.centroids, opened.paths]) await segment.container.verifySection(tag);
      files.push(opened);
    }
    return new MergedVectors(plan, dimension, files);
  }

  write(container: ContainerWriter): Promise<void> {
    return writeVectors(container, this);
  }

  *chunkVectors(): Generator<Uint8Array> {
    for (const { segment, source, doc } of this.#plan.docs()) {
      const [from, to] = [segment.chunkStart(doc), segment.chunkStart(doc + 1)];
      if (to > from) yield this.#filesOf(source).rows.readInto(from, to, this.#piece.of((to - from) * this.dimension * 4));
    }
  }

  *pathVectors(): Generator<Uint8Array> {
    for (const { segment, source, doc } of this.#plan.docs()) {
      const row = segment.pathRow(doc);
      if (segment.docHasPathVector(doc)) yield this.#filesOf(source).pathRows.readInto(row, row + 1, this.#piece.of(this.dimension * 4));
    }
  }

  #filesOf(source: number): VectorFiles {
    return this.#files[source] as VectorFiles;
  }
}

class MergedCodes implements CodeRows {
  readonly #plan: MergePlan;
  readonly #stride: number;
  readonly #sources: readonly CodeScales[];
  readonly #kind: RowKind;
  readonly #piece = new Piece();

  constructor(plan: MergePlan, stride: number, sources: readonly CodeScales[], kind: RowKind) {
    this.#plan = plan;
    this.#stride = stride;
    this.#sources = sources;
    this.#kind = kind;
  }

  get scales(): Float32Array {
    return this.#gather(({ scales }) => scales);
  }
  get norms(): Float32Array {
    return this.#gather(({ norms }) => norms);
  }

  *codes(): Generator<Uint8Array> {
    for (const merged of this.#plan.docs()) {
      const { container } = merged.segment;
      const [from, to] = this.#range(merged);
      const piece = this.#piece.of((to - from) * this.#stride);
      container.readSync(container.section((this.#sources[merged.source] as CodeScales).tag), from * this.#stride, piece);
      yield piece;
    }
  }

  #range({ segment, doc }: MergedDoc): readonly [from: number, to: number] {
    return [rowStart(segment, this.#kind, doc), rowEnd(segment, this.#kind, doc)];
  }

  #gather(column: (from: CodeScales) => Float32Array): Float32Array {
    let rows = 0;
    for (const merged of this.#plan.docs()) {
      const [from, to] = this.#range(merged);
      rows += to - from;
    }
    const out = new Float32Array(rows);
    let at = 0;
    for (const merged of this.#plan.docs()) {
      const [from, to] = this.#range(merged);
      out.set(column(this.#sources[merged.source] as CodeScales).subarray(from, to), at);
      at += to - from;
    }
    return out;
  }
}

/** Memory for one piece after the other. */
class Piece {
  #bytes = new Uint8Array(0);

  /** Of exactly this size; the piece before is overwritten. */
  of(length: number): Uint8Array {
    if (length > this.#bytes.length) this.#bytes = new Uint8Array(length * 2);
    return this.#bytes.subarray(0, length);
  }
}
