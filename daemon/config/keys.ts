/**
 * Every setting of the daemon: its type, bounds, default and meaning, in one table. Names are dotted paths into config.json;
 * the environment variable is CAIRN_ and the name in capitals (`log.maxBytes` → CAIRN_LOG_MAX_BYTES).
 */

export type ConfigScalar = string | number | boolean;

interface Described<T extends ConfigScalar> {
  readonly default: T;
  readonly description: string;
}
export interface ChoiceKey<T extends string = string> extends Described<T> { readonly type: 'choice'; readonly values: readonly T[] }
export interface IntegerKey extends Described<number> { readonly type: 'integer'; readonly min: number; readonly max: number }
export interface FlagKey extends Described<boolean> { readonly type: 'flag' }
export interface TextKey extends Described<string> { readonly type: 'text'; readonly maxLength: number }
export type ConfigKey = ChoiceKey | IntegerKey | FlagKey | TextKey;

const choice = <const T extends string>(values: readonly T[], fallback: NoInfer<T>, description: string): ChoiceKey<T> => ({ type: 'choice', values, default: fallback, description });
const integer = (min: number, max: number, fallback: number, description: string): IntegerKey => ({ type: 'integer', min, max, default: fallback, description });
const flag = (fallback: boolean, description: string): FlagKey => ({ type: 'flag', default: fallback, description });
const text = (maxLength: number, fallback: string, description: string): TextKey => ({ type: 'text', maxLength, default: fallback, description });

const MIB = 1024 * 1024;

export const CONFIG_KEYS = {
  'daemon.idleExitMinutes': integer(0, 10_080, 30, 'Minutes without a client and without work after which the daemon ends; 0 = never.'),
  'log.level': choice(['trace', 'debug', 'info', 'warn', 'error', 'fatal'], 'info', 'Least severe level that is logged.'),
  'log.maxBytes': integer(64 * 1024, 1024 * MIB, 10 * MIB, 'Size at which the log file is rotated.'),
  'log.keep': integer(1, 100, 5, 'Rotated log files that are kept.'),
  'storage.syncMode': choice(['always', 'interval', 'off'], 'always', 'When a change counts as stored: after fsync, within syncIntervalMs, or when the system likes.'),
  'storage.syncIntervalMs': integer(1, 60_000, 200, 'With syncMode interval: the most that a power cut can lose.'),
  'storage.memtableMaxChunks': integer(1, 1_000_000, 4_096, 'Chunks in memory after which they are written to a segment.'),
  'storage.memtableMaxBytes': integer(1024, 2 ** 31, 64 * MIB, 'Bytes in memory after which they are written to a segment.'),
  'storage.walFileMaxBytes': integer(4096, 2 ** 31, 32 * MIB, 'Size at which a new write-ahead-log file is begun.'),
  'storage.compactionFanIn': integer(2, 64, 4, 'Segments of similar size that are merged into one.'),
  'storage.archive': flag(false, 'Keep closed log files in <data>/archive, for restores to any LSN or time since the oldest backup.'),
  'storage.scrubHours': integer(0, 8_760, 24, 'Hours within which an idle daemon reads every stored row once against its checksums; 0 = never.'),
  'backup.directory': text(4096, '', 'Where backups are kept, an existing directory; empty = <data>/backups. Backups of other machines may be restored from there.'),
  'backup.everyMinutes': integer(0, 525_600, 0, 'Minutes between scheduled backups of each open index that has changed; 0 = none.'),
  'backup.keep': integer(0, 100_000, 7, 'Scheduled and pre-restore backups that are kept of each index; 0 = all.'),
  'backup.maxAgeDays': integer(0, 36_500, 0, 'Age at which scheduled and pre-restore backups go; 0 = never.'),
  'backup.maxBytes': integer(0, 2 ** 50, 0, 'Size of all backups of an index beyond which the oldest scheduled and pre-restore ones go; 0 = no limit.'),
  'ingest.workers': integer(0, 64, 0, 'Threads that read, parse and embed files; 0 = chosen from the number of cores.'),
  'ingest.batchFiles': integer(1, 192, 64, 'Files of bulk work that are committed together at most.'),
  'ingest.batchBytes': integer(4096, 32 * MIB, 4 * MIB, 'Bytes of bulk work after which a commit is made.'),
  'ingest.batchMs': integer(0, 10_000, 50, 'Milliseconds after which files of bulk work are committed, however few.'),
  'embedder.model': text(4096, '', 'Directory of a static embedding model; empty = the built-in one.'),
  'watch.enabled': flag(true, 'Follow changes of the source trees.'),
} as const satisfies Readonly<Record<string, ConfigKey>>;

export type ConfigName = keyof typeof CONFIG_KEYS;
export const CONFIG_NAMES: readonly ConfigName[] = Object.keys(CONFIG_KEYS) as ConfigName[];

type ValueOf<K> = K extends ChoiceKey<infer T> ? T : K extends IntegerKey ? number : K extends FlagKey ? boolean : string;
export type ConfigValues = { readonly [N in ConfigName]: ValueOf<(typeof CONFIG_KEYS)[N]> };

/** `log.maxBytes` → CAIRN_LOG_MAX_BYTES */
export function environmentName(name: string): string {
  return `CAIRN_${name.replace(/\./g, '_').replace(/([a-z0-9])([A-Z])/g, '$1_$2').toUpperCase()}`;
}

/**
 * The value, or what is wrong with it. Text (environment, flags) is converted; values of a JSON file must have their own type.
 */
export function checkValue(key: ConfigKey, value: unknown, fromText: boolean): { readonly ok: true; readonly value: ConfigScalar } | { readonly ok: false; readonly wanted: string } {
  const converted = fromText && typeof value === 'string' ? fromString(key, value) : value;
  switch (key.type) {
    case 'choice': return key.values.includes(converted as never) ? good(converted) : bad(`one of ${key.values.join(', ')}`);
    case 'integer': return Number.isSafeInteger(converted) && (converted as number) >= key.min && (converted as number) <= key.max ? good(converted) : bad(`a whole number from ${key.min} to ${key.max}`);
    case 'flag': return typeof converted === 'boolean' ? good(converted) : bad('true or false');
    case 'text': return typeof converted === 'string' && converted.length <= key.maxLength && !converted.includes('\0') ? good(converted) : bad(`text of at most ${key.maxLength} characters`);
  }
}

function fromString(key: ConfigKey, value: string): unknown {
  if (key.type === 'integer') return /^-?\d{1,15}$/.test(value) ? Number(value) : value;
  if (key.type === 'flag') return /^(true|1|yes|on)$/i.test(value) ? true : /^(false|0|no|off)$/i.test(value) ? false : value;
  return value;
}

const good = (value: unknown): { ok: true; value: ConfigScalar } => ({ ok: true, value: value as ConfigScalar });
const bad = (wanted: string): { ok: false; wanted: string } => ({ ok: false, wanted });
