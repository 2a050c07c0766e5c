/** What the main thread and the watch worker say to each other. Plain data only. */
import type { RootWatchOptions } from './root-watch.ts';
import type { WatchEvent } from './watcher.ts';

export type ToWorker =
  | { readonly op: 'watch'; readonly id: number; readonly root: string }
  | { readonly op: 'unwatch'; readonly id: number }
  | { readonly op: 'close' };

export type FromWorker =
  /** First of all: the thread has begun. */
  | { readonly op: 'begun' }
  | { readonly op: 'event'; readonly id: number; readonly event: WatchEvent }
  | { readonly op: 'unwatched'; readonly id: number };

export interface WorkerData {
  readonly options: Partial<RootWatchOptions>;
  /** Absolute paths that are never watched. */
  readonly excluded: readonly string[];
}
