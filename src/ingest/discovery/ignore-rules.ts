/**
 * Which paths of a tree are ignored: nested .gitignore files with negation, info/exclude, core.excludesFile, .cairnignore, and
 * default excludes outside git. One object is one reading of the rules; when a rule file changes, a new one is made.
 * Answers synchronously (a watcher asks for every event); what it learns about a folder is kept.
 */
import { lstatSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isDefaultExclude } from './default-excludes.ts';
import { Matcher, type Verdict } from './matcher.ts';
import { commonDirOf } from './repository.ts';

export const GIT_RULES = '.gitignore';
export const OWN_RULES = '.cairnignore';

export interface IgnoreRulesOptions {
  /** Canonical. */
  readonly root: string;
  /** Top of the work tree that holds the root, or null outside git. May be above the root. */
  readonly workTree: string | null;
  readonly excludesFile: string | null;
  readonly ignoreCase: boolean;
  /** Tracked files that the rules ignore, relative to the root: git lists them all the same. */
  readonly tracked: ReadonlySet<string>;
}

/** Rules of one file; layers go from the deepest folder outwards. Paths in here are relative to the top (work tree or root). */
interface Layer {
  /** Length of the prefix that the folder of the rules has: 0, or that of 'a/b/'. */
  readonly base: number;
  readonly matcher: Matcher;
  readonly outer: Layer | null;
}

interface Folder {
  readonly isIgnored: boolean;
  /** .cairnignore leaves it out (or it is .git, or a link): not even a tracked file brings it back. */
  readonly isExcluded: boolean;
  readonly isInGit: boolean;
  readonly git: Layer | null;
  readonly own: Layer | null;
}

/** A rule file larger than this is something else. */
const MAX_RULE_BYTES = 1024 * 1024;

export class IgnoreRules {
  readonly #options: IgnoreRulesOptions;
  readonly #top: string;
  /** What paths relative to the root lack to be relative to the top: '' or 'a/b/'. */
  readonly #prefix: string;
  readonly #folders = new Map<string, Folder>();
  readonly #trackedFolders = new Set<string>();
  readonly #root: Folder;
  /** The root itself is ignored by the work tree around it. The user asked for it, so that work tree has no say. */
  readonly isRootIgnored: boolean;

  constructor(options: IgnoreRulesOptions) {
    this.#options = options;
    for (const path of options.tracked) {
      for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) this.#trackedFolders.add(path.slice(0, at));
    }
    const { root, workTree } = options;
    const around = workTree === null ? null : this.#enterFromTop(workTree, root);
    this.isRootIgnored = around?.isIgnored ?? false;
    this.#top = around === null || around.isIgnored ? root : (workTree as string);
    this.#prefix = this.#top === root ? '' : `${root.slice(this.#top === '/' ? 1 : this.#top.length + 1)}/`;
    this.#root = around === null || around.isIgnored ? this.#withRuleFiles(root, 0, OUTSIDE) : around;
  }

  /** `path` is relative to the root, without '.', '..' and empty parts; '' is the root. */
  accepts(path: string, kind: 'file' | 'directory'): boolean {
    if (path === '') return kind === 'directory';
    if (kind === 'directory') {
      const folder = this.#folder(path);
      return !folder.isExcluded && (!folder.isIgnored || this.#trackedFolders.has(path));
    }
    const slash = path.lastIndexOf('/');
    const folder = slash === -1 ? this.#root : this.#folder(path.slice(0, slash));
    const full = this.#prefix + path;
    if (folder.isExcluded || path.slice(slash + 1) === '.git' || ask(folder.own, full, false) === 'ignored') return false;
    return this.#options.tracked.has(path) || (!folder.isIgnored && ask(folder.git, full, false) !== 'ignored');
  }

  /** Looks at each folder of the path once; a loop, since paths may be deep. */
  #folder(path: string): Folder {
    let folder = this.#folders.get(path);
    if (folder !== undefined) return folder;
    folder = this.#root;
    for (let slash = path.indexOf('/'); ; slash = path.indexOf('/', slash + 1)) {
      const part = slash === -1 ? path : path.slice(0, slash);
      folder = this.#folders.get(part) ?? this.#visit(part, folder);
      if (slash === -1) return folder;
    }
  }

  #visit(path: string, parent: Folder): Folder {
    const absolute = join(this.#options.root, path);
    const stat = lstatSync(absolute, { throwIfNoEntry: false });
    const folder = this.#enter(absolute, this.#prefix + path, parent, stat !== undefined && !stat.isDirectory());
    if (stat !== undefined) this.#folders.set(path, folder); // what is not there may come as something else
    return folder;
  }

  /** The state of a folder, given that of the folder around it. `full` is relative to the top. */
  #enter(absolute: string, full: string, parent: Folder, isLink: boolean): Folder {
    const name = full.slice(full.lastIndexOf('/') + 1);
    // Links are not followed: what lies behind one is not part of this tree.
    const isExcluded = parent.isExcluded || isLink || name === '.git' || ask(parent.own, full, true) === 'ignored';
    const isIgnored = parent.isIgnored || isExcluded || (!parent.isInGit && isDefaultExclude(name)) || ask(parent.git, full, true) === 'ignored';
    if (isIgnored) return { ...parent, isIgnored, isExcluded };
    const lifted = { ...parent, git: lift(parent.git, full), own: lift(parent.own, full) };
    const commonDir = commonDirOf(absolute);
    const base = full.length + 1;
    // A nested repository has rules of its own.
    const inner = commonDir === null ? lifted : { ...lifted, isInGit: true, git: this.#repositoryLayers(commonDir, base) };
    return this.#withRuleFiles(absolute, base, inner);
  }

  #enterFromTop(workTree: string, root: string): Folder {
    const commonDir = commonDirOf(workTree);
    const start: Folder = { ...OUTSIDE, isInGit: true, git: commonDir === null ? null : this.#repositoryLayers(commonDir, 0) };
    let folder = this.#withRuleFiles(workTree, 0, start);
    if (root === workTree) return folder;
    const parts = root.slice(workTree === '/' ? 1 : workTree.length + 1).split('/');
    for (let depth = 1; depth <= parts.length; depth++) {
      const full = parts.slice(0, depth).join('/');
      folder = this.#enter(join(workTree, full), full, folder, false);
    }
    return folder;
  }

  /** Adds the rule files that lie in the folder itself. A .gitignore counts outside git too: an exported tree is the same tree. */
  #withRuleFiles(absolute: string, base: number, folder: Folder): Folder {
    return { ...folder, git: this.#layer(join(absolute, GIT_RULES), base, folder.git), own: this.#layer(join(absolute, OWN_RULES), base, folder.own) };
  }

  #repositoryLayers(commonDir: string, base: number): Layer | null {
    const { excludesFile } = this.#options;
    const user = excludesFile === null ? null : this.#layer(excludesFile, base, null, statSync);
    return this.#layer(join(commonDir, 'info', 'exclude'), base, user, statSync);
  }

  /** `outer` with the rules of `file` in front, if there are any. Inside the tree a rule file that is a link does not count (as in git). */
  #layer(file: string, base: number, outer: Layer | null, stat: typeof lstatSync = lstatSync): Layer | null {
    const text = readRules(file, stat);
    return text === null ? outer : { base, matcher: new Matcher(text, this.#options.ignoreCase), outer };
  }
}

const OUTSIDE: Folder = { isIgnored: false, isExcluded: false, isInGit: false, git: null, own: null };

/** The first layer, from the inside out, that has a rule for the path decides. */
function ask(layer: Layer | null, full: string, isDirectory: boolean): Verdict {
  for (let at = layer; at !== null; at = at.outer) {
    const verdict = at.matcher.test(full.slice(at.base), isDirectory);
    if (verdict !== null) return verdict;
  }
  return null;
}

/** For a folder that is not ignored: layers that would ignore it, but were overruled, must not ignore what is in it for that. */
function lift(layer: Layer | null, folder: string): Layer | null {
  const layers: Layer[] = [];
  let isChanged = false;
  for (let at = layer; at !== null; at = at.outer) {
    const path = folder.slice(at.base);
    const isOverruled = at.matcher.test(path, true) === 'ignored';
    isChanged ||= isOverruled;
    layers.push(isOverruled ? { ...at, matcher: at.matcher.lift(path) } : at);
  }
  return isChanged ? layers.reduceRight<Layer | null>((outer, at) => ({ ...at, outer }), null) : layer;
}

function readRules(file: string, stat: typeof lstatSync): string | null {
  try {
    const found = stat(file, { throwIfNoEntry: false });
    if (found === undefined || !found.isFile() || found.size > MAX_RULE_BYTES) return null;
    return readFileSync(file, 'utf8');
  } catch {
    // Git, too, treats rules that it cannot read as absent.
    return null;
  }
}
