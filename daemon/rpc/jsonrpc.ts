/**
 * The only file that knows vscode-jsonrpc. Gives the library a guarded reader and a bounded writer in place of its own, which
 * have no limits, and keeps from it every message that it would record or fail on.
 */
import type { Socket } from 'node:net';
import { AbstractMessageReader, AbstractMessageWriter, createMessageConnection, ResponseError, type CancellationToken, type DataCallback, type Disposable, type Message } from 'vscode-jsonrpc/node';
import type { WireError } from '../protocol/errors.ts';
import type { NotificationName, Notifications } from '../protocol/methods.ts';
import { FrameReader, type FrameLimits } from './frame-reader.ts';
import { Gate, type Verdict } from './gate.ts';
import { Outbox, type OutboxLimits } from './outbox.ts';
import { parseBody } from './parse-body.ts';
import { wireError } from './wire-error.ts';

export interface ChannelOptions {
  readonly frame: FrameLimits;
  readonly outbox: OutboxLimits;
  readonly maxInFlight: number;
  /** Answers one request; throws `WireError`-shaped failures through `fail`. Never rejects with anything else. */
  readonly onRequest: (method: string, params: unknown, signal: AbortSignal) => Promise<unknown>;
  readonly onClose: () => void;
  /** The peer broke the framing rules; it has been told and is being disconnected. */
  readonly onViolation: (message: string) => void;
}

/** What `onRequest` throws to answer with an error. */
export class WireFailure extends Error {
  readonly wire: WireError;
  constructor(wire: WireError) {
    super(wire.message);
    this.wire = wire;
  }
}

export interface Channel {
  notify<N extends NotificationName>(method: N, params: Notifications[N]): void;
  setFrameLimits(limits: FrameLimits): void;
  readonly inFlight: number;
  /** Lets what is written go out, then closes. */
  end(): void;
  destroy(): void;
}

export function openChannel(socket: Socket, options: ChannelOptions): Channel {
  const gate = new Gate(options.maxInFlight);
  const running = new Set<AbortController>();
  const outbox = new Outbox(socket, options.outbox, {
    pauseInput: () => { socket.pause(); reader.frames.suspend(); },
    resumeInput: () => { reader.frames.resume(); socket.resume(); },
    stalled: (message) => options.onViolation(message),
  });
  const writer = new BoundedWriter(outbox, gate);
  const reader = new GuardedReader(socket, options.frame, {
    judge: (message) => gate.judge(message),
    refuse: (verdict) => outbox.send({ jsonrpc: '2.0', id: verdict.id, error: wireError(verdict.code, verdict.message, { hint: verdict.hint, retryable: verdict.code === 'OVERLOADED' }) }),
    violation: (kind, message) => {
      outbox.send({ jsonrpc: '2.0', id: null, error: { ...wireError('PROTOCOL', message), code: kind === 'PARSE' ? -32700 : -32600 } });
      outbox.finish();
      options.onViolation(message);
    },
  });
  const connection = createMessageConnection(reader, writer, SILENT);
  connection.onRequest(async (method: string, params: unknown, token: CancellationToken) => {
    const controller = new AbortController();
    running.add(controller);
    const listener = token.onCancellationRequested(() => controller.abort());
    if (token.isCancellationRequested) controller.abort();
    try {
      return await options.onRequest(method, params, controller.signal);
    } catch (error) {
      const { wire } = error as WireFailure;
      return new ResponseError(wire.code, wire.message, wire.data);
    } finally {
      listener.dispose();
      running.delete(controller);
    }
  });
  socket.once('close', () => {
    outbox.close();
    reader.frames.close();
    for (const controller of running) controller.abort();
    connection.dispose();
    options.onClose();
  });
  connection.listen();
  return {
    notify: (method, params) => outbox.send({ jsonrpc: '2.0', method, params }),
    setFrameLimits: (limits) => reader.frames.setLimits(limits),
    get inFlight() { return gate.inFlight; },
    end: () => outbox.finish(),
    destroy: () => socket.destroy(),
  };
}

interface GuardHooks {
  readonly judge: (message: Readonly<Record<string, unknown>>) => Verdict;
  readonly refuse: (verdict: Extract<Verdict, { action: 'refuse' }>) => void;
  readonly violation: (kind: 'PARSE' | 'PROTOCOL', message: string) => void;
}

class GuardedReader extends AbstractMessageReader {
  readonly frames: FrameReader;
  readonly #socket: Socket;
  readonly #hooks: GuardHooks;
  #deliver: DataCallback = () => undefined;

  constructor(socket: Socket, limits: FrameLimits, hooks: GuardHooks) {
    super();
    this.#socket = socket;
    this.#hooks = hooks;
    this.frames = new FrameReader({ body: (body) => this.#accept(body), violation: (message) => hooks.violation('PROTOCOL', message) }, limits);
  }

  listen(deliver: DataCallback): Disposable {
    this.#deliver = deliver;
    this.#socket.on('data', (data: Buffer) => this.frames.push(data));
    return { dispose: () => this.frames.close() };
  }

  #accept(body: Buffer): void {
    const parsed = parseBody(body);
    if (!parsed.ok) {
      this.frames.close();
      this.#hooks.violation(parsed.kind, parsed.message);
      return;
    }
    const verdict = this.#hooks.judge(parsed.value);
    if (verdict.action === 'pass') this.#deliver(parsed.value as unknown as Message);
    else if (verdict.action === 'refuse') this.#hooks.refuse(verdict);
  }
}

class BoundedWriter extends AbstractMessageWriter {
  readonly #outbox: Outbox;
  readonly #gate: Gate;

  constructor(outbox: Outbox, gate: Gate) {
    super();
    this.#outbox = outbox;
    this.#gate = gate;
  }

  /** Resolves at once: the outbox bounds what is queued, so that no reply waits in a promise chain where nobody counts it. */
  async write(message: Message): Promise<void> {
    this.#outbox.send(message);
    this.#gate.answered((message as { readonly id?: unknown }).id);
  }

  end(): void {
    this.#outbox.finish();
  }
}

/** The library reports what the guard already handled. */
const SILENT = { error: () => undefined, warn: () => undefined, info: () => undefined, log: () => undefined };
