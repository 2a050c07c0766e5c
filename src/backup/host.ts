/** What backups need of the engine. */
import type { Env } from '../env/env.ts';
import type { AuditEntry } from '../index/audit-log.ts';
import type { DurableIndex, IndexMetadata, IndexOptions, WriterLease } from '../index/types.ts';
import type { WalArchive } from './archive.ts';

export interface BackupHost {
  readonly env: Env;
  readonly dataDir: string;
  /** Where backups are kept: <data>/backups, or a configured directory, which exists. */
  readonly root: string;
  readonly lease: WriterLease;
  readonly options: IndexOptions;
  readonly archive: WalArchive;
  readonly audit: (entry: AuditEntry) => Promise<void>;
  /** Opens it if need be; NOT_FOUND, or why it cannot be opened. */
  readonly get: (name: string) => Promise<DurableIndex>;
  /** Name, directory below <data>/indexes and (when readable) metadata of each index. */
  readonly list: () => readonly { readonly name: string; readonly directory: string; readonly metadata: IndexMetadata | null }[];
  /** A renaming that was cut off and concerns this name is finished, or the reason why it cannot be is thrown. */
  readonly settle: (name: string) => Promise<void>;
  /** Opens a directory that is no index of the engine. The caller closes it. */
  readonly openScratch: (dir: string) => Promise<DurableIndex>;
  /**
   * Closes the index of this name (if there is one), runs `swap` with its directory, and takes up what is there afterwards.
   * After 'pending' the index is not opened before finishRestores has run; the exchange fails with the reason.
   */
  readonly exchange: (name: string, swap: (directory: string) => Promise<'done' | 'pending'>) => Promise<void>;
}
