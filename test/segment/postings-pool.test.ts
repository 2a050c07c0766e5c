import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PostingsPool } from '../../src/segment/postings-pool.ts';

test('arrays have room, are never lent twice at a time, and come again after they were taken back', () => {
  const pool = new PostingsPool(1 << 20);
  const counts = [0, 1, 64, 65, 128, 129, 5000, 1, 64];
  const first = counts.map((count) => pool.lend(count));
  first.forEach((array, i) => assert.ok(array.length >= (counts[i] as number)));
  assert.equal(new Set(first).size, counts.length);
  pool.takeBack();
  const second = new Set(counts.map((count) => pool.lend(count)));
  assert.equal(second.size, counts.length);
  assert.ok(first.every((array) => second.has(array)));
});

test('what is beyond the budget is not kept', () => {
  const pool = new PostingsPool(100_000);
  for (let i = 0; i < 10; i++) pool.lend(8000);
  assert.ok(pool.memoryBytes > 300_000);
  pool.takeBack();
  assert.ok(pool.memoryBytes > 0 && pool.memoryBytes <= 100_000);
});
