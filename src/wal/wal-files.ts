/** The files of a WAL directory: listing in LSN order, and trimming. */
import { join } from 'node:path';
import type { Env } from '../env/env.ts';
import { parseFileName } from '../format/file-names.ts';
import type { Lsn } from '../util/ids.ts';

export interface WalFileInfo {
  readonly name: string;
  readonly path: string;
  readonly firstLsn: Lsn;
}

/** In LSN order. Names that are not ours are left alone. */
export async function listWalFiles(env: Env, dir: string): Promise<WalFileInfo[]> {
  const files: WalFileInfo[] = [];
  for (const name of await env.readdir(dir)) {
    const parsed = parseFileName(name);
    if (parsed?.kind === 'wal') files.push({ name, path: join(dir, name), firstLsn: parsed.firstLsn });
  }
  return files.sort((a, b) => a.firstLsn - b.firstLsn);
}

/**
 * True when every record of `file` is at or below `flushedLsn`. Decided by the name of the next file alone: whatever the file
 * holds from there on is superseded. The newest file is never passed.
 */
export function isPassed(next: WalFileInfo | undefined, flushedLsn: Lsn): boolean {
  return next !== undefined && next.firstLsn <= flushedLsn + 1;
}

export interface TrimOptions {
  /** Trimming ends before the first file that is in use. */
  readonly isInUse?: (name: string) => boolean;
  /** Runs for each file before it goes; an error keeps it. */
  readonly beforeRemove?: ((file: WalFileInfo) => Promise<void>) | undefined;
}

/**
 * Removes the files that `flushedLsn` has passed, oldest first. `flushedLsn` is that of the oldest manifest generation that
 * is kept, so that a fallback to it can replay. Not synced: a removal that a crash undoes is repeated at the next trim.
 */
export async function trimWal(env: Env, dir: string, flushedLsn: Lsn, options: TrimOptions = {}): Promise<string[]> {
  const files = await listWalFiles(env, dir);
  const removed: string[] = [];
  for (const [i, file] of files.entries()) {
    if (!isPassed(files[i + 1], flushedLsn) || options.isInUse?.(file.name) === true) break;
    await options.beforeRemove?.(file);
    await env.unlink(file.path);
    removed.push(file.name);
  }
  return removed;
}

/** Bytes of all WAL files on disk. */
export async function walDiskBytes(env: Env, dir: string): Promise<number> {
  let bytes = 0;
  for (const file of await listWalFiles(env, dir)) bytes += (await env.stat(file.path))?.size ?? 0;
  return bytes;
}
