// Bitset against a plain Set.
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Bitset } from '../../src/util/bitset.ts';
import { testSeed } from '../support/random.ts';

const seed = testSeed(12);

test(`a bitset is a set of small numbers (seed ${seed})`, () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 200 }), fc.array(fc.tuple(fc.boolean(), fc.nat(1000))), fc.boolean(), (length, changes, startFull) => {
      const bits = startFull ? Bitset.full(length) : new Bitset(length);
      const model = new Set(startFull ? Array.from({ length }, (_, i) => i) : []);
      const copy = bits.clone();
      const before = model.size;
      for (const [add, at] of changes) {
        const i = at % length;
        if (add) bits.add(i);
        else bits.delete(i);
        if (add) model.add(i);
        else model.delete(i);
      }
      assert.equal(bits.count(), model.size);
      for (let i = 0; i < length; i++) assert.equal(bits.has(i), model.has(i));
      assert.equal(copy.count(), before, 'a clone is independent');
    }),
    { seed },
  );
});

test('the empty and the full set of every length', () => {
  for (let length = 0; length <= 100; length++) {
    assert.equal(new Bitset(length).count(), 0);
    assert.equal(Bitset.full(length).count(), length);
    assert.equal(Bitset.full(length).has(length), false);
  }
});
