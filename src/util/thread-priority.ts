/** Priority of worker threads. A wish: where the system has no priority of single threads, nothing changes. */
import { platform, setPriority } from 'node:os';

/** Below everything a person waits for; threads of this priority share what is left. */
const BACKGROUND = 10;

/**
 * Lets the thread it is called in give way to the others of the process, so that queries do not wait for bulk work.
 * Linux has priorities of threads, and takes 0 for the calling one; elsewhere 0 is the whole process, which must stay as it is.
 */
export function yieldToOtherThreads(): void {
  if (platform() !== 'linux') return;
  try {
    setPriority(0, BACKGROUND);
  } catch {
    // Lowering is always allowed; a sandbox that forbids the call costs smoothness, nothing else.
  }
}
