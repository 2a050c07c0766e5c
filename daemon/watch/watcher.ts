/**
 * What the owners see of watching. Events are hints: a listener must be right when any of them is missing, late, doubled or
 * wrong. Whatever may mean that hints were lost arrives as `lost`, and only a walk of the tree answers it.
 */

export type LossReason =
  /** Too many changes in one window to name them. */
  | 'burst'
  /** The watching backend reported an error. */
  | 'error'
  /** Ignore rules changed: other files count now. */
  | 'rules'
  /** Another commit is checked out. */
  | 'head'
  /** A directory became a file or a link. */
  | 'swap'
  /** The root was deleted, moved or mounted over and is back. */
  | 'root'
  /** The worker crashed and was started again. */
  | 'restart'
  /** The machine or the process slept. */
  | 'wake';

export type WatchEvent =
  /** All directories that can be watched are watched from now on. */
  | { readonly type: 'ready'; readonly directories: number }
  /** Paths relative to the root with '/' separators that may differ from what the index has. */
  | { readonly type: 'changed'; readonly paths: readonly string[] }
  /** Directories, relative to the root, that went with all that was in them; some may be back already. */
  | { readonly type: 'gone'; readonly folders: readonly string[] }
  | { readonly type: 'lost'; readonly reason: LossReason; readonly detail: string }
  /** Changes in some directories are never seen, with the reason and what to do; null: all is well again. */
  | { readonly type: 'degraded'; readonly reason: string | null }
  | { readonly type: 'root'; readonly present: boolean };

export type WatchListener = (event: WatchEvent) => void;

export interface WatchHandle {
  /** No event arrives after this was called. */
  close(): Promise<void>;
}

export interface Watcher {
  /** `root` is absolute and canonical; it may be missing and appear later. */
  watch(root: string, listener: WatchListener): WatchHandle;
  close(): Promise<void>;
}
