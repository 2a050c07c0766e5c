/**
 * One turn of persistence:
 *  1. freeze: seal the log at LSN L, start a new memtable, remember the liveness of every part as of L;
 *  2. the storage thread builds a segment from the closed log files (above the last flushed LSN, up to L);
 *  3. the new segment is opened and its counts compared with the frozen memtable;
 *  4. tombstones of the older segments as of L, then the manifest with flushedLsn = L: the commit point;
 *  5. between two commits: docs that died after L are marked dead in the new segment, which takes the memtable's place;
 *  6. log files and other files that no kept generation needs are removed.
 * A failure before 4 leaves everything as it was: the frozen memtable stays readable and the next turn starts again at 2.
 */
import type { Bitset } from '../util/bitset.ts';
import { CairnError } from '../util/errors.ts';
import { asSegmentId, type Lsn, type SegmentId } from '../util/ids.ts';
import type { IndexContext } from './index-context.ts';
import type { LiveCounts } from './live-set.ts';
import type { MemtableHandle } from './part-table.ts';
import { publishGeneration } from './publisher.ts';
import { diedBetween, type SegmentHandle } from './segment-handle.ts';
import { Slices } from './slices.ts';
import type { BuildResult } from './storage-jobs.ts';

/** A memtable on its way into a segment. */
export interface Frozen {
  readonly memtable: MemtableHandle;
  readonly lastLsn: Lsn;
  readonly live: Bitset;
  readonly counts: LiveCounts;
  /** Liveness of the segments as of `lastLsn`; null = all live. */
  readonly segments: ReadonlyMap<SegmentHandle, Bitset | null>;
}

export interface FlushResult {
  readonly segmentsAdded: number;
  readonly bytesWritten: number;
}

export async function freeze(context: IndexContext, next: MemtableHandle): Promise<Frozen> {
  let frozen: Frozen | null = null;
  await context.committer.freeze((lastLsn) => {
    const { table } = context;
    const memtable = table.active;
    const segments = new Map(table.segments.map((handle) => [handle, handle.live.areAllLive ? null : handle.live.share()]));
    frozen = { memtable, lastLsn, live: memtable.live.share(), counts: memtable.live.counts, segments };
    table.freeze(next);
  });
  if (frozen === null) throw new CairnError('INTERNAL', 'freeze did not run');
  return frozen;
}

export async function flush(context: IndexContext, frozen: Frozen, cause: string): Promise<FlushResult> {
  const { table, committer } = context;
  const added = await buildSegment(context, frozen);
  try {
    const kept = table.segments.map((handle) => ({ handle, live: asOfFreeze(frozen, handle) }));
    const { manifest, tombstoneBytes } = await publishGeneration(context, { cause, flushedLsn: frozen.lastLsn, kept, added, dropped: [] });
    await committer.exclusive(async () => {
      if (added !== null) await carryDeaths(frozen.memtable, frozen.live, added);
      table.install(manifest.generation, [...table.segments, ...(added === null ? [] : [added])], true);
    });
    return { segmentsAdded: added === null ? 0 : 1, bytesWritten: tombstoneBytes + (added?.entry.bytes ?? 0) };
  } catch (error) {
    // Not installed: nobody reads it. Its file is no generation's (or of a publish with unknown outcome) and stays until collected.
    if (added !== null && !table.segments.includes(added)) added.release();
    throw error;
  }
}

function asOfFreeze(frozen: Frozen, handle: SegmentHandle): Bitset | null {
  const live = frozen.segments.get(handle);
  if (live === undefined) throw new CairnError('INTERNAL', `segment ${handle.entry.id} came between freeze and flush`);
  return live;
}

async function buildSegment(context: IndexContext, frozen: Frozen): Promise<SegmentHandle | null> {
  const { env, store, runner, dir, metadata } = context;
  if (frozen.counts.docs === 0) return null;
  const segment = newSegmentId(context);
  const built = await runner.run({
    kind: 'flush', dir, segment, afterLsn: store.current.flushedLsn, uptoLsn: frozen.lastLsn, logTag: metadata.logTag ?? null,
    dimension: metadata.dimension, createdAt: new Date(env.clock.now()).toISOString(), contentVersions: metadata.contentVersions,
  });
  return openBuilt(context, built, frozen.counts);
}

/** Opens what a job wrote; success for 0 of N rows is impossible. [2.3] */
export async function openBuilt(context: IndexContext, built: BuildResult, expected: LiveCounts): Promise<SegmentHandle | null> {
  const got: LiveCounts = built ?? { docs: 0, chunks: 0, symbols: 0, edges: 0 };
  for (const rows of ['docs', 'chunks', 'symbols', 'edges'] as const) {
    if (got[rows] === expected[rows]) continue;
    throw new CairnError('COUNT_MISMATCH', `a new segment has ${got[rows]} ${rows}, ${expected[rows]} were to be written`, {
      path: context.dir,
      hint: 'Nothing was published and nothing is lost; please report this.',
    });
  }
  return built === null ? null : context.opener.open(built, null);
}

/** Docs of `source` that died since `before` are dead in `target` too. In slices: no commit runs meanwhile, readers see the old parts. */
export async function carryDeaths(source: MemtableHandle | SegmentHandle, before: Bitset | null, target: SegmentHandle): Promise<void> {
  if (source.live.areAllLive) return;
  const slices = new Slices();
  for (const doc of diedBetween(before, source.live.share(), source.docCount)) {
    const key = source.part.docKey(doc);
    const found = target.part.findDoc(key);
    if (found < 0 || !target.live.kill(found)) throw new CairnError('INTERNAL', `${JSON.stringify(key)} is missing in new segment ${target.entry.id}`);
    await slices.next();
  }
}

export function newSegmentId(context: Pick<IndexContext, 'env'>): SegmentId {
  return asSegmentId(context.env.random.bytes(8).toString('hex'));
}
