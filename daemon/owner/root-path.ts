/** Paths that users give: canonical form, whether they can be a source root, and which known root encloses them. */
import { constants } from 'node:fs';
import { access, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { CairnError, errnoOf } from '../errors.ts';

/** Without symlinks as far as the path exists; what does not exist (any more) is kept as it is. */
export async function canonical(path: string): Promise<string> {
  if (path.includes('\0')) throw new CairnError('INVALID_ARGUMENT', 'a path must not contain NUL');
  const absolute = resolve(path);
  try {
    return await realpath(absolute);
  } catch (error) {
    const parent = dirname(absolute);
    if (!['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '') || parent === absolute) return absolute;
    return join(await canonical(parent), basename(absolute));
  }
}

/** The canonical form of a directory that can be indexed. ROOT_NOT_FOUND, ROOT_NOT_DIRECTORY, ROOT_UNREADABLE. */
export async function checkRoot(path: string): Promise<string> {
  const root = await canonical(path);
  try {
    if (!(await stat(root)).isDirectory()) {
      throw new CairnError('ROOT_NOT_DIRECTORY', `${root} is not a directory`, { path: root, hint: `Index the directory that holds it: ${dirname(root)}` });
    }
    await access(root, constants.R_OK | constants.X_OK);
    return root;
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') throw new CairnError('ROOT_NOT_FOUND', `${root} does not exist`, { path: root, hint: 'Check the path.', cause: error });
    if (code === 'EACCES' || code === 'EPERM') throw new CairnError('ROOT_UNREADABLE', `${root} cannot be read: permission denied`, { path: root, hint: 'The daemon runs as the user that started it; that user needs read and search permission.', cause: error });
    throw error;
  }
}

export function isSameOrInside(path: string, root: string): boolean {
  return path === root || path.startsWith(root.endsWith(sep) ? root : root + sep);
}

/** The deepest of `roots` that is `path` or encloses it, or null. */
export function nearestEnclosing(path: string, roots: Iterable<string>): string | null {
  let best: string | null = null;
  for (const root of roots) if (isSameOrInside(path, root) && (best === null || root.length > best.length)) best = root;
  return best;
}

const MAX_NAME = 64;

/** A valid index name from the last part of the root, with a number when it is taken. */
export function nameFor(root: string, isTaken: (name: string) => boolean): string {
  const slug = basename(root).toLowerCase().replace(/[^a-z0-9._-]+/g, '-').replace(/^[^a-z0-9]+/, '').slice(0, MAX_NAME) || 'index';
  if (!isTaken(slug)) return slug;
  for (let n = 2; ; n++) {
    const name = `${slug.slice(0, MAX_NAME - String(n).length - 1)}-${n}`;
    if (!isTaken(name)) return name;
  }
}
