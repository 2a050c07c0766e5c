/** Which directory a root path means: the same path can become another directory (deleted and made again, mounted over). */
import { lstat, statfs } from 'node:fs/promises';

/**
 * Device, inode and time of birth of the directory, or null when there is no directory at `root` or it cannot be reached.
 * The birth time is needed because file systems reuse the inode of a directory that was just deleted.
 */
export async function rootIdentity(root: string): Promise<string | null> {
  try {
    const stats = await lstat(root, { bigint: true });
    return stats.isDirectory() ? `${stats.dev}:${stats.ino}:${stats.birthtimeNs}` : null;
  } catch {
    return null;
  }
}

/** Linux file system types whose changes by other machines (or the host of a virtual machine) raise no local events. */
const REMOTE_TYPES: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB'],
  [0x517b, 'SMB'],
  [0x01021997, '9p'],
  [0x65735546, 'FUSE'],
  [0x786f4256, 'vboxsf'],
]);

/** Name of the remote file system that `root` is on, or null. */
export async function remoteFileSystem(root: string): Promise<string | null> {
  if (process.platform !== 'linux') return null;
  try {
    return REMOTE_TYPES.get((await statfs(root)).type >>> 0) ?? null;
  } catch {
    return null;
  }
}
