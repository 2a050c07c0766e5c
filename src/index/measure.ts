/** Bytes of the files directly in a directory (not of its subdirectories). */
import { join } from 'node:path';
import type { Env } from '../env/env.ts';

export async function measureDirectory(env: Env, dir: string): Promise<number> {
  let bytes = 0;
  for (const name of await env.readdir(dir)) {
    const stat = await env.stat(join(dir, name));
    if (stat?.kind === 'file') bytes += stat.size;
  }
  return bytes;
}
