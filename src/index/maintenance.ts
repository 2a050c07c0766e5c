/**
 * Persist, compact and clean up, one at a time. Owns the frozen memtable between attempts: a persist that failed is taken up
 * again by the next one, before anything else is frozen.
 */
import { parseFileName } from '../format/file-names.ts';
import { CairnError, isCairnError } from '../util/errors.ts';
import { walDiskBytes } from '../wal/wal-files.ts';
import { compact, nextCompaction } from './compaction.ts';
import { dropSegments, nameIn, settleLosses } from './damage.ts';
import { flush, freeze, type FlushResult, type Frozen } from './flush.ts';
import type { IndexContext } from './index-context.ts';
import { measureDirectory } from './measure.ts';
import { newMemtable } from './memtables.ts';
import { Mutex } from './mutex.ts';
import { cleanUp } from './publisher.ts';
import type { PersistResult } from './types.ts';

export class Maintenance {
  readonly #context: IndexContext;
  readonly #mutex = new Mutex();
  readonly #written = { flush: 0, compaction: 0 };
  #frozen: Frozen | null = null;
  #cleanUpFailure: CairnError | null = null;
  #directoryBytes = 0;
  /** Size of all log files when it was measured, and the log's write counter at that time. */
  #walMeasured = { bytes: 0, counter: 0 };
  #isClosing = false;
  #isCleanUpAsked = false;

  constructor(context: IndexContext) {
    this.#context = context;
    context.opener.onClosed = () => this.#cleanUpSoon();
  }

  /** Bytes of new segments and tombstones. */
  get bytesWritten(): { readonly flush: number; readonly compaction: number } {
    return this.#written;
  }

  /** Why the last removal of old files failed; they are tried again. */
  get cleanUpFailure(): CairnError | null {
    return this.#cleanUpFailure;
  }

  get walBytes(): number {
    return this.#walMeasured.bytes + this.#context.wal.counters().bytesWritten - this.#walMeasured.counter;
  }

  get diskBytes(): number {
    return this.#directoryBytes + this.walBytes;
  }

  /** Returns when everything that was committed before the call is inside segments. */
  persist(cause: string): Promise<PersistResult> {
    return this.#turn(cause, async (add) => {
      const target = this.#context.table.lsn;
      if (this.#frozen !== null) add('flush', await this.#flushFrozen(cause));
      if (this.#context.store.current.flushedLsn >= target) return;
      this.#frozen = await freeze(this.#context, newMemtable(this.#context));
      add('flush', await this.#flushFrozen(cause));
    });
  }

  /** One step; null when the policy finds nothing to do. */
  async compact(): Promise<PersistResult | null> {
    let isDone = false;
    const result = await this.#turn('compaction', async (add) => {
      // The frozen memtable remembers the liveness of the segments as they are: it goes first.
      if (this.#frozen !== null) add('flush', await this.#flushFrozen('before compaction'));
      const plan = nextCompaction(this.#context);
      if (plan === null) return;
      isDone = true;
      add('compaction', await compact(this.#context, plan));
    });
    return isDone ? result : null;
  }

  /** Takes the segment that the damage is in out of service. True when it is out afterwards; false when no segment is meant. */
  quarantine(damage: CairnError): Promise<boolean> {
    return this.#mutex.run(async () => {
      const { dir, table } = this.#context;
      const name = nameIn(dir, damage.path);
      const handle = table.segments.find(({ entry }) => entry.file === name || entry.tombstones?.file === name);
      if (this.#isClosing) return false;
      // Somebody else met it before: asking again is right.
      if (handle === undefined) return name !== null && ['segment', 'tombstones'].includes(parseFileName(name)?.kind ?? '');
      await this.#fenced(() => dropSegments(this.#context, [handle], damage));
      await this.#cleanUp();
      return true;
    });
  }

  settleLosses(cause: string): Promise<boolean> {
    return this.#mutex.run(async () => {
      let isSettled = false;
      await this.#fenced(async () => {
        isSettled = !this.#isClosing && (await settleLosses(this.#context, cause));
      });
      return isSettled;
    });
  }

  /** Runs `section` while no generation is published. */
  exclusive<T>(section: () => Promise<T>): Promise<T> {
    return this.#mutex.run(section);
  }

  /** First measurement, and removal of files that no kept generation names; returns their names. */
  start(): Promise<readonly string[]> {
    return this.#mutex.run(() => this.#cleanUp());
  }

  /** No turn starts any more; resolves when the one that runs has ended. */
  async stop(): Promise<void> {
    this.#isClosing = true;
    await this.#mutex.run(async () => undefined);
  }

  #turn(cause: string, work: (add: (kind: 'flush' | 'compaction', result: FlushResult) => void) => Promise<void>): Promise<PersistResult> {
    return this.#mutex.run(async () => {
      const { env, store } = this.#context;
      if (this.#isClosing) throw new CairnError('NOT_SERVING', 'the index is closed');
      const started = env.clock.monotonic();
      const before = store.bytesWritten;
      let segmentsAdded = 0;
      let bytes = 0;
      await this.#fenced(() =>
        work((kind, result) => {
          segmentsAdded += result.segmentsAdded;
          bytes += result.bytesWritten;
          this.#written[kind] += result.bytesWritten;
        }),
      );
      if (store.bytesWritten > before) await this.#cleanUp();
      return { cause, generation: store.current.generation, segmentsAdded, bytesWritten: bytes + store.bytesWritten - before, durationMs: env.clock.monotonic() - started };
    });
  }

  async #flushFrozen(cause: string): Promise<FlushResult> {
    const frozen = this.#frozen as Frozen;
    const result = await flush(this.#context, frozen, cause);
    this.#frozen = null;
    return result;
  }

  async #fenced(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (isCairnError(error, 'FENCED')) this.#context.committer.refuse(error);
      throw error;
    }
  }

  /** After the last reader of a dropped segment is gone. */
  #cleanUpSoon(): void {
    if (this.#isClosing || this.#isCleanUpAsked) return;
    this.#isCleanUpAsked = true;
    void this.#mutex.run(async () => {
      this.#isCleanUpAsked = false;
      if (!this.#isClosing) await this.#cleanUp();
    });
  }

  async #cleanUp(): Promise<readonly string[]> {
    const { env, dir, walDir, wal, opener } = this.#context;
    let removed: readonly string[] = [];
    // What the last turn put out of use goes now, however long its descriptors take to close.
    await opener.settled();
    try {
      const done = await cleanUp(this.#context);
      removed = done.removed;
      this.#cleanUpFailure = done.failure;
      const counter = wal.counters().bytesWritten;
      this.#walMeasured = { bytes: await walDiskBytes(env, walDir), counter };
      this.#directoryBytes = await measureDirectory(env, dir);
    } catch (error) {
      // Files that stay cost space, nothing else; status shows it and the next turn tries again.
      if (!isCairnError(error)) throw error;
      this.#cleanUpFailure = error;
    }
    return removed;
  }
}
