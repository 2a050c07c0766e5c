/**
 * The file table of an index: which files it holds and what they looked like when they were read. Read from a snapshot in slices,
 * so that a large index never holds up the main thread.
 */
import type { Snapshot, SourceStamp } from '../../src/api.ts';
import { yieldToLoop } from './clock.ts';

/** Size and mtime of a file; equal to what the crawl sees means: not changed. */
export interface Seen {
  readonly size: number;
  readonly mtimeNs: bigint;
}

export interface FileRow extends Seen {
  readonly note: string | null;
}

/** Longest time between two turns of the event loop while a table is read. */
export const SLICE_MS = 8;

/** Runs `step` over items, giving the event loop a turn whenever a slice is used up. */
export async function inSlices<T>(items: Iterable<T>, step: (item: T) => void): Promise<void> {
  let sliceEnds = performance.now() + SLICE_MS;
  let count = 0;
  for (const item of items) {
    step(item);
    if ((++count & 63) !== 0 || performance.now() < sliceEnds) continue;
    await yieldToLoop();
    sliceEnds = performance.now() + SLICE_MS;
  }
}

/** All live files of the snapshot by path. The snapshot stays the caller's. */
export async function readFileTable(snapshot: Snapshot): Promise<Map<string, FileRow>> {
  const table = new Map<string, FileRow>();
  await inSlices(liveFiles(snapshot), ([path, row]) => table.set(path, row));
  return table;
}

/** Live files of the snapshot in one of the folders, at any depth. The snapshot stays the caller's. */
export async function readFilesBelow(snapshot: Snapshot, folders: ReadonlySet<string>): Promise<string[]> {
  const found: string[] = [];
  await inSlices(liveFiles(snapshot), ([path]) => {
    if (isBelow(path, folders)) found.push(path);
  });
  return found;
}

export function isBelow(path: string, folders: ReadonlySet<string>): boolean {
  for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) if (folders.has(path.slice(0, at))) return true;
  return false;
}

function* liveFiles(snapshot: Snapshot): Generator<[string, FileRow]> {
  for (const { part, docCount, live } of snapshot.parts) {
    for (let doc = 0; doc < docCount; doc++) {
      if (live !== null && !live.has(doc)) continue;
      const source = part.docSource(doc);
      if (source !== null) yield [part.docKey(doc), { size: source.size, mtimeNs: source.mtimeNs, note: source.note }];
    }
  }
}

/** What the index knows of one file, or null. */
export function findStamp(snapshot: Snapshot, path: string): SourceStamp | null {
  const found = snapshot.find(path);
  return found === null ? null : found.view.part.docSource(found.doc);
}
