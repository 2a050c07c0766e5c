/**
 * The two heavy jobs of storage as plain data, and who runs them. Everything in here crosses a thread boundary:
 * structured-cloneable, file names relative to `dir`.
 */
import type { Env } from '../env/env.ts';
import type { SegmentEntry } from '../manifest/manifest.ts';
import type { Lsn, SegmentId } from '../util/ids.ts';

/** Build a segment from closed WAL files: of each key the newest version in (afterLsn, uptoLsn], without deleted keys. */
export interface FlushJob {
  readonly kind: 'flush';
  readonly dir: string;
  readonly segment: SegmentId;
  readonly afterLsn: Lsn;
  readonly uptoLsn: Lsn;
  readonly dimension: number;
  readonly createdAt: string;
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
}

export type StorageJob = FlushJob | MergeJob;

/** The durable new segment (file and directory entry synced), or null when no doc is left. */
export type JobResult = SegmentEntry | null;

/** Runs jobs one at a time, in a worker thread or (in tests, over an Env of their own) in place. */
export interface StorageRunner {
  run(job: StorageJob): Promise<JobResult>;
  close(): Promise<void>;
}

export type RunJob = (env: Env, job: StorageJob) => Promise<JobResult>;
