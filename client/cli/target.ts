/**
 * Which index a command means: --index NAME, --root DIR, or the place where the user stands (nearest enclosing index, else the
 * top of the git work tree, else the directory). Owns making an index that is not there yet, with progress.
 */
import { existsSync, realpathSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, parse, resolve } from 'node:path';
import type { AnswerMeta, IndexRef, IndexRunResult } from '../../daemon/protocol/types.ts';
import type { CairnClient } from '../cairn-client.ts';
import { ClientError, isClientError, unreachable } from '../errors.ts';
import type { Io } from './io.ts';
import { progressLine } from './progress.ts';

export interface TargetOptions {
  readonly index?: string | undefined;
  readonly root?: string | undefined;
}

/** Directory that holds `.git` (a directory, or a file in worktrees and submodules), from `start` upwards; null if none. */
export function gitTopLevel(start: string): string | null {
  for (let dir = resolve(start); ; dir = dirname(dir)) {
    if (existsSync(join(dir, '.git'))) return dir;
    if (dir === dirname(dir)) return null;
  }
}

/**
 * For commands on an index that must exist: a name, a path, or (absent) the nearest index around the current directory. A word that is
 * the name of an index and a directory here as well means the index; `./word` means the directory.
 */
export async function targetRef(client: CairnClient, io: Io, argument: string | undefined, options: TargetOptions = {}): Promise<IndexRef> {
  if (options.index !== undefined) return { index: options.index };
  if (options.root !== undefined) return { root: resolve(io.cwd, options.root) };
  if (argument === undefined) return { root: io.cwd };
  const path = resolve(io.cwd, argument);
  if (argument.includes('/') || argument === '.' || argument === '..') return { root: path };
  const isDirectory = statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
  return isDirectory && !(await isName(client, io, argument)) ? { root: path } : { index: argument };
}

/** The same for taking an index away: a path means the index with exactly this root, never the one around it. */
export async function exactTargetRef(client: CairnClient, io: Io, argument: string | undefined, options: TargetOptions): Promise<IndexRef> {
  const ref = await targetRef(client, io, argument, options);
  if (ref.root === undefined) return ref;
  const path = existsSync(ref.root) ? realpathSync(ref.root) : ref.root;
  const { indexes } = await client.listIndexes({ signal: io.signal });
  const found = indexes.find(({ root }) => root === path);
  if (found === undefined) throw new ClientError('NOT_FOUND', `no index has the root ${path}`, { path, hint: 'cairn list shows the names and roots of all indexes.' });
  return { index: found.index };
}

async function isName(client: CairnClient, io: Io, word: string): Promise<boolean> {
  const { indexes, failed } = await client.listIndexes({ signal: io.signal });
  return [...indexes, ...failed].some(({ index }) => index === word);
}

/** Creates or opens the index of `root` and waits until it covers the tree, with a progress line. */
export async function indexTree(client: CairnClient, io: Io, params: { readonly root: string; readonly name?: string; readonly lexicalOnly?: boolean; readonly enclosing?: boolean }): Promise<IndexRunResult> {
  const progress = progressLine(io);
  try {
    return await client.openIndex({ ...params, wait: true }, { signal: io.signal, onProgress: progress.update });
  } catch (error) {
    progress.clear();
    if (!isClientError(error, 'CANCELLED')) throw error;
    if (!io.signal.aborted) throw unreachable('the daemon was stopped while it was indexing', { cause: error, hint: 'What is indexed stays; the same command goes on with the rest.' });
    io.stderr.write('no longer waiting; the daemon goes on indexing: see cairn status\n');
    throw error;
  } finally {
    progress.clear();
  }
}

/**
 * Runs `query` on the index that is meant. Where there is none, or its first build is not done, builds it first. An index that
 * is catching up is asked at once: it serves what it has and says so.
 */
export async function withIndex<T extends { readonly meta: AnswerMeta }>(
  client: CairnClient, io: Io, options: TargetOptions, query: (ref: IndexRef) => Promise<T>,
): Promise<T> {
  if (options.index !== undefined) return query({ index: options.index });
  if (options.root !== undefined) {
    const root = resolve(io.cwd, options.root);
    const opened = await client.openIndex({ root }, { signal: io.signal });
    const run = opened.state === 'indexing' ? await indexTree(client, io, { root }) : opened;
    return query({ index: run.index });
  }
  const here = { root: io.cwd };
  try {
    const answer = await query(here);
    if (answer.meta.state !== 'indexing') return answer;
  } catch (error) {
    if (!isClientError(error, 'NOT_FOUND')) throw error;
    return query({ index: (await indexTree(client, io, { root: newRoot(io) })).index });
  }
  await indexTree(client, io, { root: io.cwd, enclosing: true });
  return query(here);
}

/** Where a new index begins. Nobody means a whole home directory or disk by typing a search. */
function newRoot(io: Io): string {
  const root = gitTopLevel(io.cwd) ?? io.cwd;
  if (root === (io.env['HOME'] ?? homedir()) || root === parse(root).root) {
    throw new ClientError('INVALID_ARGUMENT', `${root} is not indexed, and it is too large a place to index unasked`, { path: root, hint: 'Name the directory: cairn search … --root DIR, or cairn index DIR' });
  }
  return root;
}
