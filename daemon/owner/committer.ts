/**
 * Groups results into batches and commits them. A file's delete-and-add is one `put`; files of bulk work share a batch,
 * an edit commits at once. Owns the decision what a failed commit means: one bad document is refused alone, anything else
 * is a failure of the whole index and the files are given back.
 * Never deletes a document while the source root is missing: a vanished root is not a deleted tree.
 */
import type { Batch, CommitResult, IngestResult } from '../../src/api.ts';
import { type CairnError, isCairnError } from '../errors.ts';
import type { Clock, Timer } from './clock.ts';

export interface CommitPort {
  commit(batch: Batch): Promise<CommitResult>;
  /** True when the source root is there and is the directory that was indexed. Asked before every batch with deletes. */
  rootIsPresent(): Promise<boolean>;
}

export interface CommitEntry {
  readonly result: IngestResult;
}

export type CommitOutcome =
  | { readonly kind: 'done' }
  /** The engine does not take this document, now or later. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** Not deleted, because the root is missing. */
  | { readonly kind: 'kept' }
  /** Commits do not work now; the file must be tried again. */
  | { readonly kind: 'blocked'; readonly error: unknown };

/** A batch is closed by whichever comes first. [1.22] */
export interface BatchLimits {
  readonly files: number;
  readonly bytes: number;
  readonly ms: number;
}

/** 64 files share one WAL sync; 50 ms is below what a reader notices. */
export const BATCH_DEFAULTS: BatchLimits = { files: 64, bytes: 4 * 1024 * 1024, ms: 50 };

export class Committer<E extends CommitEntry> {
  readonly #port: CommitPort;
  readonly #clock: Clock;
  readonly #report: (entry: E, outcome: CommitOutcome) => void;
  readonly #limits: BatchLimits;
  #group: E[] = [];
  #groupBytes = 0;
  #timer: Timer | null = null;

  constructor(port: CommitPort, clock: Clock, report: (entry: E, outcome: CommitOutcome) => void, limits: BatchLimits) {
    this.#limits = limits;
    this.#port = port;
    this.#clock = clock;
    this.#report = report;
  }

  /** `entry.result` is 'indexed' or 'gone'. With `alone` it does not wait for others. */
  add(entry: E, alone: boolean): void {
    if (alone) {
      void this.#commit([entry]);
      return;
    }
    this.#group.push(entry);
    this.#groupBytes += entry.result.outcome === 'indexed' ? entry.result.doc.byteLength : 0;
    const { files, bytes, ms } = this.#limits;
    if (this.#group.length >= files || this.#groupBytes >= bytes) this.flush();
    else this.#timer ??= this.#clock.setTimer(() => this.flush(), ms);
  }

  /** Commits the open group now. */
  flush(): void {
    this.#timer?.cancel();
    this.#timer = null;
    if (this.#group.length === 0) return;
    const group = this.#group;
    this.#group = [];
    this.#groupBytes = 0;
    void this.#commit(group);
  }

  /** Never rejects: every entry gets exactly one outcome. */
  async #commit(entries: readonly E[]): Promise<void> {
    const deletes = entries.filter((entry) => entry.result.outcome === 'gone');
    const kept = deletes.length > 0 && !(await this.#rootIsPresent()) ? deletes : [];
    for (const entry of kept) this.#report(entry, { kind: 'kept' });
    const wanted = kept.length === 0 ? entries : entries.filter((entry) => entry.result.outcome !== 'gone');
    if (wanted.length === 0) return;
    try {
      await this.#port.commit(batchOf(wanted));
      for (const entry of wanted) this.#report(entry, { kind: 'done' });
    } catch (error) {
      await this.#failed(wanted, error);
    }
  }

  async #failed(entries: readonly E[], error: unknown): Promise<void> {
    if (!blamesDocument(error)) {
      for (const entry of entries) this.#report(entry, { kind: 'blocked', error });
    } else if (entries.length === 1 && entries[0] !== undefined) {
      this.#report(entries[0], { kind: 'refused', reason: error.message });
    } else {
      for (const entry of entries) await this.#commit([entry]); // find the one that is to blame
    }
  }

  async #rootIsPresent(): Promise<boolean> {
    try {
      return await this.#port.rootIsPresent();
    } catch {
      return false; // not knowing is not permission to delete
    }
  }
}

function batchOf(entries: readonly CommitEntry[]): Batch {
  const puts: Uint8Array[] = [];
  const deletes: string[] = [];
  for (const { result } of entries) {
    if (result.outcome === 'indexed') puts.push(result.doc);
    else deletes.push(result.path);
  }
  return { puts, deletes };
}

function blamesDocument(error: unknown): error is CairnError {
  return isCairnError(error, 'INVALID_ARGUMENT', 'DIMENSION_MISMATCH', 'UNSUPPORTED');
}
