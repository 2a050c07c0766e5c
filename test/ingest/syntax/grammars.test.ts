import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { GRAMMARS, grammarPath, type GrammarId } from '../../../src/ingest/syntax/grammars.ts';
import { sharedParser } from './describe.ts';

const ids = Object.keys(GRAMMARS) as GrammarId[];

test('[C.14] the grammars that are executed are the ones that were reviewed', () => {
  const actual = Object.fromEntries(ids.map((id) => [id, createHash('sha256').update(readFileSync(grammarPath(id))).digest('hex')]));
  assert.deepEqual(actual, Object.fromEntries(ids.map((id) => [id, GRAMMARS[id].sha256])));
});

test('every grammar loads with its queries, and no query file is left over', async () => {
  const parser = await sharedParser();
  for (const id of ids) await parser.load(id);
  const folder = dirname(fileURLToPath(new URL('../../../src/ingest/queries/x', import.meta.url)));
  const used = new Set(ids.flatMap((id) => GRAMMARS[id].queries.map((name) => `${name}.scm`)));
  assert.deepEqual(globSync('*.scm', { cwd: folder }).filter((name) => !used.has(name)), []);
});

test('memory does not grow with the number of files', async () => {
  const parser = await sharedParser();
  await parser.load('typescript');
  const text = 'export class A { run(): void { call(1, [2, 3], { a: 4 }); } }\n'.repeat(200);
  const once = (): void => assert.ok(parser.parse('typescript', text, 5000).ok);
  for (let i = 0; i < 5; i++) once();
  const before = parser.memoryBytes;
  for (let i = 0; i < 100; i++) once();
  assert.equal(parser.memoryBytes, before);
  assert.equal(parser.isWorn, false);
});

test('swift: a comment and a string longer than the look-ahead are still one token', async () => {
  const parser = await sharedParser();
  await parser.load('swift');
  const long = 'word '.repeat(4000);
  const result = parser.parse('swift', `/* ${long} */\nlet text = """\n${long}\n"""\nfunc after() {}\n`, 5000);
  assert.ok(result.ok);
  const names = result.matches.flatMap((match) => match.captures.filter(({ name }) => name.startsWith('def.')).map(({ name }) => name));
  assert.ok(names.includes('def.function'), 'the function behind them is found');
});
