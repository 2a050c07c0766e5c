/**
 * Settings from four places; a later one wins: default, <data>/config.json, environment (CAIRN_*), flag (--set name=value).
 * Strict: an unknown name or a wrong value in the file or a flag is INVALID_CONFIG and the daemon does not start with it.
 * An unknown CAIRN_* variable is only a warning, because it may belong to another program.
 */
import { readFileSync } from 'node:fs';
import { CairnError, errnoOf, messageOf } from '../errors.ts';
import type { Environment } from '../protocol/endpoint.ts';
import type { ConfigValue } from '../protocol/types.ts';
import { checkValue, CONFIG_KEYS, CONFIG_NAMES, environmentName, type ConfigName, type ConfigScalar, type ConfigValues } from './keys.ts';
import { nearest } from './nearest.ts';

export interface ConfigSources {
  readonly file: string;
  readonly environment: Environment;
  /** `name=value` each, from the command line. */
  readonly flags: readonly string[];
}

interface Setting {
  readonly value: ConfigScalar;
  readonly origin: ConfigValue['origin'];
  readonly source: string | null;
}

export class Config {
  readonly file: string;
  readonly values: ConfigValues;
  /** Things that are allowed but probably not meant. */
  readonly warnings: readonly string[];
  readonly #settings: ReadonlyMap<ConfigName, Setting>;

  constructor(file: string, settings: ReadonlyMap<ConfigName, Setting>, warnings: readonly string[]) {
    this.file = file;
    this.#settings = settings;
    this.warnings = warnings;
    this.values = Object.fromEntries([...settings].map(([name, setting]) => [name, setting.value])) as unknown as ConfigValues;
  }

  /** Each setting with where it came from. @throws CairnError INVALID_ARGUMENT for an unknown name */
  describe(name?: string): ConfigValue[] {
    if (name !== undefined && !isName(name)) throw new CairnError('INVALID_ARGUMENT', `there is no setting ${JSON.stringify(name)}`, { hint: suggestion(name) });
    const names = name === undefined ? CONFIG_NAMES : [name];
    return names.flatMap((key) => {
      const setting = this.#settings.get(key);
      return setting === undefined ? [] : [{ key, ...setting, description: CONFIG_KEYS[key].description }];
    });
  }
}

/** @throws CairnError INVALID_CONFIG that names the place, the setting and what it must be */
export function loadConfig(sources: ConfigSources): Config {
  const settings = new Map<ConfigName, Setting>(CONFIG_NAMES.map((name) => [name, { value: CONFIG_KEYS[name].default, origin: 'default', source: null }]));
  for (const [name, value] of flatten(readConfigFile(sources.file), '', sources.file)) {
    settings.set(known(name, sources.file), { value: checked(name, value, false, sources.file), origin: 'file', source: sources.file });
  }
  const warnings = applyEnvironment(settings, sources.environment);
  for (const text of sources.flags) {
    const at = text.indexOf('=');
    if (at <= 0) throw new CairnError('INVALID_CONFIG', `--set needs name=value, got ${JSON.stringify(text)}`);
    const name = known(text.slice(0, at), '--set');
    settings.set(name, { value: checked(name, text.slice(at + 1), true, '--set'), origin: 'flag', source: `--set ${name}` });
  }
  return new Config(sources.file, settings, warnings);
}

/** Variables that are no settings but are read elsewhere. */
const OTHER_VARIABLES = new Set(['CAIRN_DATA_DIR', 'CAIRN_SEED']);

function applyEnvironment(settings: Map<ConfigName, Setting>, environment: Environment): string[] {
  const byVariable = new Map(CONFIG_NAMES.map((name) => [environmentName(name), name]));
  const warnings: string[] = [];
  for (const [variable, value] of Object.entries(environment)) {
    if (!variable.startsWith('CAIRN_') || value === undefined || OTHER_VARIABLES.has(variable)) continue;
    const name = byVariable.get(variable);
    if (name === undefined) {
      const close = nearest(variable, [...byVariable.keys()]);
      warnings.push(`the environment variable ${variable} is not a setting${close === null ? '' : `; did you mean ${close}?`}`);
    } else settings.set(name, { value: checked(name, value, true, variable), origin: 'environment', source: variable });
  }
  return warnings;
}

/** Larger than any sensible settings file; keeps a wrong path from being read into memory. */
const MAX_FILE_BYTES = 1024 * 1024;

function readConfigFile(path: string): unknown {
  let content: string;
  try {
    content = readFileSync(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return {};
    throw new CairnError('INVALID_CONFIG', `the configuration cannot be read: ${messageOf(error)}`, { path, cause: error });
  }
  if (content.length > MAX_FILE_BYTES) throw new CairnError('INVALID_CONFIG', `the configuration is larger than ${MAX_FILE_BYTES} bytes`, { path });
  try {
    return JSON.parse(content.replace(/^\uFEFF/, ''));
  } catch (error) {
    throw new CairnError('INVALID_CONFIG', `the configuration is not JSON: ${messageOf(error)}`, { path, cause: error });
  }
}

/** {"log": {"level": "debug"}} → [["log.level", "debug"]] */
function flatten(value: unknown, prefix: string, path: string): [string, unknown][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    if (prefix === '') throw new CairnError('INVALID_CONFIG', 'the configuration must be a JSON object', { path });
    return [[prefix, value]];
  }
  return Object.entries(value).flatMap(([key, inner]) => flatten(inner, prefix === '' ? key : `${prefix}.${key}`, path));
}

function known(name: string, place: string): ConfigName {
  if (isName(name)) return name;
  throw new CairnError('INVALID_CONFIG', `unknown setting ${JSON.stringify(name)} in ${place}`, { path: place, hint: suggestion(name) });
}

function checked(name: string, value: unknown, fromText: boolean, place: string): ConfigScalar {
  const result = checkValue(CONFIG_KEYS[known(name, place)], value, fromText);
  if (result.ok) return result.value;
  throw new CairnError('INVALID_CONFIG', `${name} must be ${result.wanted}, got ${JSON.stringify(value)?.slice(0, 100)}`, { path: place, hint: CONFIG_KEYS[known(name, place)].description });
}

const isName = (name: string): name is ConfigName => Object.hasOwn(CONFIG_KEYS, name);

function suggestion(name: string): string {
  const close = nearest(name, CONFIG_NAMES);
  return close === null ? `Settings: ${CONFIG_NAMES.join(', ')}.` : `Did you mean ${close}?`;
}
