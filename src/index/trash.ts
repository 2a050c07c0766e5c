/**
 * <data>/trash/: directories of indexes that were deleted or replaced, kept for people. What is to be removed for good gets a name
 * that says so, durably, before the first of its files goes; a removal that was cut off is finished at the next start. Nothing
 * without that name is ever removed.
 */
import { join } from 'node:path';
import { moveFile } from '../env/atomic-file.ts';
import type { Env } from '../env/env.ts';
import { isCairnError } from '../util/errors.ts';
import { readMetadata } from './index-directory.ts';
import { removeTree } from './remove-tree.ts';

const TRASH_DIRECTORY = 'trash';
const PURGE_SUFFIX = '.purge';
const RESTORED_OVER = '-restored-over';
/** What nameInTrash puts after the name it is given. */
const SUFFIX = new RegExp(`^(${RESTORED_OVER})?-\\d+-[0-9a-f]{6}$`);

export const pathInTrash = (dataDir: string, name: string): string => join(trashOf(dataDir), name);

/** A free name for what is kept of a directory below indexes/; `isRestoredOver`: of what a restore replaces. */
export function nameInTrash(env: Env, of: string, isRestoredOver = false): string {
  return `${of}${isRestoredOver ? RESTORED_OVER : ''}-${Math.floor(env.clock.now())}-${env.random.bytes(3).toString('hex')}`;
}

/** Durable on return. */
export const moveToTrash = (env: Env, dataDir: string, dir: string, name: string): Promise<void> => moveFile(env, dir, trashOf(dataDir), name);

/** The same for what is to be removed: it is marked as soon as it is there. */
export const moveToBePurged = (env: Env, dataDir: string, dir: string, name: string): Promise<void> => moveToTrash(env, dataDir, dir, nameWhilePurged(name));

/** Paths of all that is kept, sorted. */
export async function listTrash(env: Env, dataDir: string): Promise<readonly string[]> {
  return (await keptNames(env, dataDir)).map((name) => pathInTrash(dataDir, name));
}

/** Names in the trash of what an index of this name has left: by its metadata.json, or, where that cannot be read, by the directory it lay in. */
export async function keptInTrash(env: Env, dataDir: string, index: string): Promise<readonly string[]> {
  const kept: string[] = [];
  for (const name of await keptNames(env, dataDir)) if (await isOf(env, dataDir, name, index)) kept.push(name);
  return kept;
}

async function isOf(env: Env, dataDir: string, name: string, index: string): Promise<boolean> {
  const dir = pathInTrash(dataDir, name);
  if ((await env.stat(dir))?.kind !== 'directory') return false;
  try {
    return (await readMetadata(env, dir)).name === index;
  } catch (error) {
    if (!isCairnError(error)) throw error;
    return name.startsWith(index) && SUFFIX.test(name.slice(index.length));
  }
}

/** From here on they go, whatever happens. */
export async function markPurged(env: Env, dataDir: string, names: readonly string[]): Promise<void> {
  for (const name of names) await moveToBePurged(env, dataDir, pathInTrash(dataDir, name), name);
}

/** Removes what was marked, by the names that it had before. */
export async function removePurged(env: Env, dataDir: string, names: readonly string[]): Promise<void> {
  for (const name of names) await removeTree(env, pathInTrash(dataDir, nameWhilePurged(name)));
}

/** Removes all that is marked. Returns what cannot be removed now, for people; it is tried again at the next start. */
export async function finishPurges(env: Env, dataDir: string): Promise<readonly string[]> {
  const failed: string[] = [];
  for (const name of (await namesInTrash(env, dataDir)).filter(isBeingPurged)) {
    const dir = pathInTrash(dataDir, name);
    if ((await env.stat(dir))?.kind !== 'directory') continue;
    try {
      await removeTree(env, dir);
    } catch (error) {
      if (!isCairnError(error)) throw error;
      failed.push(`${dir} was to be purged and is not removed yet: ${error.message}`);
    }
  }
  return failed;
}

const trashOf = (dataDir: string): string => join(dataDir, TRASH_DIRECTORY);

const nameWhilePurged = (name: string): string => `${name}${PURGE_SUFFIX}`;

const isBeingPurged = (name: string): boolean => name.endsWith(PURGE_SUFFIX);

const keptNames = async (env: Env, dataDir: string): Promise<readonly string[]> => (await namesInTrash(env, dataDir)).filter((name) => !isBeingPurged(name));

async function namesInTrash(env: Env, dataDir: string): Promise<readonly string[]> {
  try {
    return (await env.readdir(trashOf(dataDir))).sort();
  } catch (error) {
    if (isCairnError(error, 'NOT_FOUND')) return [];
    throw error;
  }
}
