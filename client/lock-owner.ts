/**
 * Who holds the writer lock, seen from outside, and whether that process runs. Used for messages ("daemon hung (pid)"), for
 * waiting until a process is gone, and to leave a living daemon alone. A bare pid is never trusted: start time, boot and host
 * are compared with what the owner wrote.
 */
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { errnoOf } from './errors.ts';

export interface LockOwner {
  readonly pid: number;
  readonly start: string | null;
  readonly boot: string | null;
  readonly host: string;
  readonly epoch: number;
  readonly version: string;
  /** Device and inode of the lock directory that the owner took; absent in locks of older daemons. */
  readonly directory?: string;
}

/** The owner of the newest lock generation; null when there is none, it cannot be read, or this is a copy of the directory that it owns. */
export function readLockOwner(lockDir: string): LockOwner | null {
  try {
    const newest = readdirSync(lockDir).filter((name) => /^g\d+$/.test(name)).sort((a, b) => Number(a.slice(1)) - Number(b.slice(1))).at(-1);
    if (newest === undefined) return null;
    const owner = JSON.parse(readFileSync(join(lockDir, newest, 'owner.json'), 'utf8')) as LockOwner;
    return Number.isSafeInteger(owner.pid) && owner.pid > 0 && !isOfACopy(owner, lockDir) ? owner : null;
  } catch {
    return null; // no lock, or being replaced at this moment: nobody is known to hold it
  }
}

/** Across hosts the same directory may have another device number: that says nothing. */
function isOfACopy({ host, directory }: LockOwner, lockDir: string): boolean {
  if (host !== hostname() || typeof directory !== 'string') return false;
  const { dev, ino } = statSync(lockDir, { bigint: true });
  return directory !== `${dev}:${ino}`;
}

/** True only if exactly that process runs on this machine. */
export function isOwnerAlive(owner: LockOwner | null): owner is LockOwner {
  if (owner === null || owner.host !== hostname()) return false;
  const boot = readText('/proc/sys/kernel/random/boot_id')?.trim() ?? null;
  if (boot !== null && owner.boot !== null && boot !== owner.boot) return false;
  return isProcessAlive(owner.pid, owner.start);
}

/** Somebody has stopped the process (SIGSTOP, a debugger): it lives, and answers nobody until it is told to go on. */
export function isStopped(pid: number): boolean {
  return /^[Tt]$/.test(statFields(pid)?.[0] ?? '');
}

/** `start` is the start time in ticks after boot; null to compare the pid alone. A zombie counts as gone. */
export function isProcessAlive(pid: number, start: string | null = null): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (errnoOf(error) === 'ESRCH') return false;
  }
  const fields = statFields(pid);
  if (fields === null) return process.platform !== 'linux';
  return fields[0] !== 'Z' && fields[0] !== 'X' && (start === null || fields[19] === start);
}

/** State, parent … of a process; the name before them may hold anything. */
function statFields(pid: number): readonly string[] | null {
  const stat = readText(`/proc/${pid}/stat`);
  return stat === null ? null : stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return null; // no /proc on this platform, or the process ended between two looks
  }
}
