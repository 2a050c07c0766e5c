/** Directories and files of backups: making, listing and discarding them, and reading every byte of a file. */
import type { Env } from '../env/env.ts';
import { CONTAINER_FOOTER_BYTES } from '../format/constants.ts';
import { readExactly } from '../format/container.ts';
import { removeTree } from '../index/remove-tree.ts';
import { requireNotCancelled } from '../util/cancel.ts';
import { checksumHex, crc32 } from '../util/crc32.ts';
import { isCairnError } from '../util/errors.ts';

const PIECE_BYTES = 1 << 20;

/** What runs for long reports bytes and can be cancelled between pieces. */
export interface Watch {
  /** More bytes are done. */
  readonly advance: (bytes: number) => void;
  readonly signal: AbortSignal | undefined;
}

export interface FileSum {
  readonly bytes: number;
  /** crc32 of the whole file. */
  readonly checksum: string;
  /** crc32 of everything before a container's footer: what the manifest names for a segment. */
  readonly bodyChecksum: string;
}

/** Reads a file to its end. */
export async function sumFile(env: Env, path: string, watch: Watch): Promise<FileSum> {
  const file = await env.open(path, 'read');
  try {
    const bytes = await file.size();
    const bodyEnd = Math.max(0, bytes - CONTAINER_FOOTER_BYTES);
    let crc = 0;
    let bodyCrc = 0;
    for (let at = 0; at < bytes; ) {
      requireNotCancelled(watch.signal, 'the backup');
      const piece = await readExactly(file, at, Math.min(PIECE_BYTES, (at < bodyEnd ? bodyEnd : bytes) - at));
      crc = crc32(piece, crc);
      at += piece.length;
      if (at <= bodyEnd) bodyCrc = crc;
      watch.advance(piece.length);
    }
    return { bytes, checksum: checksumHex(crc), bodyChecksum: checksumHex(bodyCrc) };
  } finally {
    await file.close();
  }
}

/** Creates a directory and makes its name durable; so with each parent below `top`, which exists. */
export async function makeDirectory(env: Env, top: string, ...names: readonly string[]): Promise<string> {
  let path = top;
  for (const name of names) {
    const parent = path;
    path = `${parent}/${name}`;
    if ((await env.stat(path)) !== null) continue;
    await env.mkdir(path);
    await env.syncDir(parent);
  }
  return path;
}

/** Names in a directory, sorted; none when it is missing. */
export async function namesIn(env: Env, dir: string): Promise<string[]> {
  try {
    return (await env.readdir(dir)).sort();
  } catch (error) {
    if (isCairnError(error, 'NOT_FOUND')) return [];
    throw error;
  }
}

/** Removes what an attempt that failed has left. What cannot be removed now is swept later; the first error is the one that matters. */
export async function discard(env: Env, path: string): Promise<void> {
  try {
    if ((await env.stat(path)) !== null) await removeTree(env, path);
  } catch (error) {
    if (!isCairnError(error)) throw error;
  }
}
