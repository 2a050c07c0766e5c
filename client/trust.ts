/**
 * Whether a socket may be spoken to: it and its directory belong to the user of the data directory, and nobody else can have put it
 * there. Only then does a client say its token and what it searches for. The daemon asks the same of the directory before it listens.
 */
import { lstatSync, statSync, type Stats } from 'node:fs';
import { dirname } from 'node:path';
import { ClientError } from './errors.ts';

const OTHERS_WRITE = 0o022;

/** null: it may, or it is not there. Only a place that somebody else can write to is a reason. */
export function distrust(socket: string, dataDir: string): ClientError | null {
  const directory = dirname(socket);
  const [inside, around] = [look(socket), look(directory)];
  if (inside === null || around === null) return null;
  const owner = statSync(dataDir, { throwIfNoEntry: false })?.uid ?? process.geteuid?.();
  if (owner === undefined) return null; // a platform without users
  if (around.isSymbolicLink()) return refuse(directory, 'is a symbolic link');
  for (const [path, stats] of [[directory, around], [socket, inside]] as const) {
    if (stats.uid !== owner) return refuse(path, `belongs to user ${stats.uid}, the data directory to user ${owner}`);
  }
  return (around.mode & OTHERS_WRITE) === 0 ? null : refuse(directory, 'may be written by others');
}

function look(path: string): Stats | null {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) ?? null;
  } catch {
    return null; // a directory that cannot be searched: connecting says so
  }
}

function refuse(path: string, what: string): ClientError {
  return new ClientError('PERMISSION', `${path} ${what}: the daemon there is not trusted`, { path, hint: 'Look who made it and remove it; or set XDG_RUNTIME_DIR to a private directory.' });
}
