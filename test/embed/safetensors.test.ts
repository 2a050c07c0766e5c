import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readSafetensors } from '../../src/embed/safetensors.ts';
import { testSeed } from '../support/random-docs.ts';
import { f32, safetensors } from './model-folder.ts';

const seed = testSeed();
const good = safetensors({ embeddings: f32([3, 2], [1, 2, 3, 4, 5, 6]), weights: f32([3], [7, 8, 9]) });

function withHeader(header: unknown, data: Uint8Array): Buffer {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, data]);
}

test('tensors come with type, shape, position and bytes', () => {
  const tensors = readSafetensors(good, 'm');
  assert.deepEqual([...tensors.keys()], ['embeddings', 'weights']);
  const weights = tensors.get('weights');
  assert.deepEqual(weights?.shape, [3]);
  assert.equal(weights?.offset, good.length - 12);
  assert.equal(Buffer.from(weights?.bytes ?? []).readFloatLE(4), 8);
});

const bad: readonly (readonly [string, Buffer, RegExp])[] = [
  ['too short', Buffer.alloc(7), /at least 8 bytes/],
  ['header longer than the file', Buffer.concat([Buffer.from([255, 255, 255, 255, 255, 255, 255, 255]), good.subarray(8)]), /header length/],
  ['header not JSON', withHeader('{"a"', Buffer.alloc(0)), /not JSON/],
  ['header not UTF-8', withHeader('{}', Buffer.alloc(0)).fill(0xff, 8), /not JSON/],
  ['header a list', withHeader([], Buffer.alloc(0)), /not a JSON object/],
  ['unknown type', withHeader({ a: { dtype: 'Q4', shape: [1], data_offsets: [0, 1] } }, Buffer.alloc(1)), /unknown type "Q4"/],
  ['inherited type', withHeader({ a: { dtype: 'toString', shape: [1], data_offsets: [0, 1] } }, Buffer.alloc(1)), /unknown type/],
  ['negative shape', withHeader({ a: { dtype: 'I8', shape: [-1], data_offsets: [0, 1] } }, Buffer.alloc(1)), /no valid shape/],
  ['shape and bytes differ', withHeader({ a: { dtype: 'F32', shape: [2], data_offsets: [0, 4] } }, Buffer.alloc(4)), /its shape needs 8/],
  ['past the end', withHeader({ a: { dtype: 'I8', shape: [5], data_offsets: [0, 5] } }, Buffer.alloc(4)), /past the end/],
  ['gap', withHeader({ a: { dtype: 'I8', shape: [1], data_offsets: [1, 2] } }, Buffer.alloc(2)), /expected/],
  ['overlap', withHeader({ a: { dtype: 'I8', shape: [2], data_offsets: [0, 2] }, b: { dtype: 'I8', shape: [2], data_offsets: [1, 3] } }, Buffer.alloc(3)), /expected/],
  ['trailing bytes', Buffer.concat([good, Buffer.from([0])]), /1 bytes after the last tensor/],
];
for (const [what, bytes, message] of bad) {
  test(`refused: ${what}`, () => {
    assert.throws(() => readSafetensors(bytes, 'dir/m'), (error: { code: string; path: string; offset: number; message: string }) => {
      assert.equal(error.code, 'CORRUPT');
      assert.equal(error.path, 'dir/m');
      assert.ok(error.offset >= 0 && error.offset <= bytes.length);
      assert.match(error.message, message);
      return true;
    });
  });
}

test('damaged bytes give CORRUPT or tensors that lie inside the file, never anything else', () => {
  const change = fc.record({ at: fc.nat(good.length - 1), value: fc.nat(255) });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 4 }), fc.nat(good.length), (changes, length) => {
      const bytes = Buffer.from(good.subarray(0, length));
      for (const { at, value } of changes) if (at < bytes.length) bytes[at] = value;
      try {
        for (const tensor of readSafetensors(bytes, 'm').values()) assert.ok(tensor.offset + tensor.bytes.length <= bytes.length);
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'CORRUPT', String(error));
      }
    }),
    { seed, numRuns: 3000 },
  );
});
