/**
 * One chokidar watcher over one tree. The only file that knows chokidar. Runs in the watch worker.
 * Turns its events into (kind, relative path) and counts what it cannot watch. Lives as long as one set of ignore rules and one
 * incarnation of the root directory: for new ones a new TreeWatch is made.
 */
import { type FSWatcher, watch } from 'chokidar';
import { relative, sep } from 'node:path';
import type { RawKind } from './net-changes.ts';

/** True if the path (relative, '/' separators) must not be watched. `isDirectory` is null when it is not known yet. */
export type IgnorePredicate = (path: string, isDirectory: boolean | null) => boolean;

export interface TreeWatchEvents {
  change(kind: RawKind, path: string): void;
  /** A directory was replaced by a file: whatever it held is gone without a word. */
  swapped(path: string): void;
  /** The root itself was removed. */
  rootRemoved(): void;
  ready(directories: number): void;
  /** A directory cannot be watched because a limit of the system is reached. */
  limit(code: 'ENOSPC' | 'EMFILE'): void;
  error(error: unknown): void;
}

export class TreeWatch {
  readonly #watcher: FSWatcher;

  constructor(root: string, ignored: IgnorePredicate, events: TreeWatchEvents) {
    const rel = (path: string): string => relative(root, path).split(sep).join('/');
    const directories = new Set<string>();
    const fileEvent = (kind: RawKind, path: string): void => {
      // A directory that gives way to a file at once: chokidar reports the file, not what was in the directory.
      if (kind !== 'remove' && directories.delete(path)) events.swapped(path);
      events.change(kind, path);
    };
    this.#watcher = watch(root, {
      // The index is compared with the disk by a walk, so the initial scan reports nothing.
      ignoreInitial: true,
      // A link to a directory is not followed: loops, and files outside the root.
      followSymlinks: false,
      ignorePermissionErrors: true,
      // With `atomic: false` a file that becomes a directory left a ghost.
      atomic: true,
      // A stat poll per file; the windows of RootWatch do the same for all files at once.
      awaitWriteFinish: false,
      ignored: (path, stats) => {
        const name = rel(path);
        if (name === '') return false;
        const isDirectory = stats === undefined ? null : stats.isDirectory();
        const isOut = ignored(name, isDirectory);
        if (isDirectory === true && !isOut) directories.add(name);
        return isOut;
      },
    });
    this.#watcher
      .on('add', (path) => fileEvent('add', rel(path)))
      .on('change', (path) => fileEvent('change', rel(path)))
      .on('unlink', (path) => fileEvent('remove', rel(path)))
      .on('unlinkDir', (path) => {
        directories.delete(rel(path));
        if (rel(path) === '') events.rootRemoved();
      })
      .on('ready', () => events.ready(Object.keys(this.#watcher.getWatched()).length))
      .on('error', (error) => {
        const code = (error as NodeJS.ErrnoException).code;
        if (code === 'ENOSPC' || code === 'EMFILE') events.limit(code);
        else events.error(error);
      });
  }

  async close(): Promise<void> {
    this.#watcher.removeAllListeners();
    // After close a late error must not be unhandled: that would end the worker.
    this.#watcher.on('error', () => undefined);
    await this.#watcher.close();
  }
}
