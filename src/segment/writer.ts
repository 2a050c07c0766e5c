/**
 * Builds a segment from documents in key order. Texts stream to the file as they come; rows, postings and vectors stay in
 * memory until the end, so memory is bounded by the documents of one flush (merge.ts streams and has no such bound).
 * Never syncs and never names the file: whoever creates it does (env/atomic-file.ts, createFileDurable).
 */
import type { EnvFile } from '../env/env.ts';
import { ContainerWriter } from '../format/container-writer.ts';
import { KIND_SEGMENT } from '../format/constants.ts';
import { encodeDoc } from '../format/doc-codec.ts';
import type { DocRecord } from '../format/doc.ts';
import { FlatDoc, type Counted } from '../format/flat-doc.ts';
import { Centroid, quantizeRow, rowNorm } from '../quantize/index.ts';
import { checksumHex } from '../util/crc32.ts';
import { CairnError } from '../util/errors.ts';
import type { Lsn, SegmentId } from '../util/ids.ts';
import { sortField } from './field-writer.ts';
import { Inverter } from './inverter.ts';
import { encodeMeta, requireLittleEndian, SEGMENT_CONTENT, TAG, type ContentVersions, type SegmentMeta } from './layout.ts';
import { FIELDS, type Field } from './part.ts';
import { PayloadWriter } from './payloads.ts';
import { RowColumns, type Rank } from './row-columns.ts';
import { TextBlockWriter } from './text-blocks.ts';
import { CodeBuffer, writeVectors, type VectorSource } from './vector-sections.ts';

export interface SegmentSpec {
  readonly id: SegmentId;
  /** 0 for an index without vectors. */
  readonly dimension: number;
  readonly contentVersions: ContentVersions;
  readonly minLsn: Lsn;
  readonly maxLsn: Lsn;
  /** ISO 8601, milliseconds. */
  readonly createdAt: string;
}

/** What the manifest records of a segment. */
export interface SegmentSummary {
  readonly id: SegmentId;
  readonly bytes: number;
  /** Whole-file checksum of the container, eight hex digits. */
  readonly checksum: string;
  readonly docs: number;
  readonly chunks: number;
  readonly symbols: number;
  readonly edges: number;
  /** Chunks with a vector. */
  readonly vectors: number;
  readonly minLsn: Lsn;
  readonly maxLsn: Lsn;
  readonly createdAt: string;
}

export type SegmentInput = FlatDoc | DocRecord | Uint8Array;

/**
 * Writes the segment into `file`, which is new and empty. Documents come sorted by the UTF-8 bytes of their keys, each key once
 * (INVALID_ARGUMENT otherwise), with vectors of `dimension` or none (DIMENSION_MISMATCH). Of a document nothing is kept when the next
 * one is asked for, so its bytes may be overwritten then.
 */
export async function writeSegment(file: EnvFile, spec: SegmentSpec, docs: Iterable<SegmentInput> | AsyncIterable<SegmentInput>): Promise<SegmentSummary> {
  requireLittleEndian();
  const container = await ContainerWriter.create(file, { kind: KIND_SEGMENT, content: SEGMENT_CONTENT, id: spec.id });
  const builder = await SegmentBuilder.open(container, spec);
  for await (const doc of docs) {
    await builder.add(doc instanceof FlatDoc ? doc : new FlatDoc(doc instanceof Uint8Array ? doc : encodeDoc(doc)));
  }
  return builder.finish();
}

class SegmentBuilder {
  readonly #container: ContainerWriter;
  readonly #spec: SegmentSpec;
  readonly #texts: TextBlockWriter;
  readonly #rows = new RowColumns();
  readonly #inverter = new Inverter();
  readonly #payloads = new PayloadWriter();
  readonly #vectors: BuiltVectors;

  private constructor(container: ContainerWriter, spec: SegmentSpec, texts: TextBlockWriter) {
    this.#container = container;
    this.#spec = spec;
    this.#texts = texts;
    this.#vectors = new BuiltVectors(spec.dimension);
  }

  static async open(container: ContainerWriter, spec: SegmentSpec): Promise<SegmentBuilder> {
    return new SegmentBuilder(container, spec, await TextBlockWriter.open(container));
  }

  async add(flat: FlatDoc): Promise<void> {
    const { dimension } = this.#spec;
    if (flat.dimension !== 0 && flat.dimension !== dimension) {
      throw new CairnError('DIMENSION_MISMATCH', `document ${JSON.stringify(flat.key)} has vectors of dimension ${flat.dimension}, the segment of ${dimension}`);
    }
    const rows = this.#rows;
    const bases = { doc: rows.docCount, chunk: rows.chunkCount, symbol: rows.symbolCount, edge: rows.edgeCount };
    rows.beginDoc({
      key: flat.key, language: flat.language, source: flat.source, commentLength: totalCount(flat.commentTerms),
      hasChunkVectors: flat.hasChunkVectors, hasPathVector: flat.hasPathVector, hasPayload: flat.hasPayload,
    });
    const strings = this.#inverter.add(flat, bases);
    for (let i = 0; i < flat.chunkCount; i++) await this.#texts.add(flat.chunkTextBytes(i));
    this.#addRows(flat, bases.symbol, strings);
    this.#payloads.add(flat.payload());
    if (dimension !== 0) this.#vectors.add(flat);
  }

  async finish(): Promise<SegmentSummary> {
    const container = this.#container;
    await this.#texts.end();
    await this.#payloads.write(container);
    const rankOf = new Map<Field, Rank>();
    for (const name of FIELDS) {
      const field = sortField(this.#inverter.strings, this.#inverter.field(name));
      await field.writer.write(container, name);
      rankOf.set(name, field.rankOf);
    }
    const rows = this.#rows;
    await rows.write(container, rankOf.get('name') as Rank, rankOf.get('target') as Rank, this.#texts.textStarts);
    await this.#texts.writeIndex(container);
    if (this.#spec.dimension !== 0) await writeVectors(container, this.#vectors);
    return finishSegment(container, this.#spec, {
      docs: rows.docCount, chunks: rows.chunkCount, symbols: rows.symbolCount, edges: rows.edgeCount, textBlocks: this.#texts.blockCount, payloads: this.#payloads.count,
      vectors: this.#vectors.chunkVectorCount, pathVectors: this.#vectors.pathVectorCount,
    });
  }

  #addRows(flat: FlatDoc, symbolBase: number, strings: Uint32Array): void {
    const { chunks, symbols, edges } = this.#rows;
    const symbolRow = (local: number | undefined): number => (local === undefined || local < 0 ? 0 : symbolBase + local + 1);
    for (let i = 0; i < flat.chunkCount; i++) {
      chunks.startLines.push(flat.chunkStartLines[i] as number);
      chunks.endLines.push(flat.chunkEndLines[i] as number);
      chunks.symbols.push(symbolRow(flat.chunkSymbols[i]));
      chunks.lengths.push(totalCount(flat.chunkTerms(i)));
      chunks.kinds.push(flat.chunkKinds[i] as number);
    }
    for (let i = 0; i < flat.symbolCount; i++) {
      symbols.names.push(strings[flat.symbolNames[i] as number] as number);
      symbols.qualified.push(strings[flat.symbolQualified[i] as number] as number);
      symbols.startLines.push(flat.symbolStartLines[i] as number);
      symbols.endLines.push(flat.symbolEndLines[i] as number);
      symbols.parents.push(symbolRow(flat.symbolParents[i]));
      symbols.kinds.push(flat.symbolKinds[i] as number);
    }
    for (let i = 0; i < flat.edgeCount; i++) {
      edges.froms.push(symbolRow(flat.edgeFroms[i]));
      edges.targets.push(strings[flat.edgeTargets[i] as number] as number);
      edges.lines.push(flat.edgeLines[i] as number);
      edges.kinds.push(flat.edgeKinds[i] as number);
    }
  }
}

export interface SegmentTotals {
  readonly docs: number;
  readonly chunks: number;
  readonly symbols: number;
  readonly edges: number;
  readonly textBlocks: number;
  readonly payloads: number;
  readonly vectors: number;
  readonly pathVectors: number;
}

/** The meta section, table of contents and footer. */
export async function finishSegment(container: ContainerWriter, spec: SegmentSpec, totals: SegmentTotals): Promise<SegmentSummary> {
  const { docs, chunks, symbols, edges } = totals;
  const createdMs = Date.parse(spec.createdAt);
  if (!Number.isSafeInteger(createdMs) || createdMs < 0) throw new CairnError('INVALID_ARGUMENT', `created time ${JSON.stringify(spec.createdAt)} of a segment`);
  const meta: SegmentMeta = {
    docs, chunks, symbols, edges, createdMs,
    dimension: spec.dimension, vectors: totals.vectors, pathVectors: totals.pathVectors, payloads: totals.payloads, textBlocks: totals.textBlocks,
    minLsn: spec.minLsn, maxLsn: spec.maxLsn, contentVersions: spec.contentVersions,
  };
  await container.add(TAG.meta, encodeMeta(meta));
  const { bytes, checksum } = await container.finish();
  return {
    id: spec.id, bytes, checksum: checksumHex(checksum), docs, chunks, symbols, edges,
    vectors: totals.vectors, minLsn: spec.minLsn, maxLsn: spec.maxLsn, createdAt: spec.createdAt,
  };
}

/** Vectors of the documents so far: exact rows and their codes. */
class BuiltVectors implements VectorSource {
  readonly dimension: number;
  readonly chunks: CodeBuffer;
  readonly centroids: CodeBuffer;
  readonly paths: CodeBuffer;
  readonly #centroid: Centroid;
  readonly #chunkPieces: Uint8Array[] = [];
  readonly #pathPieces: Uint8Array[] = [];
  chunkVectorCount = 0;
  pathVectorCount = 0;

  constructor(dimension: number) {
    this.dimension = dimension;
    const buffer = (): CodeBuffer => new CodeBuffer(dimension, quantizeRow, rowNorm);
    [this.chunks, this.centroids, this.paths] = [buffer(), buffer(), buffer()];
    this.#centroid = new Centroid(dimension);
  }

  add(flat: FlatDoc): void {
    if (flat.chunkCount > 0) this.#chunkPieces.push(this.#chunkRows(flat));
    for (let i = 0; i < flat.chunkCount; i++) {
      const vector = flat.chunkVector(i);
      this.chunks.append(vector);
      if (vector !== null) this.#centroid.add(vector);
    }
    this.centroids.append(this.#centroid.finish());
    const path = flat.pathVector();
    this.paths.append(path);
    if (path !== null) {
      this.#pathPieces.push(new Uint8Array(path.buffer));
      this.pathVectorCount += 1;
    }
  }

  chunkVectors(): Iterable<Uint8Array> {
    return this.#chunkPieces;
  }

  pathVectors(): Iterable<Uint8Array> {
    return this.#pathPieces;
  }

  #chunkRows(flat: FlatDoc): Uint8Array {
    const bytes = flat.chunkCount * this.dimension * 4;
    if (!flat.hasChunkVectors) return new Uint8Array(bytes);
    this.chunkVectorCount += flat.chunkCount;
    const at = flat.chunkVectorAt(0);
    return Uint8Array.from(flat.bytes.subarray(at, at + bytes));
  }
}

export function totalCount(terms: Counted): number {
  let total = 0;
  for (let i = terms.start; i < terms.end; i++) total += terms.counts[i] as number;
  return total;
}
