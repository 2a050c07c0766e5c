/** Puts a metadata.json that is damaged, missing or another index's back from its mirror in the newest whole manifest. */
import { join } from 'node:path';
import { writeFileAtomic } from '../env/atomic-file.ts';
import type { Env } from '../env/env.ts';
import { METADATA_FILE } from '../format/file-names.ts';
import { loadGenerations } from '../manifest/load.ts';
import { keepCopyInQuarantine } from '../manifest/quarantine.ts';
import { CairnError, isCairnError } from '../util/errors.ts';
import { isDamage } from './damage.ts';
import { readMetadata } from './index-directory.ts';
import { encodeMetadata, metadataOfMirror, requireSameIdentity } from './metadata.ts';
import type { IndexMetadata, RepairAction, WriterLease } from './types.ts';

export interface MetadataRepair {
  readonly action: RepairAction;
  readonly metadata: IndexMetadata;
}

/**
 * null when metadata.json is as it should be. CORRUPT, and nothing is changed, when no manifest has a usable mirror;
 * the error of the disk, or NEWER_FORMAT, when that is what keeps the file from being read.
 */
export async function restoreMetadata(env: Env, dir: string, lease: WriterLease, dryRun: boolean): Promise<MetadataRepair | null> {
  const path = join(dir, METADATA_FILE);
  const { kept } = await loadGenerations(env, dir, 1, 'unchecked');
  const mirror = kept[0]?.metadata ?? null;
  const problem = await problemWith(env, dir, mirror, path);
  if (problem === null) return null;
  const metadata = metadataOfMirror(mirror);
  if (metadata === null) throw new CairnError(problem.code, `${problem.message}; no manifest has a copy of it`, { path, cause: problem, hint: 'Restore a backup, or write the file by hand (FORMAT.md).' });
  if (!dryRun) {
    lease.assertHeld();
    if ((await env.stat(path)) !== null) await keepCopyInQuarantine(env, dir, METADATA_FILE);
    await writeFileAtomic(env, dir, METADATA_FILE, encodeMetadata(metadata));
  }
  return { action: { kind: 'rewrite-metadata', file: METADATA_FILE, what: problem.message, done: !dryRun }, metadata };
}

async function problemWith(env: Env, dir: string, mirror: Readonly<Record<string, unknown>> | null, path: string): Promise<CairnError | null> {
  try {
    requireSameIdentity(await readMetadata(env, dir), mirror, path);
    return null;
  } catch (error) {
    if (isDamage(error)) return error;
    if (isCairnError(error, 'NOT_FOUND')) return new CairnError('CORRUPT', `${path} is missing`, { path, cause: error });
    throw error;
  }
}
