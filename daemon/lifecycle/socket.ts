/**
 * The listening socket. Bound under a temporary name with mode 0600 and renamed into place, because closing a server unlinks
 * the path it was bound to even when a newer daemon owns that path now. The final name is touched only under the writer lock.
 */
import { randomBytes } from 'node:crypto';
import { chmodSync, lstatSync, readdirSync, renameSync, unlinkSync } from 'node:fs';
import type { Server } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { CairnError, messageOf } from '../errors.ts';
import { MAX_SOCKET_PATH_BYTES } from '../protocol/limits.ts';

/** Device and inode of the socket that we published. */
export interface PublishedSocket {
  readonly path: string;
  readonly dev: bigint;
  readonly ino: bigint;
}

/**
 * Listens at `path`. The caller holds the writer lock and has verified the directory.
 * @throws CairnError INVALID_CONFIG (path too long), ALREADY_EXISTS (something that is no socket lies there), IO
 */
export async function publishSocket(server: Server, path: string): Promise<PublishedSocket> {
  const temporary = `${path}.${randomBytes(4).toString('hex')}`;
  assertShort(temporary);
  assertReplaceable(path);
  sweepTemporaries(path);
  await listenPrivately(server, temporary);
  try {
    chmodSync(temporary, 0o600);
    renameSync(temporary, path);
    const { dev, ino } = lstatSync(path, { bigint: true });
    return { path, dev, ino };
  } catch (error) {
    server.close();
    throw new CairnError('IO', `cannot publish the socket: ${messageOf(error)}`, { path, cause: error });
  }
}

/** True while the path leads to the socket that we published. */
export function isPublished(socket: PublishedSocket): boolean {
  const stats = lstatSync(socket.path, { bigint: true, throwIfNoEntry: false });
  return stats !== undefined && stats.dev === socket.dev && stats.ino === socket.ino;
}

/** Removes the name if it is still ours. The caller holds the writer lock: without it the name may be a newer daemon's. */
export function removeSocket(socket: PublishedSocket): void {
  if (isPublished(socket)) unlinkSync(socket.path);
}

function assertShort(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes <= MAX_SOCKET_PATH_BYTES) return;
  throw new CairnError('INVALID_CONFIG', `the socket path has ${bytes} bytes; at most ${MAX_SOCKET_PATH_BYTES} work everywhere`, {
    path, hint: 'Set XDG_RUNTIME_DIR to a short private directory.',
  });
}

/** A stale socket of ours is replaced by the rename; anything else that lies there is not ours to remove. */
function assertReplaceable(path: string): void {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  if (stats === undefined || stats.isSocket()) return;
  throw new CairnError('ALREADY_EXISTS', 'something that is not a socket lies where the socket goes', { path, hint: 'Move it away.' });
}

/** What earlier daemons bound and did not rename before they died. */
function sweepTemporaries(path: string): void {
  const prefix = `${basename(path)}.`;
  for (const name of readdirSync(dirname(path))) {
    const stale = join(dirname(path), name);
    if (name.startsWith(prefix) && /^[0-9a-f]{8}$/.test(name.slice(prefix.length)) && lstatSync(stale).isSocket()) unlinkSync(stale);
  }
}

/** `listen` binds synchronously, so the umask covers exactly the creation of the socket file. */
function listenPrivately(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void => reject(new CairnError('IO', `cannot listen: ${error.message}`, { path, cause: error }));
    server.once('error', failed);
    const before = process.umask(0o177);
    try {
      server.listen(path, () => {
        server.off('error', failed);
        resolve();
      });
    } finally {
      process.umask(before);
    }
  });
}
