/** Puts a damaged file aside, where nothing reads, replaces or deletes it. */
import { join } from 'node:path';
import { moveFile } from '../env/atomic-file.ts';
import type { Env } from '../env/env.ts';
import { QUARANTINE_DIRECTORY, quarantineFile } from '../format/file-names.ts';

/**
 * Moves `<fromDir>/<name>` (of the index directory `dir`, or of a directory in it) to `<dir>/quarantine/<name>.<n>`, n the first free number from 1. Returns the new path.
 * Publish a manifest that does not name the file before: a crash in between must not leave a manifest without its file.
 */
export async function quarantine(env: Env, dir: string, name: string, fromDir: string = dir): Promise<string> {
  const toDir = join(dir, QUARANTINE_DIRECTORY);
  let attempt = 1;
  while ((await env.stat(join(toDir, quarantineFile(name, attempt)))) !== null) attempt++;
  await moveFile(env, join(fromDir, name), toDir, quarantineFile(name, attempt));
  return join(toDir, quarantineFile(name, attempt));
}
