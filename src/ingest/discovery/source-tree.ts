/**
 * A source tree: which files belong to it. Owns the one predicate that crawl, watcher and reconcile share; what the crawl
 * lists is what the predicate accepts. Follows no symlinks, indexes none.
 */
import { lstatSync, readdirSync, type Dirent } from 'node:fs';
import { join } from 'node:path';
import { requireNotCancelled } from '../../util/cancel.ts';
import { CairnError } from '../../util/errors.ts';
import { isInside } from '../read-source.ts';
import type { CrawledFile } from '../types.ts';
import { listFiles, listTrackedIgnored, type Environment, type TaggedListing } from './git.ts';
import { GitSettingsCache } from './git-settings.ts';
import { GIT_RULES, IgnoreRules, OWN_RULES } from './ignore-rules.ts';
import { commonDirOf, workTreeOf } from './repository.ts';
import { canonicalRoot, rootIdentity } from './root.ts';

export interface SourceTreeOptions {
  /** Where PATH, HOME and XDG_CONFIG_HOME come from; default: the environment of the process. */
  readonly environment?: Environment | undefined;
  /** False: never run git, only read its rule files. */
  readonly useGit?: boolean | undefined;
}

export interface CrawlOptions {
  /** A folder or file that could not be read, or a name that cannot be stored; `path` is readable text. */
  readonly skipped?: ((path: string, reason: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What a crawl works with; replaced as a whole, so that the predicate never sees half of it. */
interface View {
  readonly rules: IgnoreRules;
  /** git answers for this root. */
  readonly isGit: boolean;
}

/** Milliseconds a crawl holds its thread before it lets others run. */
const SLICE_MS = 5;
const BATCH_FILES = 512;
/** Files between two looks at the clock. */
const LOOK_EVERY = 32;

export class SourceTree {
  /** Canonical. */
  readonly root: string;
  readonly #source: ViewSource;
  #view: View;

  private constructor(root: string, source: ViewSource, view: View) {
    this.root = root;
    this.#source = source;
    this.#view = view;
  }

  /** Fails as canonicalRoot: INVALID_ARGUMENT, ROOT_NOT_FOUND, ROOT_NOT_DIRECTORY, ROOT_UNREADABLE. */
  static async open(path: string, options: SourceTreeOptions = {}): Promise<SourceTree> {
    const root = await canonicalRoot(path);
    const source = new ViewSource(root, options);
    return new SourceTree(root, source, await source.read());
  }

  /** True when git lists the files, false when the tree is walked. */
  get isGit(): boolean {
    return this.#view.isGit;
  }

  /**
   * Whether a path (relative to the root, '/' separators) belongs to the tree: a file that is to be indexed, a folder that
   * may hold such files. The path need not exist. That it is a regular file or a folder is for the caller to find out.
   */
  accepts(path: string, kind: 'file' | 'directory'): boolean {
    return (path === '' || isInside(path)) && this.#view.rules.accepts(path, kind);
  }

  /** A change of this file can change what `accepts` says: call `reload` and crawl. */
  isRuleFile(path: string): boolean {
    return /(^|\/)(\.gitignore|\.cairnignore|\.git\/info\/exclude|\.git)$/.test(path);
  }

  /** Names of the rule files inside the tree. */
  static readonly ruleFiles: readonly string[] = [GIT_RULES, OWN_RULES];

  /** Reads all rules again. */
  async reload(): Promise<void> {
    this.#view = await this.#source.read();
  }

  /** Device and inode of the root now, null when it is not there. */
  identity(): Promise<string | null> {
    return rootIdentity(this.root);
  }

  /**
   * All files of the tree in batches, with fresh rules; yields to the event loop every few milliseconds. Files that vanish on
   * the way are left out. Fails with ROOT_DETACHED when the root vanishes or becomes another folder, CANCELLED when aborted.
   */
  async *crawl(options: CrawlOptions = {}): AsyncGenerator<readonly CrawledFile[], void, undefined> {
    const before = await this.identity();
    if (before === null) throw this.#detached('is not there');
    const { view, listing } = await this.#source.list(options.signal);
    this.#view = view; // before the first file is named: whoever hears of it asks `accepts`
    const crawl = new Crawl(this.root, view.rules, this.#source.environment, options);
    if (listing !== null) yield* crawl.repository('', listing);
    else yield* crawl.folder('');
    if ((await this.identity()) !== before) throw this.#detached('went away while it was listed');
  }

  #detached(what: string): CairnError {
    return new CairnError('ROOT_DETACHED', `${this.root} ${what}`, { path: this.root, retryable: true, hint: 'The index is kept; it continues when the folder is back.' });
  }
}

/** Reads the rules of a root. A program costs tens of milliseconds to start from a large process, so git is asked as little as possible. */
class ViewSource {
  readonly environment: Environment;
  readonly #root: string;
  readonly #useGit: boolean;
  readonly #settings: GitSettingsCache;

  constructor(root: string, { environment = process.env, useGit = true }: SourceTreeOptions) {
    this.#root = root;
    this.environment = environment;
    this.#useGit = useGit;
    this.#settings = new GitSettingsCache(root, environment, useGit);
  }

  async read(): Promise<View> {
    const make = await this.#maker();
    const workTree = workTreeOf(this.#root);
    const listing = this.#useGit && workTree !== null ? await listTrackedIgnored(this.#root, this.environment) : null;
    const rules = make(new Set((listing?.entries ?? []).map((entry) => entry.toString('utf8'))));
    // A root that the repository around it ignores has nothing tracked in it.
    return rules.isRootIgnored ? { rules: make(new Set()), isGit: false } : { rules, isGit: listing !== null };
  }

  /** The rules, and what git lists by them; null where it gives no answer. */
  async list(signal?: AbortSignal): Promise<{ readonly view: View; readonly listing: TaggedListing | null }> {
    const make = await this.#maker();
    const rules = make(new Set());
    const listing = this.#useGit && workTreeOf(this.#root) !== null && !rules.isRootIgnored ? await listFiles(this.#root, this.environment, signal) : null;
    if (listing === null) return { view: { rules, isGit: false }, listing };
    const tracked = await trackedIgnored(listing, rules);
    return { view: { rules: tracked.size === 0 ? rules : make(tracked), isGit: true }, listing };
  }

  async #maker(): Promise<(tracked: ReadonlySet<string>) => IgnoreRules> {
    const workTree = workTreeOf(this.#root);
    const settings = await this.#settings.read(workTree);
    return (tracked) => new IgnoreRules({ root: this.#root, workTree, ...settings, tracked });
  }
}

/** What the rules would leave out although it is tracked. Gives way to others every few milliseconds. */
async function trackedIgnored({ entries }: TaggedListing, rules: IgnoreRules): Promise<ReadonlySet<string>> {
  const tracked = new Set<string>();
  let sliceEnd = performance.now() + SLICE_MS;
  for (const [i, entry] of entries.entries()) {
    if (i % LOOK_EVERY === 0 && performance.now() > sliceEnd) {
      await new Promise((resolve) => setImmediate(resolve));
      sliceEnd = performance.now() + SLICE_MS;
    }
    if (!entry.isTracked) continue;
    const path = entry.path.toString('utf8');
    if (!rules.accepts(path, 'file')) tracked.add(path);
  }
  return tracked;
}

/** One crawl: its clock, its report, its list of nested repositories. */
class Crawl {
  readonly #root: string;
  readonly #rules: IgnoreRules;
  readonly #environment: Environment;
  readonly #options: CrawlOptions;
  #batch: CrawledFile[] = [];
  #sliceEnd = performance.now() + SLICE_MS;
  #ticks = 0;

  constructor(root: string, rules: IgnoreRules, environment: Environment, options: CrawlOptions) {
    this.#root = root;
    this.#rules = rules;
    this.#environment = environment;
    this.#options = options;
  }

  /** Lists the repository at `prefix` ('' or 'a/b/'), of which git has said `known`, and those nested in it by git; walks where git gives no answer. */
  async *repository(prefix: string, known: TaggedListing): AsyncGenerator<readonly CrawledFile[], void, undefined> {
    const open = [prefix];
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      const listing = at === prefix ? known : await listFiles(join(this.#root, at), this.#environment, this.#options.signal);
      this.#checkSignal();
      if (listing === null) {
        yield* this.folder(at);
        continue;
      }
      for (const path of listing.unreadable) this.#options.skipped?.(at + path, 'folder cannot be read');
      for await (const nested of this.#entries(at, listing.entries)) {
        if (typeof nested === 'string') open.push(nested);
        else yield nested;
      }
    }
    yield* this.#rest();
  }

  /** Yields batches, and prefixes of nested repositories. */
  async *#entries(prefix: string, entries: TaggedListing['entries']): AsyncGenerator<readonly CrawledFile[] | string, void, undefined> {
    let last = '';
    const seen = new Set<string>();
    for (const entry of entries) {
      if (this.#isDue()) yield* this.#pause();
      const path = this.#toPath(prefix, entry.path);
      if (path === null || path === last) continue;
      last = path;
      const bare = path.endsWith('/') ? path.slice(0, -1) : path;
      const stat = this.#stat(bare);
      if (stat === null) continue;
      if (stat.isDirectory()) {
        // A submodule or a nested repository: git names the folder only.
        if (!seen.has(bare) && this.#rules.accepts(bare, 'directory') && commonDirOf(join(this.#root, bare)) !== null) yield `${bare}/`;
        seen.add(bare);
      } else if (stat.isFile() && this.#rules.accepts(bare, 'file')) {
        this.#batch.push({ path: bare, size: Number(stat.size), mtimeNs: stat.mtimeNs });
      }
    }
    yield* this.#rest();
  }

  /** Walks the folder at `prefix`; a stack, no recursion. */
  async *folder(prefix: string): AsyncGenerator<readonly CrawledFile[], void, undefined> {
    const open = [prefix];
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      for (const entry of this.#list(at)) {
        if (this.#isDue()) yield* this.#pause();
        const path = at + entry.name;
        if (entry.isDirectory()) {
          if (this.#rules.accepts(path, 'directory')) open.push(`${path}/`);
        } else if (entry.isFile() && this.#rules.accepts(path, 'file')) {
          const stat = this.#stat(path);
          if (stat?.isFile() === true) this.#batch.push({ path, size: Number(stat.size), mtimeNs: stat.mtimeNs });
        }
      }
    }
    yield* this.#rest();
  }

  #list(prefix: string): Dirent[] {
    const folder = join(this.#root, prefix);
    try {
      const entries = readdirSync(folder, { withFileTypes: true });
      return entries.some(({ name }) => name.includes('\ufffd')) ? this.#wellNamed(prefix, entries) : entries;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT' && code !== 'ENOTDIR') this.#options.skipped?.(prefix === '' ? '.' : prefix, `folder cannot be read (${code})`);
      return [];
    }
  }

  /** Leaves out names that are not UTF-8: decoded they name another file, or none. */
  #wellNamed(prefix: string, entries: readonly Dirent[]): Dirent[] {
    const names = new Set<string>();
    for (const name of readdirSync(join(this.#root, prefix), { encoding: 'buffer' })) {
      if (this.#toPath(prefix, name) !== null) names.add(name.toString('utf8'));
    }
    return entries.filter(({ name }) => names.has(name));
  }

  /** null (and a report) for bytes that are not UTF-8. */
  #toPath(prefix: string, name: Buffer): string | null {
    const text = name.toString('utf8');
    if (text.includes('\ufffd') && !Buffer.from(text, 'utf8').equals(name)) {
      this.#options.skipped?.(prefix + text, 'name is not valid UTF-8');
      return null;
    }
    return prefix + text;
  }

  #stat(path: string): ReturnType<typeof lstatBig> {
    try {
      return lstatBig(join(this.#root, path));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT' && code !== 'ENOTDIR') this.#options.skipped?.(path, `cannot be looked at (${code})`);
      return null;
    }
  }

  #isDue(): boolean {
    return this.#batch.length >= BATCH_FILES || (++this.#ticks % LOOK_EVERY === 0 && performance.now() > this.#sliceEnd);
  }

  async *#pause(): AsyncGenerator<readonly CrawledFile[], void, undefined> {
    yield* this.#rest();
    await new Promise((resolve) => setImmediate(resolve));
    this.#checkSignal();
    this.#sliceEnd = performance.now() + SLICE_MS;
  }

  *#rest(): Generator<readonly CrawledFile[], void, undefined> {
    if (this.#batch.length === 0) return;
    const batch = this.#batch;
    this.#batch = [];
    yield batch;
  }

  #checkSignal(): void {
    requireNotCancelled(this.#options.signal, 'The crawl');
  }
}

function lstatBig(path: string): import('node:fs').BigIntStats | null {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false }) ?? null;
}
