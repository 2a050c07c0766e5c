/**
 * The only file that knows proper-lockfile. It is used for what it does well (heartbeat by mtime, report of a lost lock) and
 * denied what it does badly: its `mkdir` is replaced by the rename of a prepared directory and its `rmdir` by nothing, so
 * neither it nor a rival can ever remove a living owner's generation, and its own stale takeover cannot happen.
 */
import fs from 'node:fs';
import lockfile from 'proper-lockfile';
import { errnoOf } from '../errors.ts';

export interface HeartbeatOptions {
  readonly lockDir: string;
  /** Directory that becomes the lock, complete with its content; null: the target is ours already, only the heartbeat restarts. */
  readonly prepared: string | null;
  /** Where it goes; the rename fails when something is there. */
  readonly target: string;
  readonly intervalMs: number;
  /** Called from a timer; must not throw. */
  readonly onCompromised: (error: Error) => void;
}

/** Never stale by age: judging the owner is the generation lock's business. The largest delay a timer takes. */
const NEVER_STALE_MS = 2 ** 31 - 1;

/** Returns the function that stops the heartbeat, or null when somebody else was first. */
export async function takeAndHeartbeat(options: HeartbeatOptions): Promise<(() => Promise<void>) | null> {
  try {
    const stop = await lockfile.lock(options.lockDir, {
      lockfilePath: options.target,
      realpath: false,
      fs: hookedFs(options.prepared),
      stale: NEVER_STALE_MS,
      update: options.intervalMs,
      retries: 0,
      onCompromised: options.onCompromised,
    });
    return () => stop().catch(ignoreStopped);
  } catch (error) {
    const code = errnoOf(error);
    // ENOENT: the target was removed again by the owner of a later generation before the heartbeat could start.
    if (code === 'ELOCKED' || code === 'ENOENT') return null;
    throw error;
  }
}

/** A lock that was compromised is no longer known to the library; stopping its heartbeat twice is no failure. */
function ignoreStopped(error: unknown): void {
  const code = errnoOf(error);
  if (code !== 'ERELEASED' && code !== 'ENOTACQUIRED') throw error;
}

type Callback = (error: NodeJS.ErrnoException | null) => void;

function hookedFs(prepared: string | null): object {
  const mkdir = (target: string, done: Callback): void => {
    if (prepared === null) done(null);
    else fs.rename(prepared, target, (error) => done(asExists(error, target)));
  };
  return { ...fs, mkdir, rmdir: (_path: string, done: Callback): void => done(null), rmdirSync: (): void => undefined };
}

/** What the library expects of a `mkdir` that lost: EEXIST. */
function asExists(error: NodeJS.ErrnoException | null, target: string): NodeJS.ErrnoException | null {
  if (error === null) return null;
  const lost = error.code === 'ENOTEMPTY' || error.code === 'EEXIST' || fs.existsSync(target);
  return lost ? Object.assign(error, { code: 'EEXIST' }) : error;
}
