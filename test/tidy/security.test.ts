// The table of security rules names tests that are there and carry the rule's number; and no test carries a number that is not in it.
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { projectRoot } from './sources.ts';

const rows = new Map(
  readFileSync(join(projectRoot, 'daemon', 'LIFECYCLE.md'), 'utf8').split('\n')
    .filter((line) => line.startsWith('| C.'))
    .map((line) => {
      const cells = line.split(' | ');
      return [/C\.\d+/.exec(line)?.[0] ?? '', [...(cells.at(-1) ?? '').matchAll(/`([^`]+)`/g)].map((match) => `test/${match[1]}.test.ts`)] as const;
    }),
);
/** Numbers in the titles of tests, by file. */
const held = new Map(
  globSync('test/**/*.test.ts', { cwd: projectRoot }).map((file) => [file, new Set(readFileSync(join(projectRoot, file), 'utf8').match(/(?<=test\(['"`][^'"`]*\[)C\.\d+(?=\])/g) ?? [])] as const),
);

test('every security rule has tests that carry its number, in the files that the table names', () => {
  assert.ok(rows.size >= 15);
  const missing = [...rows].flatMap(([rule, files]) => (files.length === 0 ? [`${rule}: no test`] : files.filter((file) => held.get(file)?.has(rule) !== true).map((file) => `${rule}: ${file}`)));
  assert.deepEqual(missing, []);
});

test('every test that carries the number of a security rule is in its row', () => {
  const unknown = [...held].flatMap(([file, rules]) => [...rules].filter((rule) => rows.get(rule)?.includes(file) !== true).map((rule) => `${rule}: ${file}`));
  assert.deepEqual(unknown, []);
});
