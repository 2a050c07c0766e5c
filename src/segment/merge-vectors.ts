/** Vectors of a merge: rows of the surviving docs, read from their files (and checked) or copied from the arena, in order. */
import type { ContainerWriter } from '../format/container-writer.ts';
import type { CodeTable } from '../quantize/index.ts';
import type { MergedDoc, MergePlan } from './merge-plan.ts';
import type { SegmentVectors } from './segment-vectors.ts';
import { writeVectors, type CodeRows, type VectorSource } from './vector-sections.ts';

type RowRange = (doc: MergedDoc) => readonly [from: number, to: number];

const chunkRows: RowRange = ({ segment, doc }) => [segment.chunkStart(doc), segment.chunkStart(doc + 1)];
const docRow: RowRange = ({ doc }) => [doc, doc + 1];

export class MergedVectors implements VectorSource {
  readonly dimension: number;
  readonly chunks: CodeRows;
  readonly centroids: CodeRows;
  readonly paths: CodeRows;
  chunkVectorCount = 0;
  pathVectorCount = 0;
  readonly #plan: MergePlan;

  constructor(plan: MergePlan, dimension: number) {
    this.#plan = plan;
    this.dimension = dimension;
    this.chunks = new MergedCodes(plan, (vectors) => vectors.chunks, chunkRows);
    this.centroids = new MergedCodes(plan, (vectors) => vectors.centroids, docRow);
    this.paths = new MergedCodes(plan, (vectors) => vectors.paths, docRow);
    for (const { segment, doc } of plan.docs()) {
      if (segment.docHasVectors(doc)) this.chunkVectorCount += segment.chunkStart(doc + 1) - segment.chunkStart(doc);
      if (segment.docHasPathVector(doc)) this.pathVectorCount += 1;
    }
  }

  write(container: ContainerWriter): Promise<void> {
    return writeVectors(container, this);
  }

  *chunkVectors(): Generator<Uint8Array> {
    for (const merged of this.#plan.docs()) {
      const [from, to] = chunkRows(merged);
      if (to > from) yield vectorsOf(merged).readRows(from, to);
    }
  }

  *pathVectors(): Generator<Uint8Array> {
    for (const { segment, doc } of this.#plan.docs()) {
      const vector = segment.readPathVector(doc);
      if (vector !== null) yield new Uint8Array(vector.buffer);
    }
  }
}

class MergedCodes implements CodeRows {
  readonly #plan: MergePlan;
  readonly #table: (vectors: SegmentVectors) => CodeTable;
  readonly #range: RowRange;
  readonly scales: Float32Array;
  readonly norms: Float32Array;

  constructor(plan: MergePlan, table: (vectors: SegmentVectors) => CodeTable, range: RowRange) {
    this.#plan = plan;
    this.#table = table;
    this.#range = range;
    this.scales = this.#gather((rows) => rows.scales);
    this.norms = this.#gather((rows) => rows.norms);
  }

  *codes(): Generator<Uint8Array> {
    for (const merged of this.#plan.docs()) {
      const table = this.#table(vectorsOf(merged));
      const [from, to] = this.#range(merged);
      // A copy: files cannot be written from shared memory.
      if (to > from) yield new Uint8Array(table.codes().slice(from * table.stride, to * table.stride).buffer);
    }
  }

  #gather(column: (table: CodeTable) => Float32Array): Float32Array {
    let rows = 0;
    for (const merged of this.#plan.docs()) {
      const [from, to] = this.#range(merged);
      rows += to - from;
    }
    const out = new Float32Array(rows);
    let at = 0;
    for (const merged of this.#plan.docs()) {
      const [from, to] = this.#range(merged);
      out.set(column(this.#table(vectorsOf(merged))).subarray(from, to), at);
      at += to - from;
    }
    return out;
  }
}

const vectorsOf = ({ segment }: MergedDoc): SegmentVectors => segment.vectors as SegmentVectors;
