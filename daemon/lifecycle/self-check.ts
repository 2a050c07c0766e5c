/**
 * Every 30 s: is the writer lock still ours, and does the socket's name still lead to us? A displaced daemon must stop by
 * itself; nobody else can tell it. Never repairs.
 */
import { CairnError } from '../errors.ts';
import type { GenerationLock } from './generation-lock.ts';
import { isPublished, type PublishedSocket } from './socket.ts';

const EVERY_MS = 30_000;

export interface SelfCheckOptions {
  readonly lock: GenerationLock;
  readonly socket: PublishedSocket;
  /** Called once, with FENCED (the lock is gone) or NOT_SERVING (nobody can reach us any more). */
  readonly onDisplaced: (reason: CairnError) => void;
  readonly everyMs?: number;
}

/** Returns the function that stops the check. */
export function startSelfCheck(options: SelfCheckOptions): () => void {
  const timer = setInterval(() => {
    const reason = displacement(options);
    if (reason === null) return;
    clearInterval(timer);
    options.onDisplaced(reason);
  }, options.everyMs ?? EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}

function displacement({ lock, socket }: SelfCheckOptions): CairnError | null {
  if (lock.check() === 'lost') {
    const reason = new CairnError('FENCED', `the writer lock of epoch ${lock.epoch} was taken over`);
    lock.markLost(reason);
    return reason;
  }
  if (isPublished(socket)) return null;
  return new CairnError('NOT_SERVING', 'the socket was removed or replaced', { path: socket.path });
}
