/**
 * One chokidar watcher over the directories of one tree. The only file that knows chokidar. Runs in the watch worker.
 * To chokidar every file is ignored: it keeps a record of each path that it watches, which for a large tree is most of the
 * worker's memory, and one watch per directory tells of the files too. It asks about each path that it meets (named by an event,
 * or listed while it looks at a new directory), and every such question is a hint that the path may have changed.
 * Lives as long as one set of ignore rules and one incarnation of the root directory: for new ones a new TreeWatch is made.
 */
import { type FSWatcher, watch } from 'chokidar';
import { lstatSync, type Stats } from 'node:fs';
import { relative, sep } from 'node:path';

/** True if the path (relative, '/' separators) must not be watched. */
export type IgnorePredicate = (path: string, isDirectory: boolean) => boolean;

export interface TreeWatchEvents {
  /** Something that is or was no directory may have come, changed or gone. */
  changed(path: string): void;
  /** A directory is gone, with all that was in it. */
  folderGone(path: string): void;
  /** A directory gave way to something else under its name; chokidar may be deaf there should it become a directory again. */
  swapped(path: string): void;
  /** The root itself was removed. */
  rootRemoved(): void;
  ready(directories: number): void;
  /** A directory cannot be watched because a limit of the system is reached. */
  limit(code: 'ENOSPC' | 'EMFILE'): void;
  error(error: unknown): void;
}

export class TreeWatch {
  readonly #root: string;
  readonly #ignored: IgnorePredicate;
  readonly #events: TreeWatchEvents;
  readonly #watcher: FSWatcher;
  /** Relative paths of what is watched. */
  readonly #directories = new Set<string>();
  #isReady = false;

  constructor(root: string, ignored: IgnorePredicate, events: TreeWatchEvents) {
    this.#root = root;
    this.#ignored = ignored;
    this.#events = events;
    this.#watcher = watch(root, {
      // The index is compared with the disk by a walk, so the initial scan reports nothing.
      ignoreInitial: true,
      // A link to a directory is not followed: loops, and files outside the root.
      followSymlinks: false,
      ignorePermissionErrors: true,
      // Leaves out the swap files of editors; its delay of removals only concerns files that it watches.
      atomic: true,
      awaitWriteFinish: false,
      ignored: (path, stats) => this.#isIgnored(path, stats),
    });
    this.#watcher
      .on('unlinkDir', (path) => this.#removed(this.#relative(path)))
      .on('ready', () => {
        this.#isReady = true;
        events.ready(this.#directories.size + 1);
      })
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

  #relative(path: string): string {
    return relative(this.#root, path).split(sep).join('/');
  }

  /**
   * chokidar asks about an event first without and then with what the path is. The first answer is as good as the second: a file
   * that it never hears of cannot be missed when it goes, which would make it list the whole directory again.
   */
  #isIgnored(path: string, known: Stats | undefined): boolean {
    const name = this.#relative(path);
    if (name === '') return false;
    // It looks by itself at what became of a directory.
    if (known === undefined && this.#directories.has(name)) return false;
    if ((known ?? lookAt(path))?.isDirectory() === true) {
      const isOut = this.#ignored(name, true);
      if (!isOut) this.#directories.add(name);
      return isOut;
    }
    if (this.#directories.delete(name)) this.#events.swapped(name);
    if (this.#isReady && !this.#ignored(name, false)) this.#events.changed(name);
    return true;
  }

  #removed(name: string): void {
    if (name === '') this.#events.rootRemoved();
    else {
      this.#directories.delete(name);
      this.#events.folderGone(name);
    }
  }
}

/** What cannot be looked at is no directory that could be watched. */
function lookAt(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
