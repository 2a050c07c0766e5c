/** Ending worker threads. One that waits inside the runtime cannot be ended: it is left behind, so that nobody waits for it for ever. */
import type { Worker } from 'node:worker_threads';
import { startWatchdog } from './watchdog.ts';

const PATIENCE_MS = 2_000;

/**
 * Ends the thread, also in the middle of something. Resolves when it has ended, or has not within the time; the process does not wait
 * for it then. Never rejects.
 */
export async function endThread(worker: Pick<Worker, 'terminate' | 'unref'>): Promise<void> {
  const late = Promise.withResolvers<void>();
  const stopWaiting = startWatchdog(PATIENCE_MS, late.resolve);
  await Promise.race([worker.terminate(), late.promise]);
  stopWaiting();
  worker.unref();
}
