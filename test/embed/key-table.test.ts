import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { KeyTable } from '../../src/embed/key-table.ts';

const key = (n: number): Uint8Array => createHash('sha256').update(String(n)).digest().subarray(0, 16);

test('every key is found at its last location, unknown keys are not', () => {
  const table = new KeyTable(() => true);
  for (let i = 0; i < 20_000; i++) table.set(key(i), i);
  for (let i = 0; i < 20_000; i += 3) table.set(key(i), i + 100_000);
  for (let i = 0; i < 20_000; i++) assert.equal(table.find(key(i)), i % 3 === 0 ? i + 100_000 : i);
  for (let i = 20_000; i < 21_000; i++) assert.equal(table.find(key(i)), -1);
});

test('memory stays below 32 bytes an entry', () => {
  const table = new KeyTable(() => true);
  for (let i = 0; i < 100_000; i++) table.set(key(i), i);
  assert.ok(table.bytes <= 100_000 * 32, `${table.bytes} bytes`);
});

test('a killed entry is gone, and can be set again', () => {
  const table = new KeyTable(() => true);
  table.set(key(1), 7);
  table.kill(key(1), 8);
  assert.equal(table.find(key(1)), 7, 'it points elsewhere by now');
  table.kill(key(1), 7);
  assert.equal(table.find(key(1)), -1);
  table.set(key(1), 9);
  assert.equal(table.find(key(1)), 9);
});

test('dead entries go when the table grows, live ones stay', () => {
  let limit = 0;
  const table = new KeyTable((location) => location >= limit);
  for (let i = 0; i < 50_000; i++) table.set(key(i), i);
  const before = table.bytes;
  limit = 40_000;
  for (let i = 50_000; i < 80_000; i++) table.set(key(i), i);
  assert.ok(table.bytes <= before, 'the room of dead entries was used again');
  for (let i = 40_000; i < 80_000; i++) assert.equal(table.find(key(i)), i);
});
