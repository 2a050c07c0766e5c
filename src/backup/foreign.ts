/**
 * Finds a backup: by index and id on the shelf, or by the path of its directory, which must lie inside a root that the operator
 * has chosen. A path is taken apart and every component looked at: no link, no '..', nothing but directories on the way.
 */
import { isAbsolute, join, normalize, relative, sep } from 'node:path';
import type { Env } from '../env/env.ts';
import { CairnError } from '../util/errors.ts';
import { BACKUP_FILE, isBackupId, isIndexName } from './backup-record.ts';
import { readBackup, readShelf, type ShelvedBackup } from './shelf.ts';

/** The named one, or the newest. NOT_FOUND says which there are. */
export async function locateBackup(env: Env, root: string, wanted: { readonly index: string; readonly id: string | null }): Promise<ShelvedBackup> {
  const { index, id } = wanted;
  if (!isIndexName(index)) throw new CairnError('INVALID_ARGUMENT', `${JSON.stringify(index)} is no name of an index`);
  if (id !== null && !isBackupId(id)) throw new CairnError('INVALID_ARGUMENT', `${JSON.stringify(id)} is no id of a backup`, { hint: 'See the ids with: cairn backup list' });
  const { backups, unreadable } = await readShelf(env, root, index);
  const found = id === null ? backups.at(-1) : backups.find(({ record }) => record.id === id);
  if (found !== undefined) return found;
  const broken = unreadable.find((one) => id === null || one.id === id);
  if (broken !== undefined) throw broken.error;
  throw new CairnError('NOT_FOUND', id === null ? `there is no backup of '${index}'` : `there is no backup ${id} of '${index}'`, {
    path: join(root, index), hint: backups.length === 0 ? 'Make one: cairn backup create' : `There are: ${backups.slice(-5).map(({ record }) => record.id).join(', ')}`,
  });
}

/** INVALID_ARGUMENT when the path is not inside one of `roots`, PERMISSION when something on the way is no directory. */
export async function backupAt(env: Env, path: string, roots: readonly string[]): Promise<ShelvedBackup> {
  const dir = await containedDirectory(env, path, roots);
  const record = await readBackup(env, dir);
  if (record === null) throw new CairnError('NOT_FOUND', `${dir} is no backup: it has no ${BACKUP_FILE}`, { path: dir, hint: 'Name the directory that holds backup.json.' });
  return { record, dir };
}

export async function containedDirectory(env: Env, path: string, roots: readonly string[]): Promise<string> {
  const outside = (): CairnError => new CairnError('INVALID_ARGUMENT', `${JSON.stringify(path)} does not lie inside ${roots.join(' or ')}`, { path, hint: 'Copy the backup there, or set backup.directory to the place where it is.' });
  if (path.includes('\0') || !isAbsolute(path) || path.split(/[/\\]/).includes('..')) throw outside();
  const clean = normalize(path);
  const root = roots.find((one) => isInside(one, clean));
  if (root === undefined) throw outside();
  let at = root;
  for (const name of relative(root, clean).split(sep).filter((one) => one !== '')) {
    at = join(at, name);
    const kind = (await env.stat(at))?.kind;
    if (kind === undefined) throw new CairnError('NOT_FOUND', `${at} is not there`, { path: at });
    if (kind !== 'directory') throw new CairnError('PERMISSION', `${at} is a ${kind}, not a directory`, { path: at, hint: 'Links are not followed.' });
  }
  return at;
}

function isInside(root: string, path: string): boolean {
  const rest = relative(root, path);
  return rest !== '' && rest !== '..' && !rest.startsWith(`..${sep}`) && !isAbsolute(rest);
}
