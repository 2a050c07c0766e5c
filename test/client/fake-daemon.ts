/** A daemon double on a real Unix socket: answers what the test tells it to, and can misbehave. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { dirname } from 'node:path';
import { FrameReader, encodeFrame } from '../../client/framing.ts';
import { resolveEndpoint } from '../../daemon/protocol/endpoint.ts';
import type { Endpoint } from '../../daemon/protocol/endpoint.ts';

export interface Request {
  readonly id: number;
  readonly method: string;
  readonly params: Record<string, unknown>;
  readonly socket: Socket;
}

/** Returns the result, throws a WireError, or undefined-promise never to answer. */
export type Answer = (request: Request) => unknown;

export class WireError extends Error {
  readonly data: { readonly code: string; readonly retryable: boolean; readonly hint?: string };

  constructor(code: string, message: string, extra: { readonly retryable?: boolean; readonly hint?: string } = {}) {
    super(message);
    this.data = { code, retryable: false, ...extra };
  }
}

export const never = (): Promise<never> => new Promise(() => undefined);

export class FakeDaemon {
  readonly endpoint: Endpoint;
  readonly requests: Request[] = [];
  readonly cancelled: unknown[] = [];
  readonly answers = new Map<string, Answer>();
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Called with each new socket instead of speaking the protocol. */
  onSocket: ((socket: Socket) => void) | null = null;
  version = '0.1.0';

  private constructor(endpoint: Endpoint) {
    this.endpoint = endpoint;
    this.#server = createServer((socket) => this.#serve(socket));
    this.answers.set('initialize', ({ params }) => {
      if (params['token'] !== 'secret') throw new WireError('UNAUTHORIZED', 'wrong token');
      return { daemonVersion: this.version, protocol: 1, pid: process.pid, epoch: 3, capabilities: [], dataDir: endpoint.dataDir };
    });
  }

  static async start(dataDir: string, env: Readonly<Record<string, string | undefined>> = {}): Promise<FakeDaemon> {
    const fake = new FakeDaemon(resolveEndpoint(env, dataDir));
    mkdirSync(dirname(fake.endpoint.tokenFile), { recursive: true, mode: 0o700 });
    mkdirSync(fake.endpoint.runDir, { recursive: true, mode: 0o700 });
    writeFileSync(fake.endpoint.tokenFile, 'secret\n', { mode: 0o600 });
    rmSync(fake.endpoint.socket, { force: true });
    await new Promise<void>((done) => fake.#server.listen(fake.endpoint.socket, done));
    return fake;
  }

  answer(method: string, answer: Answer): this {
    this.answers.set(method, answer);
    return this;
  }

  send(socket: Socket, message: unknown): void {
    socket.write(encodeFrame(message));
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((done) => this.#server.close(done));
    rmSync(this.endpoint.socket, { force: true });
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => this.#sockets.delete(socket));
    if (this.onSocket !== null) return this.onSocket(socket);
    const reader = new FrameReader({ message: (message) => void this.#receive(socket, message), violation: () => socket.destroy() });
    socket.on('data', (data) => reader.push(data));
    socket.on('close', () => reader.end());
  }

  async #receive(socket: Socket, message: Readonly<Record<string, unknown>>): Promise<void> {
    const { id, method, params } = message as unknown as Request;
    if (method === '$/cancelRequest') {
      this.cancelled.push(params['id']);
      return;
    }
    const request = { id, method, params, socket };
    this.requests.push(request);
    try {
      const answer = this.answers.get(method);
      if (answer === undefined) throw new WireError('UNKNOWN_METHOD', `no ${method}`);
      this.send(socket, { jsonrpc: '2.0', id, result: await answer(request) });
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.send(socket, { jsonrpc: '2.0', id, error: { code: -32000, message: error.message, data: error.data } });
    }
  }
}
