/**
 * What an index leaves behind when it is deleted: its backups and its archived log. They hold its content, so whoever purges an
 * index is told of them, and can have them removed. Each backup ends as such (its name) before its files go: an interrupted
 * removal leaves backups that are whole, or none, and is repeated by asking again. [6.17]
 */
import { join } from 'node:path';
import type { Env } from '../env/env.ts';
import { removeTree } from '../index/remove-tree.ts';
import type { WriterLease } from '../index/types.ts';
import { walDiskBytes } from '../wal/wal-files.ts';
import { ARCHIVE_DIRECTORY } from './archive.ts';
import { isIndexName, isTimeline } from './backup-record.ts';
import { namesIn } from './files.ts';
import { InodeSizes } from './prune.ts';
import { readShelf, removeBackup } from './shelf.ts';

export interface KeptBackups {
  readonly backups: number;
  /** Of backups and archived log. */
  readonly bytes: number;
  /** Those that are there. */
  readonly directories: readonly string[];
}

interface Places {
  readonly env: Env;
  readonly dataDir: string;
  /** Where backups are kept. */
  readonly root: string;
}

/** null when nothing is kept. */
export async function keptOf(places: Places, name: string): Promise<KeptBackups | null> {
  const { env, root } = places;
  const directories: string[] = [];
  for (const path of directoriesOf(places, name)) if ((await env.stat(path))?.kind === 'directory') directories.push(path);
  if (directories.length === 0) return null;
  const { backups, unreadable } = await readShelf(env, root, name);
  const shelved = (await InodeSizes.read(env, backups)).total(backups);
  return { backups: backups.length + unreadable.length, bytes: shelved + (await archivedBytes(places, name)), directories };
}

/** Removes all of it. Backups that cannot be read go too. */
export async function removeKept(places: Places & { readonly lease: WriterLease }, name: string): Promise<void> {
  const { env, root, lease } = places;
  for (const { dir } of (await readShelf(env, root, name)).backups) {
    lease.assertHeld();
    await removeBackup(env, dir);
  }
  for (const [parent, path] of [[root, join(root, name)], [join(places.dataDir, ARCHIVE_DIRECTORY), archiveOf(places, name)]] as const) {
    lease.assertHeld();
    if ((await env.stat(path))?.kind !== 'directory') continue;
    await removeTree(env, path);
    await env.syncDir(parent);
  }
}

/** Of backups and of archived log, whether they are there or not. */
export function directoriesOf(places: Places, name: string): readonly string[] {
  return isIndexName(name) ? [join(places.root, name), archiveOf(places, name)] : [];
}

const archiveOf = ({ dataDir }: Places, name: string): string => join(dataDir, ARCHIVE_DIRECTORY, name);

async function archivedBytes(places: Places, name: string): Promise<number> {
  const dir = archiveOf(places, name);
  let bytes = 0;
  for (const timeline of (await namesIn(places.env, dir)).filter(isTimeline)) bytes += await walDiskBytes(places.env, join(dir, timeline));
  return bytes;
}
