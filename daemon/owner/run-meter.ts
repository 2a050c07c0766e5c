/** Counts what ingestion did since the owner opened, and how fast: the numbers behind progress bars and status. */
import type { IngestResult, SourceStamp } from '../../src/api.ts';
import type { ProgressValue } from '../protocol/types.ts';
import type { Clock } from './clock.ts';

export interface Tally {
  readonly files: number;
  readonly chunks: number;
  readonly embedded: number;
  readonly cached: number;
  /** Files that needed the embedder at least once: 0 on a warm restart of an untouched tree. */
  readonly embedderCalls: number;
}

const ZERO: Tally = { files: 0, chunks: 0, embedded: 0, cached: 0, embedderCalls: 0 };

/** Rates are over this time. */
const RATE_WINDOW_MS = 5_000;

export class RunMeter {
  readonly #clock: Clock;
  #tally: Tally = ZERO;
  readonly #samples: { readonly at: number; readonly files: number }[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(result: IngestResult): void {
    const { files, chunks, embedded, cached, embedderCalls } = this.#tally;
    if (result.outcome !== 'indexed') this.#tally = { ...this.#tally, files: files + 1 };
    else {
      this.#tally = {
        files: files + 1,
        chunks: chunks + result.chunks,
        embedded: embedded + result.embedded,
        cached: cached + result.cached,
        embedderCalls: embedderCalls + (result.embedded > 0 ? 1 : 0),
      };
    }
  }

  get tally(): Tally {
    return this.#tally;
  }

  /** Progress of a run that began at `since`, with `pending` files left. */
  progress(since: Tally, pending: number, isCrawling: boolean): ProgressValue {
    const done = this.#tally.files - since.files;
    const now = this.#clock.monotonic();
    this.#samples.push({ at: now, files: this.#tally.files });
    while (this.#samples.length > 2 && now - (this.#samples[0]?.at ?? now) > RATE_WINDOW_MS) this.#samples.shift();
    const first = this.#samples[0];
    const seconds = first === undefined ? 0 : (now - first.at) / 1000;
    const rate = first === undefined || seconds < 0.2 ? undefined : (this.#tally.files - first.files) / seconds;
    return {
      // Nothing known yet: the watch is being set up, and the crawl follows.
      phase: pending === 0 && (isCrawling || done === 0) ? 'crawl' : 'index',
      done,
      total: done + pending,
      unit: 'files',
      chunks: this.#tally.chunks - since.chunks,
      ...(rate === undefined ? {} : { rate: Math.round(rate * 10) / 10 }),
      // While the crawl runs the total still grows, so a time left would be a lie.
      ...(rate === undefined || rate === 0 || isCrawling ? {} : { etaSeconds: Math.round(pending / rate) }),
    };
  }
}

/** Notes that say how a file was indexed, not that it was skipped. */
const HOW_NOTES: readonly string[] = ['lines:', 'redacted:', 'invalid encoding'];

/** Files that are in the index without chunks, by reason. */
export class SkipCounts {
  readonly #counts = new Map<string, number>();

  reset(notes: Iterable<string | null>): void {
    this.#counts.clear();
    for (const note of notes) this.#change(note, 1);
  }

  apply(result: IngestResult, known: SourceStamp | null): void {
    if (result.outcome === 'indexed') this.#change(result.note, 1);
    if (result.outcome === 'indexed' || result.outcome === 'gone') this.#change(known?.note ?? null, -1);
  }

  read(): Record<string, number> {
    return Object.fromEntries([...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  #change(note: string | null, by: number): void {
    if (note === null || HOW_NOTES.some((start) => note.startsWith(start))) return;
    const count = (this.#counts.get(note) ?? 0) + by;
    if (count > 0) this.#counts.set(note, count);
    else this.#counts.delete(note);
  }
}
