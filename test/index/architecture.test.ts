/** The tests that ARCHITECTURE.md names exist. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

test('every invariant of ARCHITECTURE.md names a test that exists', () => {
  const text = readFileSync(`${root}src/ARCHITECTURE.md`, 'utf8');
  const section = text.slice(text.indexOf('## Invariants'), text.indexOf('## Recovery'));
  const invariants = section.split(/^(?=\d+\. )/m).slice(1);
  assert.equal(invariants.length, 16);
  for (const [i, invariant] of invariants.entries()) {
    assert.ok(invariant.startsWith(`${i + 1}. `), invariant);
    const named = [...invariant.matchAll(/^ {3}- `([^`]+)`: (.+)$/gm)];
    assert.ok(named.length > 0, `invariant ${i + 1} names no test`);
    for (const [, file = '', title = ''] of named) {
      assert.ok(readFileSync(root + file, 'utf8').replaceAll("\\'", "'").includes(title), `${file} has no test "${title}"`);
    }
  }
});
