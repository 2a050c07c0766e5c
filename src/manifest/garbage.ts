/**
 * Deletes the files of generations that are no longer kept. Only names that file-names.ts recognises as segment, tombstones or
 * manifest are considered; temp files are swept at open, everything else is not ours to delete.
 */
import { join } from 'node:path';
import type { Env } from '../env/env.ts';
import { parseFileName } from '../format/file-names.ts';
import { CairnError, isCairnError } from '../util/errors.ts';

export interface GarbageReport {
  readonly removed: readonly string[];
  readonly bytes: number;
  /** What could not be removed; it is tried again at the next collection. */
  readonly failed: readonly CairnError[];
}

export async function collectGarbage(env: Env, dir: string, keep: ReadonlySet<string>): Promise<GarbageReport> {
  const garbage = (await env.readdir(dir)).filter((name) => isCollectable(name) && !keep.has(name));
  const removed: string[] = [];
  const failed: CairnError[] = [];
  let bytes = 0;
  for (const name of inOrder(garbage)) {
    const path = join(dir, name);
    try {
      const size = (await env.stat(path))?.size ?? 0;
      await env.unlink(path);
      removed.push(name);
      bytes += size;
    } catch (error) {
      if (!isCairnError(error)) throw error;
      failed.push(error);
    }
  }
  return { removed, bytes, failed };
}

/** Manifests first, so that none that is still there names a file that is gone. */
function inOrder(names: readonly string[]): string[] {
  const isManifest = (name: string) => parseFileName(name)?.kind === 'manifest';
  return [...names.filter(isManifest), ...names.filter((name) => !isManifest(name))];
}

function isCollectable(name: string): boolean {
  const kind = parseFileName(name)?.kind;
  return kind === 'segment' || kind === 'tombstones' || kind === 'manifest';
}
