import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { nodeEnv } from '../../src/env/node-env.ts';
import { AuditLog } from '../../src/index/audit-log.ts';
import { measureDirectory } from '../../src/index/measure.ts';
import { removeTree } from '../../src/index/remove-tree.ts';
import { tempDir } from '../support/temp-dir.ts';

test('entries are whole lines in order, private, and a torn line before them is closed, not removed', async (t) => {
  const dir = tempDir(t);
  const log = new AuditLog(nodeEnv(), dir);
  await log.append({ action: 'index-create', index: 'a' });
  const file = join(dir, 'audit.log');
  assert.equal(statSync(file).mode & 0o777, 0o600);
  appendFileSync(file, '{"at":"torn');
  await Promise.all([log.append({ action: 'index-delete', index: 'b', detail: 'x' }), log.append({ action: 'index-purge', index: 'c' })]);
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  assert.equal(lines[1], '{"at":"torn');
  const entries = [lines[0], lines[2], lines[3]].map((line) => JSON.parse(line ?? '') as Record<string, string>);
  assert.deepEqual(entries.map((e) => [e['action'], e['index'], e['detail']]), [['index-create', 'a', undefined], ['index-delete', 'b', 'x'], ['index-purge', 'c', undefined]]);
});

test('a removed tree takes links, not what they point to', async (t) => {
  const dir = tempDir(t);
  const outside = join(dir, 'outside');
  mkdirSync(outside);
  writeFileSync(join(outside, 'keep'), 'x');
  mkdirSync(join(dir, 'tree/deep'), { recursive: true });
  writeFileSync(join(dir, 'tree/deep/file'), '12345');
  writeFileSync(join(dir, 'tree/file'), '123');
  symlinkSync(outside, join(dir, 'tree/link'));
  assert.equal(await measureDirectory(nodeEnv(), join(dir, 'tree')), 3, 'of the files directly in it');
  await removeTree(nodeEnv(), join(dir, 'tree'));
  assert.equal(existsSync(join(dir, 'tree')), false);
  assert.equal(existsSync(join(outside, 'keep')), true);
});
