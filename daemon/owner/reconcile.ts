/**
 * One walk: compares the source tree with the file table and hands over every path that differs. The table is the truth about the
 * index, the disk is the truth about the tree; events play no part here.
 * Never reports a file as gone because something could not be read: a path counts as gone only when the file system says that it
 * does not exist, while the root is the same directory before and after.
 */
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { CairnError, type CrawledFile } from '../../src/api.ts';
import { type FileRow, inSlices, type Seen } from './file-table.ts';

export interface ReconcilePort {
  readonly root: string;
  /** Identity of the root directory, null when it is not there. */
  rootIdentity(): Promise<string | null>;
  /** Files that should be indexed, in slices; `unreadable` gets directories that could not be listed. */
  crawl(unreadable: (path: string, reason: string) => void): AsyncIterable<readonly CrawledFile[]>;
  fileTable(): Promise<ReadonlyMap<string, FileRow>>;
  /** True when the file was found to hold what the index has although its row says another size or mtime, or cannot be indexed as it is. */
  isSettled(path: string, seen: Seen): boolean;
  /** Paths whose content must be looked at. */
  changed(paths: readonly string[], of: 'new' | 'changed' | 'gone'): void;
  progress?(files: number): void;
}

export interface ReconcileReport {
  readonly files: number;
  readonly added: number;
  readonly changed: number;
  readonly gone: number;
  /** Directories (or files) that could not be read, with the reason; their rows stay. */
  readonly unreadable: ReadonlyMap<string, string>;
  /** The walk saw every directory. */
  readonly complete: boolean;
}

/** Rejects with ROOT_DETACHED, having changed nothing, when the root is missing or becomes another directory on the way. */
export async function reconcile(port: ReconcilePort): Promise<ReconcileReport> {
  const identity = await port.rootIdentity();
  if (identity === null) throw detached(port.root, 'is not there');
  const table = await port.fileTable();
  const unreadable = new Map<string, string>();
  const present = new Set<string>();
  let added = 0;
  let changed = 0;

  for await (const files of port.crawl((path, reason) => unreadable.set(path, reason))) {
    const fresh: string[] = [];
    const stale: string[] = [];
    await inSlices(files, (file) => {
      present.add(file.path);
      const row = table.get(file.path);
      if (row !== undefined && isSame(row, file)) return;
      if (port.isSettled(file.path, file)) return;
      (row === undefined ? fresh : stale).push(file.path);
    });
    added += fresh.length;
    changed += stale.length;
    if (fresh.length > 0) port.changed(fresh, 'new');
    if (stale.length > 0) port.changed(stale, 'changed');
    port.progress?.(present.size);
  }

  const missing: string[] = [];
  await inSlices(table.keys(), (path) => {
    if (!present.has(path)) missing.push(path);
  });
  const gone = await reallyGone(port.root, missing, unreadable);
  if ((await port.rootIdentity()) !== identity) throw detached(port.root, 'became another directory during the walk');
  if (gone.length > 0) port.changed(gone, 'gone');
  return { files: present.size, added, changed, gone: gone.length, unreadable, complete: unreadable.size === 0 };
}

function isSame(row: Seen, file: Seen): boolean {
  return row.size === file.size && row.mtimeNs === file.mtimeNs;
}

const PARALLEL_STATS = 16;

/**
 * Rows that the crawl did not name: gone when the file does not exist, and also when it exists but does not count any more
 * (ignored now: ingest decides by the same predicate). A file that cannot be reached is neither.
 */
async function reallyGone(root: string, paths: readonly string[], unreadable: Map<string, string>): Promise<string[]> {
  const gone: string[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let path = paths[next++]; path !== undefined; path = paths[next++]) {
      const error = await lstat(join(root, path)).then(() => null, (reason: NodeJS.ErrnoException) => reason);
      if (error === null || error.code === 'ENOENT' || error.code === 'ENOTDIR') gone.push(path);
      else unreadable.set(path, error.code ?? error.message);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL_STATS }, worker));
  return gone;
}

function detached(root: string, what: string): CairnError {
  return new CairnError('ROOT_DETACHED', `the source root ${root} ${what}`, { path: root, retryable: true, hint: 'The index keeps answering; it follows the tree again when the root is back.' });
}
