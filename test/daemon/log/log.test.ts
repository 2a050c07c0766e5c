// The log: private, rotated, redacted, and never the reason why a daemon dies.
import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { CairnError } from '../../../daemon/errors.ts';
import { openLog, type FileLog, type LogOptions } from '../../../daemon/log/log.ts';
import { redact } from '../../../daemon/log/redact.ts';
import { checkLeaks } from '../../support/leaks.ts';
import { tempDir } from '../../support/temp-dir.ts';

checkLeaks();

function open(path: string, options: Partial<LogOptions> = {}): FileLog {
  return openLog({ path, level: 'info', maxBytes: 1 << 20, keep: 3, base: { pid: 1 }, ...options });
}

const linesOf = (path: string): Record<string, unknown>[] => readFileSync(path, 'utf8').split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as Record<string, unknown>);

test('[3.16] [C.13] lines are JSON, at once on disk, in a file of 0600, below the level nothing', (t) => {
  const path = join(tempDir(t), 'daemon.log');
  writeFileSync(path, '');
  chmodSync(path, 0o644);
  const log = open(path);
  log.info('daemon.serving', { startMs: 5 });
  log.debug('invisible');
  const [line] = linesOf(path);
  assert.equal(line?.['msg'], 'daemon.serving');
  assert.equal(line?.['startMs'], 5);
  assert.equal(line?.['pid'], 1);
  assert.equal(linesOf(path).length, 1);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  log.close();
});

test('rotation keeps every line, the size, the number of files and the mode', (t) => {
  const dir = tempDir(t);
  const path = join(dir, 'daemon.log');
  const log = open(path, { maxBytes: 2_000, keep: 3 });
  for (let n = 0; n < 100; n++) log.info('line', { n });
  assert.deepEqual(readdirSync(dir).sort(), ['daemon.log', 'daemon.log.1', 'daemon.log.2', 'daemon.log.3']);
  const numbers = [3, 2, 1].flatMap((i) => linesOf(`${path}.${i}`)).concat(linesOf(path)).map((line) => line['n']);
  assert.deepEqual(numbers, Array.from({ length: numbers.length }, (_, i) => 100 - numbers.length + i), 'in order, without a gap, up to the last');
  for (const name of readdirSync(dir)) {
    assert.ok(statSync(join(dir, name)).size <= 2_000, name);
    assert.equal(statSync(join(dir, name)).mode & 0o777, 0o600, name);
  }
  log.close();
  const again = open(path, { maxBytes: 2_000, keep: 3 });
  again.info('line', { n: 100 });
  assert.equal(linesOf(path).at(-1)?.['n'], 100, 'a new process goes on with the file');
  again.close();
});

test('a rotation that cannot happen keeps the lines', (t) => {
  const dir = tempDir(t);
  const path = join(dir, 'daemon.log');
  const log = open(path, { maxBytes: 1_000, keep: 1 });
  mkdirSync(`${path}.1`);
  writeFileSync(join(`${path}.1`, 'in-the-way'), '');
  for (let n = 0; n < 50; n++) log.info('line', { n });
  assert.equal(linesOf(path).length, 50);
  assert.ok(existsSync(join(`${path}.1`, 'in-the-way')));
  log.close();
});

test('[C.13] tokens, queries and source text never reach the file, at any depth, in errors neither', (t) => {
  const path = join(tempDir(t), 'daemon.log');
  const log = open(path, { level: 'trace' });
  const marker = 'PLANTED-MARKER';
  for (const key of ['token', 'Token', 'authorization', 'query', 'pattern', 'text', 'snippet', 'content', 'params', 'payload', 'env', 'password']) {
    log.warn('x', { [key]: marker, nested: { [key]: { deep: marker } }, list: [{ [key]: [marker] }] });
  }
  log.error('x', { err: new CairnError('CORRUPT', 'bad block', { path: '/p', offset: 5, cause: Object.assign(new Error('inner'), { token: marker }) }) });
  log.fatal('x', { buffer: Buffer.from(marker), deep: { a: { b: { c: { d: { e: { f: marker } } } } } } });
  const content = readFileSync(path, 'utf8');
  assert.ok(!content.includes(marker));
  const error = linesOf(path).find((line) => line['err'] !== undefined)?.['err'] as Record<string, unknown>;
  assert.equal(error['code'], 'CORRUPT');
  assert.equal(error['offset'], 5);
  assert.match(String(error['stack']), /log\.test/);
  assert.equal((error['cause'] as Record<string, unknown>)['message'], 'inner');
  log.close();
});

test('redact bounds strings and lists, keeps counts, survives hostile keys', () => {
  const out = redact({ chunks: 12, long: 'x'.repeat(10_000), many: Array.from({ length: 1_000 }, () => 1), big: 5n, __proto__: { polluted: true }, text: null });
  assert.equal(out['chunks'], 12);
  assert.ok(String(out['long']).length < 2_100);
  assert.equal((out['many'] as unknown[]).length, 50);
  assert.equal(out['big'], '5');
  assert.equal(out['text'], null);
  assert.equal(({} as { polluted?: boolean }).polluted, undefined);
});
