/** Counters, gauges and request durations of this process, in memory. Never grows: durations are kept in rings per method. */
import type { Distribution, MetricsResult } from '../protocol/types.ts';

const RING = 1_024;

export class Metrics {
  readonly #counters = new Map<string, number>();
  readonly #gauges = new Map<string, () => number>();
  readonly #durations = new Map<string, DurationRing>();

  count(name: string, by = 1): void {
    this.#counters.set(name, (this.#counters.get(name) ?? 0) + by);
  }

  /** The value is asked for when metrics are read. */
  gauge(name: string, read: () => number): void {
    this.#gauges.set(name, read);
  }

  /** `method` must come from the method table: names of clients would grow the map. */
  observe(method: string, ms: number): void {
    let ring = this.#durations.get(method);
    if (ring === undefined) this.#durations.set(method, (ring = new DurationRing()));
    ring.add(ms);
  }

  read(): MetricsResult {
    return {
      counters: Object.fromEntries(this.#counters),
      gauges: Object.fromEntries([...this.#gauges].map(([name, read]) => [name, read()])),
      requests: Object.fromEntries([...this.#durations].map(([name, ring]) => [name, ring.distribution()])),
    };
  }
}

class DurationRing {
  readonly #values = new Float64Array(RING);
  #count = 0;
  #sum = 0;
  #max = 0;

  add(ms: number): void {
    this.#values[this.#count % RING] = ms;
    this.#count++;
    this.#sum += ms;
    this.#max = Math.max(this.#max, ms);
  }

  distribution(): Distribution {
    const sorted = this.#values.slice(0, Math.min(this.#count, RING)).sort();
    const at = (q: number): number => round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0);
    return { count: this.#count, meanMs: round(this.#sum / Math.max(1, this.#count)), p50Ms: at(0.5), p95Ms: at(0.95), p99Ms: at(0.99), maxMs: round(this.#max) };
  }
}

const round = (ms: number): number => Math.round(ms * 1000) / 1000;
