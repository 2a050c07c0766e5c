/**
 * Compaction: merges segments into one, without the dead docs. Nothing is tokenized, embedded or quantized again: dictionaries
 * are merged with remapped ids, texts move between blocks, vectors and codes are copied bit by bit and checked on the way.
 * The result equals, byte for byte, a segment built from the surviving documents.
 * Streams texts, rows, vectors, codes and payloads; in memory are, one after the other, each field of all sources with its merged
 * copy and new ids (4 bytes a row), and the symbols and the edges of all sources.
 */
import type { EnvFile } from '../env/env.ts';
import { ContainerWriter } from '../format/container-writer.ts';
import { KIND_SEGMENT } from '../format/constants.ts';
import type { Bitset } from '../util/bitset.ts';
import { CairnError } from '../util/errors.ts';
import { requireLittleEndian, SEGMENT_CONTENT } from './layout.ts';
import { mergeField } from './merge-fields.ts';
import { MergePlan } from './merge-plan.ts';
import { mergeRows, type MovedTerms } from './merge-rows.ts';
import { MergedVectors } from './merge-vectors.ts';
import { FIELDS, type Field } from './part.ts';
import { PayloadWriter } from './payloads.ts';
import type { StoredSegment } from './stored-segment.ts';
import { TextBlockWriter } from './text-blocks.ts';
import { finishSegment, type SegmentSpec, type SegmentSummary } from './writer.ts';

export interface MergeSource {
  readonly segment: StoredSegment;
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
  const moved = new Map<Field, MovedTerms>();
  for (const name of FIELDS) {
    const { writer, terms } = await mergeField(plan, name);
    await writer.write(container, name);
    if (name === 'name' || name === 'target') moved.set(name, terms);
  }
  const rows = await mergeRows(container, plan, moved.get('name') as MovedTerms, moved.get('target') as MovedTerms, texts.textStarts);
  await texts.writeIndex(container);
  const vectors = spec.dimension === 0 ? null : await MergedVectors.open(plan, spec.dimension);
  await vectors?.write(container);
  return finishSegment(container, spec, {
    docs: plan.docCount, chunks: rows.chunk, symbols: rows.symbol, edges: rows.edge, textBlocks: texts.blockCount, payloads: payloads.count,
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
