/** Removes a directory with all it holds. Used only on trash and on creations that were never acknowledged. */
import { join } from 'node:path';
import type { Env } from '../env/env.ts';

export async function removeTree(env: Env, path: string): Promise<void> {
  for (const name of await env.readdir(path)) {
    const child = join(path, name);
    // A link is removed, never followed.
    if ((await env.stat(child))?.kind === 'directory') await removeTree(env, child);
    else await env.unlink(child);
  }
  await env.rmdir(path);
}
