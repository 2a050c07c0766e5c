/**
 * Creates an index directory. Order: manifest and log first, metadata.json last: its durable appearance is the creation, so a
 * crash leaves either a whole empty index or a directory without metadata.json that holds no row (swept at the next start).
 */
import { dirname, join } from 'node:path';
import { parseTempName, writeFileAtomic } from '../env/atomic-file.ts';
import type { Env } from '../env/env.ts';
import { CURRENT_FILE, manifestFile, METADATA_FILE, parseFileName, walFile, WAL_DIRECTORY } from '../format/file-names.ts';
import { WAL_HEADER_BYTES } from '../format/constants.ts';
import { ManifestStore } from '../manifest/manifest-store.ts';
import { CairnError, isCairnError } from '../util/errors.ts';
import { asGeneration, asLsn } from '../util/ids.ts';
import { openWal } from '../wal/open-wal.ts';
import { encodeMetadata, newLogTag } from './metadata.ts';
import { DEFAULT_INDEX_OPTIONS } from './options.ts';
import { removeTree } from './remove-tree.ts';
import type { IndexMetadata, WriterLease } from './types.ts';

/** Returns the metadata as written, with the tag of the log. ALREADY_EXISTS when there is an index, EMPTY_OVER_POPULATED when there is data without metadata.json. */
export async function createIndex(env: Env, dir: string, definition: IndexMetadata, lease: WriterLease): Promise<IndexMetadata> {
  const metadata = { ...definition, logTag: newLogTag(env) };
  lease.assertHeld();
  await requireFree(env, dir);
  await env.mkdir(join(dir, WAL_DIRECTORY));
  await env.syncDir(dir);
  await env.syncDir(dirname(dir));
  const { writer } = await openWal(env, join(dir, WAL_DIRECTORY), {
    after: asLsn(0), tag: metadata.logTag, fence: lease, mayCreate: true, onRecord: () => undefined,
    options: { syncMode: 'always', syncIntervalMs: DEFAULT_INDEX_OPTIONS.syncIntervalMs, maxFileBytes: DEFAULT_INDEX_OPTIONS.walFileMaxBytes },
  });
  await writer.close();
  const { contentVersions, embedder } = metadata;
  await ManifestStore.create(env, dir, { flushedLsn: asLsn(0), segments: [], dropped: [], contentVersions, embedder, cause: 'create', emptiedBy: null, metadata: { ...metadata } }, lease);
  await writeFileAtomic(env, dir, METADATA_FILE, encodeMetadata(metadata));
  return metadata;
}

async function requireFree(env: Env, dir: string): Promise<void> {
  const stat = await env.stat(dir);
  if (stat === null) return;
  if (stat.kind !== 'directory') throw new CairnError('ALREADY_EXISTS', `${dir} is there and is no directory`, { path: dir });
  if ((await env.stat(join(dir, METADATA_FILE))) !== null) throw new CairnError('ALREADY_EXISTS', `${dir} holds an index already`, { path: dir });
  if (await removeAbortedCreation(env, dir)) return;
  throw new CairnError('EMPTY_OVER_POPULATED', `${dir} holds data but no ${METADATA_FILE}; a new index would replace it by nothing`, {
    path: dir,
    hint: 'Restore metadata.json, or move the directory away.',
  });
}

/** Removes a directory that a crash left in the middle of `createIndex`. False, and untouched, when it holds anything else. */
export async function removeAbortedCreation(env: Env, dir: string): Promise<boolean> {
  try {
    if (!(await isAbortedCreation(env, dir))) return false;
    await removeTree(env, dir);
    await env.syncDir(dirname(dir));
    return true;
  } catch (error) {
    // Looks like anything but our own leftover: it is reported as an orphan.
    if (isCairnError(error, 'NOT_FOUND', 'PERMISSION', 'CORRUPT', 'IO')) return false;
    throw error;
  }
}

/** What createIndex makes beside the log, by name; metadata.json is only there as a temp file until it is an index. */
const CREATED: ReadonlySet<string> = new Set([CURRENT_FILE, manifestFile(asGeneration(1)), METADATA_FILE]);

/** Only what createIndex makes before its last step: an empty first log, an empty generation 1, their temp files. */
async function isAbortedCreation(env: Env, dir: string): Promise<boolean> {
  for (const name of await env.readdir(dir)) {
    if (parseFileName(name)?.kind === 'wal-directory' ? !(await isEmptyLog(env, join(dir, name))) : !CREATED.has(parseTempName(name) ?? name)) return false;
  }
  return true;
}

async function isEmptyLog(env: Env, walDir: string): Promise<boolean> {
  const names = await env.readdir(walDir);
  const sizes = await Promise.all(names.map(async (name) => (await env.stat(join(walDir, name)))?.size ?? 0));
  const sealOnly = WAL_HEADER_BYTES + 24;
  return names.every((name) => (parseTempName(name) ?? name) === walFile(asLsn(1))) && sizes.every((size) => size <= sealOnly);
}
