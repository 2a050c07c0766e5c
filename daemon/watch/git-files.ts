/** Files of git that say what a working tree contains: HEAD (a checkout), and the exclude file (ignore rules outside the tree). */
import { readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';

export interface GitFiles {
  /** Changes when another commit or branch is checked out. */
  readonly head: string;
  /** Changes when the ignore rules change. */
  readonly exclude: string;
}

/** null when `root` is not the top of a working tree. A linked worktree and a submodule have a `.git` file that points elsewhere. */
export async function gitFiles(root: string): Promise<GitFiles | null> {
  const dotGit = join(root, '.git');
  try {
    const stats = await stat(dotGit);
    const directory = stats.isDirectory() ? dotGit : await linkedDirectory(root, dotGit);
    if (directory === null) return null;
    return { head: join(directory, 'HEAD'), exclude: join(await commonDirectory(directory), 'info', 'exclude') };
  } catch {
    return null; // no repository here, which is no error
  }
}

async function linkedDirectory(root: string, dotGit: string): Promise<string | null> {
  const match = /^gitdir: (.+)$/m.exec(await readFile(dotGit, 'utf8'));
  return match?.[1] === undefined ? null : resolve(root, match[1].trim());
}

async function commonDirectory(directory: string): Promise<string> {
  try {
    return resolve(directory, (await readFile(join(directory, 'commondir'), 'utf8')).trim());
  } catch {
    return directory; // not a linked worktree
  }
}

/** Changes whenever the file was written or replaced; '' when it is not there. */
export async function fingerprint(path: string): Promise<string> {
  try {
    const stats = await stat(path, { bigint: true });
    return `${stats.ino}:${stats.size}:${stats.mtimeNs}`;
  } catch {
    return '';
  }
}
