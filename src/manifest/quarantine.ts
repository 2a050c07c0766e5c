/** Puts a damaged file aside, where nothing reads, replaces or deletes it. */
import { join } from 'node:path';
import { moveFile } from '../env/atomic-file.ts';
import { linkOrCopy } from '../env/copy-file.ts';
import type { Env } from '../env/env.ts';
import { QUARANTINE_DIRECTORY, quarantineFile } from '../format/file-names.ts';

/**
 * Moves `<fromDir>/<name>` (of the index directory `dir`, or of a directory in it) to `<dir>/quarantine/<name>.<n>`, n the first free number from 1. Returns the new path.
 * Publish a manifest that does not name the file before: a crash in between must not leave a manifest without its file.
 */
export async function quarantine(env: Env, dir: string, name: string, fromDir: string = dir): Promise<string> {
  const toDir = join(dir, QUARANTINE_DIRECTORY);
  const kept = await freeName(env, toDir, name);
  await moveFile(env, join(fromDir, name), toDir, kept);
  return join(toDir, kept);
}

/**
 * Gives the bytes of `<fromDir>/<name>` a second name in quarantine/, for a file that is about to be replaced; what is no file cannot
 * be replaced and moves there. Durable on return.
 */
export async function keepCopyInQuarantine(env: Env, dir: string, name: string, fromDir: string = dir): Promise<string> {
  if ((await env.stat(join(fromDir, name)))?.kind !== 'file') return quarantine(env, dir, name, fromDir);
  const toDir = join(dir, QUARANTINE_DIRECTORY);
  await env.mkdir(toDir);
  await env.syncDir(dir);
  const kept = await freeName(env, toDir, name);
  await linkOrCopy(env, join(fromDir, name), join(toDir, kept));
  await env.syncDir(toDir);
  return join(toDir, kept);
}

async function freeName(env: Env, toDir: string, name: string): Promise<string> {
  let attempt = 1;
  while ((await env.stat(join(toDir, quarantineFile(name, attempt)))) !== null) attempt++;
  return quarantineFile(name, attempt);
}
