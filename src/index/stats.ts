/** The figures of an open index. Row counts are sums over live rows, never mirrored numbers. */
import type { IndexContext } from './index-context.ts';
import type { Maintenance } from './maintenance.ts';
import type { SegmentHandle } from './segment-handle.ts';
import type { IndexStats, SegmentInfo } from './types.ts';

export function statsOf(context: IndexContext, maintenance: Maintenance): IndexStats {
  const { table, wal, store, committer, metadata } = context;
  const { docs, chunks, symbols, edges } = table.counts();
  const memtables = [table.active, ...(table.frozen === null ? [] : [table.frozen])];
  return {
    version: table.lsn,
    syncedVersion: wal.syncedLsn,
    durableVersion: store.current.flushedLsn,
    generation: table.generation,
    docs, chunks, symbols, edges,
    // Every chunk of an index with vectors has one: checked at commit, at replay and by verify.
    vectors: metadata.dimension === 0 ? 0 : chunks,
    segments: table.segments.map(segmentInfo),
    memtableChunks: memtables.reduce((total, handle) => total + handle.live.counts.chunks, 0),
    memtableBytes: memtables.reduce((total, handle) => total + handle.part.memoryBytes, 0),
    walBytes: maintenance.walBytes,
    diskBytes: maintenance.diskBytes,
    memoryBytes: table.handles.reduce((total, handle) => total + handle.part.memoryBytes, 0),
    incremental: { ...committer.counters(), segments: table.segments.length },
    bytesWritten: { wal: wal.counters().bytesWritten, ...maintenance.bytesWritten, manifest: store.bytesWritten },
    warnings: warnings(context, maintenance),
  };
}

function segmentInfo(handle: SegmentHandle): SegmentInfo {
  const { id, file, bytes, checksum, docs, chunks, minLsn, maxLsn, createdAt } = handle.entry;
  return { id, file, bytes, checksum, docs, chunks, tombstones: docs - handle.live.counts.docs, minLsn, maxLsn, createdAt, contentVersions: handle.part.meta.contentVersions };
}

/** What needs attention although nothing acknowledged is lost. */
function warnings({ committer, opener }: IndexContext, maintenance: Maintenance): string[] {
  const found: string[] = [];
  if (committer.readOnlyReason !== null) found.push(`read-only: ${committer.readOnlyReason.message}`);
  if (committer.logFailure !== null) found.push(`the log takes no writes: ${committer.logFailure.message}`);
  if (maintenance.cleanUpFailure !== null) found.push(`old files could not be removed: ${maintenance.cleanUpFailure.message}`);
  if (opener.closeFailure !== null) found.push(`a segment could not be closed: ${opener.closeFailure.message}`);
  return found;
}
