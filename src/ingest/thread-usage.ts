/**
 * What another thread of this process does, as the system tells: whether it could run, and how long it has had a processor.
 * Linux only; elsewhere, and where /proc is missing, nothing is known. Never throws.
 */
import { readFileSync, readlinkSync } from 'node:fs';

/** Of a thread whose number is not known. */
export const NO_THREAD = 0;
/** The unit of times in /proc: a hundredth of a second, whatever the kernel was built with. */
const TICK_MS = 10;

export interface ThreadUsage {
  /** It has a processor or waits for one; else it waits for something else. */
  readonly isRunnable: boolean;
  /** Processor time since it began. */
  readonly cpuMs: number;
}

/** The system's number of the thread that asks. */
export function ownThread(): number {
  try {
    return Number(/\/task\/(\d+)$/.exec(readlinkSync('/proc/thread-self'))?.[1] ?? NO_THREAD);
  } catch {
    return NO_THREAD;
  }
}

/** null when nothing is known of the thread, or it has ended. */
export function usageOf(thread: number): ThreadUsage | null {
  if (thread === NO_THREAD) return null;
  try {
    const stat = readFileSync(`/proc/self/task/${thread}/stat`, 'latin1');
    // The name before the fields may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { isRunnable: fields[0] === 'R', cpuMs: (Number(fields[11]) + Number(fields[12])) * TICK_MS };
  } catch {
    return null;
  }
}
