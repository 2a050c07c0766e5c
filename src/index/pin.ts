/**
 * A pinned state of an open index: one generation, and the log up to one LSN in closed files. Taken between two publishes and
 * between two groups of commits, so that counts, manifest and log are of the same moment; commits go on in a new log file.
 * While it is held nothing of it is removed. Copies nothing itself.
 */
import type { Manifest } from '../manifest/manifest.ts';
import { filesOf } from '../manifest/manifest.ts';
import { WAL_DIRECTORY } from '../format/file-names.ts';
import { asLsn, type Lsn } from '../util/ids.ts';
import { isPassed, listWalFiles, type WalFileInfo } from '../wal/wal-files.ts';
import type { IndexContext } from './index-context.ts';
import type { LiveCounts } from './live-set.ts';
import type { Maintenance } from './maintenance.ts';
import type { IndexMetadata } from './types.ts';

export interface IndexPin {
  /** Directory of the index. */
  readonly dir: string;
  /** Last batch of the state; everything up to it is synced. */
  readonly lsn: Lsn;
  /** Live rows at `lsn`. */
  readonly counts: LiveCounts & { readonly vectors: number };
  readonly manifest: Manifest;
  readonly metadata: IndexMetadata;
  /** Closed log files with the batches after `manifest.flushedLsn`, oldest first; the first may begin earlier. */
  readonly logs: readonly WalFileInfo[];
  release(): void;
}

export async function pinIndex(context: IndexContext, maintenance: Pick<Maintenance, 'exclusive'>): Promise<IndexPin> {
  return maintenance.exclusive(async () => {
    let lsn = asLsn(0);
    let counts: LiveCounts = { docs: 0, chunks: 0, symbols: 0, edges: 0 };
    await context.committer.freeze((lastLsn) => {
      lsn = lastLsn;
      counts = context.table.counts();
    });
    const { dir, files, metadata, opener } = context;
    const manifest = context.store.current;
    const logs = await logsBetween(context, manifest.flushedLsn, lsn);
    const holds = [...filesOf(manifest), ...logs.map(({ name }) => `${WAL_DIRECTORY}/${name}`)].map((name) => files.hold(name));
    return {
      dir, lsn, manifest, metadata, logs,
      counts: { ...counts, vectors: metadata.dimension === 0 ? 0 : counts.chunks },
      release: () => {
        for (const end of holds.splice(0)) end();
        opener.onClosed(); // what was kept for us may be garbage now
      },
    };
  });
}

async function logsBetween({ env, walDir }: IndexContext, flushedLsn: Lsn, lastLsn: Lsn): Promise<WalFileInfo[]> {
  const files = await listWalFiles(env, walDir);
  return files.filter((file, i) => file.firstLsn <= lastLsn && !isPassed(files[i + 1], flushedLsn));
}
