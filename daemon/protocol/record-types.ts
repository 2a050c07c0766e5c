/** Wire types of vectors/* and index/import; a part of types.ts, which re-exports them. Imports types only. */
import type { AnswerMeta } from './types.ts';

export type VectorMetric = 'cosine' | 'dot' | 'euclidean';
/** A whole number or a text. `7` and `"7"` name the same record; it comes back as it was put last. */
export type RecordId = string | number;
/** f32 values as numbers, or as base64 of their little-endian bytes (the only form that keeps the sign of zero). */
export type VectorWire = readonly number[] | string;
export interface VectorPutRecord {
  readonly id: RecordId;
  readonly vector: VectorWire;
  /** Any JSON object; kept as UTF-8 JSON and given back. */
  readonly payload?: Readonly<Record<string, unknown>>;
}
export interface VectorsPutParams {
  readonly index: string;
  /** One batch: all of them become visible together, or none. Of equal ids the last counts. */
  readonly records: readonly VectorPutRecord[];
}
export interface VectorsWriteResult {
  readonly index: string;
  /** Records put, or deleted (those that were there). */
  readonly count: number;
  readonly lsn: number;
  readonly syncMode: 'always' | 'interval' | 'off';
  /** The batch survives a power cut. */
  readonly durable: boolean;
}
export interface VectorOutput {
  /** Form of vectors in the answer: 'numbers' (default), 'base64', or 'none'. */
  readonly vectors?: 'numbers' | 'base64' | 'none';
}
export interface VectorsGetParams extends VectorOutput {
  readonly index: string;
  readonly ids: readonly RecordId[];
}
export interface VectorRecordWire {
  readonly id: RecordId;
  readonly vector?: VectorWire;
  readonly payload?: unknown;
}
export interface VectorsGetResult {
  readonly index: string;
  readonly records: readonly VectorRecordWire[];
  /** Ids that are not there. */
  readonly missing: readonly RecordId[];
  readonly lsn: number;
}
export interface VectorsDeleteParams {
  readonly index: string;
  readonly ids: readonly RecordId[];
}
export interface VectorsSearchParams extends VectorOutput {
  readonly index: string;
  readonly vector: VectorWire;
  readonly limit?: number;
  /** Only records whose id begins so. */
  readonly prefix?: string;
}
export interface VectorHitWire extends VectorRecordWire {
  /** Larger is nearer: cosine, dot product, or the negative distance. */
  readonly score: number;
}
export interface VectorsSearchResult {
  readonly hits: readonly VectorHitWire[];
  /** Records compared by their codes, and read as stored. */
  readonly scanned: number;
  readonly rescored: number;
  readonly meta: AnswerMeta;
}
export interface VectorsScanParams extends VectorOutput {
  readonly index: string;
  readonly prefix?: string;
  /** `next` of the page before. */
  readonly after?: string;
  readonly limit?: number;
}
export interface VectorsScanResult {
  readonly index: string;
  /** In order of their ids as text (UTF-16 code units). */
  readonly records: readonly VectorRecordWire[];
  /** Pass it as `after` for the next page; null = that was all. */
  readonly next: string | null;
  readonly lsn: number;
}

// ---- index/migrate
export interface IndexMigrateParams {
  /** Only this index (one that is listed as failed); all by default. */
  readonly index?: string;
  /** Say what would be changed, and change nothing. */
  readonly dryRun?: boolean;
}
export interface IndexMigrateResult {
  readonly dryRun: boolean;
  /** Indexes of an older schema. Those of the present one are not named. */
  readonly migrated: readonly {
    readonly index: string;
    readonly path: string;
    readonly from: number;
    readonly to: number;
    readonly steps: readonly string[];
    /** Copy of the old metadata.json; null in a dry run. */
    readonly backup: string | null;
    /** metadata.json as it is now, or would be. */
    readonly metadata: Readonly<Record<string, unknown>>;
  }[];
  /** What cannot be brought to the present schema, and was not changed. */
  readonly failed: readonly { readonly path: string; readonly code: string; readonly reason: string }[];
}

// ---- index/import
export interface IndexImportParams {
  /** A directory; of 'trusty' a file. */
  readonly path: string;
  /** 'cairn' by default: an index directory that is not listed. */
  readonly from?: 'cairn' | 'codanna' | 'dvecdb' | 'trusty';
  readonly name?: string;
  /** Source root to attach a code index to. */
  readonly root?: string;
  /** What the data do not tell by themselves. */
  readonly kind?: 'code' | 'vector';
  readonly dimension?: number;
  readonly metric?: VectorMetric;
  readonly progressToken?: string;
}
export interface IndexImportResult {
  readonly index: string;
  readonly kind: 'code' | 'vector';
  readonly from: 'cairn' | 'codanna' | 'dvecdb' | 'trusty';
  readonly documents: number;
  /** Records of a vector index, chunks of a code index. */
  readonly taken: number;
  readonly refused: readonly { readonly reason: string; readonly count: number; readonly examples: readonly string[] }[];
  /** Things to know that refused nothing; `expected` and `found` where two counts disagree. */
  readonly warnings: readonly { readonly code: string; readonly message: string; readonly expected?: number; readonly found?: number }[];
  /** Chunks whose vector was computed now / came from the cache. */
  readonly embedded: number;
  readonly cached: number;
  /** Of 'cairn': where metadata.json came from. */
  readonly metadataFrom?: 'file' | 'manifest' | 'rows';
  readonly tookMs: number;
}
