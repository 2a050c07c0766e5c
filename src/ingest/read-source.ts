/**
 * Reads one source file safely: never follows a symlink, never leaves the root, never blocks on a pipe, notices a file that
 * changes while it is read. Synchronous: it runs in ingest workers only.
 */
import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, lstatSync, openSync, readlinkSync, readSync, realpathSync, type BigIntStats } from 'node:fs';
import { dirname, join } from 'node:path';
import type { SourceStamp } from '../format/doc.ts';
import { sizeLimit } from './guards/content.ts';
import { judgePath } from './guards/paths.ts';
import { languageOfPath } from './languages.ts';

export type ReadOutcome =
  | { readonly outcome: 'read'; readonly bytes: Uint8Array; readonly stamp: Omit<SourceStamp, 'note'> }
  /** Not read on purpose; the hash is zero. */
  | { readonly outcome: 'skipped'; readonly stamp: SourceStamp }
  | { readonly outcome: 'gone' }
  | { readonly outcome: 'failed'; readonly reason: string; readonly retryable: boolean };

const HASH_BYTES = 16;
/** Hash of a file that was not read. */
const UNREAD: Uint8Array = new Uint8Array(HASH_BYTES);

export function isUnread(hash: Uint8Array): boolean {
  return hash.every((byte) => byte === 0);
}

/** `path` is relative to `root` (absolute, canonical). */
export function readSource(root: string, path: string): ReadOutcome {
  if (!isInside(path)) return { outcome: 'failed', reason: 'path leaves the source root', retryable: false };
  const absolute = join(root, path);
  try {
    // A directory on the way that is a symlink leads elsewhere: its files are not part of this tree.
    const folder = dirname(absolute);
    if (realpathSync.native(folder) !== folder) return { outcome: 'gone' };
    const verdict = judgePath(path);
    if (verdict !== null) return skipped(lstatSync(absolute, { bigint: true }), verdict);
    return readTwice(absolute, sizeLimit(languageOfPath(path)));
  } catch (error) {
    return fromError(error);
  }
}

/** Relative, without `..`, `.`, empty parts and NUL. */
export function isInside(path: string): boolean {
  return path !== '' && !path.includes('\0') && path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}

function skipped(stat: BigIntStats, note: string): ReadOutcome {
  if (!stat.isFile()) return { outcome: 'gone' };
  return { outcome: 'skipped', stamp: { size: Number(stat.size), mtimeNs: stat.mtimeNs, hash: UNREAD, note } };
}

function readTwice(path: string, limit: number): ReadOutcome {
  return readOnce(path, limit) ?? readOnce(path, limit) ?? { outcome: 'failed', reason: 'changed while it was read', retryable: true };
}

/** null when the file changed meanwhile. */
function readOnce(path: string, limit: number): ReadOutcome | null {
  // O_NONBLOCK: a pipe that took the place of the file must not hang the worker.
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const before = fstatSync(fd, { bigint: true });
    if (!before.isFile()) return { outcome: 'gone' };
    if (!isStillThere(fd, path, before)) return null;
    if (before.size > BigInt(limit)) return skipped(before, 'too large');
    const bytes = readAll(fd, Number(before.size));
    const after = fstatSync(fd, { bigint: true });
    if (bytes === null || after.size !== before.size || after.mtimeNs !== before.mtimeNs || after.ctimeNs !== before.ctimeNs) return null;
    const hash = new Uint8Array(createHash('sha256').update(bytes).digest().subarray(0, HASH_BYTES));
    return { outcome: 'read', bytes, stamp: { size: bytes.length, mtimeNs: before.mtimeNs, hash } };
  } finally {
    closeSync(fd);
  }
}

/** Replaced by a newer file; or a folder on the way was swapped for a link after it was looked at, and the open file lies elsewhere. */
function isStillThere(fd: number, path: string, opened: BigIntStats): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`) === path;
  } catch {
    // No /proc: the name must still lead to the file, and not through a link.
    const { dev, ino } = lstatSync(path, { bigint: true });
    const folder = dirname(path);
    return dev === opened.dev && ino === opened.ino && realpathSync.native(folder) === folder;
  }
}

/** Exactly `size` bytes, or null if the file is shorter or longer. */
function readAll(fd: number, size: number): Uint8Array | null {
  const bytes = Buffer.allocUnsafeSlow(size + 1);
  let at = 0;
  while (at <= size) {
    const n = readSync(fd, bytes, at, size + 1 - at, null);
    if (n === 0) break;
    at += n;
  }
  return at === size ? bytes.subarray(0, size) : null;
}

/** The path names no regular file (any more). */
const GONE: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO', 'EISDIR', 'ENAMETOOLONG', 'ENODEV']);
const PERMANENT: ReadonlySet<string> = new Set(['EACCES', 'EPERM']);

function fromError(error: unknown): ReadOutcome {
  const code = (error as NodeJS.ErrnoException).code ?? 'UNKNOWN';
  if (GONE.has(code)) return { outcome: 'gone' };
  return { outcome: 'failed', reason: code === 'EACCES' || code === 'EPERM' ? 'permission denied' : code, retryable: !PERMANENT.has(code) };
}
