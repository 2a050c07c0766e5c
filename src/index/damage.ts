/**
 * Takes damaged files out of service: first a generation that does not name them and says what was lost, then their bytes move to
 * quarantine/. Nothing is deleted. What an index has lost stays in its manifests until it is settled: re-indexed, or accepted.
 */
import { join } from 'node:path';
import type { Env } from '../env/env.ts';
import { QUARANTINE_DIRECTORY } from '../format/file-names.ts';
import type { DroppedSegment, Loss, SegmentEntry } from '../manifest/manifest.ts';
import { quarantine } from '../manifest/quarantine.ts';
import { isCairnError, type CairnError } from '../util/errors.ts';
import type { IndexContext } from './index-context.ts';
import { publishCopy, publishGeneration } from './publisher.ts';
import type { SegmentHandle } from './segment-handle.ts';
import type { QuarantinedFile } from './types.ts';

/** Codes that say: the bytes are wrong. An unreadable disk, a newer format or a missing right are none of these. */
export function isDamage(error: unknown): error is CairnError {
  return isCairnError(error, 'CORRUPT', 'TRUNCATED', 'COUNT_MISMATCH');
}

export function lossOfSegment(env: Env, entry: SegmentEntry, error: CairnError): Loss {
  return { file: entry.file, reason: error.message, docs: entry.docs - (entry.tombstones?.count ?? 0), at: new Date(env.clock.now()).toISOString() };
}

/** One entry for each place and reason: an interrupted recovery finds the same damage again. */
export function withLosses(known: readonly Loss[], found: readonly Loss[]): readonly Loss[] {
  const keyOf = (loss: Loss): string => `${loss.file}\n${loss.reason}`;
  const keys = new Set(known.map(keyOf));
  return [...known, ...found.filter((loss) => !keys.has(keyOf(loss)))];
}

export function describeLoss({ file, reason, docs }: Loss): string {
  return docs === null ? reason : `${file}: ${docs} documents are lost until they are indexed again: ${reason}`;
}

/** Under the maintenance mutex. The segments leave the part table; readers that hold them finish with what they have. */
export async function dropSegments(context: IndexContext, handles: readonly SegmentHandle[], error: CairnError): Promise<void> {
  const { env, table, store, committer } = context;
  const names = handles.map(({ entry }) => entry.file);
  const losses = withLosses(store.current.losses, handles.map(({ entry }) => lossOfSegment(env, entry, error)));
  const kept = table.segments.filter((handle) => !handles.includes(handle));
  const dropped: DroppedSegment[] = handles.map(({ entry }) => ({ id: entry.id, reason: 'quarantined' }));
  const cause = `quarantine of ${names.join(', ')}`;
  const files = handles.flatMap(({ entry }) => [entry.file, ...(entry.tombstones === null ? [] : [entry.tombstones.file])]);
  const { manifest } = await publishGeneration(context, {
    cause, flushedLsn: store.current.flushedLsn, kept: kept.map((handle) => ({ handle, live: handle.published })), added: null, dropped, losses,
  });
  await committer.exclusive(async () => table.install(manifest.generation, kept, false));
  await moveToQuarantine(context, files);
  await publishCopy(context, cause);
}

/** Those that are still there. */
export async function moveToQuarantine({ env, dir }: Pick<IndexContext, 'env' | 'dir'>, names: Iterable<string>): Promise<void> {
  for (const name of new Set(names)) if ((await env.stat(join(dir, name))) !== null) await quarantine(env, dir, name);
}

/** Says that nothing is missing any more. */
export async function settleLosses(context: IndexContext, cause: string): Promise<boolean> {
  const { table, store, committer } = context;
  if (store.current.losses.length === 0) return false;
  const kept = table.segments.map((handle) => ({ handle, live: handle.published }));
  const { manifest } = await publishGeneration(context, { cause, flushedLsn: store.current.flushedLsn, kept, added: null, dropped: [], losses: [] });
  await committer.exclusive(async () => table.install(manifest.generation, table.segments, false));
  return true;
}

/** The name of a file directly in the index directory, or null. */
export function nameIn(dir: string, path: string | undefined): string | null {
  return path?.startsWith(`${dir}/`) === true ? path.slice(dir.length + 1) : null;
}

export async function listQuarantine(env: Env, dir: string): Promise<readonly QuarantinedFile[]> {
  const path = join(dir, QUARANTINE_DIRECTORY);
  if ((await env.stat(path))?.kind !== 'directory') return [];
  const files: QuarantinedFile[] = [];
  for (const name of (await env.readdir(path)).sort()) files.push({ file: `${QUARANTINE_DIRECTORY}/${name}`, bytes: (await env.stat(join(path, name)))?.size ?? 0 });
  return files;
}
