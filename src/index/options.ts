/** Default configuration of a durable index, the limits of what it accepts, and their check. */
import { CairnError } from '../util/errors.ts';
import type { IndexOptions } from './types.ts';

export const DEFAULT_INDEX_OPTIONS: IndexOptions = {
  syncMode: 'always',
  syncIntervalMs: 200,
  // Small enough that memory stays flat and a flush takes about a second, large enough that few segments are made.
  memtableMaxChunks: 4096,
  memtableMaxBytes: 64 << 20,
  walFileMaxBytes: 32 << 20,
  compactionFanIn: 4,
  archive: false,
};

/** Bytes of one batch: it is one WAL record, and recovery reads a record whole. */
export const MAX_BATCH_BYTES = 64 << 20;
/** Bytes of UTF-8 of a key. */
export const MAX_KEY_BYTES = 4096;

/** Defaults filled in; INVALID_CONFIG names the first option that is out of range. */
export function indexOptions(given: Partial<IndexOptions> = {}): IndexOptions {
  const options = { ...DEFAULT_INDEX_OPTIONS, ...given };
  if (!['always', 'interval', 'off'].includes(options.syncMode)) throw bad('syncMode', "'always', 'interval' or 'off'", options.syncMode);
  check('syncIntervalMs', options.syncIntervalMs, 1, 60_000);
  check('memtableMaxChunks', options.memtableMaxChunks, 1, 1_000_000);
  check('memtableMaxBytes', options.memtableMaxBytes, 1024, 2 ** 31);
  check('walFileMaxBytes', options.walFileMaxBytes, 4096, 2 ** 31);
  check('compactionFanIn', options.compactionFanIn, 2, 64);
  if (typeof options.archive !== 'boolean') throw bad('archive', 'true or false', options.archive);
  return options;
}

function check(name: string, value: number, min: number, max: number): void {
  if (!Number.isSafeInteger(value) || value < min || value > max) throw bad(name, `a whole number from ${min} to ${max}`, value);
}

function bad(name: string, wanted: string, got: unknown): CairnError {
  return new CairnError('INVALID_CONFIG', `index option ${name} must be ${wanted}, got ${String(got)}`);
}
