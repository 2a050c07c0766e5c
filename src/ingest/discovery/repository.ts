/** Finds git work trees by looking at the disk, without running git. Synchronous: the ignore predicate is. */
import { lstatSync, readFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { projectTerms } from '../../text/index.ts';

/** A `.git` file names a folder; anything larger is no such file. */
const MAX_POINTER_BYTES = 8192;

/**
 * The repository data that all work trees share (holds info/exclude), if `folder` is the top of a work tree; else null.
 * `.git` may be a folder, or a file that names one (linked work trees, submodules).
 */
export function commonDirOf(folder: string): string | null {
  const dotGit = join(folder, '.git');
  try {
    const stat = lstatSync(dotGit, { throwIfNoEntry: false });
    if (stat === undefined) return null;
    if (stat.isDirectory()) return isRepository(dotGit) ? dotGit : null;
    if (!stat.isFile() || stat.size > MAX_POINTER_BYTES) return null;
    const pointer = /^gitdir: (.+?)\s*$/.exec(readFileSync(dotGit, 'utf8'))?.[1];
    if (pointer === undefined) return null;
    const gitDir = resolve(folder, pointer);
    const common = exists(join(gitDir, 'commondir')) ? readFileSync(join(gitDir, 'commondir'), 'utf8').trim() : '';
    const commonDir = common === '' ? gitDir : resolve(gitDir, common);
    return isRepository(commonDir) ? commonDir : null;
  } catch {
    // Not readable: git could not use it either.
    return null;
  }
}

/** Top of the work tree that holds `folder` (absolute, canonical), or null. */
export function workTreeOf(folder: string): string | null {
  for (let at = folder; ; at = dirname(at)) {
    if (commonDirOf(at) !== null) return at;
    if (dirname(at) === at) return null;
  }
}

/** Terms that name the project in `root` (absolute, canonical): by its folder and by that of its work tree. */
export function projectTermsOf(root: string): string[] {
  const workTree = workTreeOf(root);
  return projectTerms([root, ...(workTree === null ? [] : [workTree])].map((folder) => basename(folder)));
}

/** As git decides it: HEAD, objects and refs are there. */
function isRepository(gitDir: string): boolean {
  return ['HEAD', 'objects', 'refs'].every((name) => exists(join(gitDir, name)));
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
