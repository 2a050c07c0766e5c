// The table of strings as bytes, against a Map, through growth of its buffer and its hash table.
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { StringTable } from '../../src/segment/string-table.ts';
import { testSeed } from '../support/random-docs.ts';

const seed = testSeed();
const text = fc.string({ unit: 'grapheme', maxLength: 6 }).filter((s) => s.isWellFormed());
const put = (table: StringTable, value: string): number => {
  const bytes = Buffer.from(`<${value}>`);
  return table.idOf(bytes, 1, bytes.length - 1);
};

test('ids are handed out in order of appearance and stay', () => {
  fc.assert(
    fc.property(fc.array(text, { maxLength: 60 }), (texts) => {
      const table = new StringTable();
      const model = new Map<string, number>();
      for (const value of texts) {
        if (!model.has(value)) model.set(value, model.size);
        assert.equal(put(table, value), model.get(value));
      }
      assert.equal(table.size, model.size);
      for (const [value, id] of model) {
        assert.equal(table.find(value), id);
        assert.equal(table.text(id), value);
        assert.equal(Buffer.from(table.bytesOf(id)).toString(), value);
        for (const prefix of ['', 'a', value.slice(0, 1), `${value}x`]) {
          if (prefix.isWellFormed()) assert.equal(table.startsWith(id, Buffer.from(prefix)), Buffer.from(value).subarray(0, Buffer.byteLength(prefix)).equals(Buffer.from(prefix)));
        }
        for (const [other, otherId] of model) assert.equal(Math.sign(table.compare(id, otherId)), Buffer.compare(Buffer.from(value), Buffer.from(other)));
      }
    }),
    { seed, numRuns: 60 },
  );
});

test('many strings: growth of buffer and table loses none', () => {
  const table = new StringTable();
  for (let i = 0; i < 20_000; i++) assert.equal(put(table, `term-${i * 7919}`), i);
  for (let i = 0; i < 20_000; i += 37) assert.equal(table.find(`term-${i * 7919}`), i);
  assert.equal(table.find('term-1'), -1);
  assert.equal(put(table, 'term-0'), 0);
  assert.ok(table.memoryBytes > 20_000 * 12);
});
