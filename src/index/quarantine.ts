/** Moves damaged files to <index>/quarantine/: their bytes are kept for a person to look at, nothing reads them any more. */
import { join } from 'node:path';
import { moveDurable } from '../env/atomic-file.ts';
import type { Env } from '../env/env.ts';
import { QUARANTINE_DIRECTORY, quarantineFile } from '../format/file-names.ts';

/** `name` is a file of `fromDir`, which is `dir` or a directory in it. A file that is not there has nothing to move. */
export async function quarantine(env: Env, dir: string, fromDir: string, name: string): Promise<void> {
  if ((await env.stat(join(fromDir, name))) === null) return;
  const target = join(dir, QUARANTINE_DIRECTORY);
  if ((await env.stat(target)) === null) {
    await env.mkdir(target);
    await env.syncDir(dir);
  }
  const taken = new Set(await env.readdir(target));
  let attempt = 1;
  while (taken.has(quarantineFile(name, attempt))) attempt++;
  await moveDurable(env, fromDir, name, target, quarantineFile(name, attempt));
}
