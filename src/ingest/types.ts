/** What ingestion takes and gives. Ingest knows nothing of storage: it ends at an encoded document. */
import type { SourceStamp } from '../format/doc.ts';

export interface CrawledFile {
  /** Relative to the root, '/' separators. */
  readonly path: string;
  readonly size: number;
  readonly mtimeNs: bigint;
}

export interface IngestRequest {
  /** Absolute, canonical source root. */
  readonly root: string;
  readonly path: string;
  /** The stamp the index has for this path, if any: same hash means 'unchanged' (a new stamp comes back if size or mtime moved). */
  readonly known: SourceStamp | null;
}

export type IngestResult =
  /** Content hash equals `known`; `doc` is absent. */
  | { readonly outcome: 'unchanged'; readonly path: string; readonly stamp: SourceStamp }
  /** The file does not exist (any more), is no regular file, or is ignored now: the index must delete it. */
  | { readonly outcome: 'gone'; readonly path: string }
  /** `doc` is an encoded DocRecord (format/doc-codec.ts); a skipped file (binary, secret, …) is a doc with 0 chunks and a note. */
  | {
      readonly outcome: 'indexed';
      readonly path: string;
      readonly doc: Uint8Array;
      readonly chunks: number;
      /** Chunks whose vector was computed now / came from the cache. */
      readonly embedded: number;
      readonly cached: number;
      readonly note: string | null;
    }
  /** Could not be read now (changed while read, EACCES, EIO …); the old doc stays; `retryable` says whether to try again. */
  | { readonly outcome: 'failed'; readonly path: string; readonly reason: string; readonly retryable: boolean };
