/** Delay of the event loop since the start. Owns one native histogram. */
import { monitorEventLoopDelay } from 'node:perf_hooks';

/** Sampling distance; delays below it do not show. */
const RESOLUTION_MS = 10;

export interface LoopDelay {
  read(): { readonly p50Ms: number; readonly p99Ms: number; readonly maxMs: number };
  stop(): void;
}

export function watchLoopDelay(): LoopDelay {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  histogram.enable();
  // The histogram counts the distance between samples, which is the resolution when nothing is late.
  const ms = (nanoseconds: number): number => Math.max(0, Math.round((nanoseconds / 1e6 - RESOLUTION_MS) * 1_000) / 1_000);
  return {
    read: () => ({ p50Ms: ms(histogram.percentile(50)), p99Ms: ms(histogram.percentile(99)), maxMs: histogram.count === 0 ? 0 : ms(histogram.max) }),
    stop: () => void histogram.disable(),
  };
}
