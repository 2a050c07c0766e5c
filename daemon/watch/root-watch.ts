/**
 * Everything that is watched for one source root; runs in the watch worker. Owns the TreeWatch of the current rules and root,
 * the window of raw changes, and a slow poll of what a watcher cannot see: the root itself, git's HEAD, the process asleep.
 * Never decides what a change means: it names paths, or says that it may have lost some.
 */
import { basename } from 'node:path';
import { type GitFiles, fingerprint, gitFiles } from './git-files.ts';
import { NetChanges } from './net-changes.ts';
import { remoteFileSystem, rootIdentity } from './root-identity.ts';
import { type IgnorePredicate, TreeWatch } from './tree-watch.ts';
import type { LossReason, WatchEvent } from './watcher.ts';

export interface RootWatchOptions {
  /** A window closes after this long without an event, and at the latest after `windowMaxMs`. */
  readonly quietMs: number;
  readonly windowMaxMs: number;
  /** More changed paths than this in one window are a burst. */
  readonly windowMaxPaths: number;
  /** More raw events than this in one second are a burst: the kernel's queue may have overflowed without a word. */
  readonly burstPerSecond: number;
  readonly pollMs: number;
  /** A watcher that met a system limit is made again after this long. */
  readonly degradedRetryMs: number;
}

export const ROOT_WATCH_DEFAULTS: RootWatchOptions = {
  quietMs: 60,
  windowMaxMs: 1_000,
  windowMaxPaths: 4_096,
  burstPerSecond: 1_000,
  pollMs: 1_000,
  degradedRetryMs: 300_000,
};

/** Names of files that hold ignore rules wherever they lie in the tree. */
const RULE_FILES = new Set(['.gitignore', '.cairnignore']);

/** A poll that comes this much too late means that the machine or the process slept. */
const WAKE_MS = 20_000;

const LIMIT_HINT: Readonly<Record<'ENOSPC' | 'EMFILE', string>> = {
  ENOSPC: 'the limit of inotify watches is reached; raise it with: sudo sysctl fs.inotify.max_user_watches=1048576',
  EMFILE: 'the limit of inotify instances or open files is reached; raise it with: sudo sysctl fs.inotify.max_user_instances=1024',
};

export class RootWatch {
  readonly #root: string;
  readonly #emit: (event: WatchEvent) => void;
  readonly #loadRules: (root: string) => Promise<IgnorePredicate>;
  readonly #options: RootWatchOptions;
  readonly #changes: NetChanges;
  readonly #losses = new Map<LossReason, string>();
  #tree: TreeWatch | null = null;
  #opening: Promise<void> | null = null;
  #reopen = false;
  /** Why the watch is made anew: when it hears everything, what was missed meanwhile must be looked for. */
  readonly #missed = new Map<LossReason, string>();
  #closed = false;
  /** A directory that became something else in this window. */
  #swapped: string | null = null;
  #windowTimer: NodeJS.Timeout | null = null;
  #windowOpenedAt = 0;
  #pollTimer: NodeJS.Timeout | null = null;
  #polledAt = 0;
  #identity: string | null = null;
  #checking: Promise<void> = Promise.resolve();
  #present: boolean | null = null;
  #git: GitFiles | null = null;
  #head = '';
  #exclude = '';
  #limited = new Map<'ENOSPC' | 'EMFILE', number>();
  #degraded: string | null = null;
  #degradedAt = 0;
  #rateStartedAt = 0;
  #rateEvents = 0;

  constructor(root: string, emit: (event: WatchEvent) => void, loadRules: (root: string) => Promise<IgnorePredicate>, options: Partial<RootWatchOptions> = {}) {
    this.#root = root;
    this.#emit = emit;
    this.#loadRules = loadRules;
    this.#options = { ...ROOT_WATCH_DEFAULTS, ...options };
    this.#changes = new NetChanges(this.#options.windowMaxPaths);
    void this.#poll();
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#windowTimer !== null) clearTimeout(this.#windowTimer);
    if (this.#pollTimer !== null) clearTimeout(this.#pollTimer);
    this.#giveUpOpening();
    await this.#opening;
    await this.#tree?.close();
    this.#tree = null;
  }

  // ---- the tree watcher of the current rules

  /** Makes a new TreeWatch in place of the old one; `reopenFor` has what happens in between looked for. */
  #open(): void {
    if (this.#closed || this.#present !== true) return;
    if (this.#opening !== null) {
      this.#reopen = true;
      return;
    }
    this.#opening = this.#replaceTree().finally(() => {
      this.#opening = null;
      if (!this.#reopen || this.#closed) return;
      this.#reopen = false;
      this.#open();
    });
  }

  async #replaceTree(): Promise<void> {
    this.#limited = new Map();
    let ignored: IgnorePredicate;
    try {
      ignored = await this.#loadRules(this.#root);
    } catch (error) {
      this.#lose('error', `ignore rules cannot be read: ${messageOf(error)}`);
      ignored = () => false;
    }
    // Two watchers of one path share the kernel's watch, and the one of a directory that was replaced hears nothing any more.
    const previous = this.#tree;
    this.#tree = null;
    await previous?.close();
    if (this.#closed || this.#present !== true) return;
    await new Promise<void>((resolve) => {
      const tree = new TreeWatch(this.#root, watchable(ignored), {
        changed: (path) => this.#noteFile(path),
        folderGone: (path) => this.#noteFolder(path),
        swapped: (path) => {
          this.#swapped = path;
          this.#lose('swap', path);
        },
        rootRemoved: () => {
          this.#identity = ''; // whatever is there now is another directory
          void this.#checkRoot();
        },
        limit: (code) => this.#limit(code),
        error: (error) => this.#lose('error', messageOf(error)),
        ready: (directories) => {
          this.#emit({ type: 'ready', directories });
          for (const [reason, detail] of this.#missed) this.#lose(reason, detail);
          // A reopening that waits for this one is still to come, and misses what happens until it is ready.
          if (!this.#reopen) this.#missed.clear();
          resolve();
        },
      });
      this.#tree = tree;
      this.#giveUpOpening = resolve;
    });
    await this.#reportDegraded();
  }

  /** Set while a tree opens: a root that vanishes meanwhile never becomes ready. */
  #giveUpOpening: () => void = () => undefined;

  #limit(code: 'ENOSPC' | 'EMFILE'): void {
    this.#limited.set(code, (this.#limited.get(code) ?? 0) + 1);
    if (this.#opening === null) void this.#reportDegraded();
  }

  async #reportDegraded(): Promise<void> {
    const limits = [...this.#limited].map(([code, count]) => `${count} ${count === 1 ? 'directory is' : 'directories are'} not watched: ${LIMIT_HINT[code]}`);
    const remote = await remoteFileSystem(this.#root);
    if (remote !== null) limits.push(`the root is on ${remote}, where changes made elsewhere raise no events`);
    const reason = limits.length === 0 ? null : limits.join('; ');
    if (reason === this.#degraded || this.#closed) return;
    this.#degraded = reason;
    this.#degradedAt = performance.now();
    this.#emit({ type: 'degraded', reason });
  }

  // ---- windows

  #noteFile(path: string): void {
    if (this.#closed) return;
    if (RULE_FILES.has(basename(path))) this.#reopenFor('rules', path);
    this.#changes.changed(path);
    this.#noted();
  }

  #noteFolder(path: string): void {
    if (this.#closed) return;
    this.#changes.folderGone(path);
    this.#noted();
  }

  #noted(): void {
    this.#countRate();
    this.#armWindow();
  }

  #lose(reason: LossReason, detail: string): void {
    if (this.#closed) return;
    this.#losses.set(reason, detail);
    this.#armWindow();
  }

  /** What happens until the new watch is ready may be missed, so the loss is told again then. */
  #reopenFor(reason: LossReason, detail: string): void {
    this.#lose(reason, detail);
    this.#missed.set(reason, detail);
    this.#open();
  }

  #countRate(): void {
    const now = performance.now();
    if (now - this.#rateStartedAt > 1_000) {
      this.#rateStartedAt = now;
      this.#rateEvents = 0;
    }
    if (++this.#rateEvents === this.#options.burstPerSecond) this.#lose('burst', `more than ${this.#options.burstPerSecond} events in one second`);
  }

  #armWindow(): void {
    const now = performance.now();
    if (this.#windowTimer === null) this.#windowOpenedAt = now;
    else clearTimeout(this.#windowTimer);
    const left = this.#windowOpenedAt + this.#options.windowMaxMs - now;
    this.#windowTimer = setTimeout(() => this.#closeWindow(), Math.max(0, Math.min(this.#options.quietMs, left)));
  }

  #closeWindow(): void {
    this.#windowTimer = null;
    const { paths, folders, overflow } = this.#changes.take();
    if (overflow) this.#losses.set('burst', `more than ${this.#options.windowMaxPaths} paths changed at once`);
    if (folders.length > 0) this.#emit({ type: 'gone', folders });
    if (paths.length > 0) this.#emit({ type: 'changed', paths });
    const losses = [...this.#losses];
    this.#losses.clear();
    for (const [reason, detail] of losses) this.#emit({ type: 'lost', reason, detail });
    // Only now, when it is quiet: a watch that is made while directories change places may be deaf in some of them.
    if (this.#swapped !== null) this.#reopenFor('swap', this.#swapped);
    this.#swapped = null;
  }

  // ---- the slow poll

  async #poll(): Promise<void> {
    const now = performance.now();
    if (this.#polledAt > 0 && now - this.#polledAt > this.#options.pollMs + WAKE_MS) this.#lose('wake', `no turn for ${Math.round((now - this.#polledAt) / 1000)} s`);
    this.#polledAt = now;
    await this.#checkRoot();
    if (this.#present === true) await this.#checkGit();
    if (this.#degraded !== null && now - this.#degradedAt > this.#options.degradedRetryMs) {
      this.#degradedAt = now;
      this.#missed.set('restart', 'watched anew after a limit of the system');
      this.#open();
    }
    if (!this.#closed) this.#pollTimer = setTimeout(() => void this.#poll(), this.#options.pollMs);
  }

  /** One check at a time: the poll and a removed root both ask for it. */
  #checkRoot(): Promise<void> {
    this.#checking = this.#checking.then(() => this.#compareRoot());
    return this.#checking;
  }

  /** A watcher stays deaf after its root was replaced, so another identity means another TreeWatch. */
  async #compareRoot(): Promise<void> {
    const identity = await rootIdentity(this.#root);
    if (this.#closed || (identity === this.#identity && this.#present !== null)) return;
    const first = this.#present === null;
    this.#identity = identity;
    const present = identity !== null;
    if (present !== this.#present) {
      this.#present = present;
      this.#emit({ type: 'root', present });
    }
    if (!present) {
      this.#giveUpOpening();
      await this.#opening;
      const tree = this.#tree;
      this.#tree = null;
      await tree?.close();
      return;
    }
    await this.#readGit();
    // A watch that is being opened looks at the directory that was there: it may never be ready.
    this.#giveUpOpening();
    if (first) this.#open();
    else this.#reopenFor('root', 'the source root was replaced');
  }

  async #readGit(): Promise<void> {
    this.#git = await gitFiles(this.#root);
    this.#head = this.#git === null ? '' : await fingerprint(this.#git.head);
    this.#exclude = this.#git === null ? '' : await fingerprint(this.#git.exclude);
  }

  async #checkGit(): Promise<void> {
    const [git, head, exclude] = [this.#git, this.#head, this.#exclude];
    await this.#readGit();
    if (this.#closed) return;
    if (head !== this.#head) this.#lose('head', 'git HEAD changed');
    if (exclude !== this.#exclude) this.#reopenFor('rules', '.git/info/exclude');
    else if ((git === null) !== (this.#git === null)) this.#reopenFor('rules', '.git');
  }
}

/** `.git` is never watched as part of the tree. */
function watchable(ignored: IgnorePredicate): IgnorePredicate {
  return (path, isDirectory) => path === '.git' || path.startsWith('.git/') || path.includes('/.git/') || path.endsWith('/.git') || ignored(path, isDirectory);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
