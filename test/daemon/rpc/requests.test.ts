// Requests that are framed well: authentication, limits, validation, cancellation, progress, errors, states.
import assert from 'node:assert/strict';
import { lstatSync } from 'node:fs';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkLeaks } from '../../support/leaks.ts';
import { startServer, TOKEN } from './harness.ts';

checkLeaks();

test('[C.4] nothing is answered before initialize with the right token', async (t) => {
  const harness = await startServer(t);
  const early = harness.connect();
  assert.equal((await early.request('daemon/health')).error?.data.code, 'UNAUTHORIZED');
  await early.gone();
  for (const token of ['', 'b'.repeat(64), `${TOKEN}x`, TOKEN.slice(1)]) {
    const wrong = harness.connect();
    const reply = await wrong.hello({ token });
    assert.equal(reply.error?.data.code, 'UNAUTHORIZED');
    assert.ok(!JSON.stringify(reply).includes(TOKEN));
    await wrong.gone();
  }
  const right = harness.connect();
  assert.ok((await right.hello()).result);
  assert.equal((await right.hello()).error?.data.code, 'PROTOCOL', 'a second initialize');
  assert.ok((await right.request('daemon/health')).result);
});

test('[C.4] a client that says nothing is closed after the deadline, and a large hello is refused', async (t) => {
  const harness = await startServer(t, { initializeTimeoutMs: 100 });
  const silent = harness.connect();
  await silent.gone();
  assert.deepEqual(harness.violations, ['no initialize in time']);
  const loud = (await startServer(t)).connect(); // where it has the time to say it
  loud.raw('Content-Length: 1000000\r\n\r\n');
  await loud.gone();
  assert.match(loud.answers[0]?.error?.message ?? '', /1000000 bytes/);
});

test('[6.6] unknown params are refused with the list of known ones; wrong types name the param', async (t) => {
  const client = (await startServer(t)).connect();
  await client.hello();
  const unknown = await client.request('search/query', { query: 'x', limt: 5 });
  assert.equal(unknown.error?.data.code, 'INVALID_ARGUMENT');
  assert.match(unknown.error?.message ?? '', /"limt"/);
  assert.equal(unknown.error?.data.hint, 'Known params: query, limit.');
  for (const bad of [{ query: 5 }, {}, { query: 'x', limit: 0 }, { query: 'x', limit: 1e9 }, { query: 'x', limit: 1.5 }, { query: 'nul\0' }, { query: '' }]) {
    const reply = await client.request('search/query', bad);
    assert.equal(reply.error?.data.code, 'INVALID_ARGUMENT', JSON.stringify(bad));
    assert.match(reply.error?.message ?? '', /query|limit/);
  }
  assert.deepEqual((await client.request('search/query', { query: '__proto__' })).result, { query: '__proto__' });
});

test('[1.71] expected errors keep code, hint, path; a bug is INTERNAL, logged, and the daemon lives', async (t) => {
  const harness = await startServer(t);
  const client = harness.connect();
  await client.hello();
  assert.deepEqual((await client.request('index/status')).error, { code: -32000, message: 'no such index', data: { code: 'NOT_FOUND', retryable: false, hint: 'make one', path: '/x' } });
  const bug = await client.request('index/flush');
  assert.equal(bug.error?.data.code, 'INTERNAL');
  assert.ok(!JSON.stringify(bug).includes('secret'), 'what went wrong inside is for the log');
  assert.match((harness.bugs[0] as Error).stack ?? '', /a bug with a secret/);
  const unknown = await client.request('search/nothing');
  assert.equal(unknown.error?.code, -32601);
  assert.match(unknown.error?.data.hint ?? '', /search\/query/);
  assert.ok((await client.request('daemon/health')).result);
});

test('cancellation reaches the handler as an AbortSignal and the answer says CANCELLED', async (t) => {
  const harness = await startServer(t);
  const client = harness.connect();
  await client.hello();
  client.message({ jsonrpc: '2.0', id: 'a', method: 'index/verify', params: {} });
  while (harness.hanging.length === 0) await sleep(2);
  client.message({ jsonrpc: '2.0', method: '$/cancelRequest', params: { id: 'a' } });
  const reply = await client.answer('a');
  assert.equal(reply.error?.data.code, 'CANCELLED');
  assert.equal(reply.error?.code, -32800);
  client.message({ jsonrpc: '2.0', id: 'b', method: 'index/verify', params: {} });
  client.message({ jsonrpc: '2.0', method: '$/cancelRequest', params: { id: 'b' } });
  assert.equal((await client.answer('b')).error?.data.code, 'CANCELLED', 'also when it arrives with the request');
});

test('[C.8] more unanswered requests than allowed are refused as OVERLOADED, and ids in use are refused', async (t) => {
  const harness = await startServer(t, { maxInFlight: 4 });
  const client = harness.connect();
  await client.hello();
  for (let id = 100; id < 106; id++) client.message({ jsonrpc: '2.0', id, method: 'index/verify', params: {} });
  for (const id of [104, 105]) {
    const reply = await client.answer(id);
    assert.equal(reply.error?.data.code, 'OVERLOADED');
    assert.equal(reply.error?.data.retryable, true);
  }
  client.message({ jsonrpc: '2.0', id: 100, method: 'daemon/health' });
  assert.match((await client.answer(null)).error?.message ?? '', /in use/);
  for (let id = 100; id < 104; id++) client.message({ jsonrpc: '2.0', method: '$/cancelRequest', params: { id } });
  for (let id = 100; id < 104; id++) await client.answer(id);
  assert.ok((await client.request('daemon/health', {}, 104_000)).result, 'there is room again');
});

test('[C.8] connections past the cap are told so and closed', async (t) => {
  const harness = await startServer(t, {}, 2);
  const [a, b] = [harness.connect(), harness.connect()];
  await a.hello();
  await b.hello();
  const third = harness.connect();
  await third.gone();
  assert.equal(third.answers[0]?.error?.data.code, 'OVERLOADED');
  a.destroy();
  while (harness.server.connections > 1) await sleep(2);
  assert.ok((await harness.connect().hello()).result);
});

test('[6.11] progress is thinned, the newest value comes last and before the answer', async (t) => {
  const client = (await startServer(t)).connect();
  await client.hello();
  await client.request('index/open', { progressToken: 'p' }, 9);
  const progress = client.answers.filter((message) => message.method === '$/progress');
  assert.ok(progress.length >= 2 && progress.length <= 5, `${progress.length} messages`);
  assert.deepEqual(progress.at(-1)?.params, { token: 'p', value: { phase: 'index', done: 50, total: 50, unit: 'files' } });
  assert.equal(client.answers.at(-1)?.id, 9);
  await client.request('index/open', {}, 10);
  assert.equal(client.answers.filter((message) => message.method === '$/progress').length, progress.length, 'none without a token');
});

test('notifications go only to clients that asked for them', async (t) => {
  const harness = await startServer(t);
  const [asked, silent] = [harness.connect(), harness.connect()];
  await asked.hello({ notifications: ['index/changed'] });
  await silent.hello();
  harness.server.broadcast('index/changed', { index: 'x', state: 'ready', lsn: 1, pendingFiles: 0 });
  await asked.request('daemon/health');
  await silent.request('daemon/health');
  assert.equal(asked.answers.filter((message) => message.method === 'index/changed').length, 1);
  assert.equal(silent.answers.filter((message) => message.method === 'index/changed').length, 0);
});

test('[6.13] while starting and draining only control methods answer; the rest is NOT_SERVING and retryable', async (t) => {
  const harness = await startServer(t);
  const client = harness.connect();
  await client.hello();
  for (const state of ['starting', 'draining'] as const) {
    harness.state = state;
    assert.ok((await client.request('daemon/health')).result);
    const refused = await client.request('index/list');
    assert.equal(refused.error?.data.code, 'NOT_SERVING');
    assert.equal(refused.error?.data.retryable, true);
  }
});

test('draining waits for what runs, then cancels it', async (t) => {
  const harness = await startServer(t);
  const client = harness.connect();
  await client.hello();
  client.message({ jsonrpc: '2.0', id: 'slow', method: 'index/verify', params: {} });
  while (harness.hanging.length === 0) await sleep(2);
  await harness.dispatcher.drain(50);
  assert.equal((await client.answer('slow')).error?.data.code, 'CANCELLED');
  await harness.dispatcher.drain(10_000);
  await harness.server.close();
  await client.gone();
});

test('a hundred parallel requests of ten clients are all answered, each to its sender', async (t) => {
  const harness = await startServer(t);
  const clients = Array.from({ length: 10 }, () => harness.connect());
  await Promise.all(clients.map(async (client, n) => {
    await client.hello();
    await Promise.all(Array.from({ length: 10 }, async (_, i) => {
      const reply = await client.request('search/query', { query: `${n}-${i}` });
      assert.deepEqual(reply.result, { query: `${n}-${i}` });
    }));
  }));
  const { requests, counters } = harness.metrics.read();
  assert.equal(requests['search/query']?.count, 100);
  assert.equal(counters['connections'], 10);
});

test('[3.16] the socket is private and no temporary name is left', async (t) => {
  const harness = await startServer(t);
  const stats = lstatSync(harness.path);
  assert.ok(stats.isSocket());
  assert.equal(stats.mode & 0o777, 0o600);
});
