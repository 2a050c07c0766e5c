/**
 * One client: it must authenticate first and in time, then its requests go to the dispatcher. Owns the socket of one peer.
 * Installs the socket's error handler before anything else; a peer that vanishes is normal.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Socket } from 'node:net';
import { CairnError } from '../errors.ts';
import { INITIALIZE_TIMEOUT_MS, MAX_IN_FLIGHT } from '../protocol/limits.ts';
import type { NotificationName, Notifications } from '../protocol/methods.ts';
import type { InitializeParams } from '../protocol/types.ts';
import type { Dispatcher } from './dispatcher.ts';
import { FRAME_LIMITS, type FrameLimits } from './frame-reader.ts';
import { openChannel, WireFailure, type Channel } from './jsonrpc.ts';
import { OUTBOX_LIMITS, type OutboxLimits } from './outbox.ts';
import type { Session } from './table.ts';
import { toWireError } from './wire-error.ts';

export interface ConnectionLimits {
  readonly frame: FrameLimits;
  readonly outbox: OutboxLimits;
  readonly maxInFlight: number;
  readonly initializeTimeoutMs: number;
}

export const CONNECTION_LIMITS: ConnectionLimits = { frame: FRAME_LIMITS, outbox: OUTBOX_LIMITS, maxInFlight: MAX_IN_FLIGHT, initializeTimeoutMs: INITIALIZE_TIMEOUT_MS };

/** Nobody needs a large message to say hello, and who has not said it yet gets no memory. */
const HELLO_BODY_BYTES = 64 * 1024;

export interface ConnectionHost {
  readonly dispatcher: Dispatcher;
  readonly token: string;
  readonly limits: ConnectionLimits;
  closed(connection: Connection): void;
  violated(connection: Connection, message: string): void;
}

export class Connection implements Session {
  readonly id: number;
  readonly #host: ConnectionHost;
  readonly #channel: Channel;
  readonly #helloTimer: NodeJS.Timeout;
  #client: InitializeParams | null = null;
  #isInitialized = false;

  constructor(id: number, socket: Socket, host: ConnectionHost) {
    this.id = id;
    this.#host = host;
    socket.on('error', () => undefined); // 'close' follows and is handled below
    this.#channel = openChannel(socket, {
      frame: { ...host.limits.frame, maxBodyBytes: Math.min(HELLO_BODY_BYTES, host.limits.frame.maxBodyBytes) },
      outbox: host.limits.outbox,
      maxInFlight: host.limits.maxInFlight,
      onRequest: (method, params, signal) => this.#answer(method, params, signal),
      onClose: () => {
        clearTimeout(this.#helloTimer);
        host.closed(this);
      },
      onViolation: (message) => host.violated(this, message),
    });
    this.#helloTimer = setTimeout(() => this.#refuse('no initialize in time'), host.limits.initializeTimeoutMs);
  }

  get clientName(): string {
    return this.#client?.clientName ?? '?';
  }

  get clientVersion(): string {
    return this.#client?.clientVersion ?? '?';
  }

  get inFlight(): number {
    return this.#channel.inFlight;
  }

  notify<N extends NotificationName>(method: N, params: Notifications[N]): void {
    this.#channel.notify(method, params);
  }

  /** True when the client asked for this notification in `initialize`. */
  wants(method: NotificationName): boolean {
    return this.#isInitialized && (this.#client?.notifications?.includes(method) ?? false);
  }

  end(): void {
    this.#channel.end();
  }

  async #answer(method: string, params: unknown, signal: AbortSignal): Promise<unknown> {
    if (this.#isInitialized) {
      if (method === 'initialize') throw new WireFailure(toWireError(new CairnError('PROTOCOL', 'this connection is initialized already')).wire);
      return this.#host.dispatcher.dispatch(method, params, this, signal);
    }
    return this.#hello(method, params, signal);
  }

  async #hello(method: string, params: unknown, signal: AbortSignal): Promise<unknown> {
    if (method !== 'initialize') {
      setImmediate(() => this.#refuse('not initialized'));
      throw new WireFailure(toWireError(new CairnError('UNAUTHORIZED', 'the first request must be initialize', { hint: 'Send initialize with the token of the running daemon.' })).wire);
    }
    const given = (params as { readonly token?: unknown } | undefined)?.token;
    if (typeof given === 'string' && !sameToken(given, this.#host.token)) {
      setImmediate(() => this.#refuse('wrong token'));
      throw new WireFailure(toWireError(new CairnError('UNAUTHORIZED', 'the token is not that of this daemon', { retryable: true, hint: 'Read the token file again: it changes with each start.' })).wire);
    }
    const result = await this.#host.dispatcher.dispatch(method, params, this, signal);
    this.#client = params as InitializeParams;
    this.#isInitialized = true;
    clearTimeout(this.#helloTimer);
    this.#channel.setFrameLimits(this.#host.limits.frame);
    return result;
  }

  #refuse(reason: string): void {
    this.#host.violated(this, reason);
    this.#channel.end();
  }
}

/** Compares hashes, so that neither the length nor the content of the token shows in the time it takes. */
function sameToken(given: string, token: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(token));
}
