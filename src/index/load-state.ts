/**
 * Steps 3 and 4 of recovery: which generation is the state of the index, and which of its segments can serve.
 *  - The newest generation whose files are all there is taken. If that is not the one CURRENT names, the log must reach back to
 *    it; then nothing is lost, the report says what was passed over, and the damaged files move to quarantine/.
 *  - Otherwise the newest generation that decodes is taken without its damaged segments, which are reported as lost.
 *  - No manifest at all beside metadata.json is a loss, never an empty index.
 */
import { basename, join } from 'node:path';
import type { Env } from '../env/env.ts';
import { parseFileName, WAL_DIRECTORY } from '../format/file-names.ts';
import type { LoadReport } from '../manifest/load.ts';
import type { Manifest, SegmentEntry } from '../manifest/manifest.ts';
import { ManifestStore } from '../manifest/manifest-store.ts';
import { quarantine } from '../manifest/quarantine.ts';
import { readTombstones } from '../manifest/tombstone-file.ts';
import { CairnError, isCairnError } from '../util/errors.ts';
import { listWalFiles } from '../wal/wal-files.ts';
import { describeLoss, isDamage, lossOfSegment } from './damage.ts';
import type { RecoveryNotes } from './recovery-notes.ts';
import type { SegmentHandle } from './segment-handle.ts';
import type { SegmentOpener } from './segment-opener.ts';

export interface DamagedSegment {
  readonly entry: SegmentEntry;
  /** The file that is damaged: the segment's or its tombstones'. */
  readonly file: string;
  readonly error: CairnError;
}

export interface LoadedState {
  readonly store: ManifestStore;
  /** The state is not the one that CURRENT names, or there is nothing to fall back to any more: it is published again before anything is deleted. */
  readonly isFallback: boolean;
}

export async function loadState(env: Env, dir: string, notes: RecoveryNotes): Promise<LoadedState> {
  const strict = await loadStrict(env, dir);
  if (strict !== null && (strict.report.skipped.length === 0 || (await doesLogReach(env, dir, strict.store.current)))) {
    await noteSkipped(env, dir, strict.report, notes);
    const lostFallback = await noteLostFallbacks(env, dir, strict.report, notes);
    return { store: strict.store, isFallback: strict.report.skipped.length > 0 || lostFallback };
  }
  const lenient = await ManifestStore.load(env, dir, 'unchecked');
  await noteSkipped(env, dir, lenient.report, notes);
  return { store: lenient.store, isFallback: lenient.report.skipped.length > 0 };
}

/** null when no generation is whole. */
async function loadStrict(env: Env, dir: string): Promise<Awaited<ReturnType<typeof ManifestStore.load>> | null> {
  try {
    return await ManifestStore.load(env, dir);
  } catch (error) {
    if (isCairnError(error, 'NOT_FOUND')) {
      throw new CairnError('CORRUPT', `${dir} has a metadata.json but no manifest: its data is gone or was never there`, {
        path: dir,
        cause: error,
        hint: 'Nothing was changed. Restore the directory, or delete the index and build it again.',
      });
    }
    if (isCairnError(error, 'CORRUPT', 'TRUNCATED', 'COUNT_MISMATCH')) return null;
    throw error;
  }
}

/** True when the log holds everything after what `manifest` has. */
async function doesLogReach(env: Env, dir: string, manifest: Manifest): Promise<boolean> {
  const [first] = await listWalFiles(env, join(dir, WAL_DIRECTORY)).catch((error: unknown) => {
    if (isCairnError(error, 'NOT_FOUND')) return [];
    throw error;
  });
  return first !== undefined && first.firstLsn <= manifest.flushedLsn + 1;
}

/**
 * An older generation that is damaged: no harm to the state, but its bytes are kept and it is replaced. One whose files are missing
 * is what an interrupted collection of garbage leaves: no damage.
 */
async function noteLostFallbacks(env: Env, dir: string, report: LoadReport, notes: RecoveryNotes): Promise<boolean> {
  const damaged = report.lostFallbacks.filter(({ error }) => isDamage(error) && !isCairnError(error.cause, 'NOT_FOUND'));
  for (const { file, error } of damaged) {
    notes.warnings.push(`${file}, the generation to fall back to, is damaged and was replaced: ${error.message}`);
    await quarantineFile(env, dir, basename(error.path ?? file), error, notes);
  }
  return damaged.length > 0;
}

async function quarantineFile(env: Env, dir: string, name: string, error: CairnError, notes: RecoveryNotes): Promise<void> {
  const kind = parseFileName(name)?.kind;
  const stat = await env.stat(join(dir, name));
  // A directory cannot be replaced by the next publish as a damaged file is.
  const isObstacle = kind === 'current' && stat !== null && stat.kind !== 'file';
  if (kind !== 'manifest' && kind !== 'segment' && kind !== 'tombstones' && !isObstacle) return;
  notes.quarantined.push({ file: name, reason: error.message });
  if (stat !== null) await quarantine(env, dir, name);
}

/** What was passed over is said, and kept from garbage collection; CURRENT itself is rewritten by the next publish. */
async function noteSkipped(env: Env, dir: string, report: LoadReport, notes: RecoveryNotes): Promise<void> {
  for (const { file, error } of report.skipped) {
    notes.degraded.push(`${file} was passed over, generation ${report.generation} is in use: ${error.message}`);
    const names = new Set([file, basename(error.path ?? file)]);
    for (const name of names) await quarantineFile(env, dir, name, error, notes);
  }
}

/** Opens what can be opened. An unreadable disk or a newer format ends the opening; only damage is left out. */
export async function openSegments(env: Env, dir: string, manifest: Manifest, opener: SegmentOpener, notes: RecoveryNotes): Promise<{ readonly handles: SegmentHandle[]; readonly damaged: DamagedSegment[] }> {
  const handles: SegmentHandle[] = [];
  const damaged: DamagedSegment[] = [];
  try {
    for (const entry of manifest.segments) {
      const opened = await openOne(env, dir, entry, opener);
      if ('error' in opened) damaged.push(opened);
      else handles.push(opened.handle);
    }
  } catch (error) {
    for (const handle of handles) handle.release();
    throw error;
  }
  for (const { entry, file, error } of damaged) {
    notes.quarantined.push({ file, reason: error.message });
    notes.degraded.push(describeLoss(lossOfSegment(env, entry, error)));
  }
  return { handles, damaged };
}

async function openOne(env: Env, dir: string, entry: SegmentEntry, opener: SegmentOpener): Promise<{ readonly handle: SegmentHandle } | DamagedSegment> {
  let file = entry.tombstones?.file ?? entry.file;
  try {
    const dead = await readTombstones(env, dir, entry);
    file = entry.file;
    return { handle: await opener.open(entry, dead) };
  } catch (error) {
    // Not knowing which documents are dead is as bad as not having them: deleted ones would come back.
    if (isCairnError(error, 'CORRUPT', 'TRUNCATED', 'COUNT_MISMATCH', 'NOT_FOUND')) return { entry, file, error };
    throw error;
  }
}
