/**
 * One restore from request to swapped index:
 *  1. which backup, which point, which log files lead there
 *  2. prepare (restore.ts): check, stage, open
 *  3. `around`: the current state is saved as a pre-restore backup (or, when it cannot be read, kept in trash/), the intent is
 *     written, the swap carried through
 * An error before the intent leaves the index as it was; one after it is undone where the disk allows it.
 */
import { join } from 'node:path';
import type { Env } from '../env/env.ts';
import { parseFileName, WAL_DIRECTORY } from '../format/file-names.ts';
import { readMetadata } from '../index/index-directory.ts';
import { timelineOf } from '../index/metadata.ts';
import { nameInTrash, pathInTrash } from '../index/trash.ts';
import type { DurableIndex, IndexMetadata } from '../index/types.ts';
import { CairnError, isCairnError } from '../util/errors.ts';
import { listWalFiles, type WalFileInfo } from '../wal/wal-files.ts';
import { isIndexName } from './backup-record.ts';
import type { BackupInfo } from './backups.ts';
import { totalBytes } from './check.ts';
import { discard, namesIn, type Watch } from './files.ts';
import { backupAt, locateBackup } from './foreign.ts';
import type { BackupHost } from './host.ts';
import { prepareRestore, type PreparedRestore, type RestorePoint } from './restore.ts';
import { readShelf, type ShelvedBackup } from './shelf.ts';
import { carryThrough, commitSwap, newJob, requireComponent, sweepJobs, undoSwap, type RestoreJob, type SwapIntent } from './swap.ts';

export interface RestoreRequest {
  /** Whose backups; also the index that is replaced, unless `as` says another. */
  readonly index: string;
  /** Default: the newest, or with a point the newest that leads to it. */
  readonly backup?: string | undefined;
  /** Directory of a backup, inside the data directory or the directory of backups. */
  readonly from?: string | undefined;
  readonly toLsn?: number | undefined;
  /** Milliseconds since 1970. */
  readonly toTime?: number | undefined;
  /** Restores to an index of this name, which must not exist. */
  readonly as?: string | undefined;
}

export interface RestoreResult extends PreparedRestore {
  readonly index: string;
  readonly backup: string;
  /** Backup that the replaced state is in; null when there was none, or it could not be read. */
  readonly savedAs: string | null;
  /** Directory that the replaced files were moved to; null when all of them are in `savedAs`, or there were none. */
  readonly keptAt: string | null;
}

export class Restoration {
  readonly #host: BackupHost;
  readonly #request: RestoreRequest;
  readonly #save: (index: DurableIndex) => Promise<BackupInfo>;
  readonly #target: string;

  constructor(host: BackupHost, request: RestoreRequest, save: (index: DurableIndex) => Promise<BackupInfo>) {
    this.#host = host;
    this.#request = request;
    this.#save = save;
    this.#target = request.as ?? request.index;
  }

  async run(watchFor: (total: number) => Watch, around: <T>(step: () => Promise<T>) => Promise<T>): Promise<RestoreResult> {
    const { env, dataDir, lease } = this.#host;
    const point = this.#point();
    this.#requireTarget();
    lease.assertHeld();
    await sweepJobs(env, dataDir);
    const backup = await this.#chooseBackup(point);
    const origin = await readMetadata(env, backup.dir);
    const job = await newJob(env, dataDir);
    try {
      const prepared = await prepareRestore(env, job, {
        backup, point, lease,
        logs: () => this.#logs(backup, point),
        logTag: (this.#continuation(backup, point) ?? origin).logTag ?? null,
        change: { name: this.#target, ...this.#rootChange(origin.sourceRoot) },
        logFileBytes: this.#host.options.walFileMaxBytes,
        openScratch: this.#host.openScratch,
      }, watchFor(totalBytes(backup.record)));
      return await around(() => this.#replace(job, backup, prepared));
    } catch (error) {
      // After the commit point the job is the record of what is to be finished.
      if ((await env.stat(join(job.dir, 'swap')).catch(() => null)) === null) await discard(env, job.dir);
      throw error;
    }
  }

  #point(): RestorePoint {
    const { toLsn, toTime } = this.#request;
    if (toLsn !== undefined && toTime !== undefined) throw new CairnError('INVALID_ARGUMENT', 'a state is named by an LSN or by a time, not by both');
    if (toLsn !== undefined) {
      if (!Number.isSafeInteger(toLsn) || toLsn < 0) throw new CairnError('INVALID_ARGUMENT', `${toLsn} is no LSN`);
      return { lsn: toLsn };
    }
    if (toTime === undefined) return null;
    if (!Number.isFinite(toTime) || toTime > this.#host.env.clock.now()) throw new CairnError('INVALID_ARGUMENT', 'that time has not come yet');
    return { time: toTime };
  }

  #requireTarget(): void {
    if (!isIndexName(this.#target)) throw new CairnError('INVALID_ARGUMENT', `${JSON.stringify(this.#target)} is no name of an index`);
    const isTaken = this.#host.list().some((entry) => entry.name === this.#target);
    if (this.#request.as !== undefined && isTaken) throw new CairnError('ALREADY_EXISTS', `there is an index '${this.#target}' already`, { hint: 'Choose another name, or restore over it without --as from its own backups.' });
  }

  async #chooseBackup(point: RestorePoint): Promise<ShelvedBackup> {
    const { env, root, dataDir } = this.#host;
    const { index, backup, from } = this.#request;
    if (from !== undefined) return backupAt(env, from, [root, dataDir]);
    if (backup !== undefined || point === null) return locateBackup(env, root, { index, id: backup ?? null });
    const { backups } = await readShelf(env, root, index);
    const history = this.#history();
    const usable = backups.filter(({ record }) => (history === null || record.timeline === history.timeline || record.id === history.origin) && isBefore(record, point));
    const best = usable.reduce<ShelvedBackup | null>((a, b) => (a === null || b.record.flushedLsn >= a.record.flushedLsn ? b : a), null);
    if (best !== null) return best;
    throw new CairnError('NOT_FOUND', `no backup of '${index}' leads to ${'lsn' in point ? `LSN ${point.lsn}` : new Date(point.time).toISOString()}`, { hint: 'See what there is with: cairn backup list' });
  }

  get #living(): IndexMetadata | null {
    return this.#host.list().find((entry) => entry.name === this.#request.index)?.metadata ?? null;
  }

  /** The history that the living index is in; null when there is none. */
  #history(): { readonly timeline: string; readonly origin: string | null } | null {
    const metadata = this.#living;
    return metadata === null ? null : { timeline: timelineOf(metadata), origin: metadata.restoredFrom ?? null };
  }

  /** The living index, when its history began with this backup and leads to the point: it has logged all that was in the backup's log once more. */
  #continuation({ record }: ShelvedBackup, point: RestorePoint): IndexMetadata | null {
    if (point === null || ('lsn' in point && point.lsn <= record.lsn) || record.index !== this.#request.index) return null;
    const living = this.#living;
    return living !== null && timelineOf(living) !== record.timeline && living.restoredFrom === record.id ? living : null;
  }

  /** All log files that lead from the backup to the point: its own, and what its history has beyond it. */
  async #logs({ record, dir }: ShelvedBackup, point: RestorePoint): Promise<WalFileInfo[]> {
    const { env, archive } = this.#host;
    const own = await listWalFiles(env, join(dir, WAL_DIRECTORY));
    if (point === null || ('lsn' in point && point.lsn <= record.lsn)) return own;
    const history = record.index === this.#request.index ? this.#history() : null;
    if (history?.timeline !== record.timeline && history?.origin !== record.id) return [...own, ...(await archive.files(record.index, record.timeline))];
    // In this order: a file that moves from the one to the other meanwhile is in the first list at least.
    const living = await this.#livingLog();
    const archived = await archive.files(record.index, history.timeline);
    // Of a continuation: its files begin where those of the backup do.
    return history.timeline === record.timeline ? [...own, ...archived, ...living] : [...archived, ...living];
  }

  /** Closed files of the living index, or, when it cannot be opened, all that it has. */
  async #livingLog(): Promise<WalFileInfo[]> {
    const { env, dataDir, get, list } = this.#host;
    const entry = list().find(({ name }) => name === this.#request.index);
    if (entry === undefined) return [];
    const walDir = join(dataDir, 'indexes', entry.directory, WAL_DIRECTORY);
    try {
      const pin = await (await get(entry.name)).pin();
      pin.release();
      return (await listWalFiles(env, walDir)).filter((file) => file.firstLsn <= pin.lsn);
    } catch (error) {
      if (!isCairnError(error)) throw error;
      return listWalFiles(env, walDir).catch(() => []);
    }
  }

  /** Two indexes never follow one tree: the copy stands still. */
  #rootChange(root: string | null): Partial<Pick<IndexMetadata, 'sourceRoot'>> {
    const isFollowed = root !== null && this.#host.list().some(({ name, metadata }) => name !== this.#target && metadata?.sourceRoot === root);
    return isFollowed ? { sourceRoot: null } : {};
  }

  async #replace(job: RestoreJob, backup: ShelvedBackup, prepared: PreparedRestore): Promise<RestoreResult> {
    const { env, dataDir, lease, audit, exchange } = this.#host;
    const saved = await this.#saveCurrent();
    const trash = nameInTrash(env, this.#target, true);
    let keptAt: string | null = null;
    await audit({ action: 'backup-restore', index: this.#target, detail: `${backup.record.id} LSN ${prepared.lsn}${saved === null ? '' : `, before: ${saved}`}` });
    await exchange(this.#target, async (directory) => {
      requireComponent(directory);
      this.#requireTarget(); // once more: it was free when the restore began
      const old = join(dataDir, 'indexes', directory);
      const dropOld = saved !== null && (await isAllInBackup(env, old));
      if (!dropOld && (await env.stat(old)) !== null) keptAt = pathInTrash(dataDir, trash);
      return this.#swap(job, { directory, trash, dropOld });
    });
    lease.assertHeld();
    return { ...prepared, index: this.#target, backup: backup.record.id, savedAs: saved, keptAt };
  }

  /** Id of the backup that the state that goes is in. What cannot be read is not lost either: its files are kept as they are. */
  async #saveCurrent(): Promise<string | null> {
    if (!this.#host.list().some(({ name }) => name === this.#target)) return null;
    try {
      const index = await this.#host.get(this.#target);
      if (index.recovery.degraded.length > 0) return null;
      return (await this.#save(index)).record.id;
    } catch (error) {
      if (isCairnError(error, 'CORRUPT', 'TRUNCATED', 'COUNT_MISMATCH', 'NOT_FOUND', 'NEWER_FORMAT', 'UNSUPPORTED', 'DEGRADED')) return null;
      throw error;
    }
  }

  async #swap(job: RestoreJob, intent: SwapIntent): Promise<'done' | 'pending'> {
    const { env, dataDir, lease } = this.#host;
    try {
      await commitSwap(env, job, intent, lease);
      await carryThrough(env, dataDir, job.dir, intent, lease);
    } catch (error) {
      if (!isCairnError(error)) throw error;
      const left = await undoSwap(env, dataDir, job.dir, intent);
      if (left === 'old') throw error;
      return left === 'new' ? 'done' : 'pending';
    }
    return 'done';
  }
}

/** False when something lies there that a backup does not hold: quarantined bytes, an old metadata.json, files of the user. */
async function isAllInBackup(env: Env, dir: string): Promise<boolean> {
  return (await namesIn(env, dir)).every((name) => ['metadata', 'current', 'manifest', 'segment', 'tombstones', 'wal-directory', 'temp'].includes(parseFileName(name)?.kind ?? ''));
}

/** What is in the backup's own log counts as before it. */
function isBefore(record: ShelvedBackup['record'], point: Exclude<RestorePoint, null>): boolean {
  return 'lsn' in point ? record.flushedLsn <= point.lsn : Date.parse(record.createdAt) <= point.time;
}
