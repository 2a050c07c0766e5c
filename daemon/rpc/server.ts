/** Accepts clients up to a cap and knows which are connected. Owns the listening server and all connections. */
import { createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { MAX_CONNECTIONS } from '../protocol/limits.ts';
import type { NotificationName, Notifications } from '../protocol/methods.ts';
import { Connection, CONNECTION_LIMITS, type ConnectionHost, type ConnectionLimits } from './connection.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { Metrics } from './metrics.ts';
import { wireError } from './wire-error.ts';

export interface RpcServerOptions {
  readonly dispatcher: Dispatcher;
  readonly token: string;
  readonly metrics: Metrics;
  readonly limits?: Partial<ConnectionLimits>;
  readonly maxConnections?: number;
  /** A connection came or went, or broke the rules: for the log and the idle clock. */
  readonly onEvent: (event: 'connected' | 'closed' | 'violation' | 'refused', connection: number, detail: string) => void;
}

export class RpcServer {
  readonly #options: RpcServerOptions;
  readonly #host: ConnectionHost;
  readonly #connections = new Set<Connection>();
  #server: Server | null = null;
  #nextId = 1;

  constructor(options: RpcServerOptions) {
    this.#options = options;
    this.#host = {
      dispatcher: options.dispatcher,
      token: options.token,
      limits: { ...CONNECTION_LIMITS, ...options.limits },
      closed: (connection) => {
        this.#connections.delete(connection);
        options.onEvent('closed', connection.id, connection.clientName);
      },
      violated: (connection, message) => {
        options.metrics.count('violations');
        options.onEvent('violation', connection.id, message);
      },
    };
  }

  /** A server to listen with; one that listened before accepts nobody any more, its clients stay. */
  freshServer(): Server {
    this.stopAccepting();
    return (this.#server = createServer({ allowHalfOpen: false }, (socket) => this.#accept(socket)));
  }

  get connections(): number {
    return this.#connections.size;
  }

  get inFlight(): number {
    let total = 0;
    for (const connection of this.#connections) total += connection.inFlight;
    return total;
  }

  /** To every client that asked for it. */
  broadcast<N extends NotificationName>(method: N, params: Notifications[N]): void {
    for (const connection of this.#connections) if (connection.wants(method)) connection.notify(method, params);
  }

  /** No new clients; connected ones keep their connection until `close`. */
  stopAccepting(): void {
    this.#server?.close();
  }

  /** Lets answers go out, then closes every connection; resolves when all are gone. */
  async close(): Promise<void> {
    this.stopAccepting();
    for (const connection of this.#connections) connection.end();
    while (this.#connections.size > 0) await sleep(10);
  }

  #accept(socket: Socket): void {
    const id = this.#nextId++;
    if (this.#connections.size >= (this.#options.maxConnections ?? MAX_CONNECTIONS)) {
      this.#turnAway(socket, id);
      return;
    }
    this.#options.metrics.count('connections');
    this.#connections.add(new Connection(id, socket, this.#host));
    this.#options.onEvent('connected', id, '');
  }

  #turnAway(socket: Socket, id: number): void {
    socket.on('error', () => undefined);
    const body = JSON.stringify({ jsonrpc: '2.0', id: null, error: wireError('OVERLOADED', 'too many clients are connected', { retryable: true }) });
    socket.end(`Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`, () => socket.destroy());
    this.#options.onEvent('refused', id, 'too many connections');
  }
}
