/**
 * <data>/indexes on disk: which directories hold an index, and the steps that create and remove one.
 * Decides by metadata.json alone; what cannot be read is reported and its bytes stay untouched. [3.5, 3.7, 3.9]
 */
import { join } from 'node:path';
import type { Env } from '../env/env.ts';
import { CairnError, isCairnError } from '../util/errors.ts';
import { MAX_METADATA_BYTES } from '../format/constants.ts';
import { METADATA_FILE } from '../format/file-names.ts';
import { decodeMetadata, type DecodedMetadata } from './metadata.ts';
import type { IndexMetadata } from './types.ts';

export type Found =
  | { readonly state: 'found'; readonly directory: string; readonly metadata: IndexMetadata }
  /** metadata.json is there but cannot be used; keyed by the directory's name. */
  | { readonly state: 'failed'; readonly directory: string; readonly error: CairnError }
  /** A directory without metadata.json. */
  | { readonly state: 'orphan'; readonly directory: string };

/** Directories that are looked at together: hides the latency of each, stays far below the limit of open files. */
const AT_ONCE = 16;

/** Everything below `dir` that is or could be an index, sorted by name. Files, links and dot-directories are none. */
export async function discover(env: Env, dir: string): Promise<Found[]> {
  const names = (await env.readdir(dir)).filter((name) => !name.startsWith('.')).sort();
  const found: Found[] = [];
  const owners = new Map<string, string>();
  for (let i = 0; i < names.length; i += AT_ONCE) {
    const some = await Promise.all(names.slice(i, i + AT_ONCE).map((directory) => inspectDirectory(env, join(dir, directory), directory)));
    for (const one of some) if (one !== null) found.push(one.state === 'found' ? refuseSecond(one, owners) : one);
  }
  return found;
}

async function inspectDirectory(env: Env, path: string, directory: string): Promise<Found | null> {
  try {
    if ((await env.stat(path))?.kind !== 'directory') return null;
    const metadata = await readMetadata(env, path);
    return { state: 'found', directory, metadata };
  } catch (error) {
    if (isCairnError(error, 'NOT_FOUND')) return { state: 'orphan', directory };
    if (isCairnError(error)) return { state: 'failed', directory, error };
    throw error;
  }
}

export async function readMetadata(env: Env, path: string): Promise<IndexMetadata> {
  return (await readMetadataFile(env, path)).metadata;
}

export async function readMetadataFile(env: Env, path: string): Promise<DecodedMetadata> {
  const file = join(path, METADATA_FILE);
  return decodeMetadata(await env.readFile(file, MAX_METADATA_BYTES), file);
}

/** Two directories of one name (a hand-made copy): the first by directory name serves, the other is reported. */
function refuseSecond(one: Found & { readonly state: 'found' }, owners: Map<string, string>): Found {
  const { directory, metadata } = one;
  const first = owners.get(metadata.name);
  if (first === undefined) {
    owners.set(metadata.name, directory);
    return one;
  }
  const error = new CairnError('ALREADY_EXISTS', `${directory}: its metadata.json says '${metadata.name}', the name of the index in ${first}`, {
    path: directory,
    hint: `Change "name" in ${directory}/${METADATA_FILE}, or remove the copy.`,
  });
  return { state: 'failed', directory, error };
}
