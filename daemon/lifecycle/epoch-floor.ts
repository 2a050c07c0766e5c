/**
 * The largest epoch under which anything below <data>/indexes was published. A new lock takes a larger one: a data directory whose
 * lock was lost, or an index directory that was copied in from elsewhere, must not fence its own daemon. [3.14, 5.2]
 * Reads the small CURRENT files only, and believes none whose checksum is wrong: whatever is wrong is for the opening to name.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';

/** The lock has room for ten digits; a larger epoch is no epoch. */
const MAX_EPOCH = 9_999_999_000;
/** See FORMAT.md, "Text files". */
const CURRENT = /^(cairn-current [0-9]{1,6} [0-9]{1,12}) ([0-9a-f]{8})\n/;

/** 0 when there is nothing. Never throws. */
export function highestPublishedEpoch(dataDir: string): number {
  const dir = join(dataDir, 'indexes');
  let highest = 0;
  for (const name of list(dir)) highest = Math.max(highest, epochOf(join(dir, name, 'CURRENT')));
  return highest;
}

function list(dir: string): readonly string[] {
  try {
    return readdirSync(dir);
  } catch {
    return []; // no index yet, or not readable: the engine says so
  }
}

function epochOf(path: string): number {
  try {
    const text = readFileSync(path, 'utf8');
    const [line, start = '', checksum = ''] = CURRENT.exec(text) ?? [];
    if (line === undefined) return 0;
    const json = text.slice(line.length).replace(/\n$/, '');
    if (crc32(json, crc32(start)) !== Number.parseInt(checksum, 16)) return 0;
    const { epoch } = JSON.parse(json) as { readonly epoch?: unknown };
    return typeof epoch === 'number' && Number.isSafeInteger(epoch) && epoch > 0 && epoch <= MAX_EPOCH ? epoch : 0;
  } catch {
    return 0; // missing, unreadable or damaged: the opening of that index names it
  }
}
