/**
 * Finds the state of an index directory. Procedure:
 *  1. CURRENT names a manifest: that one is tried first, then the older ones. Newer ones were never committed.
 *  2. CURRENT is missing, damaged or an old copy: all manifests are tried, newest first.
 *     Only manifest-1 and no CURRENT is a creation that was interrupted between the two: whole, nothing to report.
 *  3. The first one that decodes, is the one CURRENT names (if it is), and whose files are all there by length, footer and
 *     tombstones, is the state. What was passed over is reported, never repaired and never deleted here.
 */
import { join } from 'node:path';
import type { Env } from '../env/env.ts';
import { MAX_CURRENT_BYTES, MAX_MANIFEST_BYTES } from '../format/constants.ts';
import { CURRENT_FILE, manifestFile, parseFileName } from '../format/file-names.ts';
import { CairnError, isCairnError } from '../util/errors.ts';
import { asGeneration, type Generation } from '../util/ids.ts';
import { checkSegmentFiles } from './check-files.ts';
import { decodeCurrent, requireManifestOf, type Current } from './current.ts';
import { decodeManifest, type Manifest } from './manifest.ts';

export interface Skipped {
  readonly file: string;
  readonly error: CairnError;
}

export interface LoadReport {
  readonly generation: Generation;
  /** CURRENT, or committed generations newer than the loaded one, and why they were passed over. Empty = healthy. */
  readonly skipped: readonly Skipped[];
  /** Older generations that could not be fallen back to. No harm to the loaded state. */
  readonly lostFallbacks: readonly Skipped[];
}

export interface LoadedGenerations {
  /** Newest first, the state of the index at 0. */
  readonly kept: readonly Manifest[];
  readonly currentBytes: Buffer | null;
  /** Highest generation that has a file, so that no name is used twice. */
  readonly highestGeneration: number;
  readonly report: LoadReport;
}

interface FoundCurrent {
  readonly bytes: Buffer | null;
  readonly current: Current | null;
}

/** 'required': a generation whose segments or tombstones are damaged is passed over. 'unchecked': the caller opens them anyway. */
export type FileCheck = 'required' | 'unchecked';

export async function loadGenerations(env: Env, dir: string, keep: number, files: FileCheck = 'required'): Promise<LoadedGenerations> {
  const skipped: Skipped[] = [];
  const generations = await listGenerations(env, dir);
  const { bytes, current } = await readCurrent(env, dir, generations, skipped);
  if (skipped.every((one) => one.error.code === 'NOT_FOUND') && generations.length === 1 && generations[0] === 1) skipped.length = 0;
  if (bytes === null && generations.length === 0) throw new CairnError('NOT_FOUND', `${dir} holds no manifest`, { path: dir });
  const limit = current?.generation ?? Number.POSITIVE_INFINITY;
  const candidates = [...new Set([...(current === null ? [] : [current.generation]), ...generations.filter((g) => g <= limit)])];
  const kept: Manifest[] = [];
  const lostFallbacks: Skipped[] = [];
  for (const generation of candidates) {
    if (kept.length === keep) break;
    const manifest = await readGeneration(env, dir, { generation, current, files }, kept.length === 0 ? skipped : lostFallbacks);
    if (manifest !== null) kept.push(manifest);
  }
  const [loaded] = kept;
  if (loaded === undefined) throw noneIsWhole(dir, skipped);
  const highestGeneration = Math.max(loaded.generation, ...generations, current?.generation ?? 0);
  return { kept, currentBytes: bytes, highestGeneration, report: { generation: loaded.generation, skipped, lostFallbacks } };
}

/** Newest first. */
async function listGenerations(env: Env, dir: string): Promise<number[]> {
  const names = (await env.readdir(dir)).map(parseFileName);
  return names.flatMap((name) => (name?.kind === 'manifest' ? [name.generation] : [])).sort((a, b) => b - a);
}

async function readCurrent(env: Env, dir: string, generations: readonly number[], skipped: Skipped[]): Promise<FoundCurrent> {
  const path = join(dir, CURRENT_FILE);
  let bytes: Buffer | null = null;
  try {
    // Kept also when it is too long: the publish that replaces it must know that it is the same file.
    bytes = await env.readFile(path, MAX_MANIFEST_BYTES);
    if (bytes.length > MAX_CURRENT_BYTES) throw new CairnError('CORRUPT', `${path} has ${bytes.length} bytes, more than ${MAX_CURRENT_BYTES}`, { path, offset: MAX_CURRENT_BYTES });
    const current = decodeCurrent(bytes, path);
    requireNotStale(current, generations, path);
    return { bytes, current };
  } catch (error) {
    if (!isDamage(error) && !isCairnError(error, 'NOT_FOUND')) throw error;
    skipped.push({ file: CURRENT_FILE, error });
    return { bytes, current: null };
  }
}

/** A manifest is removed only after CURRENT has left it: one that names a generation which is gone, beside newer ones, is an old copy. */
function requireNotStale({ generation }: Current, generations: readonly number[], path: string): void {
  if (generations.includes(generation) || !generations.some((other) => other > generation)) return;
  throw new CairnError('CORRUPT', `${path} names generation ${generation}, which is gone, and there are newer ones: it is an old copy`, { path, offset: 0 });
}

interface Wanted {
  readonly generation: number;
  readonly current: Current | null;
  readonly files: FileCheck;
}

async function readGeneration(env: Env, dir: string, { generation, current, files }: Wanted, skipped: Skipped[]): Promise<Manifest | null> {
  const file = manifestFile(asGeneration(generation));
  const path = join(dir, file);
  try {
    const bytes = await env.readFile(path, MAX_MANIFEST_BYTES);
    if (current?.generation === generation) requireManifestOf(current, bytes, path);
    const manifest = decodeManifest(bytes, path);
    if (manifest.generation !== generation) throw new CairnError('CORRUPT', `${path} is the manifest of generation ${manifest.generation}`, { path, offset: 0 });
    if (files === 'required') for (const segment of manifest.segments) await checkSegmentFiles(env, dir, segment);
    return manifest;
  } catch (error) {
    if (!isDamage(error) && !isCairnError(error, 'NOT_FOUND')) throw error;
    skipped.push({ file, error });
    return null;
  }
}

/** What makes an older generation the better choice. An unreadable disk or a newer format does not: falling back would hide it. */
function isDamage(error: unknown): error is CairnError {
  return isCairnError(error, 'CORRUPT', 'TRUNCATED', 'COUNT_MISMATCH');
}

function noneIsWhole(dir: string, skipped: readonly Skipped[]): CairnError {
  const first = skipped.find((one) => one.file !== CURRENT_FILE) ?? skipped[0];
  const list = skipped.map((one) => one.error.message).join('; ');
  return new CairnError('CORRUPT', `${dir}: no generation is whole: ${list}`, {
    path: first?.error.path ?? dir,
    offset: first?.error.offset,
    cause: first?.error,
    hint: 'Nothing was changed. Restore a backup, or re-index from the sources.',
  });
}
