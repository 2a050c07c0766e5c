// Settings: precedence, strictness, origin.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { loadConfig, type Config } from '../../../daemon/config/config.ts';
import { CONFIG_KEYS, CONFIG_NAMES, environmentName } from '../../../daemon/config/keys.ts';
import { nearest } from '../../../daemon/config/nearest.ts';
import { tempDir } from '../../support/temp-dir.ts';

interface Sources {
  readonly file?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly flags?: readonly string[];
}

function load(dir: string, { file, environment = {}, flags = [] }: Sources): Config {
  const path = join(dir, 'config.json');
  if (file !== undefined) writeFileSync(path, file);
  return loadConfig({ file: path, environment, flags });
}

test('[1.70] default < file < environment < flag, each with its origin', (t) => {
  const dir = tempDir(t);
  const steps: [Sources, string, string][] = [
    [{}, 'info', 'default'],
    [{ file: '{"log": {"level": "debug"}}' }, 'debug', 'file'],
    [{ environment: { CAIRN_LOG_LEVEL: 'warn' } }, 'warn', 'environment'],
    [{ environment: { CAIRN_LOG_LEVEL: 'warn' }, flags: ['log.level=error'] }, 'error', 'flag'],
    [{ flags: ['log.level=error', 'log.level=fatal'] }, 'fatal', 'flag'],
  ];
  for (const [sources, value, origin] of steps) {
    const config = load(dir, sources);
    assert.equal(config.values['log.level'], value);
    const [described] = config.describe('log.level');
    assert.deepEqual([described?.value, described?.origin], [value, origin]);
  }
  assert.equal(load(dir, {}).describe('log.level')[0]?.source, join(dir, 'config.json'));
});

test('[1.70] every setting can be set in each place, and has a default of its own type', (t) => {
  const dir = tempDir(t);
  for (const name of CONFIG_NAMES) {
    const key = CONFIG_KEYS[name];
    const value = key.type === 'choice' ? key.values[0] : key.type === 'integer' ? key.min : key.type === 'flag' ? false : '/model';
    const [section, field] = name.split('.') as [string, string];
    const fromFile = load(dir, { file: JSON.stringify({ [section]: { [field]: value } }) });
    assert.equal(fromFile.values[name], value, name);
    writeFileSync(join(dir, 'config.json'), '{}');
    assert.equal(load(dir, { environment: { [environmentName(name)]: String(value) } }).values[name], value, name);
    assert.equal(load(dir, { flags: [`${name}=${value}`] }).values[name], value, name);
    assert.equal(load(dir, {}).values[name], key.default, name);
    assert.ok(key.description.endsWith('.'), name);
  }
});

test('[1.70] what is wrong is refused with place, setting and what it must be', (t) => {
  const dir = tempDir(t);
  const wrong: [Sources, RegExp][] = [
    [{ file: '{"log": {"leve": "debug"}}' }, /unknown setting "log\.leve"/],
    [{ file: '{"logs": 1}' }, /unknown setting "logs"/],
    [{ file: '{"log": "debug"}' }, /unknown setting "log"/],
    [{ file: '{"__proto__": {"log": 1}}' }, /unknown setting "__proto__/],
    [{ file: '{"log": {"keep": "5"}}' }, /log\.keep must be a whole number from 1 to 100, got "5"/],
    [{ file: '{"log": {"keep": 5.5}}' }, /log\.keep/],
    [{ file: '{"log": {"level": ["debug"]}}' }, /log\.level must be one of trace/],
    [{ file: '{' }, /not JSON/],
    [{ file: '[]' }, /must be a JSON object/],
    [{ file: 'null' }, /must be a JSON object/],
    [{ file: '{}', environment: { CAIRN_LOG_KEEP: 'many' } }, /log\.keep must be/],
    [{ environment: { CAIRN_WATCH_ENABLED: 'maybe' } }, /watch\.enabled must be true or false/],
    [{ flags: ['log.keep=0'] }, /log\.keep/],
    [{ flags: ['log.keep'] }, /name=value/],
    [{ flags: ['=5'] }, /name=value/],
    [{ flags: ['embedder.model=nul\0'] }, /embedder\.model/],
  ];
  for (const [sources, message] of wrong) assert.throws(() => load(dir, sources), { code: 'INVALID_CONFIG', message }, JSON.stringify(sources));
  assert.equal(({} as Record<string, unknown>)['log'], undefined);
});

test('an unknown CAIRN_ variable is a warning with a suggestion; others are nobody\'s business', (t) => {
  const config = load(tempDir(t), { environment: { CAIRN_LOG_LEVLE: 'debug', CAIRN_DATA_DIR: '/d', HOME: '/h', PATH: '' } });
  assert.deepEqual(config.warnings, ['the environment variable CAIRN_LOG_LEVLE is not a setting; did you mean CAIRN_LOG_LEVEL?']);
  assert.throws(() => config.describe('no.such'), { code: 'INVALID_ARGUMENT' });
  assert.equal(config.describe().length, CONFIG_NAMES.length);
});

test('flags of text accept the usual words', (t) => {
  const dir = tempDir(t);
  for (const [text, value] of [['true', true], ['1', true], ['YES', true], ['on', true], ['false', false], ['0', false], ['no', false], ['Off', false]] as const) {
    assert.equal(load(dir, { flags: [`watch.enabled=${text}`] }).values['watch.enabled'], value);
  }
});

test('the nearest name', () => {
  assert.equal(nearest('log.levle', CONFIG_NAMES), 'log.level');
  assert.equal(nearest('LOG.LEVEL', CONFIG_NAMES), 'log.level');
  assert.equal(nearest('something else entirely', CONFIG_NAMES), null);
});

test('[2.18] every setting is in LIFECYCLE.md', () => {
  const text = readFileSync(new URL('../../../daemon/LIFECYCLE.md', import.meta.url), 'utf8');
  for (const name of CONFIG_NAMES) {
    assert.ok(text.includes(`\`${name}\``), name);
    assert.ok(text.includes(`\`${environmentName(name)}\``), environmentName(name));
  }
});
