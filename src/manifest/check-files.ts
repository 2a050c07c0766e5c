/** Cheap checks of the files that a manifest names: there, of the right length, and by header and footer the right file. */
import { join } from 'node:path';
import type { Env } from '../env/env.ts';
import { KIND_SEGMENT } from '../format/constants.ts';
import { ContainerReader } from '../format/container-reader.ts';
import { CairnError, isCairnError } from '../util/errors.ts';
import type { SegmentEntry } from './manifest.ts';
import { readTombstones } from './tombstone-file.ts';

/** Throws the first damage: CORRUPT, TRUNCATED, COUNT_MISMATCH, or the error of the disk. A missing file is CORRUPT. */
export async function checkSegmentFiles(env: Env, dir: string, segment: SegmentEntry): Promise<void> {
  await checkSegmentFile(env, dir, segment);
  await checkTombstones(env, dir, segment);
}

export async function checkSegmentFile(env: Env, dir: string, segment: SegmentEntry): Promise<void> {
  const path = join(dir, segment.file);
  await missingIsCorrupt(path, async () => {
    const file = await env.open(path, 'read');
    try {
      await ContainerReader.inspect(file, { kind: KIND_SEGMENT, id: segment.id, bytes: segment.bytes, checksum: Number.parseInt(segment.checksum, 16) });
    } finally {
      await file.close();
    }
  });
}

export async function checkTombstones(env: Env, dir: string, segment: SegmentEntry): Promise<void> {
  const { tombstones } = segment;
  if (tombstones !== null) await missingIsCorrupt(join(dir, tombstones.file), () => readTombstones(env, dir, segment));
}

async function missingIsCorrupt(path: string, check: () => Promise<unknown>): Promise<void> {
  try {
    await check();
  } catch (error) {
    if (!isCairnError(error, 'NOT_FOUND')) throw error;
    throw new CairnError('CORRUPT', `${path} is named by the manifest and missing`, { path, cause: error });
  }
}
