/**
 * Who wrote a lock, and whether that process still runs. A bare pid is never trusted: it is compared together with the
 * process's start time, the boot id, the host and the pid namespace. [5.2]
 */
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { errnoOf } from '../errors.ts';

export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks after boot at which the process started (field 22 of /proc/pid/stat); null where there is no /proc. */
  readonly start: string | null;
  readonly boot: string | null;
  readonly host: string;
  /** Link text of /proc/self/ns/pid; '' where there is none. */
  readonly pidNamespace: string;
}

/** 'unknown': another host or pid namespace, or an owner file that cannot be read; only time can tell. */
export type Liveness = 'alive' | 'dead' | 'unknown';

const BOOT_ID = readText('/proc/sys/kernel/random/boot_id')?.trim() ?? null;
const PID_NAMESPACE = readLink('/proc/self/ns/pid') ?? '';

export function selfIdentity(): ProcessIdentity {
  const started = startTime(process.pid);
  return {
    pid: process.pid,
    start: typeof started === 'string' ? started : null,
    boot: BOOT_ID,
    host: hostname(),
    pidNamespace: PID_NAMESPACE,
  };
}

export function livenessOf(owner: ProcessIdentity | null): Liveness {
  if (owner === null || owner.host !== hostname()) return 'unknown';
  // Another boot of this host: every process of that boot is gone, whatever its namespace was.
  if (BOOT_ID !== null && owner.boot !== null && owner.boot !== BOOT_ID) return 'dead';
  if (owner.pidNamespace !== PID_NAMESPACE) return 'unknown';
  if (!pidExists(owner.pid)) return 'dead';
  const started = startTime(owner.pid);
  if (started === 'zombie') return 'dead';
  return started !== null && owner.start !== null && started !== owner.start ? 'dead' : 'alive';
}

/** null when the platform cannot say; 'zombie' for a process that has ended but was not waited for. */
export function startTime(pid: number): string | 'zombie' | null {
  const stat = readText(`/proc/${pid}/stat`);
  if (stat === null) return null;
  // The second field is the command in brackets and may contain anything, so fields are counted from the last bracket.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? 'zombie' : (fields[19] ?? null);
}

function pidExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) !== 'ESRCH'; // EPERM: it exists, as another user
  }
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return null; // absent on this platform, or the process ended between two looks
  }
}

function readLink(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}
