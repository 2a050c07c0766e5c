/**
 * <backups>/<index>/<id>/: which backups there are. A directory without backup.json is no backup (an interrupted creation or
 * removal) and is swept; one whose backup.json cannot be read is reported and its bytes stay. Follows no link.
 */
import { join } from 'node:path';
import { sweepTempFiles } from '../env/atomic-file.ts';
import type { Env } from '../env/env.ts';
import { MAX_BACKUP_RECORD_BYTES } from '../format/constants.ts';
import { removeTree } from '../index/remove-tree.ts';
import { CairnError, isCairnError } from '../util/errors.ts';
import { BACKUP_FILE, decodeBackupRecord, isBackupId, isIndexName, type BackupRecord } from './backup-record.ts';
import { namesIn } from './files.ts';

export interface ShelvedBackup {
  readonly record: BackupRecord;
  readonly dir: string;
}

export interface UnreadableBackup {
  readonly index: string;
  readonly id: string;
  readonly dir: string;
  readonly error: CairnError;
}

export interface Shelf {
  /** Oldest first. */
  readonly backups: readonly ShelvedBackup[];
  readonly unreadable: readonly UnreadableBackup[];
}

/** Names of all indexes that have a directory of backups. */
export async function shelvedIndexes(env: Env, root: string): Promise<string[]> {
  const names = (await namesIn(env, root)).filter(isIndexName);
  const kinds = await Promise.all(names.map(async (name) => (await env.stat(join(root, name)))?.kind));
  return names.filter((_, i) => kinds[i] === 'directory');
}

export async function readShelf(env: Env, root: string, index: string): Promise<Shelf> {
  const backups: ShelvedBackup[] = [];
  const unreadable: UnreadableBackup[] = [];
  for (const id of (await namesIn(env, join(root, index))).filter(isBackupId)) {
    const dir = join(root, index, id);
    try {
      const record = await readBackup(env, dir);
      if (record === null) continue;
      if (record.index !== index || record.id !== id) throw new CairnError('CORRUPT', `${dir} holds backup ${record.id} of index '${record.index}'`, { path: dir, offset: 0 });
      backups.push({ record, dir });
    } catch (error) {
      if (!isCairnError(error)) throw error;
      unreadable.push({ index, id, dir, error });
    }
  }
  backups.sort((a, b) => inOrderMade(a.record, b.record));
  return { backups, unreadable };
}

/** By number. Time decides only between those that have the same: of before there were numbers, or beside one that cannot be read. */
function inOrderMade(a: BackupRecord, b: BackupRecord): number {
  if (a.sequence !== b.sequence) return a.sequence - b.sequence;
  return a.createdAt === b.createdAt ? a.lsn - b.lsn : a.createdAt < b.createdAt ? -1 : 1;
}

/** null when the directory is no (finished) backup. */
export async function readBackup(env: Env, dir: string): Promise<BackupRecord | null> {
  if ((await env.stat(dir))?.kind !== 'directory') return null;
  const path = join(dir, BACKUP_FILE);
  if ((await env.stat(path)) === null) return null;
  return decodeBackupRecord(await env.readFile(path, MAX_BACKUP_RECORD_BYTES), path);
}

/** Removes what interrupted creations and removals have left; returns their directories. Must not run beside a creation. */
export async function sweepShelf(env: Env, root: string, index: string): Promise<string[]> {
  const swept: string[] = [];
  for (const id of (await namesIn(env, join(root, index))).filter(isBackupId)) {
    const dir = join(root, index, id);
    if ((await env.stat(dir))?.kind !== 'directory') continue;
    await sweepTempFiles(env, dir);
    if ((await env.stat(join(dir, BACKUP_FILE))) !== null) continue;
    await removeTree(env, dir);
    swept.push(dir);
  }
  if (swept.length > 0) await env.syncDir(join(root, index));
  return swept;
}

/** First it stops being a backup, durably; then its files go. */
export async function removeBackup(env: Env, dir: string): Promise<void> {
  await env.unlink(join(dir, BACKUP_FILE));
  await env.syncDir(dir);
  await removeTree(env, dir);
}
