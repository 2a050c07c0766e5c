/**
 * Which rows were made by another version of chunker or tokenizer. Known per segment: each is stamped with the versions of its
 * rows, a merge with the oldest of its inputs. Rows in the memtable and in the log are of the versions in metadata.json: those
 * change only when everything before is in segments. [6.16]
 */
import type { IndexContext } from './index-context.ts';
import { Slices } from './slices.ts';
import type { IndexMetadata } from './types.ts';

export type ContentVersions = IndexMetadata['contentVersions'];

export function isSameContent(a: ContentVersions, b: ContentVersions): boolean {
  return a.chunker === b.chunker && a.tokenizer === b.tokenizer;
}

/** What may be said of all rows of several segments. */
export function oldest(versions: readonly ContentVersions[], fallback: ContentVersions): ContentVersions {
  if (versions.length === 0) return fallback;
  return { chunker: Math.min(...versions.map(({ chunker }) => chunker)), tokenizer: Math.min(...versions.map(({ tokenizer }) => tokenizer)) };
}

/** Keys of live documents whose rows are not of `current`. */
export async function staleKeys({ table, metadata }: IndexContext, current: ContentVersions): Promise<string[]> {
  const staleParts = new Set(table.segments.filter(({ part }) => !isSameContent(part.meta.contentVersions, current)).map(({ part }) => part.id));
  const isLogStale = !isSameContent(metadata.contentVersions, current);
  const segmentParts = new Set(table.segments.map(({ part }) => part.id));
  const keys: string[] = [];
  const snapshot = table.snapshot();
  const slices = new Slices();
  try {
    for (const { part, docCount, live } of snapshot.parts) {
      if (segmentParts.has(part.id) ? !staleParts.has(part.id) : !isLogStale) continue;
      for (let doc = 0; doc < docCount; doc++) {
        if (live === null || live.has(doc)) keys.push(part.docKey(doc));
        await slices.next();
      }
    }
  } finally {
    snapshot.release();
  }
  return keys;
}
