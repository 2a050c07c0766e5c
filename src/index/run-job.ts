/** What the storage thread does: builds segments from log files or from other segments, and makes them durable. */
import { join } from 'node:path';
import { createFileDurable } from '../env/atomic-file.ts';
import type { Env } from '../env/env.ts';
import { segmentFile } from '../format/file-names.ts';
import { VectorArena } from '../quantize/arena.ts';
import { BlockCache } from '../segment/block-cache.ts';
import { mergeSegments } from '../segment/merge.ts';
import { openSegment, openStoredSegment } from '../segment/reader.ts';
import type { StoredSegment } from '../segment/stored-segment.ts';
import { verifySegment, type SegmentVerification } from '../segment/verify.ts';
import { writeSegment, type SegmentSpec, type SegmentSummary } from '../segment/writer.ts';
import { Bitset } from '../util/bitset.ts';
import { closeAll } from '../util/close-all.ts';
import { asLsn } from '../util/ids.ts';
import { LoggedDocs } from './logged-docs.ts';
import type { BuildResult, FlushJob, MergeJob, ResultOf, StorageJob, StorageRunner, VerifyJob } from './storage-jobs.ts';

/** Texts are read in order, so each source needs one block of 32 KB, and seldom a larger one. */
const MERGE_CACHE_BYTES = 4 << 20;

export async function runJob<J extends StorageJob>(env: Env, job: J): Promise<ResultOf<J>>;
export async function runJob(env: Env, job: StorageJob): Promise<BuildResult | SegmentVerification> {
  switch (job.kind) {
    case 'flush':
      return runFlush(env, job);
    case 'merge':
      return runMerge(env, job);
    case 'verify':
      return runVerify(env, job);
  }
}

/** Runs jobs in place, on any Env: for tests, and for tools that have no event loop to protect. */
export function inlineRunner(env: Env): StorageRunner {
  return { run: (job) => runJob(env, job), close: async () => undefined };
}

async function runFlush(env: Env, job: FlushJob): Promise<BuildResult> {
  const docs = await LoggedDocs.find(env, job);
  try {
    if (docs.count === 0) return null;
    const spec: SegmentSpec = { ...specOf(job), minLsn: asLsn(job.afterLsn + 1), maxLsn: job.uptoLsn };
    const summary = await createFileDurable(env, job.dir, segmentFile(job.segment), (file) => writeSegment(file, spec, docs.inKeyOrder()));
    return entryOf(summary);
  } finally {
    await docs.close();
  }
}

async function runMerge(env: Env, job: MergeJob): Promise<BuildResult> {
  const opened: StoredSegment[] = [];
  const cache = new BlockCache(MERGE_CACHE_BYTES);
  try {
    for (const { entry } of job.inputs) opened.push(await openStoredSegment(env, join(job.dir, entry.file), { ...entry, dimension: job.dimension }, { cache }));
    const inputs = opened.map((segment, i) => {
      const words = job.inputs[i]?.live ?? null;
      return { segment, live: words === null ? null : new Bitset(segment.docCount, words) };
    });
    const lsns = job.inputs.map(({ entry }) => entry);
    const spec: SegmentSpec = { ...specOf(job), minLsn: asLsn(Math.min(...lsns.map((e) => e.minLsn))), maxLsn: asLsn(Math.max(...lsns.map((e) => e.maxLsn))) };
    const summary = await createFileDurable(env, job.dir, segmentFile(job.segment), (file) => mergeSegments(file, spec, inputs));
    return entryOf(summary);
  } finally {
    await closeAll(opened);
  }
}

async function runVerify(env: Env, job: VerifyJob): Promise<SegmentVerification> {
  const path = join(job.dir, job.entry.file);
  const segment = await openSegment(env, path, new VectorArena(), { ...job.entry, dimension: job.dimension });
  try {
    return await verifySegment(segment, { deep: true });
  } finally {
    await segment.close();
  }
}

function specOf(job: FlushJob | MergeJob): Pick<SegmentSpec, 'id' | 'dimension' | 'contentVersions' | 'createdAt'> {
  return { id: job.segment, dimension: job.dimension, contentVersions: job.contentVersions, createdAt: job.createdAt };
}

function entryOf(summary: SegmentSummary): BuildResult {
  const { id, bytes, checksum, docs, chunks, symbols, edges, vectors, minLsn, maxLsn, createdAt } = summary;
  return { id, file: segmentFile(id), bytes, checksum, docs, chunks, symbols, edges, vectors, minLsn, maxLsn, createdAt, tombstones: null };
}
