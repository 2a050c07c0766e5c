/** Writes and reads the tombstone file of a segment. */
import { join } from 'node:path';
import { writeFileAtomic } from '../env/atomic-file.ts';
import type { Env } from '../env/env.ts';
import { tombstoneFile } from '../format/file-names.ts';
import { decodeTombstones, encodeTombstones } from '../format/tombstones.ts';
import type { Bitset } from '../util/bitset.ts';
import { checksumHex, crc32 } from '../util/crc32.ts';
import { CairnError } from '../util/errors.ts';
import type { Generation, SegmentId } from '../util/ids.ts';
import type { SegmentEntry, TombstoneEntry } from './manifest.ts';

/**
 * `dead.length` is the number of docs of the segment; `generation` the one that will name the file
 * (ManifestStore.nextGeneration). Atomic, because a crash can have left a file of that name that no manifest names.
 */
export async function writeTombstones(env: Env, dir: string, segment: SegmentId, generation: Generation, dead: Bitset): Promise<TombstoneEntry> {
  const file = tombstoneFile(segment, generation);
  const bytes = encodeTombstones(segment, dead);
  await writeFileAtomic(env, dir, file, bytes);
  return { file, bytes: bytes.length, checksum: checksumHex(crc32(bytes)), count: dead.count() };
}

/** The dead docs, or null when all are live. CORRUPT or COUNT_MISMATCH when the file is not the one the manifest names. */
export async function readTombstones(env: Env, dir: string, segment: SegmentEntry): Promise<Bitset | null> {
  const { tombstones } = segment;
  if (tombstones === null) return null;
  const path = join(dir, tombstones.file);
  const bytes = await env.readFile(path, tombstones.bytes);
  const decoded = decodeTombstones(bytes, path);
  if (bytes.length !== tombstones.bytes || checksumHex(crc32(bytes)) !== tombstones.checksum || decoded.segment !== segment.id) {
    throw new CairnError('CORRUPT', `${path} is not the file that the manifest names`, { path, offset: 0 });
  }
  if (decoded.dead.length !== segment.docs || decoded.count !== tombstones.count) {
    throw new CairnError('COUNT_MISMATCH', `${path}: ${decoded.count} of ${decoded.dead.length} docs are dead, the manifest says ${tombstones.count} of ${segment.docs}`, { path, offset: 24 });
  }
  return decoded.dead;
}
