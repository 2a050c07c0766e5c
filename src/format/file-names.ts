/**
 * Every file name of an index directory is built and parsed here. Garbage collection is safe because of it: a name that this
 * module does not recognise is never touched.
 *
 *   metadata.json  CURRENT  manifest-<gen>  seg-<16 hex>.cairn  seg-<16 hex>-<gen>.tomb  wal/<16 digits>.wal
 *   quarantine/<name>.<n>   <any of these>.<12 hex>.tmp
 */
import { parseTempName } from '../env/atomic-file.ts';
import { asGeneration, asLsn, asSegmentId, type Generation, type Lsn, type SegmentId } from '../util/ids.ts';

export const METADATA_FILE = 'metadata.json';
export const CURRENT_FILE = 'CURRENT';
export const WAL_DIRECTORY = 'wal';
export const QUARANTINE_DIRECTORY = 'quarantine';

export type FileName =
  | { readonly kind: 'metadata' | 'current' | 'wal-directory' | 'quarantine-directory' }
  | { readonly kind: 'manifest'; readonly generation: Generation }
  | { readonly kind: 'segment'; readonly segment: SegmentId }
  | { readonly kind: 'tombstones'; readonly segment: SegmentId; readonly generation: Generation }
  | { readonly kind: 'wal'; readonly firstLsn: Lsn }
  | { readonly kind: 'temp'; readonly target: string };

export const manifestFile = (generation: Generation): string => `manifest-${generation}`;
export const segmentFile = (segment: SegmentId): string => `seg-${segment}.cairn`;
/** `generation` is the one that first names the file. */
export const tombstoneFile = (segment: SegmentId, generation: Generation): string => `seg-${segment}-${generation}.tomb`;
/** Zero-padded, so that names sort like LSNs. */
export const walFile = (firstLsn: Lsn): string => `${String(firstLsn).padStart(16, '0')}.wal`;
export const quarantineFile = (name: string, attempt: number): string => `${name}.${attempt}`;

const NUMBER = '(0|[1-9][0-9]{0,15})';
const MANIFEST = new RegExp(`^manifest-${NUMBER}$`);
const SEGMENT = /^seg-([0-9a-f]{16})\.cairn$/;
const TOMBSTONES = new RegExp(`^seg-([0-9a-f]{16})-${NUMBER}\\.tomb$`);
const WAL = /^([0-9]{16})\.wal$/;

const FIXED: Readonly<Record<string, 'metadata' | 'current' | 'wal-directory' | 'quarantine-directory'>> = {
  [METADATA_FILE]: 'metadata',
  [CURRENT_FILE]: 'current',
  [WAL_DIRECTORY]: 'wal-directory',
  [QUARANTINE_DIRECTORY]: 'quarantine-directory',
};

/** null for a name that is not ours. */
export function parseFileName(name: string): FileName | null {
  if (Object.hasOwn(FIXED, name)) return { kind: FIXED[name] ?? 'current' };
  const target = parseTempName(name);
  if (target !== null) return parseFileName(target) === null ? null : { kind: 'temp', target };
  const manifest = safeNumber(MANIFEST.exec(name)?.[1]);
  if (manifest !== null) return { kind: 'manifest', generation: asGeneration(manifest) };
  const segment = SEGMENT.exec(name)?.[1];
  if (segment !== undefined) return { kind: 'segment', segment: asSegmentId(segment) };
  const tomb = TOMBSTONES.exec(name);
  const generation = safeNumber(tomb?.[2]);
  if (tomb?.[1] !== undefined && generation !== null) return { kind: 'tombstones', segment: asSegmentId(tomb[1]), generation: asGeneration(generation) };
  const lsn = safeNumber(WAL.exec(name)?.[1]);
  return lsn === null ? null : { kind: 'wal', firstLsn: asLsn(lsn) };
}

function safeNumber(digits: string | undefined): number | null {
  if (digits === undefined) return null;
  const value = Number(digits);
  return Number.isSafeInteger(value) ? value : null;
}
