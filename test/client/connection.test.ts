import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { Connection } from '../../client/connection.ts';
import { MAX_IN_FLIGHT } from '../../daemon/protocol/limits.ts';
import type { ProgressValue, SearchResultWire } from '../../daemon/protocol/types.ts';
import { checkLeaks } from '../support/leaks.ts';
import { until } from '../support/cli.ts';
import { tempDir } from '../support/temp-dir.ts';
import { FakeDaemon, WireError, never } from './fake-daemon.ts';

checkLeaks();

/** At a place of the daemon's: in a temp directory with a long name not every path is one for a socket. */
async function connected(t: TestContext, onSocket: FakeDaemon['onSocket'] = null): Promise<{ fake: FakeDaemon; connection: Connection }> {
  const fake = await FakeDaemon.start(tempDir(t));
  fake.onSocket = onSocket;
  const connection = await Connection.open(fake.endpoint.socket);
  t.after(async () => {
    connection.close();
    await fake.stop();
  });
  return { fake, connection };
}

test('answers find their request, in whatever order they come', async (t) => {
  const { fake, connection } = await connected(t);
  const gates = new Map<string, () => void>();
  fake.answer('search/query', ({ params }) => new Promise((done) => gates.set(String(params['query']), () => done({ hits: [], meta: { query: params['query'] } }))));
  const first = connection.request('search/query', { query: 'first' });
  const second = connection.request('search/query', { query: 'second' });
  await until(() => gates.size === 2, 'both are asked');
  gates.get('second')?.();
  const meta = (result: SearchResultWire): unknown => (result.meta as unknown as { query: string }).query;
  assert.equal(meta(await second), 'second');
  gates.get('first')?.();
  assert.equal(meta(await first), 'first');
});

test('an error answer carries code, hint and whether to retry', async (t) => {
  const { fake, connection } = await connected(t);
  fake.answer('index/status', () => {
    throw new WireError('NOT_FOUND', 'no such index', { hint: 'cairn list' });
  });
  await assert.rejects(connection.request('index/status', { index: 'x' }), { name: 'ClientError', code: 'NOT_FOUND', message: 'no such index', hint: 'cairn list', retryable: false });
});

test('cancelling tells the daemon and settles at once', async (t) => {
  const { fake, connection } = await connected(t);
  fake.answer('search/query', never);
  const abort = new AbortController();
  const request = connection.request('search/query', { query: 'x' }, { signal: abort.signal });
  await until(() => fake.requests.length === 1, 'it is asked');
  abort.abort();
  await assert.rejects(request, { code: 'CANCELLED' });
  await until(() => fake.cancelled.length === 1, 'the daemon is told');
  assert.equal(fake.cancelled[0], fake.requests[0]?.id);
  await assert.rejects(connection.request('search/query', { query: 'x' }, { signal: abort.signal }), { code: 'CANCELLED' });
  assert.equal(fake.requests.length, 1, 'what was cancelled before is not sent');
});

test('a slow answer ends with TIMEOUT and is cancelled; its late answer is dropped', async (t) => {
  const { fake, connection } = await connected(t);
  fake.answer('search/query', never);
  await assert.rejects(connection.request('search/query', { query: 'x' }, { timeoutMs: 20 }), { code: 'TIMEOUT', retryable: true });
  await until(() => fake.cancelled.length === 1, 'the daemon is told');
  const request = fake.requests[0];
  assert.ok(request !== undefined);
  fake.send(request.socket, { jsonrpc: '2.0', id: request.id, result: 'late' });
  fake.answer('daemon/health', () => ({ ok: true }));
  assert.deepEqual(await connection.request('daemon/health', {}), { ok: true });
});

test('[6.11] progress goes to the request that asked for it', async (t) => {
  const { fake, connection } = await connected(t);
  const value = (done: number): ProgressValue => ({ phase: 'index', done, total: 2, unit: 'files' });
  fake.answer('index/open', ({ params, socket }) => {
    const token = params['progressToken'];
    fake.send(socket, { jsonrpc: '2.0', method: '$/progress', params: { token, value: value(1) } });
    fake.send(socket, { jsonrpc: '2.0', method: '$/progress', params: { token: 'somebody else', value: value(9) } });
    fake.send(socket, { jsonrpc: '2.0', method: '$/progress', params: null });
    fake.send(socket, { jsonrpc: '2.0', method: '$/progress', params: { token, value: value(2) } });
    return { index: 'x' };
  });
  const seen: number[] = [];
  await connection.request('index/open', { root: '/r', wait: true }, { onProgress: ({ done }) => seen.push(done) });
  assert.deepEqual(seen, [1, 2]);
  assert.equal(typeof fake.requests[0]?.params['progressToken'], 'string');
});

test('notifications reach their handlers until these are removed', async (t) => {
  const { fake, connection } = await connected(t);
  const seen: string[] = [];
  const stop = connection.onNotification('index/changed', ({ index }) => seen.push(index));
  const notify = (index: string) => ({ socket }: { socket: Parameters<FakeDaemon['send']>[0] }): unknown => {
    fake.send(socket, { jsonrpc: '2.0', method: 'index/changed', params: { index } });
    return {};
  };
  fake.answer('daemon/health', notify('a'));
  await connection.request('daemon/health', {});
  stop();
  fake.answer('daemon/health', notify('b'));
  await connection.request('daemon/health', {});
  assert.deepEqual(seen, ['a']);
});

test('every open request settles when the daemon goes away, and later ones at once', async (t) => {
  const { fake, connection } = await connected(t);
  fake.answer('search/query', never);
  const requests = Array.from({ length: MAX_IN_FLIGHT + 5 }, () => connection.request('search/query', { query: 'x' }));
  const settled = Promise.allSettled(requests);
  await until(() => fake.requests.length === MAX_IN_FLIGHT, 'as many as allowed are asked');
  await fake.stop();
  for (const outcome of await settled) {
    assert.equal(outcome.status, 'rejected');
    assert.equal((outcome.reason as { code: string }).code, 'DAEMON_UNREACHABLE');
    assert.equal((outcome.reason as { retryable: boolean }).retryable, true);
  }
  const reason = await connection.closed;
  assert.equal(reason.code, 'DAEMON_UNREACHABLE');
  assert.match(reason.hint ?? '', /cairn daemon logs/);
  assert.equal(connection.isOpen, false);
  await assert.rejects(connection.request('daemon/health', {}), { code: 'DAEMON_UNREACHABLE' });
});

test('more requests than the daemon takes at once wait for their turn', async (t) => {
  const { fake, connection } = await connected(t);
  let open = 0;
  let most = 0;
  fake.answer('search/query', async () => {
    most = Math.max(most, ++open);
    await new Promise((done) => setImmediate(done));
    open--;
    return { hits: [] };
  });
  const answers = await Promise.all(Array.from({ length: 300 }, () => connection.request('search/query', { query: 'x' })));
  assert.equal(answers.length, 300);
  assert.ok(most <= MAX_IN_FLIGHT, `${most} at once`);
});

for (const [what, bytes] of [['garbage', 'HTTP/1.1 400 Bad Request\r\n\r\n'], ['a huge frame', 'Content-Length: 4000000000\r\n\r\n'], ['no JSON', 'Content-Length: 2\r\n\r\nno']] as const) {
  test(`a peer that answers ${what} ends the connection with PROTOCOL`, async (t) => {
    const { fake, connection } = await connected(t);
    fake.answer('search/query', ({ socket }) => (socket.write(bytes), never()));
    await assert.rejects(connection.request('search/query', { query: 'x' }), { code: 'PROTOCOL' });
    assert.equal((await connection.closed).code, 'PROTOCOL');
  });
}

test('a request that is too large fails alone', async (t) => {
  const { fake, connection } = await connected(t);
  fake.answer('daemon/health', () => ({ ok: true }));
  await assert.rejects(connection.request('search/query', { query: 'x'.repeat(40 << 20) }), { code: 'INVALID_ARGUMENT' });
  assert.deepEqual(await connection.request('daemon/health', {}), { ok: true });
});

test('nobody there, and a peer that never speaks', async (t) => {
  const dir = tempDir(t);
  await assert.rejects(Connection.open(join(dir, 'none.sock')), { code: 'DAEMON_UNREACHABLE', retryable: true });
  const { fake, connection } = await connected(t, (socket) => void socket.resume());
  await assert.rejects(connection.request('daemon/health', {}, { timeoutMs: 20 }), { code: 'TIMEOUT' });
  assert.deepEqual(fake.requests, []);
});
