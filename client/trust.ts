/**
 * Whether a socket may be spoken to: it, its directory and the data directory are ours, and nobody else can have put it there. Only
 * then does a client say its token and what it searches for. The daemon asks the same of the directories before it listens.
 */
import { lstatSync, type Stats } from 'node:fs';
import { dirname } from 'node:path';
import { ClientError } from './errors.ts';

const OTHERS_WRITE = 0o022;

/** null: it may, or it is not there. Only a place that somebody else can write to is a reason. */
export function distrust(socket: string, dataDir: string): ClientError | null {
  const directory = dirname(socket);
  const [inside, around] = [look(socket), look(directory)];
  if (inside === null || around === null) return null;
  const me = process.geteuid?.();
  if (me === undefined) return null; // a platform without users
  if (around.isSymbolicLink()) return refuse(directory, 'is a symbolic link');
  for (const [path, stats] of [[dataDir, look(dataDir)], [directory, around], [socket, inside]] as const) {
    if (stats !== null && stats.uid !== me) return refuse(path, `belongs to user ${stats.uid}, not to us (${me})`);
  }
  return (around.mode & OTHERS_WRITE) === 0 ? null : refuse(directory, 'may be written by others');
}

/** Before anything is written there: a data directory that somebody else has made first may hold links to files of ours. */
export function distrustDirectory(dataDir: string): ClientError | null {
  const stats = look(dataDir);
  const me = process.geteuid?.();
  return stats === null || me === undefined || stats.uid === me ? null : refuse(dataDir, `belongs to user ${stats.uid}, not to us (${me})`, 'Set CAIRN_DATA_DIR to a directory of your own.');
}

function look(path: string): Stats | null {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) ?? null;
  } catch {
    return null; // a directory that cannot be searched: connecting says so
  }
}

function refuse(path: string, what: string, hint = 'Look who made it and remove it; or set XDG_RUNTIME_DIR to a private directory.'): ClientError {
  return new ClientError('PERMISSION', `${path} ${what}: the daemon there is not trusted`, { path, hint });
}
