/**
 * From parts to a new generation and back: writes the tombstones that changed, publishes the manifest, and afterwards (only
 * then) removes what no kept generation needs. Everything in here runs under the maintenance mutex.
 */
import { WAL_DIRECTORY } from '../format/file-names.ts';
import { writeTombstones } from '../manifest/tombstone-file.ts';
import type { DroppedSegment, Loss, Manifest, SegmentEntry } from '../manifest/manifest.ts';
import { liveDocs } from '../manifest/manifest.ts';
import type { Bitset } from '../util/bitset.ts';
import type { CairnError } from '../util/errors.ts';
import type { Lsn } from '../util/ids.ts';
import { trimWal } from '../wal/wal-files.ts';
import type { IndexContext } from './index-context.ts';
import { complementOf, diedBetween, type SegmentHandle } from './segment-handle.ts';

/** A segment that stays, with its liveness as of the LSN that is published; null = all live. */
export interface KeptSegment {
  readonly handle: SegmentHandle;
  readonly live: Bitset | null;
}

export interface Publication {
  readonly cause: string;
  readonly flushedLsn: Lsn;
  readonly kept: readonly KeptSegment[];
  readonly added: SegmentHandle | null;
  readonly dropped: readonly DroppedSegment[];
  /** Absent: the losses of the generation before stay. */
  readonly losses?: readonly Loss[];
}

export interface Published {
  readonly manifest: Manifest;
  readonly tombstoneBytes: number;
}

export async function publishGeneration(context: IndexContext, publication: Publication): Promise<Published> {
  const { store, lease, metadata } = context;
  const updates: { handle: SegmentHandle; entry: SegmentEntry; live: Bitset | null }[] = [];
  let tombstoneBytes = 0;
  for (const { handle, live } of publication.kept) {
    const entry = await entryWithTombstones(context, handle, live);
    if (entry !== handle.entry) tombstoneBytes += entry.tombstones?.bytes ?? 0;
    updates.push({ handle, entry, live });
  }
  const segments = [...updates.map((update) => update.entry), ...(publication.added === null ? [] : [publication.added.entry])];
  const isEmpty = liveDocs({ segments }) === 0;
  const manifest = await store.publish(
    {
      flushedLsn: publication.flushedLsn,
      segments,
      dropped: publication.dropped,
      contentVersions: metadata.contentVersions,
      embedder: metadata.embedder,
      cause: publication.cause,
      // Tombstones only come from deletes and replacements in the log, so an index that is empty now was emptied by them.
      emptiedBy: isEmpty ? emptiedBy(publication) : null,
      metadata: { ...metadata },
      ...(publication.losses === undefined ? {} : { losses: publication.losses }),
    },
    lease,
  );
  for (const { handle, entry, live } of updates) handle.notePublished(entry, live);
  return { manifest, tombstoneBytes };
}

function emptiedBy({ flushedLsn, dropped, cause }: Publication): string {
  return dropped.some(({ reason }) => reason === 'quarantined') ? cause : `deletes up to LSN ${flushedLsn}`;
}

/** The same state under one more generation: the one to fall back to then no longer needs the files of the one before it. */
export async function publishCopy(context: IndexContext, cause: string): Promise<void> {
  const { table, store } = context;
  const kept = table.segments.map((handle) => ({ handle, live: handle.published }));
  const { manifest } = await publishGeneration(context, { cause: `${cause} (copy)`, flushedLsn: store.current.flushedLsn, kept, added: null, dropped: [] });
  await context.committer.exclusive(async () => table.install(manifest.generation, table.segments, false));
}

/** The entry as it is when no doc died since the last publish, else with a new tombstone file. */
async function entryWithTombstones(context: IndexContext, handle: SegmentHandle, live: Bitset | null): Promise<SegmentEntry> {
  const { entry, published } = handle;
  if (live === null || !hasAny(diedBetween(published, live, entry.docs))) return entry;
  const dead = complementOf(live, entry.docs);
  const tombstones = await writeTombstones(context.env, context.dir, entry.id, context.store.nextGeneration, dead);
  return { ...entry, tombstones };
}

/** Removes files that no kept generation and no reader needs. What cannot be removed now is tried again at the next turn. */
export async function cleanUp(context: IndexContext): Promise<{ readonly removed: readonly string[]; readonly failure: CairnError | null }> {
  const { env, walDir, store, lease, files, archive } = context;
  if (!store.mayDelete) return { removed: [], failure: null };
  const { removed, failed } = await store.collectGarbage(files.names, lease);
  const trimmed = await trimWal(env, walDir, store.walNeededAfter, {
    isInUse: (name) => files.names.has(`${WAL_DIRECTORY}/${name}`),
    beforeRemove: archive == null ? undefined : (file) => archive.keep(context.metadata, file),
  });
  return { removed: [...removed, ...trimmed.map((name) => `${WAL_DIRECTORY}/${name}`)], failure: failed[0] ?? null };
}

function hasAny(items: Iterable<number>): boolean {
  for (const _ of items) return true;
  return false;
}
