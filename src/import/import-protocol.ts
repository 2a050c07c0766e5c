/** Messages between an import (host) and its worker. Typed arrays are transferred, not copied. */
import type { SharedModel } from '../embed/static-model.ts';
import type { ErrorCode } from '../util/errors.ts';
import type { ForeignPlan, ForeignRequest } from './foreign.ts';
import type { ImportReport } from './report.ts';

export interface ImportSetup {
  readonly request: ForeignRequest;
  /** For layouts without vectors; null: documents without vectors. */
  readonly model: SharedModel | null;
  readonly hasCache: boolean;
}

export type ToImportWorker =
  /** The host is ready for the next batch. */
  | { readonly type: 'next' }
  | { readonly type: 'vectors'; readonly vectors: Float32Array; readonly present: Uint8Array };

export interface ImportBatch {
  /** Encoded documents. */
  readonly docs: readonly Uint8Array[];
  readonly doneBytes: number;
  readonly embedded: number;
  readonly cached: number;
  /** Vectors to remember: 16 bytes of key and one row for each. */
  readonly newKeys: Uint8Array;
  readonly newVectors: Float32Array;
}

export type FromImportWorker =
  | { readonly type: 'plan'; readonly plan: ForeignPlan; readonly totalBytes: number }
  | { readonly type: 'lookup'; readonly keys: Uint8Array }
  | ({ readonly type: 'batch' } & ImportBatch)
  /** `documents`: how many there must be in the index. */
  | { readonly type: 'end'; readonly report: ImportReport; readonly documents: number }
  | { readonly type: 'failed'; readonly code: ErrorCode; readonly message: string; readonly path: string | undefined; readonly offset: number | undefined; readonly hint: string | undefined };
