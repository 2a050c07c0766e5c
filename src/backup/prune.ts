/**
 * Retention: which backups go by count, age and total size. The newest backup whose every byte is right always stays, whatever
 * the rules say; while none is right, nothing goes.
 */
import { join } from 'node:path';
import type { Env } from '../env/env.ts';
import { CairnError } from '../util/errors.ts';
import type { BackupCause } from './backup-record.ts';
import { checkBackup } from './check.ts';
import type { Watch } from './files.ts';
import type { ShelvedBackup } from './shelf.ts';

export interface RetentionRules {
  /** Most backups. */
  readonly keep?: number | undefined;
  readonly maxAgeDays?: number | undefined;
  /** Most bytes of all backups of the index together; a file that several share counts once. */
  readonly maxBytes?: number | undefined;
  /** Only backups of these causes may go. Default: all. */
  readonly causes?: readonly BackupCause[] | undefined;
}

const DAY_MS = 86_400_000;

export function requireRules(rules: RetentionRules): void {
  const check = (name: 'keep' | 'maxAgeDays' | 'maxBytes', min: number): void => {
    const value = rules[name];
    if (value !== undefined && (!Number.isSafeInteger(value) || value < min)) throw new CairnError('INVALID_ARGUMENT', `${name} must be a whole number from ${min}, got ${String(value)}`);
  };
  check('keep', 1);
  check('maxAgeDays', 1);
  check('maxBytes', 1);
  if (rules.keep === undefined && rules.maxAgeDays === undefined && rules.maxBytes === undefined) {
    throw new CairnError('INVALID_ARGUMENT', 'nothing to prune by', { hint: 'Give at least one of keep, maxAgeDays and maxBytes.' });
  }
}

/** What the rules alone would remove, oldest first. `backups` oldest first. */
export async function candidates(env: Env, backups: readonly ShelvedBackup[], rules: RetentionRules): Promise<ShelvedBackup[]> {
  const going = new Set<ShelvedBackup>();
  const may = ({ record }: ShelvedBackup): boolean => rules.causes === undefined || rules.causes.includes(record.cause);
  const own = backups.filter(may);
  if (rules.keep !== undefined) for (const backup of own.slice(0, Math.max(0, own.length - rules.keep))) going.add(backup);
  if (rules.maxAgeDays !== undefined) {
    const oldest = env.clock.now() - rules.maxAgeDays * DAY_MS;
    for (const backup of own) if (Date.parse(backup.record.createdAt) < oldest) going.add(backup);
  }
  if (rules.maxBytes !== undefined) {
    const sizes = await InodeSizes.read(env, backups);
    for (const backup of own) {
      if (sizes.total(backups.filter((one) => !going.has(one))) <= rules.maxBytes) break;
      going.add(backup);
    }
  }
  return own.filter((backup) => going.has(backup));
}

/** The newest backup that is right to the last byte, or null. */
export async function newestGood(env: Env, backups: readonly ShelvedBackup[], watch: Watch): Promise<ShelvedBackup | null> {
  for (const backup of backups.toReversed()) {
    const { damages } = await checkBackup(env, backup.dir, backup.record, watch);
    if (damages.length === 0) return backup;
  }
  return null;
}

/** Disk use of backups that share files. */
export class InodeSizes {
  readonly #files = new Map<ShelvedBackup, readonly (readonly [bigint, number])[]>();

  static async read(env: Env, backups: readonly ShelvedBackup[]): Promise<InodeSizes> {
    const sizes = new InodeSizes();
    for (const backup of backups) {
      const stats = await Promise.all(backup.record.files.map(({ name }) => env.stat(join(backup.dir, name))));
      sizes.#files.set(backup, stats.flatMap((stat) => (stat === null ? [] : [[stat.ino, stat.size] as const])));
    }
    return sizes;
  }

  total(backups: readonly ShelvedBackup[]): number {
    const seen = new Set<bigint>();
    let bytes = 0;
    for (const [ino, size] of backups.flatMap((backup) => this.#files.get(backup) ?? [])) {
      if (seen.has(ino)) continue;
      seen.add(ino);
      bytes += size;
    }
    return bytes;
  }
}
