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
/** What follows the name of the directory that lay below indexes/. */
const AFTER_DIRECTORY = /^(-restored-over)?-[\d.]+-[0-9a-f]{6}$/;

export const trashOf = (dataDir: string): string => join(dataDir, TRASH_DIRECTORY);

/** A free name for what is kept of a directory below indexes/. */
export const nameInTrash = (env: Env, directory: string): string => `${directory}-${env.clock.now()}-${env.random.bytes(3).toString('hex')}`;

export const nameWhilePurged = (name: string): string => `${name}${PURGE_SUFFIX}`;

export const isBeingPurged = (name: string): boolean => name.endsWith(PURGE_SUFFIX);

/** Names in the trash of what an index of this name has left: by its metadata.json, or, where that cannot be read, by the directory it lay in. */
export async function keptInTrash(env: Env, dataDir: string, index: string): Promise<readonly string[]> {
  const kept: string[] = [];
  for (const name of await namesInTrash(env, dataDir)) {
    if (!isBeingPurged(name) && (await isOf(env, dataDir, name, index))) kept.push(name);
  }
  return kept;
}

async function isOf(env: Env, dataDir: string, name: string, index: string): Promise<boolean> {
  const dir = join(trashOf(dataDir), name);
  if ((await env.stat(dir))?.kind !== 'directory') return false;
  try {
    return (await readMetadata(env, dir)).name === index;
  } catch (error) {
    if (!isCairnError(error)) throw error;
    return name.startsWith(index) && AFTER_DIRECTORY.test(name.slice(index.length));
  }
}

/** From here on it goes, whatever happens. */
export async function markPurged(env: Env, dataDir: string, name: string): Promise<void> {
  const trash = trashOf(dataDir);
  await moveFile(env, join(trash, name), trash, nameWhilePurged(name));
}

/** Removes what was marked. Returns what cannot be removed now, for people; it is tried again at the next start. */
export async function finishPurges(env: Env, dataDir: string): Promise<readonly string[]> {
  const failed: string[] = [];
  for (const name of (await namesInTrash(env, dataDir)).filter(isBeingPurged)) {
    const dir = join(trashOf(dataDir), name);
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

async function namesInTrash(env: Env, dataDir: string): Promise<readonly string[]> {
  try {
    return (await env.readdir(trashOf(dataDir))).sort();
  } catch (error) {
    if (isCairnError(error, 'NOT_FOUND')) return [];
    throw error;
  }
}
