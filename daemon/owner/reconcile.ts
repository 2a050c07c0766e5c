/**
 * One walk: compares the source tree with the file table and hands over every path that differs. The table is the truth about the
 * index, the disk is the truth about the tree; events play no part here.
 * Never reports a file as gone because something could not be read: a path counts as gone only when the file system says that it
 * does not exist (or the rules leave it out), while the root is the same directory before and after.
 */
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { CairnError } from '../errors.ts';
import { type FileRow, inSlices, type Seen } from './file-table.ts';
import type { SourceTree } from './ports.ts';

export interface ReconcilePort {
  readonly root: string;
  readonly tree: SourceTree;
  readonly signal: AbortSignal;
  /** Identity of the root directory now, null when it is not there; and of the directory that was indexed, null when unknown. */
  rootIdentity(): Promise<string | null>;
  readonly indexedIdentity: string | null;
  fileTable(): Promise<ReadonlyMap<string, FileRow>>;
  /** True when the content was compared already although the row says another size or mtime. */
  isVerified(path: string, seen: Seen): boolean;
  /** New and changed paths, as the crawl finds them. */
  changed(paths: readonly string[]): void;
}

export interface WalkReport {
  /** Identity of the directory that was walked. */
  readonly identity: string;
  readonly files: number;
  readonly added: number;
  readonly changed: number;
  /** Rows whose files are gone, or are left out now; ingest has to look at each again. */
  readonly gone: readonly string[];
  /** Directories and files that could not be reached, with the reason; their rows stay. */
  readonly unreadable: ReadonlyMap<string, string>;
}

/** Rejects with ROOT_DETACHED, having removed nothing, when the root is missing, empty all of a sudden, or replaced on the way. */
export async function reconcile(port: ReconcilePort): Promise<WalkReport> {
  const identity = await port.rootIdentity();
  if (identity === null) throw detached(port.root, 'is not there');
  const table = await port.fileTable();
  const unreadable = new Map<string, string>();
  const present = new Set<string>();
  let added = 0;
  let changed = 0;

  for await (const files of port.tree.crawl({ signal: port.signal, unreadable: (path, reason) => unreadable.set(path, reason) })) {
    const different: string[] = [];
    await inSlices(files, (file) => {
      present.add(file.path);
      const row = table.get(file.path);
      if (row !== undefined && row.size === file.size && row.mtimeNs === file.mtimeNs) return;
      if (row !== undefined && port.isVerified(file.path, file)) return;
      if (row === undefined) added++;
      else changed++;
      different.push(file.path);
    });
    if (different.length > 0) port.changed(different);
  }

  // An unmounted disk or a half-made checkout looks like an empty directory: it does not empty an index.
  if (present.size === 0 && table.size > 0 && identity !== port.indexedIdentity) throw detached(port.root, 'is another directory than before, and empty');
  const missing: string[] = [];
  await inSlices(table.keys(), (path) => {
    if (!present.has(path)) missing.push(path);
  });
  const gone = await reallyGone(port.root, missing, unreadable);
  if ((await port.rootIdentity()) !== identity) throw detached(port.root, 'became another directory during the walk');
  return { identity, files: present.size, added, changed, gone, unreadable };
}

const PARALLEL_STATS = 16;

/** Rows that the crawl did not name and that can be reached, or certainly do not exist, in their order. Ingest looks at each again. */
async function reallyGone(root: string, paths: readonly string[], unreadable: Map<string, string>): Promise<string[]> {
  const reasons = new Array<string | null>(paths.length);
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let i = next++; i < paths.length; i = next++) {
      const error = await lstat(join(root, paths[i] as string)).then(() => null, (reason: NodeJS.ErrnoException) => reason);
      const isKnown = error === null || error.code === 'ENOENT' || error.code === 'ENOTDIR';
      reasons[i] = isKnown ? null : error.code ?? error.message;
    }
  };
  await Promise.all(Array.from({ length: PARALLEL_STATS }, worker));
  return paths.filter((path, i) => {
    const reason = reasons[i] ?? null;
    if (reason !== null) unreadable.set(path, reason);
    return reason === null;
  });
}

export function detached(root: string, what: string): CairnError {
  return new CairnError('ROOT_DETACHED', `the source root ${root} ${what}`, {
    path: root,
    retryable: true,
    hint: 'The index keeps answering with what it has, and follows the tree again when the root is back.',
  });
}
