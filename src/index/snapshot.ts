/**
 * A snapshot: an immutable, counted read view at one LSN. One query uses one snapshot (invariant 9).
 * Files and memtables that a snapshot uses are not collected before it is released.
 */
import type { IndexPart } from '../segment/part.ts';
import type { Generation, Lsn } from '../util/ids.ts';
import type { Bitset } from '../util/bitset.ts';

/** One part as this snapshot sees it. */
export interface PartView {
  readonly part: IndexPart;
  /** Number of docs / chunks of the part that belong to the snapshot (a live memtable may have grown since). */
  readonly docCount: number;
  readonly chunkCount: number;
  /** Live docs; null when all `docCount` docs are live. */
  readonly live: Bitset | null;
  readonly liveDocs: number;
  readonly liveChunks: number;
}

export interface Snapshot {
  readonly lsn: Lsn;
  readonly generation: Generation;
  readonly parts: readonly PartView[];
  /** Newest live doc with this key, or null. */
  find(key: string): { readonly view: PartView; readonly doc: number } | null;
  release(): void;
}
