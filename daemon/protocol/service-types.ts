/** Wire types of the service itself: shutdown, daemon/*, config/get, rpc/discover; a part of types.ts, which re-exports them. Imports types only. */
import type { FailedIndex, IndexSummary } from './types.ts';

export interface EmptyParams {
  readonly [key: string]: never;
}
export interface ShutdownParams {
  /**
   * 'user' (default): somebody asked for it. 'handover': the client wants to start its own version; refused with VERSION_SKEW
   * unless the client is newer than the daemon.
   */
  readonly reason?: 'user' | 'handover';
}
export interface ShutdownResult {
  /** The process ends after this answer; the connection closes when it drains. */
  readonly pid: number;
}
/** 'starting' | 'serving' | 'draining' | 'stopped' */
export type DaemonState = 'starting' | 'serving' | 'draining' | 'stopped';
export interface HealthResult {
  readonly ok: boolean;
  readonly state: DaemonState;
  readonly pid: number;
  readonly epoch: number;
  readonly version: string;
  readonly uptimeMs: number;
}
export interface DaemonStatus extends HealthResult {
  readonly protocol: number;
  readonly startedAt: string;
  readonly dataDir: string;
  readonly socket: string;
  readonly logFile: string;
  readonly node: string;
  readonly connections: number;
  readonly inFlight: number;
  /** Bytes: resident set of the process (its worker threads included), JavaScript heap, external and array buffers. */
  readonly memory: { readonly rss: number; readonly heapUsed: number; readonly external: number };
  /** Delay of the event loop since start, milliseconds. */
  readonly eventLoop: { readonly p50Ms: number; readonly p99Ms: number; readonly maxMs: number };
  /** The background check of stored rows, since the start. */
  readonly scrub?: ScrubWire;
  /** Milliseconds; null = never. */
  readonly idleExitMs: number | null;
  readonly embedder: { readonly name: string; readonly revision: string; readonly dimension: number } | null;
  readonly indexes: readonly IndexSummary[];
  readonly failed: readonly FailedIndex[];
  /** Things that a user should know: configuration, permissions, damaged indexes. */
  readonly warnings: readonly string[];
}
export interface ScrubWire {
  readonly files: number;
  readonly bytes: number;
  readonly damaged: number;
  /** Files that wait for their turn. */
  readonly due: number;
  readonly lastError: string | null;
}
export interface Distribution {
  readonly count: number;
  readonly meanMs: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}
export interface MetricsResult {
  /** Monotone since start. */
  readonly counters: Readonly<Record<string, number>>;
  /** Values of now. */
  readonly gauges: Readonly<Record<string, number>>;
  /** Duration of requests by method, over the last 1,024 of each. */
  readonly requests: Readonly<Record<string, Distribution>>;
}
export interface ConfigGetParams {
  readonly key?: string;
}
export interface ConfigValue {
  readonly key: string;
  readonly value: string | number | boolean | null;
  readonly origin: 'default' | 'file' | 'environment' | 'flag';
  /** File, variable or flag that set it. */
  readonly source: string | null;
  readonly description: string;
}
export interface ConfigGetResult {
  readonly file: string;
  readonly values: readonly ConfigValue[];
}
/** An OpenRPC 1.x document. */
export interface DiscoverResult {
  readonly openrpc: string;
  readonly info: { readonly title: string; readonly version: string };
  readonly methods: readonly { readonly name: string; readonly summary: string; readonly params: readonly unknown[]; readonly result: unknown }[];
}
