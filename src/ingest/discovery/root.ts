/** Checks a source root before anything is done with it. */
import { access, constants, realpath, stat } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { CairnError } from '../../util/errors.ts';

/**
 * Canonical path of the root. Fails with INVALID_ARGUMENT (not absolute, NUL), ROOT_NOT_FOUND, ROOT_NOT_DIRECTORY or
 * ROOT_UNREADABLE.
 */
export async function canonicalRoot(path: string): Promise<string> {
  if (!isAbsolute(path) || path.includes('\0')) {
    throw new CairnError('INVALID_ARGUMENT', `A source root must be an absolute path: ${JSON.stringify(path)}`, { path, hint: 'Give the whole path of the folder.' });
  }
  try {
    const canonical = await realpath(path);
    if (!(await stat(canonical)).isDirectory()) {
      throw new CairnError('ROOT_NOT_DIRECTORY', `${path} is not a folder`, { path, hint: 'Give the folder that holds the file.' });
    }
    await access(canonical, constants.R_OK | constants.X_OK);
    return canonical;
  } catch (error) {
    throw error instanceof CairnError ? error : toRootError(error as NodeJS.ErrnoException, path);
  }
}

function toRootError(error: NodeJS.ErrnoException, path: string): CairnError {
  switch (error.code) {
    case 'ENOENT':
      return new CairnError('ROOT_NOT_FOUND', `${path} does not exist`, { path, hint: 'Check the spelling of the path.', cause: error });
    case 'ENOTDIR':
      return new CairnError('ROOT_NOT_DIRECTORY', `A part of ${path} is not a folder`, { path, hint: 'Check the spelling of the path.', cause: error });
    default:
      return new CairnError('ROOT_UNREADABLE', `${path} cannot be read (${error.code ?? error.message})`, { path, hint: 'Check the permissions of the folder.', cause: error });
  }
}

/** Device and inode of the folder at `path`; null when there is no folder. Another identity means another tree under the same name. */
export async function rootIdentity(path: string): Promise<string | null> {
  try {
    const found = await stat(path, { bigint: true });
    return found.isDirectory() ? `${found.dev}:${found.ino}` : null;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw toRootError(error as NodeJS.ErrnoException, path);
  }
}
