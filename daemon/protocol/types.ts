/**
 * Wire types: plain JSON shapes of requests, results and notifications. Shared by daemon and client; imports nothing.
 * Engine types never cross the wire, conversion is explicit in daemon/handlers.
 */

export const PROTOCOL_VERSION = 1;
export const PROTOCOL_MIN = 1;

export interface InitializeParams {
  readonly clientName: string;
  readonly clientVersion: string;
  /** Range of protocol versions that the client speaks. */
  readonly protocol: { readonly min: number; readonly max: number };
  /** Content of <data>/run/token (0600). */
  readonly token: string;
}
export interface InitializeResult {
  readonly daemonVersion: string;
  readonly protocol: number;
  readonly pid: number;
  readonly epoch: number;
  readonly capabilities: readonly string[];
  readonly dataDir: string;
}

/** 'opening' | 'indexing' (first build) | 'catching-up' | 'ready' | 'degraded' | 'detached' | 'failed' */
export type IndexState = 'opening' | 'indexing' | 'catching-up' | 'ready' | 'degraded' | 'detached' | 'failed';

/** Either names the index: by name, or by a source root (canonicalised by the daemon). */
export interface IndexRef {
  readonly index?: string;
  readonly root?: string;
}

export interface ErrorData {
  readonly code: string;
  readonly retryable: boolean;
  readonly hint?: string;
  readonly path?: string;
}

export interface ProgressValue {
  readonly phase: 'crawl' | 'index' | 'flush' | 'verify' | 'done';
  readonly done: number;
  readonly total: number;
  readonly unit: 'files' | 'chunks' | 'bytes';
  readonly chunks?: number;
  /** Units per second over the last seconds; seconds left, when known. */
  readonly rate?: number;
  readonly etaSeconds?: number;
  readonly message?: string;
}

// ---- index/*
export interface IndexCreateParams {
  readonly root: string;
  readonly name?: string;
  /** Wait until the index covers the tree (progress by $/progress with this token). */
  readonly wait?: boolean;
  readonly progressToken?: string;
  /** Index without vectors. */
  readonly lexicalOnly?: boolean;
}
export interface IndexRunResult {
  readonly index: string;
  readonly root: string | null;
  readonly state: IndexState;
  readonly files: number;
  readonly chunks: number;
  readonly embedded: number;
  readonly cached: number;
  readonly tookMs: number;
  readonly created: boolean;
}
export interface IndexSummary {
  readonly index: string;
  readonly kind: 'code' | 'vector';
  readonly root: string | null;
  readonly state: IndexState;
  readonly reasons: readonly string[];
  readonly docs: number;
  readonly chunks: number;
  readonly lsn: number;
  readonly durableLsn: number;
  readonly diskBytes: number;
  readonly modifiedAt: string;
}
export interface IndexStatus extends IndexSummary {
  readonly syncedLsn: number;
  readonly generation: number;
  readonly symbols: number;
  readonly edges: number;
  readonly vectors: number;
  readonly segments: number;
  readonly memtableChunks: number;
  readonly memoryBytes: number;
  readonly walBytes: number;
  readonly pendingFiles: number;
  readonly watcher: { readonly state: 'starting' | 'watching' | 'degraded' | 'off'; readonly reason: string | null; readonly lastReconcileAt: string | null };
  readonly persist: { readonly inFlight: boolean; readonly dirty: boolean; readonly saves: number; readonly failures: number; readonly lastError: string | null; readonly lastCause: string | null };
  readonly embedder: { readonly name: string; readonly revision: string; readonly dimension: number; readonly calls: number; readonly textsEmbedded: number; readonly cacheHits: number } | null;
  readonly recovery: { readonly replayedBatches: number; readonly tornTailBytes: number; readonly quarantined: readonly string[]; readonly durationMs: number };
  /** Files that were skipped, by reason. */
  readonly skipped: Readonly<Record<string, number>>;
}

// ---- search/*
export interface SearchParams extends IndexRef {
  readonly query: string;
  readonly limit?: number;
  readonly languages?: readonly string[];
  readonly paths?: readonly string[];
  readonly kinds?: readonly string[];
  readonly codeOnly?: boolean;
  readonly explain?: boolean;
  /** Lanes to leave out. */
  readonly without?: readonly string[];
  /** Wait until changes known to the file system now are visible. */
  readonly fresh?: boolean;
}
export interface SearchHitWire {
  readonly path: string;
  readonly startLine: number;
  readonly endLine: number;
  readonly score: number;
  readonly language: string;
  readonly symbol?: { readonly name: string; readonly qualified: string; readonly kind: string; readonly line: number };
  readonly snippet: string;
  readonly explain?: { readonly lanes: readonly string[]; readonly features: Readonly<Record<string, { readonly value: number; readonly weight: number }>>; readonly penalty: number };
}
export interface AnswerMeta {
  readonly index: string;
  readonly state: IndexState;
  /** Reasons when the state is degraded, or files are still pending. */
  readonly reasons: readonly string[];
  readonly pendingFiles: number;
  readonly lsn: number;
  readonly lanes: readonly { readonly lane: string; readonly used: boolean; readonly reason: string | null }[];
  readonly tookMs: number;
}
export interface SearchResultWire {
  readonly hits: readonly SearchHitWire[];
  readonly meta: AnswerMeta;
}

export interface GrepParams extends IndexRef {
  readonly pattern: string;
  readonly regex?: boolean;
  readonly ignoreCase?: boolean;
  readonly word?: boolean;
  readonly context?: number;
  readonly limit?: number;
  readonly languages?: readonly string[];
  readonly paths?: readonly string[];
}
export interface GrepMatch {
  readonly path: string;
  readonly line: number;
  readonly column: number;
  readonly text: string;
  readonly before: readonly string[];
  readonly after: readonly string[];
}
export interface GrepResult {
  readonly matches: readonly GrepMatch[];
  readonly truncated: boolean;
  readonly filesSearched: number;
  readonly meta: AnswerMeta;
}

export interface SymbolsParams extends IndexRef {
  readonly query: string;
  readonly limit?: number;
  readonly kinds?: readonly string[];
  readonly languages?: readonly string[];
  readonly paths?: readonly string[];
}
export interface SymbolHit {
  readonly name: string;
  readonly qualified: string;
  readonly kind: string;
  readonly path: string;
  readonly language: string;
  readonly startLine: number;
  readonly endLine: number;
}
export interface SymbolsResult {
  readonly symbols: readonly SymbolHit[];
  readonly meta: AnswerMeta;
}
