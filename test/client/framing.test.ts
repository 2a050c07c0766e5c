import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { FrameReader, encodeFrame } from '../../client/framing.ts';
import { testSeed } from '../support/random-docs.ts';

const seed = testSeed();
const LIMITS = { maxHeaderBytes: 64, maxBodyBytes: 1000, frameTimeoutMs: 50 };

function collect(): { reader: FrameReader; messages: unknown[]; violations: string[] } {
  const messages: unknown[] = [];
  const violations: string[] = [];
  const reader = new FrameReader({ message: (message) => messages.push(message), violation: (reason) => violations.push(reason) }, LIMITS);
  return { reader, messages, violations };
}

test('messages arrive whole however the stream is cut', () => {
  const message = fc.dictionary(fc.string({ maxLength: 5 }), fc.oneof(fc.string({ unit: 'grapheme', maxLength: 20 }), fc.integer()), { maxKeys: 4, noNullPrototype: true });
  fc.assert(
    fc.property(fc.array(message, { maxLength: 6 }), fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (sent, cuts) => {
      const { reader, messages, violations } = collect();
      const stream = Buffer.concat(sent.map((one) => encodeFrame(one)));
      for (let at = 0, i = 0; at < stream.length; i++) {
        const size = cuts[i % cuts.length] as number;
        reader.push(stream.subarray(at, at + size));
        at += size;
      }
      assert.deepEqual([messages, violations], [JSON.parse(JSON.stringify(sent)), []]);
      reader.end();
    }),
    { seed },
  );
});

const garbage: readonly (readonly [string, string, RegExp])[] = [
  ['an endless header', 'x'.repeat(100), /more than 64 bytes/],
  ['a long header that ends', `${'x: y\r\n'.repeat(20)}\r\n\r\n`, /more than 64 bytes/],
  ['no length', 'Content-Type: x\r\n\r\n', /without Content-Length/],
  ['a negative length', 'Content-Length: -1\r\n\r\n', /without Content-Length/],
  ['a length that is no number', 'Content-Length: 1e9\r\n\r\n', /without Content-Length/],
  ['a huge length', 'Content-Length: 9999999999\r\n\r\n', /9999999999 bytes \(limit 1000\)/],
  ['bad JSON', 'Content-Length: 3\r\n\r\n{x}', /not JSON/],
  ['an empty body', 'Content-Length: 0\r\n\r\n', /not JSON/],
  ['a list', 'Content-Length: 2\r\n\r\n[]', /not an object/],
  ['null', 'Content-Length: 4\r\n\r\nnull', /not an object/],
];
for (const [what, bytes, reason] of garbage) {
  test(`refused: ${what}`, () => {
    const { reader, messages, violations } = collect();
    reader.push(Buffer.from(bytes));
    reader.push(encodeFrame({ a: 1 }));
    assert.equal(violations.length, 1);
    assert.match(violations[0] as string, reason);
    assert.deepEqual(messages, [], 'nothing after a violation counts');
  });
}

test('random bytes give messages or one violation, never an exception', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 }), (parts) => {
      const { reader, violations } = collect();
      for (const part of parts) reader.push(Buffer.from(part));
      assert.ok(violations.length <= 1);
      reader.end();
    }),
    { seed },
  );
});

test('a frame that is never completed ends, although bytes keep coming', async () => {
  const { reader, violations } = collect();
  reader.push(Buffer.from('Content-Length: 500\r\n\r\n'));
  for (let i = 0; i < 30 && violations.length === 0; i++) {
    reader.push(Buffer.from('x'));
    await sleep(10);
  }
  assert.match(violations[0] as string, /not complete after 50 ms/);
});

test('a message that is too large is not sent', () => {
  assert.throws(() => encodeFrame({ text: 'x'.repeat(2000) }, 1000), { code: 'INVALID_ARGUMENT' });
});
