/**
 * A little space that is kept aside for the start on a full disk: without it a daemon that died could not take its lock again, and
 * nobody could search, let alone delete something. Whoever starts gives it back when there is nothing else left; the daemon keeps it.
 */
import { randomBytes } from 'node:crypto';
import { rmSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** Lock, token, registration, the first lines of the log and of an index's log take about 20 KiB. */
const RESERVE_BYTES = 512 * 1024;
/** With less than this a start may fail halfway. */
const SCARCE_BYTES = 256 * 1024;
/** A disk with less than this is not made fuller. */
const PLENTY_BYTES = 64 * 1024 * 1024;

/** `file` is the reserve file of the data directory, which need not be there. Never throws. */
export function freeReserveIfScarce(file: string): void {
  try {
    if (freeBytes(file) < SCARCE_BYTES) rmSync(file, { force: true });
  } catch {
    // No directory yet, or no rights in it: the start itself says so.
  }
}

/** Never throws: a daemon without a reserve works as well. */
export function keepReserve(file: string): void {
  try {
    if (statSync(file, { throwIfNoEntry: false }) !== undefined || freeBytes(file) < PLENTY_BYTES) return;
    // Zeros take no space on a file system that compresses.
    writeFileSync(file, randomBytes(RESERVE_BYTES), { flag: 'wx', mode: 0o600 });
  } catch {
    rmSync(file, { force: true });
  }
}

function freeBytes(file: string): number {
  const { bavail, bsize } = statfsSync(dirname(file));
  return bavail * bsize;
}
