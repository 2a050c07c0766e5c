/**
 * One step of compaction: the segments that the policy chose are merged into one by the storage thread. The logical content
 * does not change, and neither does flushedLsn: the merge works on the liveness that the manifest has, later deletes are
 * carried over when the result is installed. Old files go only after the publish, and when no snapshot uses them.
 */
import { Bitset } from '../util/bitset.ts';
import { planCompaction, type CompactionPlan } from './compaction-policy.ts';
import { carryDeaths, newSegmentId, openBuilt, type FlushResult } from './flush.ts';
import type { IndexContext } from './index-context.ts';
import { NO_ROWS, plus, LiveSet, type LiveCounts } from './live-set.ts';
import { publishCopy, publishGeneration, type KeptSegment } from './publisher.ts';
import type { SegmentHandle } from './segment-handle.ts';
import { oldest } from './stale.ts';

export function nextCompaction(context: IndexContext): CompactionPlan | null {
  const loads = context.table.segments.map((handle) => {
    const { docs, chunks } = publishedCounts(handle);
    return { id: handle.entry.id, docs: handle.entry.docs, liveDocs: docs, liveChunks: chunks };
  });
  return planCompaction(loads, context.options.compactionFanIn);
}

export async function compact(context: IndexContext, plan: CompactionPlan): Promise<FlushResult> {
  const { table, store, committer } = context;
  const inputs = table.segments.filter((handle) => plan.inputs.includes(handle.entry.id));
  const others = table.segments.filter((handle) => !inputs.includes(handle));
  const before = new Map(inputs.map((handle) => [handle, handle.published]));
  const merged = await merge(context, inputs);
  const kept: KeptSegment[] = others.map((handle) => ({ handle, live: handle.published }));
  const cause = `compaction of ${inputs.length} segments: ${plan.reason}`;
  const dropped = inputs.map((handle) => ({ id: handle.entry.id, reason: 'compacted' as const }));
  const { flushedLsn } = store.current;
  try {
    const { manifest } = await publishGeneration(context, { cause, flushedLsn, kept, added: merged, dropped });
    await committer.exclusive(async () => {
      if (merged !== null) for (const handle of inputs) await carryDeaths(handle, before.get(handle) ?? null, merged);
      table.install(manifest.generation, [...others, ...(merged === null ? [] : [merged])], false);
    });
  } catch (error) {
    if (merged !== null && !table.segments.includes(merged)) merged.release();
    throw error;
  }
  await publishCopy(context, cause);
  return { segmentsAdded: merged === null ? 0 : 1, bytesWritten: merged?.entry.bytes ?? 0 };
}

async function merge(context: IndexContext, inputs: readonly SegmentHandle[]): Promise<SegmentHandle | null> {
  const expected = inputs.map(publishedCounts).reduce(plus, NO_ROWS);
  if (expected.docs === 0) return null;
  const { env, runner, dir, metadata } = context;
  const built = await runner.run({
    kind: 'merge', dir, segment: newSegmentId(context), dimension: metadata.dimension,
    createdAt: new Date(env.clock.now()).toISOString(), contentVersions: oldest(inputs.map(({ part }) => part.meta.contentVersions), metadata.contentVersions),
    inputs: inputs.map((handle) => ({ entry: handle.entry, live: handle.published?.words ?? null })),
  });
  return openBuilt(context, built, expected);
}

function publishedCounts(handle: SegmentHandle): LiveCounts {
  return LiveSet.of(handle.part, handle.published ?? Bitset.full(handle.part.docCount)).counts;
}
