/**
 * A watch-dog for a worker thread, which should begin, or end, soon. Owns one timer, which keeps no process alive. Threads are real,
 * so its time is too: code that runs on a simulated clock must not use it.
 */

/** It looks this many times within the limit. */
const LOOKS = 10;

/**
 * Calls `late` once when `limitMs` have passed, unless the function it returns was called before. Only time that was seen to pass
 * counts: a process that was stopped, or a blocked loop, is nobody's fault.
 */
export function startWatchdog(limitMs: number, late: () => void): () => void {
  const everyMs = limitMs / LOOKS;
  let seenMs = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    seenMs += Math.min(now - last, 2 * everyMs);
    last = now;
    if (seenMs < limitMs) return;
    clearInterval(timer);
    late();
  }, everyMs);
  timer.unref();
  return () => clearInterval(timer);
}
