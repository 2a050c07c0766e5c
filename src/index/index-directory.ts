/**
 * <data>/indexes on disk: which directories hold an index, and the steps that create and remove one.
 * Decides by metadata.json alone; what cannot be read is reported and its bytes stay untouched. [3.5, 3.7, 3.9]
 */
import { join } from 'node:path';
import type { Env } from '../env/env.ts';
import { CairnError, isCairnError } from '../util/errors.ts';
import { MAX_METADATA_BYTES } from '../format/constants.ts';
import { METADATA_FILE } from '../format/file-names.ts';
import { loadGenerations } from '../manifest/load.ts';
import { decodeMetadata, identityProblem, type DecodedMetadata } from './metadata.ts';
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
  for (let i = 0; i < names.length; i += AT_ONCE) {
    const some = await Promise.all(names.slice(i, i + AT_ONCE).map((directory) => inspectDirectory(env, join(dir, directory), directory)));
    for (const one of some) if (one !== null) found.push(one);
  }
  return oneOfEachName(env, dir, found);
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

type FoundIndex = Found & { readonly state: 'found' };

/**
 * Two directories of one name: one has the metadata.json of the other, or is a copy of it made by hand. Where the data are of another
 * index, the file is damage of that directory alone; of whole ones the one that is called so serves, else the first by directory.
 */
async function oneOfEachName(env: Env, dir: string, all: readonly Found[]): Promise<Found[]> {
  const claims = new Map<string, number>();
  for (const one of all) if (one.state === 'found') claims.set(one.metadata.name, (claims.get(one.metadata.name) ?? 0) + 1);
  const isDoubtful = ({ directory, metadata }: FoundIndex): boolean => directory !== metadata.name || (claims.get(metadata.name) ?? 0) > 1;
  const checked: Found[] = [];
  for (const one of all) checked.push(one.state === 'found' && isDoubtful(one) ? await withOwnMetadata(env, join(dir, one.directory), one) : one);
  const owners = new Map<string, string>();
  for (const one of checked) {
    if (one.state === 'found' && (!owners.has(one.metadata.name) || one.directory === one.metadata.name)) owners.set(one.metadata.name, one.directory);
  }
  return checked.map((one) => (one.state === 'found' && owners.get(one.metadata.name) !== one.directory ? refuseSecond(one, owners.get(one.metadata.name) as string) : one));
}

/** Failed when the manifest says that the rows are those of another index. What a damaged manifest says is left to the opening. */
async function withOwnMetadata(env: Env, path: string, one: FoundIndex): Promise<Found> {
  try {
    const { kept } = await loadGenerations(env, path, 1, 'unchecked');
    const problem = identityProblem(one.metadata, kept[0]?.metadata ?? null, join(path, METADATA_FILE));
    return problem === null ? one : { state: 'failed', directory: one.directory, error: problem };
  } catch (error) {
    if (isCairnError(error)) return one;
    throw error;
  }
}

function refuseSecond({ directory, metadata }: FoundIndex, owner: string): Found {
  const error = new CairnError('ALREADY_EXISTS', `${directory}: its metadata.json says '${metadata.name}', the name of the index in ${owner}`, {
    path: directory,
    hint: `Change "name" in ${directory}/${METADATA_FILE}, or remove the copy.`,
  });
  return { state: 'failed', directory, error };
}
