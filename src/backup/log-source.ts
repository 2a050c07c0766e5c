/**
 * The log behind a backup: its own files, then what the archive and the living index have of the same history, gathered by links
 * in one directory so that nothing of it goes while it is read. Finds the LSN of a time.
 */
import { join } from 'node:path';
import { linkOrCopy } from '../env/copy-file.ts';
import type { Env } from '../env/env.ts';
import { WAL_TYPE_TIME } from '../format/constants.ts';
import { requireNotCancelled } from '../util/cancel.ts';
import { CairnError, isCairnError } from '../util/errors.ts';
import { asLsn, type Lsn } from '../util/ids.ts';
import { decodeTime, type LogTag, type WalRecord } from '../wal/record.ts';
import { isPassed, type WalFileInfo } from '../wal/wal-files.ts';
import { replayWal } from '../wal/wal-reader.ts';

/** Times that the files are listed again when one has moved (from the living index to the archive) before it was linked. */
const MAX_LISTINGS = 10;

/** Log files in one directory, and the log that they must be of (null: any). */
export interface GatheredLog {
  readonly dir: string;
  readonly tag: LogTag | null;
}

/** Links the files that hold batches after `after` into `target`. Of two files with one name the first is taken. */
export async function gatherLogs(env: Env, target: string, list: () => Promise<readonly WalFileInfo[]>, after: Lsn): Promise<void> {
  // When a file is really gone, the log has a gap, and reading it says so.
  for (let n = 0; n < MAX_LISTINGS && !(await linkAll(env, target, await list(), after)); n++);
}

/** False when a file was gone. Files that are linked already stay as they are. */
async function linkAll(env: Env, target: string, files: readonly WalFileInfo[], after: Lsn): Promise<boolean> {
  const done = new Set(await env.readdir(target));
  let isWhole = true;
  const byName = new Map<string, WalFileInfo>();
  for (const file of files) if (!byName.has(file.name)) byName.set(file.name, file);
  const sorted = [...byName.values()].sort((a, b) => a.firstLsn - b.firstLsn);
  for (const [i, file] of sorted.entries()) {
    if (isPassed(sorted[i + 1], after) || done.has(file.name)) continue;
    try {
      await linkOrCopy(env, file.path, join(target, file.name));
    } catch (error) {
      if (!isCairnError(error, 'NOT_FOUND')) throw error;
      isWhole = false;
    }
  }
  return isWhole;
}

/** Last LSN of the gathered log, or `after`. */
export async function endOfLog(env: Env, { dir, tag }: GatheredLog, after: Lsn, signal: AbortSignal | undefined): Promise<Lsn> {
  return (await replayWal(env, dir, { after, tag }, () => requireNotCancelled(signal, 'the restore'))).lastLsn;
}

/**
 * The last batch that was logged at `time` or before. UNSUPPORTED when batches around that time carry no times: they were
 * logged while nothing was archived.
 */
export async function lsnAtTime(env: Env, { dir, tag }: GatheredLog, base: { readonly flushedLsn: Lsn; readonly lsn: Lsn }, time: number, signal: AbortSignal | undefined): Promise<Lsn> {
  // Everything in the backup itself was logged before the backup's time, which is not later than `time`.
  let known: number = base.lsn;
  let stampedUpTo = 0;
  let unknownFrom: number | null = null;
  let isPast = false;
  const onMark = (mark: WalRecord): void => {
    if (mark.type !== WAL_TYPE_TIME || isPast) return;
    const stamp = decodeTime(mark.payload, dir);
    stampedUpTo = mark.lsn + stamp.records - 1;
    if (stamp.time > time) isPast = mark.lsn > base.lsn;
    else if (stamp.records > 0) unknownFrom = null; // what came before it is older
  };
  await replayWal(env, dir, { after: base.flushedLsn, tag, onMark }, (record) => {
    requireNotCancelled(signal, 'the restore');
    if (record.lsn <= base.lsn || isPast) return;
    if (record.lsn > stampedUpTo) unknownFrom ??= record.lsn;
    known = record.lsn;
  });
  if (unknownFrom === null) return asLsn(known);
  throw new CairnError('UNSUPPORTED', `the batches from LSN ${unknownFrom} to ${known} carry no times, so the state of ${new Date(time).toISOString()} cannot be told`, {
    hint: 'Times are kept while storage.archive is on. Name the state by --to-lsn or by --backup.',
  });
}
