/**
 * The write path: batch → check → log (group commit) → memtable and liveness in LSN order → view → ack.
 * Nothing is visible before the log has acknowledged it. Owns the order of all changes of the part table: commits are applied
 * one group at a time, and `exclusive` sections (freeze, installation of segments) run between groups.
 */
import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../env/env.ts';
import type { FlatDoc } from '../format/flat-doc.ts';
import { CairnError, isCairnError } from '../util/errors.ts';
import type { Lsn } from '../util/ids.ts';
import type { WalWriter } from '../wal/wal-writer.ts';
import type { CheckedBatch } from './check-batch.ts';
import { Mutex } from './mutex.ts';
import type { PartTable } from './part-table.ts';
import { Slices } from './slices.ts';
import { Staging } from './staging.ts';
import type { CommitResult, IncrementalStats, SyncMode } from './types.ts';

/** Batches that become visible together; bounds how long the first of them waits. */
const GROUP_BATCHES = 8;

interface Logged {
  readonly lsn: Lsn;
  readonly batch: CheckedBatch;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class Committer {
  readonly #wal: WalWriter;
  readonly #table: PartTable;
  readonly #syncMode: SyncMode;
  readonly #clock: Clock;
  /** Holds the order of commits from check to log. */
  readonly #entry = new Mutex();
  readonly #apply = new Mutex();
  #logged: Logged[] = [];
  #isScheduled = false;
  #inLog = 0;
  /** Of batches since the index was opened; times are those from the call to the ack. */
  readonly #seen = { operations: 0, batches: 0, failures: 0, pending: 0, ms: 0 };
  /** Why no commit is taken any more; null while the index is writable. */
  #closedBy: CairnError | null = null;

  constructor(wal: WalWriter, table: PartTable, syncMode: SyncMode, clock: Clock) {
    this.#wal = wal;
    this.#table = table;
    this.#syncMode = syncMode;
    this.#clock = clock;
  }

  counters(): Omit<IncrementalStats, 'segments'> {
    const { ms, ...seen } = this.#seen;
    const { groups, syncs } = this.#wal.counters();
    return { ...seen, meanMs: seen.batches === 0 ? 0 : ms / seen.batches, logWrites: groups, logSyncs: syncs };
  }

  /** Why commits are refused for good (fenced, or a logged batch could not be applied); null while they are taken. */
  get readOnlyReason(): CairnError | null {
    return this.#closedBy;
  }

  /** Why the last write to the log failed; the next commit tries a new file. */
  get logFailure(): CairnError | null {
    return this.#wal.failure;
  }

  /** From now on every commit fails with `reason`. */
  refuse(reason: CairnError): void {
    this.#closedBy ??= reason;
  }

  /** `operations`: puts and deletes of the batch. */
  async commit(operations: number, check: () => Promise<CheckedBatch>): Promise<CommitResult> {
    const seen = this.#seen;
    const asked = this.#clock.monotonic();
    seen.pending++;
    try {
      const { durable, lsn, applied } = await (await this.#enter(check)).logged;
      await applied;
      seen.operations += operations;
      seen.batches++;
      seen.ms += this.#clock.monotonic() - asked;
      return { lsn, syncMode: this.#syncMode, durable };
    } catch (error) {
      seen.failures++;
      throw error;
    } finally {
      seen.pending--;
    }
  }

  /** Runs `section` between two groups of commits; readers are not affected. */
  exclusive<T>(section: () => Promise<T>): Promise<T> {
    return this.#apply.run(section);
  }

  /** Seals the log and calls `swap` when exactly the batches up to the LSN that is returned are in the active memtable. */
  freeze(swap: (lastLsn: Lsn) => void): Promise<Lsn> {
    return this.#apply.run(async () => {
      await this.heal();
      const { lastLsn } = await this.#wal.rotate();
      // Acknowledged by the log, but their continuations may not have run yet.
      while (this.#table.lsn < lastLsn) {
        this.#requireWritable();
        await this.#applyLogged(lastLsn);
        if (this.#table.lsn < lastLsn) await setImmediate();
      }
      swap(lastLsn);
      return lastLsn;
    });
  }

  /** After a failed write: goes on in a new file. Throws what the disk says while the fault lasts. */
  async heal(): Promise<void> {
    if (this.#wal.failure === null) return;
    await this.#guarded(() => this.#wal.heal());
  }

  /** Makes everything acknowledged so far survive power loss. */
  sync(): Promise<void> {
    return this.#entry.run(async () => {
      this.#requireWritable();
      await this.heal();
      await this.#guarded(() => this.#wal.sync());
    });
  }

  /** Takes no more commits, waits for those under way. */
  async drain(): Promise<void> {
    this.refuse(new CairnError('NOT_SERVING', 'the index is closed'));
    await this.#entry.run(async () => undefined);
    while (this.#inLog > 0 || this.#logged.length > 0) await setImmediate();
    await this.#apply.run(async () => undefined);
  }

  /** The wrapping object keeps the section from waiting for the log: the next commit may join the same group. */
  #enter(check: () => Promise<CheckedBatch>): Promise<{ logged: Promise<{ durable: boolean; lsn: Lsn; applied: Promise<void> }> }> {
    return this.#entry.run(async () => {
      this.#requireWritable();
      const batch = await check();
      if (this.#wal.failure !== null) await this.heal();
      return { logged: this.#log(batch) };
    });
  }

  async #log(batch: CheckedBatch): Promise<{ durable: boolean; lsn: Lsn; applied: Promise<void> }> {
    this.#inLog++;
    try {
      const { lsn, durable } = await this.#guarded(() => this.#wal.append(batch.payload));
      return { lsn, durable, applied: this.#enqueue(lsn, batch) };
    } finally {
      this.#inLog--;
    }
  }

  async #guarded<T>(write: () => Promise<T>): Promise<T> {
    try {
      return await write();
    } catch (error) {
      if (isCairnError(error, 'FENCED')) this.refuse(error);
      throw error;
    }
  }

  #requireWritable(): void {
    if (this.#closedBy !== null) throw this.#closedBy;
  }

  #enqueue(lsn: Lsn, batch: CheckedBatch): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#logged.push({ lsn, batch, resolve, reject });
      if (this.#isScheduled) return;
      this.#isScheduled = true;
      void this.#apply.run(async () => {
        this.#isScheduled = false;
        await this.#applyLogged(null);
      });
    });
  }

  /** Applies what is logged, up to and including `upTo` (null = all). Never rejects: a failure closes the index for writing. */
  async #applyLogged(upTo: Lsn | null): Promise<void> {
    for (let group = this.#takeGroup(upTo); group.length > 0; group = this.#takeGroup(upTo)) {
      try {
        await applyGroup(this.#table, group);
        for (const entry of group) entry.resolve();
      } catch (cause) {
        this.#failAll(group, cause);
      }
    }
  }

  #takeGroup(upTo: Lsn | null): Logged[] {
    if (this.#closedBy?.code === 'INTERNAL') this.#failAll([], this.#closedBy);
    const within = this.#logged.findIndex((entry) => upTo !== null && entry.lsn > upTo);
    return this.#logged.splice(0, Math.min(GROUP_BATCHES, within < 0 ? this.#logged.length : within));
  }

  /** The batches are in the log and would be there again after a restart, so going on without them would be wrong. */
  #failAll(group: readonly Logged[], cause: unknown): void {
    this.refuse(
      new CairnError('INTERNAL', `a logged batch could not be applied: ${cause instanceof Error ? cause.message : String(cause)}`, {
        cause,
        hint: 'The index serves reads only; restart the daemon to replay the log.',
      }),
    );
    for (const entry of [...group, ...this.#logged.splice(0)]) entry.reject(this.#closedBy);
  }
}

/** Batches of one group become visible in one step. Long groups give way to the event loop between documents. */
export async function applyGroup(table: PartTable, group: readonly { readonly lsn: Lsn; readonly batch: { readonly docs: readonly FlatDoc[]; readonly deletes: readonly string[] } }[]): Promise<void> {
  const staging = new Staging(table);
  const slices = new Slices();
  for (const { lsn, batch } of group) {
    for (const key of batch.deletes) {
      staging.delete(key);
      await slices.next();
    }
    for (const doc of batch.docs) {
      staging.put(doc, lsn);
      await slices.next();
    }
  }
  const last = group.at(-1);
  if (last !== undefined) staging.publish(last.lsn);
}
