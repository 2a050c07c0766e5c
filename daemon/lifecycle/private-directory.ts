/**
 * Directories that hold sockets, tokens and source text: made 0700, verified before they are trusted. Never follows a link in
 * the last component, never repairs what somebody else owns.
 */
import { chmodSync, lstatSync, type Stats } from 'node:fs';
import { dirname } from 'node:path';
import { CairnError, errnoOf, messageOf } from '../errors.ts';
import { makeDirectories } from '../protocol/make-directories.ts';

const OTHERS_WRITE = 0o022;
const STICKY = 0o1000;

export interface PrivateDirectoryOptions {
  /**
   * A directory that others may write is made private instead of refused. Right for a data directory that its user made with a
   * loose umask; wrong for a run directory in a shared place, where somebody may have put a socket.
   */
  readonly tighten?: boolean;
}

/**
 * @throws CairnError PERMISSION when the path is a link, no directory, another user's, or open to others' writing
 */
export function ensurePrivateDirectory(path: string, options: PrivateDirectoryOptions = {}): void {
  make(path);
  const stats = look(path);
  if (stats.isSymbolicLink()) refuse(path, 'is a symbolic link', 'Remove the link, or point the setting at the directory itself.');
  if (!stats.isDirectory()) refuse(path, 'is not a directory', 'Remove it, or choose another place.');
  const me = process.geteuid?.();
  if (me !== undefined && stats.uid !== me) refuse(path, `belongs to user ${stats.uid}, not to us (${me})`, 'Choose another directory (CAIRN_DATA_DIR, XDG_RUNTIME_DIR).');
  // Somebody else may have put files there; making it private now would not make those trustworthy.
  if ((stats.mode & OTHERS_WRITE) !== 0 && options.tighten !== true) refuse(path, `may be written by others (mode ${octal(stats.mode)})`, `Check what is in it, then: chmod 700 ${path}`);
  if ((stats.mode & 0o777) !== 0o700) chmodSync(path, 0o700);
  verifyParent(path);
}

/** A directory that others may write lets them swap ours for a link, unless it is sticky. */
function verifyParent(path: string): void {
  const parent = dirname(path);
  const stats = look(parent);
  if (stats.isSymbolicLink()) return; // resolved paths are given here; a link above was resolved by its owner
  const loose = (stats.mode & 0o002) !== 0 && (stats.mode & STICKY) === 0;
  if (loose) refuse(parent, `may be written by everybody (mode ${octal(stats.mode)})`, `Make it sticky or private: chmod +t ${parent}`);
}

function make(path: string): void {
  try {
    makeDirectories(path);
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return; // not a directory: said better below
    const code = errnoOf(error) === 'ENOSPC' ? 'DISK_FULL' : 'PERMISSION';
    throw new CairnError(code, `cannot make the directory ${path}: ${messageOf(error)}`, { path, cause: error, hint: 'CAIRN_DATA_DIR chooses another place.' });
  }
}

function look(path: string): Stats {
  try {
    return lstatSync(path);
  } catch (error) {
    throw new CairnError('PERMISSION', `cannot look at ${path}: ${messageOf(error)}`, { path, cause: error });
  }
}

function refuse(path: string, what: string, hint: string): never {
  throw new CairnError('PERMISSION', `${path} ${what}`, { path, hint });
}

const octal = (mode: number): string => `0${(mode & 0o7777).toString(8)}`;
