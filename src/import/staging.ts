/**
 * <data>/staging/<16 hex>/: where imports build. Nothing in it was ever acknowledged, so what a crash leaves is removed at the
 * next start. A directory leaves it by one rename.
 */
import { join } from 'node:path';
import type { Env } from '../env/env.ts';
import { removeTree } from '../index/remove-tree.ts';
import { isCairnError } from '../util/errors.ts';

const STAGING_DIRECTORY = 'staging';

/** A path that does not exist, in a directory that does. */
export async function newStaging(env: Env, dataDir: string): Promise<string> {
  const parent = join(dataDir, STAGING_DIRECTORY);
  await env.mkdir(parent);
  await env.syncDir(dataDir);
  return join(parent, env.random.bytes(8).toString('hex'));
}

/** Best effort: what cannot be removed now is swept at the next start, and the error that led here matters more. */
export async function discardStaging(env: Env, path: string): Promise<void> {
  try {
    if ((await env.stat(path)) !== null) await removeTree(env, path);
  } catch (error) {
    if (!isCairnError(error)) throw error;
  }
}

/** At start: what imports left that did not finish. */
export async function sweepStaging(env: Env, dataDir: string): Promise<void> {
  await discardStaging(env, join(dataDir, STAGING_DIRECTORY));
}
