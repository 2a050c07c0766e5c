/**
 * Puts a staged index in the place of a living one. <data>/restoring/<job>/ holds what a restore builds:
 *   index/     the staged index, durable and checked
 *   log/       the log it was built from
 *   swap       the intent: written atomically when all the rest is done. It is the commit point of the restore:
 *              without it the job is swept and the old index stands; with it the swap is carried through, by whoever comes next.
 * Carrying it through: the old directory moves to trash/, the staged one into its place, the job is removed. Each step can be
 * interrupted and repeated; a directory moves by one rename, so there is never half of one.
 */
import { join } from 'node:path';
import { moveFile, sweepTempFiles, writeFileAtomic } from '../env/atomic-file.ts';
import type { Env } from '../env/env.ts';
import { MAX_CURRENT_BYTES, SWAP_WORD } from '../format/constants.ts';
import { JsonFields } from '../format/json-fields.ts';
import { decodeTextFile, encodeTextFile } from '../format/text-file.ts';
import { readMetadata } from '../index/index-directory.ts';
import { removeTree } from '../index/remove-tree.ts';
import { moveToTrash, pathInTrash } from '../index/trash.ts';
import type { WriterLease } from '../index/types.ts';
import { CairnError, isCairnError } from '../util/errors.ts';
import { discard, makeDirectory, namesIn } from './files.ts';

export const RESTORING_DIRECTORY = 'restoring';
const SWAP_FILE = 'swap';
const JOB = /^[0-9a-f]{16}$/;
/** One path component that cannot lead anywhere else. */
export const COMPONENT = /^(?!\.{1,2}$)[^/\0]{1,255}$/;

export interface SwapIntent {
  /** Directory below <data>/indexes. */
  readonly directory: string;
  /** Name below <data>/trash for what is there now. */
  readonly trash: string;
  /** The old directory is not kept: all of it is in a backup. */
  readonly dropOld: boolean;
}

export interface RestoreJob {
  readonly dir: string;
  /** Where the new index is to be staged; does not exist yet. */
  readonly indexDir: string;
  readonly logDir: string;
}

export async function newJob(env: Env, dataDir: string): Promise<RestoreJob> {
  const name = env.random.bytes(8).toString('hex');
  const dir = await makeDirectory(env, dataDir, RESTORING_DIRECTORY, name);
  const logDir = await makeDirectory(env, dir, 'log');
  return { dir, indexDir: join(dir, 'index'), logDir };
}

/** The commit point. */
export async function commitSwap(env: Env, job: RestoreJob, intent: SwapIntent, lease: WriterLease): Promise<void> {
  lease.assertHeld();
  await writeFileAtomic(env, job.dir, SWAP_FILE, encodeTextFile(SWAP_WORD, intent));
}

export async function carryThrough(env: Env, dataDir: string, jobDir: string, intent: SwapIntent, lease: WriterLease): Promise<void> {
  const target = join(dataDir, 'indexes', intent.directory);
  const staged = join(jobDir, 'index');
  if ((await env.stat(staged)) !== null) {
    lease.assertHeld();
    if ((await env.stat(target)) !== null) await moveToTrash(env, dataDir, target, intent.trash);
    lease.assertHeld();
    await moveFile(env, staged, join(dataDir, 'indexes'), intent.directory);
  }
  if (intent.dropOld) await discard(env, pathInTrash(dataDir, intent.trash));
  await endJob(env, jobDir);
}

/** The intent goes first, durably, then the rest. */
async function endJob(env: Env, jobDir: string): Promise<void> {
  const intent = join(jobDir, SWAP_FILE);
  if ((await env.stat(intent)) !== null) {
    await env.unlink(intent);
    await env.syncDir(jobDir);
  }
  await removeTree(env, jobDir);
}

/**
 * Undoes a swap that failed after its commit point. 'old': the old index is there as before. 'new': the new one is in its place,
 * only the cleaning up failed. 'pending': the disk refuses everything; nobody may open the index before finishRestores has run.
 */
export async function undoSwap(env: Env, dataDir: string, jobDir: string, intent: SwapIntent): Promise<'old' | 'new' | 'pending'> {
  const target = join(dataDir, 'indexes', intent.directory);
  const old = pathInTrash(dataDir, intent.trash);
  try {
    if ((await env.stat(join(jobDir, 'index'))) === null) return 'new';
    if ((await env.stat(target)) === null && (await env.stat(old)) !== null) await moveFile(env, old, join(dataDir, 'indexes'), intent.directory);
    await endJob(env, jobDir);
    return 'old';
  } catch (error) {
    if (!isCairnError(error)) throw error;
    return 'pending';
  }
}

/** Carries through what was committed for one directory, while its index is closed. Those of others, which may be under way, are left alone. */
export async function finishRestores(env: Env, dataDir: string, directory: string, lease: WriterLease): Promise<void> {
  for (const jobDir of await jobs(env, dataDir)) {
    const { intent, error } = await readIntent(env, jobDir);
    // A damaged one was reported at the start; one that the disk refuses may be the one for this directory.
    if (error !== null && !isCairnError(error, 'CORRUPT', 'TRUNCATED', 'NEWER_FORMAT', 'UNSUPPORTED')) throw error;
    if (intent?.directory === directory) await carryThrough(env, dataDir, jobDir, intent, lease);
  }
}

/** A committed restore that cannot be carried through now: a disk fails, or its intent is damaged. */
export interface UnfinishedRestore {
  /** Below <data>/indexes; must not be opened or made before finishRestores has run. null: a damaged intent does not tell it, and both indexes stay where they are. */
  readonly directory: string | null;
  /** Name of the index that is to be there. */
  readonly name: string | null;
  readonly error: CairnError;
  /** For people. */
  readonly what: string;
}

/** The same for the start, before indexes are looked for: one restore that cannot be finished stops nothing but its index. */
export async function resumeRestores(env: Env, dataDir: string, lease: WriterLease): Promise<UnfinishedRestore[]> {
  const unfinished: UnfinishedRestore[] = [];
  for (const jobDir of await jobs(env, dataDir)) {
    const { intent, error: unreadable } = await readIntent(env, jobDir);
    try {
      if (unreadable !== null) throw unreadable;
      if (intent !== null) await carryThrough(env, dataDir, jobDir, intent, lease);
    } catch (error) {
      if (!isCairnError(error) || error.code === 'FENCED') throw error;
      const name = await stagedName(env, jobDir);
      const of = name === null ? '' : ` of '${name}'`;
      unfinished.push({ directory: intent?.directory ?? null, name, error, what: `${jobDir}: a restore${of} is not finished: ${error.message}` });
    }
  }
  return unfinished;
}

async function stagedName(env: Env, jobDir: string): Promise<string | null> {
  try {
    return (await readMetadata(env, join(jobDir, 'index'))).name;
  } catch (error) {
    if (isCairnError(error)) return null;
    throw error;
  }
}

/** Removes what was never committed; what cannot be removed now, or may be committed and cannot be read, stays. Must not run beside a restore. */
export async function sweepJobs(env: Env, dataDir: string): Promise<void> {
  for (const jobDir of await jobs(env, dataDir)) {
    const { intent, error } = await readIntent(env, jobDir);
    if (intent === null && error === null) await discard(env, jobDir);
  }
}

async function jobs(env: Env, dataDir: string): Promise<string[]> {
  const root = join(dataDir, RESTORING_DIRECTORY);
  const found: string[] = [];
  for (const name of await namesIn(env, root)) if (JOB.test(name) && (await env.stat(join(root, name)))?.kind === 'directory') found.push(join(root, name));
  return found;
}

/** Both null: nothing was committed. An error: something may be, and it is damaged or cannot be read now. */
async function readIntent(env: Env, jobDir: string): Promise<{ readonly intent: SwapIntent | null; readonly error: CairnError | null }> {
  try {
    await sweepTempFiles(env, jobDir);
    const path = join(jobDir, SWAP_FILE);
    return { intent: (await env.stat(path)) === null ? null : decodeIntent(await env.readFile(path, MAX_CURRENT_BYTES), path), error: null };
  } catch (error) {
    if (!isCairnError(error)) throw error;
    return { intent: null, error };
  }
}

function decodeIntent(bytes: Uint8Array, path: string): SwapIntent {
  const fields = new JsonFields(decodeTextFile(SWAP_WORD, bytes, path), path);
  return { directory: fields.string('directory', COMPONENT), trash: fields.string('trash', COMPONENT), dropOld: fields.boolean('dropOld') };
}

export function requireComponent(name: string): void {
  if (!COMPONENT.test(name)) throw new CairnError('INVALID_ARGUMENT', `${JSON.stringify(name)} is no name of a directory`);
}
