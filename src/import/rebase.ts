/**
 * A staged copy of an index that was written under a larger epoch than ours becomes ours: CURRENT, the manifest it names and the
 * headers of the log are written anew with our epoch. Only ever done to a copy that nobody else knows: on a living directory the
 * larger epoch is the fence.
 */
import { join } from 'node:path';
import { writeFileAtomic } from '../env/atomic-file.ts';
import type { Env } from '../env/env.ts';
import { MAX_CURRENT_BYTES, MAX_MANIFEST_BYTES, WAL_HEADER_BYTES } from '../format/constants.ts';
import { CURRENT_FILE, parseFileName, WAL_DIRECTORY } from '../format/file-names.ts';
import type { WriterLease } from '../index/types.ts';
import { currentFor, decodeCurrent, encodeCurrent, requireManifestOf } from '../manifest/current.ts';
import { decodeManifest, encodeManifest } from '../manifest/manifest.ts';
import { isCairnError } from '../util/errors.ts';
import { decodeWalHeader, encodeWalHeader } from '../wal/record.ts';
import { listWalFiles } from '../wal/wal-files.ts';

/** Damage is left for the opening to find and to name. */
export async function rebase(env: Env, dir: string, lease: WriterLease): Promise<void> {
  await leavingDamage(() => rebaseCurrent(env, dir, lease));
  // Older generations may be fallen back to; nothing but their own checksum vouches for them.
  for (const name of await env.readdir(dir)) {
    if (parseFileName(name)?.kind === 'manifest') await leavingDamage(async () => void (await rebaseManifest(env, dir, name, lease)));
  }
  const walDir = join(dir, WAL_DIRECTORY);
  if ((await env.stat(walDir)) === null) return;
  for (const { path } of await listWalFiles(env, walDir)) await leavingDamage(() => rebaseLog(env, path, lease));
}

async function rebaseCurrent(env: Env, dir: string, lease: WriterLease): Promise<void> {
  const path = join(dir, CURRENT_FILE);
  const current = decodeCurrent(await env.readFile(path, MAX_CURRENT_BYTES), path);
  if (current.epoch <= lease.epoch) return;
  const manifestPath = join(dir, current.manifest);
  requireManifestOf(current, await env.readFile(manifestPath, MAX_MANIFEST_BYTES), manifestPath);
  const ours = await rebaseManifest(env, dir, current.manifest, lease);
  await writeFileAtomic(env, dir, CURRENT_FILE, encodeCurrent(currentFor(current.generation, lease.epoch, ours)));
}

async function rebaseManifest(env: Env, dir: string, name: string, lease: WriterLease): Promise<Uint8Array> {
  const path = join(dir, name);
  const bytes = await env.readFile(path, MAX_MANIFEST_BYTES);
  const manifest = decodeManifest(bytes, path);
  if (manifest.epoch <= lease.epoch) return bytes;
  const ours = encodeManifest({ ...manifest, epoch: lease.epoch });
  await writeFileAtomic(env, dir, name, ours);
  return ours;
}

async function rebaseLog(env: Env, path: string, lease: WriterLease): Promise<void> {
  const file = await env.open(path, 'update');
  try {
    const header = decodeWalHeader(await file.read(0, WAL_HEADER_BYTES), path);
    if (header.epoch <= lease.epoch) return;
    await file.write(encodeWalHeader({ ...header, epoch: lease.epoch }), 0);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function leavingDamage(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!isCairnError(error, 'CORRUPT', 'TRUNCATED', 'NOT_FOUND', 'NEWER_FORMAT', 'UNSUPPORTED')) throw error;
  }
}
