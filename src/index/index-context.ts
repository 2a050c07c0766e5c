/** What the pieces of one open index share. Made by open-index.ts; none of the pieces knows the others. */
import type { Env } from '../env/env.ts';
import type { ManifestStore } from '../manifest/manifest-store.ts';
import type { VectorArena } from '../quantize/arena.ts';
import type { BlockCache } from '../segment/block-cache.ts';
import type { WalFileInfo } from '../wal/wal-files.ts';
import type { WalWriter } from '../wal/wal-writer.ts';
import type { Committer } from './committer.ts';
import type { FileUse } from './file-use.ts';
import type { PartTable } from './part-table.ts';
import type { SegmentOpener } from './segment-opener.ts';
import type { StorageRunner } from './storage-jobs.ts';
import type { IndexMetadata, IndexOptions, WriterLease } from './types.ts';

/** What an engine gives to each of its indexes. */
export interface IndexServices {
  readonly lease: WriterLease;
  readonly options: IndexOptions;
  readonly arena: VectorArena;
  /** Decompressed texts of all segments. */
  readonly cache: BlockCache;
  readonly runner: StorageRunner;
  /** Keeps log files that are about to be trimmed; null: they go. */
  readonly archive?: LogArchive | null;
}

/** Where closed log files go before they are removed (invariant 6). A file whose keeping fails is not removed. */
export interface LogArchive {
  keep(metadata: IndexMetadata, file: WalFileInfo): Promise<void>;
}

export interface IndexContext extends IndexServices {
  readonly env: Env;
  readonly dir: string;
  readonly walDir: string;
  readonly store: ManifestStore;
  readonly table: PartTable;
  readonly wal: WalWriter;
  readonly committer: Committer;
  readonly files: FileUse;
  readonly opener: SegmentOpener;
  /** metadata.json as it is now. */
  metadata: IndexMetadata;
}
