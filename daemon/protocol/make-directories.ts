/**
 * Makes a directory and the missing ones above it, each 0700. In place of `mkdirSync(…, { recursive: true })`, which never returns
 * where the kernel answers ENOENT below a directory that is there (/proc). Only node built-ins: daemon and client use it.
 */
import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/** Throws Node's own error: ENOENT where nothing can be made, EEXIST or ENOTDIR where something else lies. A link to a directory counts as one. */
export function makeDirectories(path: string, attempt: 1 | 2 = 1): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // A read-only file system may say EROFS of a directory that is there.
    if ((code === 'EEXIST' || code === 'EROFS') && isDirectory(path)) return;
    if (code !== 'ENOENT' || attempt === 2 || dirname(path) === path) throw error;
    makeDirectories(dirname(path));
    makeDirectories(path, 2);
  }
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
  } catch {
    return false; // not ours to look into: whoever asked gets the error of mkdir
  }
}
