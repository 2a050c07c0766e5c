/**
 * Every second: is the writer lock still ours, and can clients still find us? Names that were removed (a cleaner of temporary files,
 * `rm -r run`) are made again, because the daemon is warm and its lock keeps any other from serving. A daemon that was displaced, or
 * whose names cannot be made again, must stop by itself; nobody else can tell it.
 */
import { CairnError, isCairnError } from '../errors.ts';
import type { GenerationLock } from './generation-lock.ts';

/** A look costs 0.1 ms; a client that came in between waits for the next one. */
const EVERY_MS = 1_000;
/** A full disk or a lack of descriptors passes; a run directory that belongs to somebody else does not. */
const MAX_FAILURES = 10;

/** The names under which clients find the daemon. */
export interface Reachable {
  /** Makes again what is missing and says what that was. Fails with ALREADY_EXISTS when something else is in the place of the socket. */
  restore(): Promise<readonly string[]>;
}

export interface SelfCheckOptions {
  readonly lock: GenerationLock;
  readonly names: Reachable;
  readonly onRestored: (names: readonly string[]) => void;
  readonly onFailed: (error: unknown) => void;
  /** Called once, with FENCED (the lock is gone) or NOT_SERVING (nobody can reach us any more). */
  readonly onDisplaced: (reason: CairnError) => void;
  readonly everyMs?: number;
}

/** Returns the function that stops the check. */
export function startSelfCheck(options: SelfCheckOptions): () => void {
  let isChecking = false;
  let failures = 0;
  const timer = setInterval(() => {
    if (isChecking) return;
    isChecking = true;
    void check(options).then((outcome) => {
      isChecking = false;
      failures = outcome === 'try again' ? failures + 1 : 0;
      const reason = failures >= MAX_FAILURES ? new CairnError('NOT_SERVING', 'the names under which clients find this daemon cannot be made again') : outcome;
      if (reason === null || reason === 'try again') return;
      clearInterval(timer);
      options.onDisplaced(reason);
    });
  }, options.everyMs ?? EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}

async function check({ lock, names, onRestored, onFailed }: SelfCheckOptions): Promise<CairnError | 'try again' | null> {
  const state = lock.check();
  if (state === 'lost') {
    const reason = new CairnError('FENCED', `the writer lock of epoch ${lock.epoch} was taken over`);
    lock.markLost(reason);
    return reason;
  }
  if (state === 'unknown') return null; // no descriptors left, say: nothing can be judged now
  try {
    const restored = await names.restore();
    if (restored.length > 0) onRestored(restored);
    return null;
  } catch (error) {
    onFailed(error);
    return isCairnError(error, 'ALREADY_EXISTS') ? new CairnError('NOT_SERVING', error.message, { path: error.path, cause: error }) : 'try again';
  }
}
