/** Messages between the ingest pool (host) and its workers. Typed arrays are transferred, not copied. */
import type { SharedModel } from '../embed/static-model.ts';
import type { SourceStamp } from '../format/doc.ts';
import type { IngestResult } from './types.ts';

export interface FileJob {
  readonly id: number;
  readonly root: string;
  readonly path: string;
  readonly known: SourceStamp | null;
  /** Set when the file hung or crashed a worker before: it is cut into line windows, with this reason in the note. */
  readonly plainReason: string | null;
}

/** How a worker gets vectors. */
export type WorkerEmbedding =
  | { readonly kind: 'none' }
  /** In the worker, on shared memory. */
  | { readonly kind: 'local'; readonly model: SharedModel }
  /** By the host; the worker only makes the texts. */
  | { readonly kind: 'host'; readonly documentTemplate: string; readonly dimension: number };

export interface WorkerSetup {
  readonly embedding: WorkerEmbedding;
  readonly hasCache: boolean;
  readonly parseBudgetMs: number;
  /** [0] id of the file that is being worked on (0 = none), [1] counts the steps, [2] the system's number of the thread; the host sees hangs in it. */
  readonly pulse: Int32Array;
}

export const PULSE_FILE = 0;
export const PULSE_STEP = 1;
export const PULSE_THREAD = 2;

export type ToWorker =
  | { readonly type: 'batch'; readonly jobs: readonly FileJob[] }
  /** Answer to 'lookup' and 'embed'. `present[i]` is 1 where row i of `vectors` is filled; `error` when the embedder failed. */
  | { readonly type: 'vectors'; readonly request: number; readonly vectors: Float32Array; readonly present: Uint8Array; readonly error: string | null };

export type FromWorker =
  | { readonly type: 'ready' }
  /** `keys` holds 16 bytes for each text. */
  | { readonly type: 'lookup'; readonly request: number; readonly keys: Uint8Array }
  | { readonly type: 'embed'; readonly request: number; readonly texts: readonly string[] }
  | {
      readonly type: 'done';
      readonly results: readonly { readonly id: number; readonly result: IngestResult }[];
      /** Vectors to remember: 16 bytes of key and one row for each. */
      readonly newKeys: Uint8Array;
      readonly newVectors: Float32Array;
      /** The worker asks to be replaced. */
      readonly isWorn: boolean;
    };
