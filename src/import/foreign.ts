/** What the readers of foreign layouts have in common. A reader checks everything it can before it gives its first document. */
import type { EmbedderIdentity } from '../embed/embedder.ts';
import type { Env } from '../env/env.ts';
import type { DocRecord } from '../format/doc.ts';
import type { VectorRecord } from '../format/vector-record.ts';
import { DOC_LIMITS } from '../format/doc-layout.ts';
import type { IndexMetadata, Metric } from '../index/types.ts';
import { CairnError, type ErrorCode } from '../util/errors.ts';
import type { ReportBuilder } from './report.ts';

export type ForeignLayout = 'codanna' | 'dvecdb' | 'trusty';
export const FOREIGN_LAYOUTS: readonly ForeignLayout[] = ['codanna', 'dvecdb', 'trusty'];

export interface ForeignRequest {
  readonly layout: ForeignLayout;
  /** Absolute path of the directory or file. */
  readonly path: string;
  /** For a layout that lost its own description. */
  readonly name?: string | undefined;
  readonly dimension?: number | undefined;
  readonly metric?: Metric | undefined;
}

/** The index that is to be made. */
export type ForeignPlan =
  | {
      readonly kind: 'vector';
      /** What the layout calls itself; null when it has no name. */
      readonly name: string | null;
      readonly dimension: number;
      readonly metric: Metric;
      readonly embedder: EmbedderIdentity | null;
      readonly indexConfig: IndexMetadata['indexConfig'] | null;
    }
  /** Chunks of files without vectors: they are embedded here. */
  | { readonly kind: 'code'; readonly name: null };

export interface ForeignSource {
  readonly plan: ForeignPlan;
  /** Of the input, for progress. */
  readonly totalBytes: number;
  /** Each item with the number of input bytes that are done. Refusals go to the report. */
  items(): AsyncGenerator<{ readonly item: VectorRecord | DocRecord; readonly doneBytes: number }>;
  close(): Promise<void>;
}

export type OpenForeign = (env: Env, request: ForeignRequest, report: ReportBuilder) => Promise<ForeignSource>;

export function requireDimension(dimension: number, path: string, offset?: number): void {
  if (dimension >= 1 && dimension <= DOC_LIMITS.dimension) return;
  throw new CairnError('CORRUPT', `${path}: dimension ${dimension} is not one of 1 to ${DOC_LIMITS.dimension}`, { path, offset });
}

/** A small JSON file as an object. NOT_FOUND, CORRUPT. */
export async function readJsonFile(env: Env, path: string, maxBytes: number): Promise<Readonly<Record<string, unknown>>> {
  const bytes = await env.readFile(path, maxBytes);
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (cause) {
    throw foreignError('CORRUPT', path, 'is not JSON', cause);
  }
  throw foreignError('CORRUPT', path, 'is not a JSON object');
}

export function foreignError(code: ErrorCode, path: string, what: string, cause?: unknown): CairnError {
  return new CairnError(code, `${path}: ${what}`, { path, cause, hint: 'Nothing was imported.' });
}
