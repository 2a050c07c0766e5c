/** A segment in the part table: the open part, its manifest entry, and its liveness as the manifest has it. */
import type { SegmentEntry } from '../manifest/manifest.ts';
import type { Segment } from '../segment/segment.ts';
import { Bitset } from '../util/bitset.ts';
import { LiveSet, zeros } from './live-set.ts';
import { PartHandle } from './part-handle.ts';

export class SegmentHandle extends PartHandle<Segment> {
  #entry: SegmentEntry;
  /** Live docs at `flushedLsn` of the manifest; null = all. Later deletes are only in `live` (and in the log). */
  #published: Bitset | null;

  constructor(segment: Segment, entry: SegmentEntry, published: Bitset | null, dispose: () => void) {
    super(segment, LiveSet.of(segment, published), dispose);
    this.#entry = entry;
    this.#published = published;
  }

  get entry(): SegmentEntry {
    return this.#entry;
  }

  get published(): Bitset | null {
    return this.#published;
  }

  notePublished(entry: SegmentEntry, live: Bitset | null): void {
    this.#entry = entry;
    this.#published = live;
  }
}

/** Docs that are live in `before` (null = all of `docs`) and dead in `after`, ascending. */
export function* diedBetween(before: Bitset | null, after: Bitset, docs: number): Iterable<number> {
  for (const doc of zeros(after, docs)) if (before === null || before.has(doc)) yield doc;
}

export function complementOf(live: Bitset, docs: number): Bitset {
  const dead = new Bitset(docs);
  for (const doc of zeros(live, docs)) dead.add(doc);
  return dead;
}
