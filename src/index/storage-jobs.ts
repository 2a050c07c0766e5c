/**
 * The heavy jobs of storage as plain data, and who runs them. Everything in here crosses a thread boundary:
 * structured-cloneable, file names relative to `dir`.
 */
import type { SegmentEntry } from '../manifest/manifest.ts';
import type { ContentVersions } from '../segment/layout.ts';
import type { SegmentVerification } from '../segment/verify.ts';
import type { Lsn, SegmentId } from '../util/ids.ts';
import type { LogTag } from '../wal/record.ts';

/** Build a segment from closed WAL files: of each key the newest version in (afterLsn, uptoLsn], without deleted keys. */
export interface FlushJob {
  readonly kind: 'flush';
  readonly dir: string;
  readonly segment: SegmentId;
  readonly afterLsn: Lsn;
  readonly uptoLsn: Lsn;
  readonly logTag: LogTag | null;
  readonly dimension: number;
  readonly createdAt: string;
  readonly contentVersions: ContentVersions;
}

export interface MergeInput {
  readonly entry: SegmentEntry;
  /** Words of the bitset of live docs; null = all. */
  readonly live: Uint32Array | null;
}

/** Build one segment from the live docs of several. */
export interface MergeJob {
  readonly kind: 'merge';
  readonly dir: string;
  readonly segment: SegmentId;
  readonly inputs: readonly MergeInput[];
  readonly dimension: number;
  readonly createdAt: string;
  readonly contentVersions: ContentVersions;
}

/** Check one segment file, every byte and row of it. */
export interface VerifyJob {
  readonly kind: 'verify';
  readonly dir: string;
  readonly entry: SegmentEntry;
  readonly dimension: number;
}

export type StorageJob = FlushJob | MergeJob | VerifyJob;

/** The durable new segment (file and directory entry synced), or null when no doc is left. */
export type BuildResult = SegmentEntry | null;
export type ResultOf<J extends StorageJob> = J extends VerifyJob ? SegmentVerification : BuildResult;

/** Runs jobs one at a time, in a worker thread or (in tests, over an Env of their own) in place. */
export interface StorageRunner {
  run<J extends StorageJob>(job: J): Promise<ResultOf<J>>;
  close(): Promise<void>;
}
