/**
 * Compaction: merges segments into one, without the dead docs. Nothing is tokenized, embedded or quantized again: dictionaries
 * are merged with remapped ids, texts move between blocks, vectors and codes are copied bit by bit and checked on the way.
 * The result equals, byte for byte, a segment built from the surviving documents.
 * Streams texts, vectors, codes and payloads; in memory are the id maps (4 bytes a row) and the field being written.
 */
import type { EnvFile } from '../env/env.ts';
import { ContainerWriter } from '../format/container-writer.ts';
import { KIND_SEGMENT } from '../format/constants.ts';
import type { Bitset } from '../util/bitset.ts';
import { CairnError } from '../util/errors.ts';
import { requireLittleEndian, SEGMENT_CONTENT } from './layout.ts';
import { mergeField, type TermMaps } from './merge-fields.ts';
import { MergePlan, type MergedDoc } from './merge-plan.ts';
import { MergedVectors } from './merge-vectors.ts';
import { FIELDS } from './part.ts';
import { PayloadWriter } from './payloads.ts';
import { RowColumns } from './row-columns.ts';
import type { Segment } from './segment.ts';
import { TextBlockWriter } from './text-blocks.ts';
import { finishSegment, type SegmentSpec, type SegmentSummary } from './writer.ts';

export interface MergeSource {
  readonly segment: Segment;
  /** Live docs; null = all. */
  readonly live: Bitset | null;
}

/**
 * Writes the live docs of all sources into `file`, which is new and empty; never syncs. A key may be live in one source only
 * (INVALID_ARGUMENT). DIMENSION_MISMATCH when a source has other vectors than `spec`. CORRUPT when a source is damaged:
 * then the sources are as they were and the file is worthless.
 */
export async function mergeSegments(file: EnvFile, spec: SegmentSpec, sources: readonly MergeSource[]): Promise<SegmentSummary> {
  requireLittleEndian();
  for (const { segment } of sources) {
    if (segment.meta.dimension !== spec.dimension) {
      throw new CairnError('DIMENSION_MISMATCH', `segment ${segment.id} has dimension ${segment.meta.dimension}, the merged one ${spec.dimension}`);
    }
  }
  const container = await ContainerWriter.create(file, { kind: KIND_SEGMENT, content: SEGMENT_CONTENT, id: spec.id });
  const plan = new MergePlan(sources);
  const texts = await mergeTexts(container, plan);
  const payloads = await mergePayloads(container, plan);
  const maps = new Map<string, TermMaps>();
  for (const name of FIELDS) {
    const { writer, ranks } = mergeField(plan, name);
    await writer.write(container, name);
    maps.set(name, ranks);
  }
  const rows = mergeRows(plan, maps.get('name') as TermMaps, maps.get('target') as TermMaps);
  const same = (rank: number): number => rank;
  await rows.write(container, same, same, texts.textStarts);
  await texts.writeIndex(container);
  const vectors = spec.dimension === 0 ? null : new MergedVectors(plan, spec.dimension);
  await vectors?.write(container);
  return finishSegment(container, spec, {
    rows, textBlocks: texts.blockCount, payloads: payloads.count,
    vectors: vectors?.chunkVectorCount ?? 0, pathVectors: vectors?.pathVectorCount ?? 0,
  });
}

async function mergeTexts(container: ContainerWriter, plan: MergePlan): Promise<TextBlockWriter> {
  const texts = await TextBlockWriter.open(container);
  for (const { segment, doc } of plan.docs()) {
    for (let chunk = segment.chunkStart(doc); chunk < segment.chunkStart(doc + 1); chunk++) await texts.add(segment.chunkTextBytes(chunk));
  }
  await texts.end();
  return texts;
}

async function mergePayloads(container: ContainerWriter, plan: MergePlan): Promise<PayloadWriter> {
  const payloads = new PayloadWriter();
  for (const { segment, doc } of plan.docs()) payloads.note(segment.storedPayload(doc));
  await payloads.write(container, payloadsOf(plan));
  return payloads;
}

function* payloadsOf(plan: MergePlan): Generator<Uint8Array> {
  for (const { segment, doc } of plan.docs()) {
    const payload = segment.docPayload(doc);
    if (payload !== null) yield payload;
  }
}

function mergeRows(plan: MergePlan, names: TermMaps, targets: TermMaps): RowColumns {
  const rows = new RowColumns();
  for (const merged of plan.docs()) {
    const { segment, doc } = merged;
    const symbolBase = rows.symbolCount - segment.symbolStart(doc);
    rows.beginDoc({
      key: segment.docKey(doc), language: segment.docLanguage(doc), source: segment.docSource(doc), commentLength: segment.commentLengths[doc] as number,
      hasChunkVectors: segment.docHasVectors(doc), hasPathVector: segment.docHasPathVector(doc), hasPayload: segment.storedPayload(doc) !== null,
    });
    copyChunks(rows, merged, symbolBase);
    copySymbols(rows, merged, symbolBase, names[merged.source] as Uint32Array);
    copyEdges(rows, merged, symbolBase, targets[merged.source] as Uint32Array);
  }
  return rows;
}

/** References are id + 1 with 0 for none: they move by the same distance as the symbols of the doc. */
const moved = (reference: number, distance: number): number => (reference === 0 ? 0 : reference + distance);

function copyChunks(rows: RowColumns, { segment, doc }: MergedDoc, symbolBase: number): void {
  const from = segment.columns.chunks;
  for (let chunk = segment.chunkStart(doc); chunk < segment.chunkStart(doc + 1); chunk++) {
    rows.chunks.startLines.push(from.startLines[chunk] as number);
    rows.chunks.endLines.push(from.endLines[chunk] as number);
    rows.chunks.symbols.push(moved(from.symbols[chunk] as number, symbolBase));
    rows.chunks.lengths.push(from.lengths[chunk] as number);
    rows.chunks.kinds.push(from.kinds[chunk] as number);
  }
}

function copySymbols(rows: RowColumns, { segment, doc }: MergedDoc, symbolBase: number, ranks: Uint32Array): void {
  const from = segment.columns.symbols;
  for (let symbol = segment.symbolStart(doc); symbol < segment.symbolStart(doc + 1); symbol++) {
    rows.symbols.names.push(ranks[from.names[symbol] as number] as number);
    rows.symbols.qualified.push(ranks[from.qualified[symbol] as number] as number);
    rows.symbols.startLines.push(from.startLines[symbol] as number);
    rows.symbols.endLines.push(from.endLines[symbol] as number);
    rows.symbols.parents.push(moved(from.parents[symbol] as number, symbolBase));
    rows.symbols.kinds.push(from.kinds[symbol] as number);
  }
}

function copyEdges(rows: RowColumns, { segment, doc }: MergedDoc, symbolBase: number, ranks: Uint32Array): void {
  const from = segment.columns.edges;
  for (let edge = segment.edgeStart(doc); edge < segment.edgeStart(doc + 1); edge++) {
    rows.edges.froms.push(moved(from.froms[edge] as number, symbolBase));
    rows.edges.targets.push(ranks[from.targets[edge] as number] as number);
    rows.edges.lines.push(from.lines[edge] as number);
    rows.edges.kinds.push(from.kinds[edge] as number);
  }
}
