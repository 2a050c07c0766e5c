/** A file under a second name: a hard link where the file system can make one, else a copy. Never replaces what has the name. */
import { basename, dirname } from 'node:path';
import { CairnError, isCairnError } from '../util/errors.ts';
import { createFileAtomic } from './atomic-file.ts';
import type { Env } from './env.ts';

const PIECE_BYTES = 1 << 20;

/** The directory entry of a link is the caller's to sync. */
export async function linkOrCopy(env: Env, source: string, target: string): Promise<'link' | 'copy'> {
  try {
    await env.link(source, target);
    return 'link';
  } catch (error) {
    // Another file system, one without links, or a file with too many names: whatever it is, a copy works or says what is wrong.
    if (!isCairnError(error, 'IO', 'PERMISSION', 'UNSUPPORTED')) throw error;
  }
  await copyFile(env, source, target);
  return 'copy';
}

/** TRUNCATED when the file becomes shorter meanwhile. */
export async function copyFile(env: Env, source: string, target: string): Promise<void> {
  const from = await env.open(source, 'read');
  try {
    const length = await from.size();
    await createFileAtomic(env, dirname(target), basename(target), async (to) => {
      for (let at = 0; at < length; at += PIECE_BYTES) {
        const piece = await from.read(at, Math.min(PIECE_BYTES, length - at));
        if (piece.length < Math.min(PIECE_BYTES, length - at)) throw new CairnError('TRUNCATED', `${source} became shorter while it was copied`, { path: source, offset: at + piece.length });
        await to.write(piece, at);
      }
    });
  } finally {
    await from.close();
  }
}
