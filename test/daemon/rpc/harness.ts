// A real RpcServer on a real socket with a small table, and a raw client that can be as rude as a test needs.
import { createConnection, type Socket } from 'node:net';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { CairnError } from '../../../daemon/errors.ts';
import { publishSocket } from '../../../daemon/lifecycle/socket.ts';
import type { ConnectionLimits } from '../../../daemon/rpc/connection.ts';
import { Dispatcher } from '../../../daemon/rpc/dispatcher.ts';
import { Metrics } from '../../../daemon/rpc/metrics.ts';
import { field, params } from '../../../daemon/rpc/schema.ts';
import { RpcServer } from '../../../daemon/rpc/server.ts';
import type { MethodTable, RequestContext } from '../../../daemon/rpc/table.ts';
import type { DaemonState } from '../../../daemon/protocol/types.ts';
import { PATIENCE_MS } from '../../support/cli.ts';
import { tempDir } from '../../support/temp-dir.ts';

export const TOKEN = 'a'.repeat(64);

export interface Answer {
  readonly id: unknown;
  readonly method?: string;
  readonly params?: unknown;
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly message: string; readonly data: { readonly code: string; readonly retryable: boolean; readonly hint?: string } };
}

export class RawClient {
  readonly socket: Socket;
  readonly answers: Answer[] = [];
  closed = false;
  #bytes: Buffer = Buffer.alloc(0);
  #nextId = 1;

  constructor(path: string) {
    this.socket = createConnection(path);
    this.socket.on('error', () => undefined);
    this.socket.on('close', () => { this.closed = true; });
    this.socket.on('data', (data: Buffer) => this.#read(data));
  }

  raw(data: string | Buffer): void {
    this.socket.write(data);
  }

  body(text: string): void {
    this.raw(`Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
  }

  message(value: unknown): void {
    this.body(JSON.stringify(value));
  }

  async request(method: string, value: unknown = {}, id: number = this.#nextId++): Promise<Answer> {
    this.message({ jsonrpc: '2.0', id, method, params: value });
    return this.answer(id);
  }

  async hello(more: object = {}): Promise<Answer> {
    return this.request('initialize', { clientName: 'test', clientVersion: '1', protocol: { min: 1, max: 1 }, token: TOKEN, ...more });
  }

  async answer(id: unknown): Promise<Answer> {
    const deadline = performance.now() + PATIENCE_MS;
    while (performance.now() < deadline) {
      const found = this.answers.find((answer) => answer.id === id && answer.method === undefined);
      if (found !== undefined) return found;
      if (this.closed) throw new Error(`closed before the answer to ${String(id)}`);
      await sleep(5);
    }
    throw new Error(`no answer to ${String(id)}`);
  }

  async gone(): Promise<void> {
    if (!this.closed) await new Promise((resolve) => this.socket.once('close', resolve));
  }

  destroy(): void {
    this.socket.destroy();
  }

  #read(data: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, data]);
    for (;;) {
      const end = this.#bytes.indexOf('\r\n\r\n');
      if (end < 0) return;
      const length = Number(/Content-Length: (\d+)/.exec(this.#bytes.toString('latin1', 0, end))?.[1]);
      if (this.#bytes.length < end + 4 + length) return;
      this.answers.push(JSON.parse(this.#bytes.toString('utf8', end + 4, end + 4 + length)) as Answer);
      this.#bytes = this.#bytes.subarray(end + 4 + length);
    }
  }
}

export interface Harness {
  readonly path: string;
  readonly server: RpcServer;
  readonly dispatcher: Dispatcher;
  readonly metrics: Metrics;
  readonly bugs: unknown[];
  readonly violations: string[];
  /** Signals of requests of `index/verify` that hang until cancelled. */
  readonly hanging: AbortSignal[];
  state: DaemonState;
  connect(): RawClient;
}

const answer = { summary: 'test', lane: 'read', params: params({}) } as const;

function table(hanging: AbortSignal[]): MethodTable {
  const hang = (_params: unknown, context: RequestContext): Promise<never> => {
    hanging.push(context.signal);
    return new Promise((_resolve, reject) => context.signal.addEventListener('abort', () => reject(new CairnError('CANCELLED', 'stopped'))));
  };
  const partial = {
    initialize: { ...answer, lane: 'control', params: params({ clientName: field.text(100), clientVersion: field.text(100), token: field.text(100), protocol: field.object({ min: field.integer(0, 9), max: field.integer(0, 9) }), notifications: field.list(field.text(64), 8).optional() }), handler: async () => ({ pid: process.pid }) },
    'daemon/health': { ...answer, lane: 'control', handler: async () => ({ ok: true }) },
    'index/list': { ...answer, handler: async () => ({ indexes: [] }) },
    'index/verify': { ...answer, handler: hang },
    'index/flush': { ...answer, lane: 'write', handler: async () => { throw new TypeError('a bug with a secret'); } },
    'index/status': { ...answer, handler: async () => { throw new CairnError('NOT_FOUND', 'no such index', { hint: 'make one', path: '/x' }); } },
    'search/query': { ...answer, params: params({ query: field.text(1000, 1), limit: field.integer(1, 1000).optional() }), handler: async ({ query }: { query: string }) => ({ query }) },
    'search/grep': { ...answer, params: params({ size: field.integer(1, 1e8) }), handler: async ({ size }: { size: number }) => filler(size) },
    'index/open': { ...answer, params: params({ progressToken: field.progressToken().optional() }), handler: async ({ progressToken }: { progressToken?: string }, context: RequestContext) => {
      const push = context.progress(progressToken);
      for (let done = 1; done <= 50; done++) push({ phase: 'index', done, total: 50, unit: 'files' });
      return { index: 'x' };
    } },
  };
  return partial as unknown as MethodTable;
}

export async function startServer(t: TestContext, limits: Partial<ConnectionLimits> = {}, maxConnections = 64): Promise<Harness> {
  const hanging: AbortSignal[] = [];
  const bugs: unknown[] = [];
  const violations: string[] = [];
  const clients = new Set<RawClient>();
  const metrics = new Metrics();
  const path = join(tempDir(t), 's.sock');
  const dispatcher = new Dispatcher({ table: table(hanging), metrics, state: () => harness.state, log: { bug: (_method, error) => bugs.push(error), done: () => undefined } });
  const server = new RpcServer({ dispatcher, token: TOKEN, metrics, limits, maxConnections, onEvent: (event, _id, detail) => { if (event === 'violation') violations.push(detail); } });
  const harness: Harness = {
    path, server, dispatcher, metrics, bugs, violations, hanging, state: 'serving',
    connect: () => {
      const client = new RawClient(path);
      clients.add(client);
      return client;
    },
  };
  await publishSocket(server.freshServer(), path);
  t.after(async () => {
    for (const client of clients) client.destroy();
    await server.close();
  });
  return harness;
}

/** Answers that nothing can carry: 1 byte cannot be said in JSON, 2 bytes are too many for a text. */
function filler(size: number): object {
  if (size === 1) return { filler: 1n };
  return size === 2 ? { filler: { toJSON: () => 'x'.repeat(2 ** 30) } } : { filler: 'x'.repeat(size) };
}
