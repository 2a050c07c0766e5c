/** What the persist loop sees of an index, with saves that the test ends by hand. */
import type { PersistTarget } from '../../../daemon/owner/persister.ts';
import { asGeneration, asLsn, type Lsn } from '../../../src/util/ids.ts';
import type { PersistResult } from '../../../src/index/types.ts';

interface Running {
  readonly cause: string;
  readonly upTo: Lsn;
  end(error?: unknown): void;
}

export class FakeTarget implements PersistTarget {
  version: Lsn = asLsn(0);
  durableVersion: Lsn = asLsn(0);
  limit = Number.POSITIVE_INFINITY;
  running: Running | null = null;
  persists = 0;
  compacts = 0;
  compactSteps = 0;
  compactError: unknown = null;
  most = 0;
  /** Saves report success and do nothing. */
  forgets = false;
  #now = 0;

  get wantsPersist(): boolean {
    return this.version - this.durableVersion >= this.limit;
  }

  /** Cause of the running save, if any. */
  get cause(): string | undefined {
    return this.running?.cause;
  }

  /** Ends the running save, if any. */
  end(error?: unknown): void {
    this.running?.end(error);
  }

  commit(count = 1): void {
    this.version = asLsn(this.version + count);
  }

  persist(cause: string): Promise<PersistResult> {
    this.persists++;
    this.most = Math.max(this.most, ++this.#now);
    const upTo = this.version; // what is committed when the memtable is frozen
    return new Promise((resolve, reject) => {
      this.running = {
        cause,
        upTo,
        end: (error) => {
          this.running = null;
          this.#now--;
          if (error !== undefined) return reject(error);
          if (!this.forgets) this.durableVersion = upTo;
          resolve(resultOf(cause));
        },
      };
    });
  }

  compact(): Promise<PersistResult | null> {
    this.compacts++;
    if (this.compactError !== null) return Promise.reject(this.compactError);
    if (this.compactSteps === 0) return Promise.resolve(null);
    this.compactSteps--;
    return Promise.resolve(resultOf('compact'));
  }
}

function resultOf(cause: string): PersistResult {
  return { cause, generation: asGeneration(1), segmentsAdded: 1, bytesWritten: 1, durationMs: 1 };
}
