/**
 * Reads every stored segment of the open indexes once in so many hours, a few megabytes at a time while nobody wants anything, and
 * reports damage to the owner, which puts the segment in quarantine and reads its files again. Owns one timer; never two reads at once.
 * What was read is not remembered over restarts, so the order is drawn by chance: also a daemon that never lives for a whole round
 * comes past everything.
 */
import type { DurableIndex, ScrubPosition } from '../../src/api.ts';
import { isCairnError, messageOf } from '../errors.ts';
import type { Clock, Timer } from './clock.ts';
import type { OwnerLog } from './ports.ts';

/** An open index, as far as it concerns us. */
export interface ScrubTarget {
  readonly name: string;
  readonly index: Pick<DurableIndex, 'scrub'> & { stats(): { readonly segments: readonly { readonly file: string; readonly bytes: number }[] } };
  reportDamage(error: unknown): Promise<boolean>;
}

export interface ScrubOptions {
  /** 0 = never. */
  readonly everyHours: number;
  readonly random?: () => number;
}

export interface ScrubStatus {
  /** Since the start of the daemon. */
  readonly files: number;
  readonly bytes: number;
  readonly damaged: number;
  /** Files that wait for their turn. */
  readonly due: number;
  readonly lastError: string | null;
}

const STEP_BYTES = 4 * 1024 * 1024;
/** 4 MB/s while a round is behind; half a percent of one disk and core when it is not. */
const MIN_PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 10_000;
/** Looking for files that are due. */
const REST_MS = 60_000;
const HOUR_MS = 3_600_000;

interface Work {
  readonly target: ScrubTarget;
  readonly key: string;
  position: ScrubPosition;
}

export class Scrubber {
  readonly #targets: () => readonly ScrubTarget[];
  readonly #isBusy: () => boolean;
  readonly #clock: Clock;
  readonly #log: OwnerLog;
  readonly #options: ScrubOptions;
  /** When a file was read to its end, by index and name. */
  readonly #readAt = new Map<string, number>();
  readonly #counts = { files: 0, bytes: 0, damaged: 0 };
  #work: Work | null = null;
  #lastError: string | null = null;
  #timer: Timer | null = null;
  #step: Promise<void> | null = null;
  #isClosed = false;

  constructor(targets: () => readonly ScrubTarget[], isBusy: () => boolean, clock: Clock, log: OwnerLog, options: ScrubOptions) {
    this.#targets = targets;
    this.#isBusy = isBusy;
    this.#clock = clock;
    this.#log = log;
    this.#options = options;
    if (options.everyHours > 0) this.#arm(REST_MS);
  }

  get status(): ScrubStatus {
    return { ...this.#counts, due: this.#options.everyHours === 0 ? 0 : this.#due().length, lastError: this.#lastError };
  }

  /** Resolves when the read that is under way has ended. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#timer = null;
    await this.#step;
  }

  #arm(delayMs: number): void {
    if (this.#isClosed) return;
    this.#timer = this.#clock.setTimer(() => {
      this.#timer = null;
      this.#step = this.#turn().then((pauseMs) => {
        this.#step = null;
        this.#arm(pauseMs);
      });
    }, delayMs);
  }

  /** Never rejects; gives the pause until the next turn. */
  async #turn(): Promise<number> {
    if (this.#isBusy()) return MAX_PAUSE_MS;
    const work = (this.#work ??= this.#choose());
    if (work === null) return REST_MS;
    // Closed meanwhile, or opened anew.
    if (!this.#targets().includes(work.target)) {
      this.#work = null;
      return MIN_PAUSE_MS;
    }
    try {
      await this.#read(work);
      this.#lastError = null;
    } catch (error) {
      this.#finish(work);
      if (isCairnError(error, 'NOT_SERVING')) return MIN_PAUSE_MS; // the index was closed just now
      this.#lastError = `${work.target.name}: ${messageOf(error)}`;
      this.#log.warn('scrub.failed', { index: work.target.name, file: work.position.file, error });
    }
    return this.#pause();
  }

  async #read(work: Work): Promise<void> {
    const { next, bytes, damage } = await work.target.index.scrub(work.position, STEP_BYTES);
    this.#counts.bytes += bytes;
    if (next !== null) {
      work.position = next;
      return;
    }
    this.#finish(work);
    this.#counts.files++;
    if (damage === null) return;
    this.#counts.damaged++;
    this.#log.warn('scrub.damage', { index: work.target.name, error: damage });
    await work.target.reportDamage(damage);
  }

  #finish(work: Work): void {
    this.#readAt.set(work.key, this.#clock.monotonic());
    this.#work = null;
  }

  #choose(): Work | null {
    const due = this.#due();
    const chosen = due[Math.floor((this.#options.random ?? Math.random)() * due.length)];
    return chosen === undefined ? null : { target: chosen.target, key: chosen.key, position: { file: chosen.file, at: 0, crc: 0 } };
  }

  /** Also forgets the files that are gone. */
  #due(): readonly { readonly target: ScrubTarget; readonly key: string; readonly file: string; readonly bytes: number }[] {
    const files = this.#targets().flatMap((target) => target.index.stats().segments.map(({ file, bytes }) => ({ target, file, bytes, key: `${target.name}/${file}` })));
    const known = new Set(files.map(({ key }) => key));
    for (const key of this.#readAt.keys()) if (!known.has(key)) this.#readAt.delete(key);
    const before = this.#clock.monotonic() - this.#options.everyHours * HOUR_MS;
    return files.filter(({ key }) => (this.#readAt.get(key) ?? Number.NEGATIVE_INFINITY) <= before);
  }

  /** Twice as fast as the round needs, within bounds. */
  #pause(): number {
    const bytes = this.#targets().reduce((sum, { index }) => sum + index.stats().segments.reduce((total, segment) => total + segment.bytes, 0), 0);
    const steps = Math.max(1, bytes / STEP_BYTES);
    return Math.min(MAX_PAUSE_MS, Math.max(MIN_PAUSE_MS, (this.#options.everyHours * HOUR_MS) / steps / 2));
  }
}
