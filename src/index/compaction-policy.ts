/**
 * Which segments to merge next: a pure function of what the manifest knows. Never touches a file.
 * Tiers by live rows, so that each row is rewritten about once per tier (write amplification <= number of tiers),
 * plus a rewrite of segments that are mostly dead. Any subset may be merged: a key is live in at most one part,
 * liveness is explicit (tombstone sets), so the order of segments carries no meaning.
 */

export interface SegmentLoad {
  readonly id: string;
  readonly docs: number;
  readonly liveDocs: number;
  readonly liveChunks: number;
}

export interface CompactionPlan {
  readonly inputs: readonly string[];
  readonly reason: 'dead' | 'tombstones' | 'tier';
}

/** Below this many live chunks all segments are one tier: smaller steps would merge a handful of rows again and again. */
const SMALLEST_TIER_CHUNKS = 64;
/** A segment with this share of dead docs is rewritten; each rewrite then frees at least as much as 3/7 of what it writes. */
const DEAD_SHARE = 0.3;
/** A merge result above this is left alone by the tier rule: bounds the time of one step and the disk it needs. */
const MAX_MERGED_CHUNKS = 2_000_000;

/** The next step, or null when the index is in shape. `fanIn` >= 2: this many segments of one tier are merged into one. */
export function planCompaction(segments: readonly SegmentLoad[], fanIn: number): CompactionPlan | null {
  const dead = segments.filter((s) => s.liveDocs === 0);
  if (dead.length > 0) return plan(dead, 'dead');
  const full = fullestTier(segments, fanIn);
  if (full !== null) return plan(full, 'tier');
  const worn = segments.filter((s) => (s.docs - s.liveDocs) / s.docs >= DEAD_SHARE);
  const worst = worn.sort((a, b) => a.liveDocs / a.docs - b.liveDocs / b.docs)[0];
  return worst === undefined ? null : plan([worst], 'tombstones');
}

/** 0 for up to SMALLEST_TIER_CHUNKS live chunks, one more for each factor of `fanIn`. */
export function tierOf(liveChunks: number, fanIn: number): number {
  let tier = 0;
  for (let limit = SMALLEST_TIER_CHUNKS; liveChunks > limit; limit *= fanIn) tier++;
  return tier;
}

/** The lowest tier that has `fanIn` segments: all of them, smallest first, within the size bound. */
function fullestTier(segments: readonly SegmentLoad[], fanIn: number): SegmentLoad[] | null {
  const tiers = new Map<number, SegmentLoad[]>();
  for (const segment of segments) {
    const tier = tierOf(segment.liveChunks, fanIn);
    tiers.set(tier, [...(tiers.get(tier) ?? []), segment]);
  }
  for (const tier of [...tiers.keys()].sort((a, b) => a - b)) {
    const members = (tiers.get(tier) ?? []).sort((a, b) => a.liveChunks - b.liveChunks);
    const chosen = withinBound(members);
    if (members.length >= fanIn && chosen.length >= 2) return chosen;
  }
  return null;
}

function withinBound(members: readonly SegmentLoad[]): SegmentLoad[] {
  let total = 0;
  return members.filter((segment) => (total += segment.liveChunks) <= MAX_MERGED_CHUNKS);
}

function plan(inputs: readonly SegmentLoad[], reason: CompactionPlan['reason']): CompactionPlan {
  return { inputs: inputs.map((s) => s.id), reason };
}
