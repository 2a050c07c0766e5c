/**
 * <data>/archive/<index>/<timeline>/: closed log files that the index has trimmed, for restores to a point in time. A file gets
 * its second name here, durably, before its first one goes (invariant 6). LSNs of different timelines are never mixed.
 * Before the first backup of an index nothing is kept: a file is trimmed when segments have all of it, so no later backup needs it.
 */
import { join } from 'node:path';
import { linkOrCopy } from '../env/copy-file.ts';
import type { Env } from '../env/env.ts';
import { timelineOf } from '../index/metadata.ts';
import type { LogArchive } from '../index/index-context.ts';
import type { IndexMetadata } from '../index/types.ts';
import { removeTree } from '../index/remove-tree.ts';
import { isCairnError } from '../util/errors.ts';
import type { Lsn } from '../util/ids.ts';
import { listWalFiles, trimWal, type WalFileInfo } from '../wal/wal-files.ts';
import { isTimeline, type BackupRecord } from './backup-record.ts';
import { makeDirectory, namesIn } from './files.ts';

export const ARCHIVE_DIRECTORY = 'archive';

export class WalArchive implements LogArchive {
  readonly #env: Env;
  readonly #dataDir: string;
  readonly #root: string;

  /** `root`: where backups are kept. */
  constructor(env: Env, dataDir: string, root: string) {
    this.#env = env;
    this.#dataDir = dataDir;
    this.#root = root;
  }

  async keep(metadata: IndexMetadata, file: WalFileInfo): Promise<void> {
    if (!(await this.#hasBegun(metadata.name))) return;
    const dir = await makeDirectory(this.#env, this.#dataDir, ARCHIVE_DIRECTORY, metadata.name, timelineOf(metadata));
    const target = join(dir, file.name);
    // Already there: a crash came between this and the removal.
    if ((await this.#env.stat(target)) === null) await linkOrCopy(this.#env, file.path, target);
    await this.#env.syncDir(dir);
  }

  async files(index: string, timeline: string): Promise<WalFileInfo[]> {
    const dir = this.#timelineDir(index, timeline);
    try {
      return await listWalFiles(this.#env, dir);
    } catch (error) {
      if (isCairnError(error, 'NOT_FOUND')) return [];
      throw error;
    }
  }

  /**
   * Removes what no backup leads to: files that the oldest backup of their timeline has passed, and timelines that are over and
   * have no backup. `current` is the timeline of the living index, null when there is none; `origin` the backup it began with.
   */
  async trim(index: string, backups: readonly BackupRecord[], current: { readonly timeline: string; readonly origin: string | null } | null): Promise<string[]> {
    const removed: string[] = [];
    const dir = join(this.#dataDir, ARCHIVE_DIRECTORY, index);
    for (const timeline of (await namesIn(this.#env, dir)).filter(isTimeline)) {
      const isCurrent = current?.timeline === timeline;
      const bases = backups.filter((backup) => backup.timeline === timeline || (isCurrent && backup.id === current?.origin));
      const path = this.#timelineDir(index, timeline);
      if (bases.length > 0) removed.push(...(await trimWal(this.#env, path, lowest(bases))).map((name) => join(path, name)));
      else if (!isCurrent) {
        await removeTree(this.#env, path);
        removed.push(path);
      }
    }
    if (removed.length > 0) await this.#env.syncDir(dir);
    return removed;
  }

  /** Durable when it returns: from here on everything that is trimmed is kept. */
  async begin(index: string): Promise<void> {
    await makeDirectory(this.#env, this.#dataDir, ARCHIVE_DIRECTORY, index);
  }

  /** The mark is in the data directory, because backups may be on a disk that is away. Backups of before there was a mark count too. */
  async #hasBegun(index: string): Promise<boolean> {
    const root = join(this.#dataDir, 'backups');
    for (const dir of [join(this.#dataDir, ARCHIVE_DIRECTORY, index), join(root, index)]) if ((await this.#env.stat(dir)) !== null) return true;
    return this.#root !== root;
  }

  #timelineDir(index: string, timeline: string): string {
    return join(this.#dataDir, ARCHIVE_DIRECTORY, index, timeline);
  }
}

function lowest(backups: readonly BackupRecord[]): Lsn {
  return Math.min(...backups.map((backup) => backup.flushedLsn)) as Lsn;
}
