// Prints which rows of the requirement list have a test (a test title that starts with the row number in brackets) and which do not.
// Usage: node scripts/features.mjs [--json]
// The rows stand in scripts/features.txt: one number a line, in the order of the list, with a few words.
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const rows = readFileSync(join(root, 'scripts', 'features.txt'), 'utf8')
  .split('\n')
  .filter((line) => /^\d/.test(line))
  .map((line) => ({ row: line.slice(0, line.indexOf(' ')), what: line.slice(line.indexOf(' ') + 1) }));

const held = new Map();
for (const file of globSync('test/**/*.test.ts', { cwd: root }).sort()) {
  for (const match of readFileSync(join(root, file), 'utf8').matchAll(/(?:test|it|describe)\(\s*['"`]((?:\[[\d.]+(?:[, ]+[\d.]+)*\]\s*)+)([^'"`]*)/g)) {
    for (const row of match[1].match(/\d+\.\d+/g) ?? []) held.set(row, [...(held.get(row) ?? []), `${file}: ${match[2].trim()}`]);
  }
}
const unknown = [...held.keys()].filter((row) => !rows.some((r) => r.row === row));
if (process.argv.includes('--json')) {
  console.log(JSON.stringify({ rows: rows.map((r) => ({ ...r, tests: held.get(r.row) ?? [] })), unknown }, null, 1));
} else {
  for (const r of rows) console.log(`${held.has(r.row) ? 'held ' : '  -  '} ${r.row.padEnd(5)} ${r.what}${held.has(r.row) ? `  (${held.get(r.row).length})` : ''}`);
  console.log(`\n${rows.filter((r) => held.has(r.row)).length} of ${rows.length} rows have a test`);
  if (unknown.length > 0) console.log(`unknown rows in test titles: ${unknown.join(', ')}`);
}
process.exitCode = unknown.length > 0 ? 1 : 0;
