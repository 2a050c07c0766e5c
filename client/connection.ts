/**
 * One JSON-RPC connection: request ids, answers, cancellation, progress, notifications, time limits.
 * Invariant: every request settles, at the latest when the connection closes (DAEMON_UNREACHABLE, retryable).
 */
import { createConnection } from 'node:net';
import type { Socket } from 'node:net';
import { MAX_BACKLOG_BYTES, MAX_IN_FLIGHT } from '../daemon/protocol/limits.ts';
import type { MethodName, Notifications, ParamsOf, ResultOf } from '../daemon/protocol/methods.ts';
import type { ProgressValue } from '../daemon/protocol/types.ts';
import { ClientError, errnoOf, fromWire, unreachable } from './errors.ts';
import { FrameReader, encodeFrame } from './framing.ts';
import type { ReaderLimits } from './framing.ts';

export interface RequestOptions {
  /** Cancels the request: the daemon is told, the promise rejects with CANCELLED at once. */
  readonly signal?: AbortSignal | undefined;
  /** Rejects with TIMEOUT (retryable) and cancels; no limit when absent. */
  readonly timeoutMs?: number | undefined;
  /** Asks for $/progress and receives it. */
  readonly onProgress?: ((value: ProgressValue) => void) | undefined;
}

export interface ConnectionOptions {
  readonly connectTimeoutMs?: number | undefined;
  readonly limits?: ReaderLimits | undefined;
}

interface Pending {
  readonly method: string;
  readonly params: object;
  readonly settle: (outcome: { readonly result: unknown } | { readonly error: ClientError }) => void;
}

type Handler = (params: never) => void;

const CONNECT_TIMEOUT_MS = 5_000;
/** For a peer that does not take the last bytes. */
const CLOSE_TIMEOUT_MS = 1_000;

export class Connection {
  readonly #socket: Socket;
  readonly #reader: FrameReader;
  readonly #pending = new Map<number, Pending>();
  /** Requests beyond the daemon's limit wait here. */
  readonly #waiting: { readonly id: number; readonly pending: Pending }[] = [];
  readonly #handlers = new Map<string, Set<Handler>>();
  readonly #progress = new Map<string, (value: ProgressValue) => void>();
  readonly #closed: Promise<ClientError>;
  #tellClosed: (reason: ClientError) => void = () => undefined;
  #failure: ClientError | null = null;
  #nextId = 1;

  /** `socket` is connected. */
  constructor(socket: Socket, options: ConnectionOptions = {}) {
    this.#socket = socket;
    // Not Promise.withResolvers: the library also runs in editors with Node 20.
    this.#closed = new Promise((resolve) => (this.#tellClosed = resolve));
    const violation = (reason: string): void => this.#end(new ClientError('PROTOCOL', `the daemon sent ${reason}`, { hint: 'Is another program listening on the socket?' }));
    this.#reader = new FrameReader({ message: (message) => this.#receive(message), violation }, options.limits);
    socket.on('data', (data) => this.#reader.push(data));
    socket.on('error', (cause) => this.#end(unreachable(`the connection to the daemon failed (${errnoOf(cause) ?? cause.message})`, { cause })));
    socket.on('close', () => this.#end(unreachable('the daemon closed the connection', { hint: 'What it had acknowledged is kept. Ask again; if it happens again, look at: cairn daemon logs' })));
  }

  /** Fails with DAEMON_UNREACHABLE (nobody listens, or no connection in time) or PERMISSION. The cause is Node's error. */
  static open(socketPath: string, options: ConnectionOptions = {}): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const socket = createConnection(socketPath);
      const fail = (cause: unknown): void => {
        clearTimeout(timer);
        socket.destroy();
        const denied = errnoOf(cause) === 'EACCES' || errnoOf(cause) === 'EPERM';
        const message = `${socketPath}: ${denied ? 'not allowed to connect' : `cannot connect (${errnoOf(cause) ?? String(cause)})`}`;
        reject(denied ? new ClientError('PERMISSION', message, { path: socketPath, cause }) : unreachable(message, { path: socketPath, cause }));
      };
      const timer = setTimeout(() => fail(new Error('no answer')), options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS);
      socket.once('error', fail);
      socket.once('connect', () => {
        clearTimeout(timer);
        socket.off('error', fail);
        resolve(new Connection(socket, options));
      });
    });
  }

  /** Resolves, with the reason, when the connection is closed by whichever side. */
  get closed(): Promise<ClientError> {
    return this.#closed;
  }

  get isOpen(): boolean {
    return this.#failure === null;
  }

  request<M extends MethodName>(method: M, params: ParamsOf<M>, options: RequestOptions = {}): Promise<ResultOf<M>> {
    const { signal, timeoutMs, onProgress } = options;
    const id = this.#nextId++;
    const token = onProgress === undefined ? null : `progress-${id}`;
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | null = null;
      const cancel = (error: ClientError): void => {
        this.#cancel(id);
        settle({ error });
      };
      const onAbort = (): void => cancel(new ClientError('CANCELLED', `${method} was cancelled`, { cause: signal?.reason }));
      const settle: Pending['settle'] = (outcome) => {
        if (timer !== null) clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        if (token !== null) this.#progress.delete(token);
        if ('error' in outcome) reject(outcome.error);
        else resolve(outcome.result as ResultOf<M>);
      };
      if (signal?.aborted === true) return settle({ error: new ClientError('CANCELLED', `${method} was cancelled`, { cause: signal.reason }) });
      signal?.addEventListener('abort', onAbort, { once: true });
      if (timeoutMs !== undefined) {
        timer = setTimeout(() => cancel(new ClientError('TIMEOUT', `${method}: no answer after ${timeoutMs} ms`, { retryable: true })), timeoutMs);
      }
      if (token !== null && onProgress !== undefined) this.#progress.set(token, onProgress);
      this.#submit(id, { method, params: token === null ? params : { ...params, progressToken: token }, settle });
    });
  }

  /** Calls `handler` for each notification of this kind; returns how to stop that. */
  onNotification<N extends keyof Notifications>(method: N, handler: (params: Notifications[N]) => void): () => void {
    const handlers = this.#handlers.get(method) ?? new Set<Handler>();
    this.#handlers.set(method, handlers.add(handler as Handler));
    return () => handlers.delete(handler as Handler);
  }

  /** Sends what is buffered, then closes; open requests settle with DAEMON_UNREACHABLE. */
  close(): void {
    this.#end(unreachable('the client closed the connection', { retryable: false }));
  }

  #submit(id: number, pending: Pending): void {
    if (this.#failure !== null) return pending.settle({ error: this.#failure });
    if (this.#pending.size >= MAX_IN_FLIGHT) {
      this.#waiting.push({ id, pending });
      return;
    }
    this.#pending.set(id, pending);
    try {
      this.#send({ jsonrpc: '2.0', id, method: pending.method, params: pending.params });
    } catch (error) {
      this.#settle(id, { error: error as ClientError });
    }
  }

  #settle(id: number, outcome: Parameters<Pending['settle']>[0]): void {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    pending?.settle(outcome);
    const next = this.#waiting.shift();
    if (next !== undefined) this.#submit(next.id, next.pending);
  }

  /** The daemon answers a cancelled request too; until then it counts as in flight, and its answer is dropped. */
  #cancel(id: number): void {
    const waiting = this.#waiting.findIndex((entry) => entry.id === id);
    if (waiting >= 0) {
      this.#waiting.splice(waiting, 1);
      return;
    }
    const pending = this.#pending.get(id);
    if (pending === undefined || this.#failure !== null) return;
    this.#pending.set(id, { ...pending, settle: () => undefined });
    this.#send({ jsonrpc: '2.0', method: '$/cancelRequest', params: { id } });
  }

  /** Fails with INVALID_ARGUMENT (too large) or OVERLOADED (the daemon does not read). */
  #send(message: unknown): void {
    const frame = encodeFrame(message);
    if (this.#socket.writableLength + frame.length > MAX_BACKLOG_BYTES) throw new ClientError('OVERLOADED', 'the daemon does not take what was sent before', { retryable: true });
    this.#socket.write(frame);
  }

  #receive(message: Readonly<Record<string, unknown>>): void {
    if (typeof message['method'] === 'string') return this.#notify(message['method'], message['params']);
    const id = message['id'];
    if (typeof id !== 'number' || !this.#pending.has(id)) {
      // An error without id answers something that the daemon could not read; nothing that follows can be trusted.
      if (message['error'] !== undefined) this.#end(fromWire(message['error']));
      return;
    }
    this.#settle(id, message['error'] === undefined ? { result: message['result'] } : { error: fromWire(message['error']) });
  }

  #notify(method: string, params: unknown): void {
    if (method === '$/progress') {
      const { token, value } = (params ?? {}) as { token?: unknown; value?: unknown };
      if (typeof token === 'string' && typeof value === 'object' && value !== null) this.#progress.get(token)?.(value as ProgressValue);
    }
    for (const handler of this.#handlers.get(method) ?? []) handler(params as never);
  }

  #end(reason: ClientError): void {
    if (this.#failure !== null) return;
    this.#failure = reason;
    this.#reader.end();
    // end() lets a cancellation that was just written go out; destroy() later frees the descriptor whatever the peer does.
    this.#socket.end(() => this.#socket.destroy());
    if (reason.code === 'PROTOCOL') this.#socket.destroy();
    setTimeout(() => this.#socket.destroy(), CLOSE_TIMEOUT_MS).unref();
    this.#socket.unref();
    const open = [...this.#pending.values(), ...this.#waiting.map((entry) => entry.pending)];
    this.#pending.clear();
    this.#waiting.length = 0;
    for (const pending of open) pending.settle({ error: reason });
    this.#tellClosed(reason);
  }
}
