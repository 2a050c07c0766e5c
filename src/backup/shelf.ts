/**
 * <backups>/<index>/<id>/: which backups there are. One is made under `<id>.new` and removed under `<id>.old`; what a crash leaves
 * under these names is no backup and is swept. Under its own name nothing is: a directory whose backup.json is missing (somebody
 * copies it in, or it was lost) or cannot be read is reported and its bytes stay. Follows no link.
 */
import { basename, dirname, join } from 'node:path';
import { moveFile, sweepTempFiles } from '../env/atomic-file.ts';
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
      if (record === null) {
        if ((await env.stat(dir))?.kind === 'directory') throw withoutRecord(dir);
        continue;
      }
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

function withoutRecord(dir: string): CairnError {
  const path = join(dir, BACKUP_FILE);
  return new CairnError('CORRUPT', `${path} is missing`, { path, hint: 'Is it being copied in? If not, remove the directory: it is no backup without that file.' });
}

/** null when the directory is no (finished) backup. */
export async function readBackup(env: Env, dir: string): Promise<BackupRecord | null> {
  if ((await env.stat(dir))?.kind !== 'directory') return null;
  const path = join(dir, BACKUP_FILE);
  if ((await env.stat(path)) === null) return null;
  return decodeBackupRecord(await env.readFile(path, MAX_BACKUP_RECORD_BYTES), path);
}

/** Below the shelf; becomes `id` when it is a whole backup. */
export const nameWhileMade = (id: string): string => `${id}.new`;

const isLeftover = (name: string): boolean => /\.(new|old)$/.test(name) && isBackupId(name.slice(0, -4));

/** Removes what interrupted creations and removals have left; returns their directories. Must not run beside a creation. */
export async function sweepShelf(env: Env, root: string, index: string): Promise<string[]> {
  const swept: string[] = [];
  for (const name of await namesIn(env, join(root, index))) {
    const dir = join(root, index, name);
    if ((await env.stat(dir))?.kind !== 'directory') continue;
    if (isBackupId(name)) await sweepTempFiles(env, dir);
    if (!isLeftover(name)) continue;
    await removeTree(env, dir);
    swept.push(dir);
  }
  if (swept.length > 0) await env.syncDir(join(root, index));
  return swept;
}

/** First it stops being a backup, durably; then its files go. */
export async function removeBackup(env: Env, dir: string): Promise<void> {
  const leaving = `${basename(dir)}.old`;
  await moveFile(env, dir, dirname(dir), leaving);
  await removeTree(env, join(dirname(dir), leaving));
}
