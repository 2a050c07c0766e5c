/**
 * How a file gets its name. The only place in src that renames (invariant 3): nobody is told of a file, and nothing older is
 * deleted, before the file and its directory entry are on the disk.
 *   writeFileAtomic / createFileAtomic   temp, write, fsync, rename, fsync directory: replaces what has the name, or asks first
 *   moveFile                             rename into another directory, fsync both directories
 *   createFileDurable                    create under a final, never reused name, write, fsync, fsync directory
 * A crash leaves at most a temp file or an unnamed-by-anyone file; both are recognisable and swept at open.
 */
import { dirname, join } from 'node:path';
import { isCairnError } from '../util/errors.ts';
import type { Env, EnvFile } from './env.ts';

const TEMP_NAME = /^(.+)\.([0-9a-f]{12})\.tmp$/;

export function tempNameFor(env: Env, name: string): string {
  return `${name}.${env.random.bytes(6).toString('hex')}.tmp`;
}

/** Name of the file that a temp file was to become, or null when `name` is no temp name. */
export function parseTempName(name: string): string | null {
  return TEMP_NAME.exec(name)?.[1] ?? null;
}

/** Readers see the old file or the new one, also after a crash. When it throws, the outcome may be either. */
export async function writeFileAtomic(env: Env, dir: string, name: string, bytes: Uint8Array): Promise<void> {
  await createFileAtomic(env, dir, name, (file) => file.write(bytes, 0));
}

/** Throws when the file that has the name already must keep it. */
export type MayReplace = (path: string) => Promise<void>;

/** The same for content that is written in pieces. With `mayReplace` a file that has the name is not replaced unasked. */
export async function createFileAtomic(env: Env, dir: string, name: string, fill: (file: EnvFile) => Promise<void>, mayReplace?: MayReplace): Promise<void> {
  const temp = join(dir, tempNameFor(env, name));
  await fillAndSync(env, temp, fill);
  try {
    if (mayReplace === undefined) await env.rename(temp, join(dir, name));
    else await takeName(env, temp, join(dir, name), mayReplace);
  } catch (error) {
    await removeQuietly(env, temp);
    throw error;
  }
  await env.syncDir(dir);
}

/** A link takes a name only when it is free, in one step; a rename takes it from whoever has it. */
async function takeName(env: Env, temp: string, path: string, mayReplace: MayReplace): Promise<void> {
  try {
    await env.link(temp, path);
  } catch (error) {
    // Without links (of this file system) there is a moment between the question and the rename.
    if (!isCairnError(error, 'ALREADY_EXISTS', 'IO', 'PERMISSION', 'UNSUPPORTED')) throw error;
    if ((await env.stat(path)) !== null) await mayReplace(path);
    return env.rename(temp, path);
  }
  await env.unlink(temp);
}

/**
 * Creates `name`, which must be new (ALREADY_EXISTS otherwise). The result of `fill` is returned after file and directory
 * entry are durable. On an error the file is removed: its name was never told to anyone.
 */
export async function createFileDurable<T>(env: Env, dir: string, name: string, fill: (file: EnvFile) => Promise<T>): Promise<T> {
  const result = await fillAndSync(env, join(dir, name), fill);
  await env.syncDir(dir);
  return result;
}

async function fillAndSync<T>(env: Env, path: string, fill: (file: EnvFile) => Promise<T>): Promise<T> {
  const file = await env.open(path, 'create');
  try {
    const result = await fill(file);
    await file.sync();
    await file.close();
    return result;
  } catch (error) {
    await file.close().catch(() => undefined); // the first error is the one that matters
    await removeQuietly(env, path);
    throw error;
  }
}

/** Moves a file or a directory into another directory (created if missing); durable on return. An existing file there is replaced. */
export async function moveFile(env: Env, from: string, toDir: string, name: string): Promise<void> {
  if ((await env.stat(toDir)) === null) {
    await env.mkdir(toDir);
    await env.syncDir(dirname(toDir));
  }
  await env.rename(from, join(toDir, name));
  await env.syncDir(toDir);
  await env.syncDir(dirname(from));
}

/** A leftover is harmless (it is swept at the next open), the error that brought us here is not. */
async function removeQuietly(env: Env, path: string): Promise<void> {
  await env.unlink(path).catch(() => undefined);
}

/** Removes the temp files of an interrupted write; returns their names. A missing directory has none. */
export async function sweepTempFiles(env: Env, dir: string): Promise<string[]> {
  let names: string[];
  try {
    names = await env.readdir(dir);
  } catch (error) {
    if (isCairnError(error, 'NOT_FOUND')) return [];
    throw error;
  }
  const temps = names.filter((name) => parseTempName(name) !== null).sort();
  for (const name of temps) await env.unlink(join(dir, name));
  return temps;
}
