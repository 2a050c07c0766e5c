/**
 * Backs up open indexes that have changed, every so many minutes, one after the other, and keeps as many as configured. Never in
 * the way: commits go on, and a failure is a warning and is tried again at the next turn. Owns one timer.
 */
import type { BackupInfo, RetentionRules, PruneResult } from '../../src/api.ts';
import { isCairnError, messageOf } from '../errors.ts';
import type { Clock, Timer } from './clock.ts';
import type { OwnerLog } from './ports.ts';

export interface BackupPort {
  createIfChanged(name: string, cause: 'scheduled', watch: { readonly signal: AbortSignal }): Promise<BackupInfo | null>;
  prune(name: string, rules: RetentionRules, isDryRun: boolean, watch: { readonly signal: AbortSignal }): Promise<PruneResult>;
}

export interface ScheduleOptions {
  /** 0 = never. */
  readonly everyMinutes: number;
  /** Each 0 = no limit. */
  readonly keep: number;
  readonly maxAgeDays: number;
  readonly maxBytes: number;
}

export class BackupSchedule {
  readonly #port: BackupPort;
  readonly #openIndexes: () => readonly string[];
  readonly #clock: Clock;
  readonly #log: OwnerLog;
  readonly #options: ScheduleOptions;
  readonly #stop = new AbortController();
  readonly #failures = new Map<string, string>();
  #timer: Timer | null = null;
  #turn: Promise<void> | null = null;

  constructor(port: BackupPort, openIndexes: () => readonly string[], clock: Clock, log: OwnerLog, options: ScheduleOptions) {
    this.#port = port;
    this.#openIndexes = openIndexes;
    this.#clock = clock;
    this.#log = log;
    this.#options = options;
    this.#arm();
  }

  get isBusy(): boolean {
    return this.#turn !== null;
  }

  /** Why the last scheduled backup of an index failed, by name. */
  get failures(): ReadonlyMap<string, string> {
    return this.#failures;
  }

  /** Cancels a backup that is under way and resolves when it has ended. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#timer?.cancel();
    this.#timer = null;
    await this.#turn;
  }

  #arm(): void {
    if (this.#options.everyMinutes === 0) return;
    this.#timer = this.#clock.setTimer(() => {
      this.#timer = null;
      this.#turn = this.#run().finally(() => {
        this.#turn = null;
        if (!this.#stop.signal.aborted) this.#arm();
      });
    }, this.#options.everyMinutes * 60_000);
  }

  async #run(): Promise<void> {
    const names = this.#openIndexes();
    for (const name of this.#failures.keys()) if (!names.includes(name)) this.#failures.delete(name);
    for (const name of names) {
      if (this.#stop.signal.aborted) return;
      // Closed, deleted or renamed while the others were backed up: its next turn comes.
      if (this.#openIndexes().includes(name)) await this.#backUp(name);
    }
  }

  /** Never rejects. */
  async #backUp(name: string): Promise<void> {
    const watch = { signal: this.#stop.signal };
    try {
      const made = await this.#port.createIfChanged(name, 'scheduled', watch);
      this.#failures.delete(name);
      if (made === null) return;
      this.#log.info('backup.made', { index: name, backup: made.record.id, bytesWritten: made.record.bytesWritten });
      const rules = this.#rules();
      const removed = rules === null ? [] : (await this.#port.prune(name, rules, false, watch)).removed;
      if (removed.length > 0) this.#log.info('backup.pruned', { index: name, removed: removed.map(({ record }) => record.id) });
    } catch (error) {
      if (this.#stop.signal.aborted && isCairnError(error, 'CANCELLED')) return;
      this.#failures.set(name, messageOf(error));
      this.#log.warn('backup.failed', { index: name, error });
    }
  }

  /** null when nothing is limited. Backups that somebody asked for are never removed by the clock. */
  #rules(): RetentionRules | null {
    const { keep, maxAgeDays, maxBytes } = this.#options;
    if (keep === 0 && maxAgeDays === 0 && maxBytes === 0) return null;
    return {
      causes: ['scheduled', 'pre-restore'],
      ...(keep === 0 ? {} : { keep }),
      ...(maxAgeDays === 0 ? {} : { maxAgeDays }),
      ...(maxBytes === 0 ? {} : { maxBytes }),
    };
  }
}
