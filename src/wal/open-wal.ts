/**
 * Opens the log of an index for writing: the recovery procedure.
 *  1. Sweep temp files of interrupted creations.
 *  2. Replay every record above `after` (rules in wal-reader.ts). Damage ends here, with the file and offset; nothing was changed.
 *  3. Refuse with FENCED when a file carries a larger epoch than ours.
 *  4. A last file that was not sealed is rewritten: its good records into a temp file, synced, renamed over it. That cuts a
 *     torn tail, makes durable what only the page cache of a dead process held, and leaves a frozen former writer with an
 *     unlinked file. A crash in between leaves the old file: the procedure repeats.
 *  5. Append to that file, or to a new one when the last was sealed (or there is none and `mayCreate` allows it).
 * Running it twice gives the same log.
 */
import { dirname } from 'node:path';
import { createFileAtomic, sweepTempFiles } from '../env/atomic-file.ts';
import type { Env, EnvFile } from '../env/env.ts';
import { WAL_HEADER_BYTES, WAL_TYPE_TIME } from '../format/constants.ts';
import { readExactly } from '../format/container.ts';
import { CairnError } from '../util/errors.ts';
import { asLsn, type Lsn } from '../util/ids.ts';
import { FrameBuffer } from './frames.ts';
import { decodeTime, encodeWalHeader, type LogTag, type WalHeader, type WalRecord } from './record.ts';
import { replayWal, type ReplayHandler, type ReplayReport, type WalTail } from './wal-reader.ts';
import { createWalFile, newSalt, openOwnFile, takenOver, WalWriter, withLastStamp, type WalFence, type WalOptions, type WalPosition, type WalSyncMode } from './wal-writer.ts';

export interface OpenWalRequest {
  /** LSN up to which segments hold everything (flushedLsn of the manifest that was loaded). */
  readonly after: Lsn;
  readonly fence: WalFence;
  readonly options: WalOptions;
  /** Names this log in each new file. null: the log has no tag, and files of any are taken. */
  readonly tag: LogTag | null;
  /** False for an index that exists: then a WAL directory without a file is a loss and refused with CORRUPT. */
  readonly mayCreate: boolean;
  readonly onRecord: ReplayHandler;
}

export interface OpenedWal {
  readonly writer: WalWriter;
  readonly replay: ReplayReport;
  /** Bytes cut from the end of the last file. */
  readonly tornTailBytes: number;
  readonly tempFilesRemoved: readonly string[];
}

const COPY_BYTES = 1024 * 1024;

export async function openWal(env: Env, dir: string, request: OpenWalRequest): Promise<OpenedWal> {
  await requireDirectory(env, dir, request);
  const tempFilesRemoved = await sweepTempFiles(env, dir);
  let lastStamp = 0;
  const onMark = (mark: WalRecord): void => {
    // The largest: older versions let a time fall at a restart.
    if (mark.type === WAL_TYPE_TIME) lastStamp = Math.max(lastStamp, decodeTime(mark.payload, dir).time);
  };
  const replay = await replayWal(env, dir, { after: request.after, tag: request.tag, onMark }, request.onRecord);
  if (replay.maxEpoch > request.fence.epoch) {
    throw takenOver(dir, replay.maxEpoch, request.fence.epoch);
  }
  if (replay.tail === null && !request.mayCreate) throw logMissing(dir, request.after);
  request.fence.assertHeld();
  const { epoch } = request.fence;
  const at = await positionFor(env, dir, { replay, lastStamp }, { epoch, tag: request.tag }, request.options.syncMode);
  const writer = new WalWriter(env, dir, request.fence, { ...request.options, tag: request.tag }, { ...at, lastStamp });
  return { writer, replay, tornTailBytes: replay.tail?.tornBytes ?? 0, tempFilesRemoved };
}

async function requireDirectory(env: Env, dir: string, request: OpenWalRequest): Promise<void> {
  if ((await env.stat(dir)) !== null) return;
  if (!request.mayCreate) throw logMissing(dir, request.after);
  await env.mkdir(dir);
  await env.syncDir(dirname(dir));
}

function logMissing(dir: string, after: Lsn): CairnError {
  return new CairnError('CORRUPT', `${dir} holds no log file: writes after LSN ${after} are lost`, { path: dir, hint: 'Restore the file, or re-index from the sources.' });
}

/** What new headers say. */
type Ours = Pick<WalHeader, 'epoch' | 'tag'>;

type Position = Omit<WalPosition, 'lastStamp'>;

interface Replayed {
  readonly replay: ReplayReport;
  readonly lastStamp: number;
}

async function positionFor(env: Env, dir: string, { replay, lastStamp }: Replayed, ours: Ours, syncMode: WalSyncMode): Promise<Position> {
  const { tail } = replay;
  const nextLsn = asLsn(replay.lastLsn + 1);
  // A log that ends below what segments hold cannot be continued in its last file: LSNs in a file have no gaps.
  if (tail === null || tail.lastLsn !== replay.lastLsn || tail.sealed) return newFile(env, dir, { firstLsn: nextLsn, lastStamp }, ours, syncMode);
  const header = { ...tail.header, ...ours, baseLength: tail.goodBytes };
  await rewriteTail(env, dir, tail, header);
  return { file: await openOwnFile(env, dir, header, syncMode), firstLsn: tail.file.firstLsn, bytes: tail.goodBytes, salt: tail.header.salt, nextLsn };
}

/** Replaces a sealed file without records, which begins with the same LSN. */
async function newFile(env: Env, dir: string, { firstLsn, lastStamp }: { readonly firstLsn: Lsn; readonly lastStamp: number }, ours: Ours, syncMode: WalSyncMode): Promise<Position> {
  const salt = newSalt(env);
  const { parts } = new FrameBuffer().frame(withLastStamp([], firstLsn, lastStamp), asLsn(firstLsn - 1), salt);
  const header = await createWalFile(env, dir, { ...ours, salt, firstLsn }, parts);
  return { file: await openOwnFile(env, dir, header, syncMode), firstLsn, bytes: header.baseLength, salt, nextLsn: firstLsn };
}

async function rewriteTail(env: Env, dir: string, tail: WalTail, header: WalHeader): Promise<void> {
  const source = await env.open(tail.file.path, 'read');
  try {
    await createFileAtomic(env, dir, tail.file.name, async (target) => {
      await target.write(encodeWalHeader(header), 0);
      await copyRange(source, target, WAL_HEADER_BYTES, tail.goodBytes);
    });
  } finally {
    await source.close();
  }
}

async function copyRange(source: EnvFile, target: EnvFile, from: number, to: number): Promise<void> {
  for (let at = from; at < to; at += COPY_BYTES) {
    await target.write(await readExactly(source, at, Math.min(COPY_BYTES, to - at)), at);
  }
}
