// Hostile frames: each gets an error reply or a closed connection, the daemon lives, and another client is answered meanwhile.
import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { FrameReader } from '../../../daemon/rpc/frame-reader.ts';
import { isDeeperThan, parseBody } from '../../../daemon/rpc/parse-body.ts';
import { CONNECTION_LIMITS } from '../../../daemon/rpc/connection.ts';
import { OUTBOX_LIMITS } from '../../../daemon/rpc/outbox.ts';
import { checkLeaks } from '../../support/leaks.ts';
import { startServer, type RawClient } from './harness.ts';
import { testSeed } from '../../support/random.ts';

checkLeaks();
const framed = (text: string): string => `Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;

const VIOLATIONS: Readonly<Record<string, string | Buffer>> = {
  'garbage': Buffer.from(Array.from({ length: 9_000 }, (_, i) => (i * 7919) % 251)),
  'an HTTP request': 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n',
  'a header line without a colon': 'Content-Length 5\r\n\r\nhello',
  'no Content-Length': 'Content-Type: x\r\n\r\n{}',
  'NaN': 'Content-Length: NaN\r\n\r\n{}',
  'a negative length': 'Content-Length: -5\r\n\r\n{}',
  'a hex length': 'Content-Length: 0x10\r\n\r\n{}',
  'an exponent': 'Content-Length: 1e3\r\n\r\n{}',
  'a huge length': 'Content-Length: 1000000000000\r\n\r\n{}',
  'a length of 3e9': 'Content-Length: 3000000000\r\n\r\n{}',
  'two lengths': 'Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}',
  'an empty body': 'Content-Length: 0\r\n\r\n',
  'a header flood': Buffer.alloc(1024 * 1024, 'a'),
  'many header lines': `${'X: y\r\n'.repeat(100)}\r\n`,
  'bad JSON': framed('{"jsonrpc": '),
  'null': framed('null'),
  'a number': framed('42'),
  'a string': framed('"x"'),
  'a batch': framed('[{"jsonrpc":"2.0","id":1,"method":"daemon/health"}]'),
  'deep arrays': framed(`{"jsonrpc":"2.0","id":1,"method":"daemon/health","params":${'['.repeat(20_000)}${']'.repeat(20_000)}}`),
  'invalid UTF-8': Buffer.concat([Buffer.from('Content-Length: 4\r\n\r\n"'), Buffer.from([0xff, 0xfe]), Buffer.from('"')]),
};

async function stillAnswers(client: RawClient): Promise<void> {
  assert.deepEqual((await client.request('daemon/health')).result, { ok: true });
}

for (const [name, bytes] of Object.entries(VIOLATIONS)) {
  test(`[1.73] [C.8] frame: ${name} gets an error reply and a closed connection`, async (t) => {
    const harness = await startServer(t);
    const other = harness.connect();
    await other.hello();
    const rude = harness.connect();
    rude.raw(bytes);
    await stillAnswers(other);
    await rude.gone();
    const reply = rude.answers.at(-1);
    assert.equal(reply?.error?.data.code, 'PROTOCOL');
    assert.equal(reply.id, null);
    assert.equal(harness.violations.length, 1);
    await stillAnswers(other);
    assert.equal(harness.server.connections, 1);
  });
}

const BAD_MESSAGES: Readonly<Record<string, string>> = {
  'an object as id': '{"jsonrpc":"2.0","id":{},"method":"daemon/health"}',
  'null as id': '{"jsonrpc":"2.0","id":null,"method":"daemon/health"}',
  'a fraction as id': '{"jsonrpc":"2.0","id":1.5,"method":"daemon/health"}',
  'no version': '{"id":7,"method":"daemon/health"}',
  'a number as method': '{"jsonrpc":"2.0","id":7,"method":5}',
  'a very long method': `{"jsonrpc":"2.0","id":7,"method":"${'m'.repeat(10_000)}"}`,
  'no method': '{"jsonrpc":"2.0","id":7}',
  'an array as params': '{"jsonrpc":"2.0","id":7,"method":"daemon/health","params":[1]}',
  'null as params': '{"jsonrpc":"2.0","id":7,"method":"daemon/health","params":null}',
  '__proto__ as method': '{"jsonrpc":"2.0","id":7,"method":"__proto__"}',
  'constructor as method': '{"jsonrpc":"2.0","id":7,"method":"constructor"}',
  'toString as method': '{"jsonrpc":"2.0","id":7,"method":"toString"}',
  '__proto__ as param': '{"jsonrpc":"2.0","id":7,"method":"search/query","params":{"query":"x","__proto__":{"limit":5}}}',
  'constructor as param': '{"jsonrpc":"2.0","id":7,"method":"search/query","params":{"query":"x","constructor":{"prototype":{"polluted":1}}}}',
};

test('[1.72] [C.9] a message that is JSON but no valid request gets a typed error; the connection lives and nothing is polluted', async (t) => {
  const harness = await startServer(t);
  const client = harness.connect();
  await client.hello();
  for (const [name, text] of Object.entries(BAD_MESSAGES)) {
    const before = client.answers.length;
    client.body(text);
    while (client.answers.length === before) await sleep(2);
    const error = client.answers.at(-1)?.error;
    assert.ok(error !== undefined && ['PROTOCOL', 'INVALID_ARGUMENT', 'UNKNOWN_METHOD'].includes(error.data.code), `${name}: ${JSON.stringify(error)}`);
  }
  assert.equal(({} as { polluted?: unknown }).polluted, undefined);
  assert.deepEqual(Object.keys(Object.prototype), []);
  await stillAnswers(client);
});

test('messages that ask nothing are dropped: responses, unknown notifications, cancellations of nothing', async (t) => {
  const harness = await startServer(t);
  const client = harness.connect();
  await client.hello();
  for (const text of ['{"jsonrpc":"2.0","id":9,"result":1}', '{"jsonrpc":"2.0","method":"whatever"}', '{"jsonrpc":"2.0","method":"$/cancelRequest"}',
    '{"jsonrpc":"2.0","method":"$/cancelRequest","params":null}', '{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":{}}}', '{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":77}}']) client.body(text);
  assert.deepEqual((await client.request('daemon/health', {}, 77)).result, { ok: true }, 'a cancellation from before the request does not count');
  assert.equal(client.answers.length, 2);
});

test('[C.8] slow loris: a frame that does not end in time is closed, however its bytes drip', async (t) => {
  const harness = await startServer(t, { frame: { ...CONNECTION_LIMITS.frame, frameTimeoutMs: 300 } });
  const other = harness.connect();
  await other.hello();
  const starts = ['Content-Le', 'Content-Length: 100\r\n\r\n{', 'Content-Length: 100\r\n\r\n'];
  const slow = Array.from({ length: 30 }, (_, i) => {
    const client = harness.connect();
    client.raw(starts[i % 3] as string);
    const drip = setInterval(() => client.raw(i % 3 === 0 ? '' : ' '), 50);
    t.after(() => clearInterval(drip));
    return client;
  });
  await stillAnswers(other);
  await Promise.all(slow.map((client) => client.gone()));
  for (const client of slow) assert.match(client.answers.at(-1)?.error?.message ?? '', /not complete after 300 ms/);
  await stillAnswers(other);
});

test('[C.8] a client that never reads is paused, then closed; others are answered', async (t) => {
  const harness = await startServer(t, { outbox: { ...OUTBOX_LIMITS, highWaterBytes: 64 * 1024, stallMs: 300 } });
  const other = harness.connect();
  await other.hello();
  const deaf = harness.connect();
  await deaf.hello();
  deaf.socket.pause();
  for (let id = 100; id < 160; id++) deaf.message({ jsonrpc: '2.0', id, method: 'search/grep', params: { size: 500_000 } });
  await stillAnswers(other);
  while (harness.server.connections > 1) await sleep(20);
  assert.match(harness.violations.join(), /no output was read/);
  await stillAnswers(other);
});

test('[C.8] output past the backlog limit closes the connection at once', async (t) => {
  const harness = await startServer(t, { outbox: { ...OUTBOX_LIMITS, maxBytes: 1_000_000 } });
  const deaf = harness.connect();
  await deaf.hello();
  deaf.socket.pause();
  deaf.message({ jsonrpc: '2.0', id: 100, method: 'search/grep', params: { size: 5_000_000 } });
  while (harness.server.connections > 0) await sleep(10);
  assert.match(harness.violations.join(), /bytes of output were not read/);
});

test('an answer too large for a frame is an error, not a broken frame', async (t) => {
  const harness = await startServer(t);
  const client = harness.connect();
  await client.hello();
  const reply = await client.request('search/grep', { size: 34_000_000 });
  assert.equal(reply.error?.data.code, 'UNSUPPORTED');
  await stillAnswers(client);
});

test('an answer that cannot be written at all is an error too, never a silence', async (t) => {
  const harness = await startServer(t);
  const client = harness.connect();
  await client.hello();
  assert.equal((await client.request('search/grep', { size: 1 })).error?.data.code, 'INTERNAL');
  assert.equal((await client.request('search/grep', { size: 2 })).error?.data.code, 'UNSUPPORTED');
  await stillAnswers(client);
});

test('a slow reader gets everything: pausing loses nothing', async (t) => {
  const harness = await startServer(t, { outbox: { ...OUTBOX_LIMITS, highWaterBytes: 64 * 1024 }, frame: { ...CONNECTION_LIMITS.frame, frameTimeoutMs: 100 } });
  const client = harness.connect();
  await client.hello();
  client.socket.pause();
  for (let id = 100; id < 150; id++) client.message({ jsonrpc: '2.0', id, method: 'search/grep', params: { size: 200_000 } });
  await sleep(300);
  client.socket.resume();
  for (let id = 100; id < 150; id++) assert.equal(((await client.answer(id)).result as { filler: string }).filler.length, 200_000);
});

test('a client that disconnects in the middle of a request cancels it', async (t) => {
  const harness = await startServer(t);
  const client = harness.connect();
  await client.hello();
  client.message({ jsonrpc: '2.0', id: 5, method: 'index/verify', params: {} });
  while (harness.hanging.length === 0) await sleep(2);
  client.destroy();
  while (harness.hanging[0]?.aborted !== true) await sleep(2);
  while (harness.dispatcher.working > 0) await sleep(2);
});

test('[1.73] any cut of a stream into pieces gives the same messages', () => {
  const seed = testSeed();
  console.log(`seed ${seed}`);
  fc.assert(
    fc.property(fc.array(fc.string({ maxLength: 200 }), { maxLength: 8 }), fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 60 }), (texts, cuts) => {
      const stream = Buffer.concat(texts.map((text) => Buffer.from(framed(text))));
      const got: string[] = [];
      const reader = new FrameReader({ body: (body) => got.push(body.toString()), violation: (message) => assert.fail(message) });
      for (let at = 0, i = 0; at < stream.length; i++) {
        const size = cuts[i % cuts.length] as number;
        reader.push(stream.subarray(at, at + size));
        at += size;
      }
      reader.close();
      assert.deepEqual(got, texts);
    }),
    { seed, numRuns: 300 },
  );
});

test('[1.73] [C.8] random bytes never throw and never pass for a message larger than the limit', () => {
  const seed = testSeed();
  console.log(`seed ${seed}`);
  const piece = fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.constantFrom('Content-Length: ', '12', '\r\n', '\r\n\r\n', '{"a":1}', ':', 'content-length:5\r\n\r\n').map((text) => Buffer.from(text)));
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      let ended = false;
      const reader = new FrameReader({ body: (body) => { assert.ok(!ended && body.length <= 64); parseBody(body); }, violation: () => { assert.ok(!ended); ended = true; } }, { maxHeaderBytes: 128, maxBodyBytes: 64, frameTimeoutMs: 1_000 });
      for (const bytes of pieces) reader.push(Buffer.from(bytes));
      reader.close();
    }),
    { seed, numRuns: 1_000 },
  );
});

test('[C.9] nesting is counted outside strings only', () => {
  assert.equal(isDeeperThan(Buffer.from('{"a":"[[[[[[","b":"\\"[[[["}'), 1), false);
  assert.equal(isDeeperThan(Buffer.from('[[[]]]'), 2), true);
  assert.equal(isDeeperThan(Buffer.from('[[],[],[],[]]'), 2), false);
  assert.equal(isDeeperThan(Buffer.from('"unterminated ['), 1), false);
});
