/**
 * Reads a directory tree that a living daemon writes into. Owns nothing; must never skip an entry: a walk during
 * which one vanished (a temporary file that took its name, a merged segment) is made again from the start, so what
 * is answered was there as a whole, under the names it has.
 */
import { lstatSync, readdirSync } from 'node:fs';
import type { Stats } from 'node:fs';
import { join } from 'node:path';

const WALKS = 1_000;

/** What `read` makes of each entry below `dir`, in no order; names are relative to `dir`. Throws what `read` throws but ENOENT, and that after 1,000 walks. */
export function readLiveTree<T>(dir: string, read: (path: string, stats: Stats) => T): (readonly [name: string, value: T])[] {
  for (let walk = 1; ; walk++) {
    try {
      return readdirSync(dir, { recursive: true, encoding: 'utf8' }).map((name) => [name, read(join(dir, name), lstatSync(join(dir, name)))] as const);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || walk === WALKS) throw error;
    }
  }
}
