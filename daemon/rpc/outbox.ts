/**
 * The way out of one connection. Bounded: past the high-water mark nothing more is read from the peer, past the limit (or when
 * nothing moves for too long) the connection is closed. A client that never reads costs at most `maxBytes`.
 */
import type { Socket } from 'node:net';
import { MAX_BACKLOG_BYTES, MAX_BODY_BYTES } from '../protocol/limits.ts';
import { wireError } from './wire-error.ts';

export interface OutboxLimits {
  readonly maxBytes: number;
  readonly highWaterBytes: number;
  /** Output that waits this long without any of it being taken means a dead reader. */
  readonly stallMs: number;
}

export const OUTBOX_LIMITS: OutboxLimits = { maxBytes: MAX_BACKLOG_BYTES, highWaterBytes: 1024 * 1024, stallMs: 30_000 };

export interface OutboxHooks {
  readonly pauseInput: () => void;
  readonly resumeInput: () => void;
  readonly stalled: (message: string) => void;
}

const LESS = 'Ask for less (limit, paths).';

export class Outbox {
  readonly #socket: Socket;
  readonly #limits: OutboxLimits;
  readonly #hooks: OutboxHooks;
  #paused = false;
  #closed = false;
  #watch: NodeJS.Timeout | null = null;
  #lastWaiting = 0;

  constructor(socket: Socket, limits: OutboxLimits, hooks: OutboxHooks) {
    this.#socket = socket;
    this.#limits = limits;
    this.#hooks = hooks;
    socket.on('drain', () => this.#drained());
  }

  send(message: object): void {
    if (this.#closed || !this.#socket.writable) return;
    const body = encode(message);
    this.#socket.cork();
    this.#socket.write(`Content-Length: ${body.length}\r\n\r\n`, 'latin1');
    this.#socket.write(body);
    this.#socket.uncork();
    this.#check();
  }

  /** Sends what is queued, then closes; a peer that does not read is cut off after a second. */
  finish(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stopWatch();
    // What the peer still sends is read and dropped: closing with unread input would reset the connection under the reply.
    this.#socket.removeAllListeners('data');
    this.#socket.resume();
    this.#socket.end();
    const cut = setTimeout(() => this.#socket.destroy(), 1_000);
    this.#socket.once('finish', () => this.#socket.destroy());
    this.#socket.once('close', () => clearTimeout(cut));
  }

  close(): void {
    this.#closed = true;
    this.#stopWatch();
  }

  #check(): void {
    const waiting = this.#socket.writableLength;
    if (waiting > this.#limits.maxBytes) return this.#giveUp(`${waiting} bytes of output were not read`);
    if (waiting <= this.#limits.highWaterBytes) return;
    this.#watch ??= this.#startWatch(waiting);
    if (this.#paused) return;
    this.#paused = true;
    this.#hooks.pauseInput();
  }

  #drained(): void {
    this.#stopWatch();
    if (!this.#paused || this.#closed) return;
    this.#paused = false;
    this.#hooks.resumeInput();
  }

  #startWatch(waiting: number): NodeJS.Timeout {
    this.#lastWaiting = waiting;
    const timer = setInterval(() => {
      const now = this.#socket.writableLength;
      if (now >= this.#lastWaiting) this.#giveUp(`no output was read for ${this.#limits.stallMs} ms`);
      this.#lastWaiting = now;
    }, this.#limits.stallMs);
    timer.unref();
    return timer;
  }

  #stopWatch(): void {
    if (this.#watch !== null) clearInterval(this.#watch);
    this.#watch = null;
  }

  #giveUp(message: string): void {
    this.close();
    this.#socket.destroy();
    this.#hooks.stalled(message);
  }
}

/** Never fails: a request that is not answered would be waited for without end. */
function encode(message: object): Buffer {
  let error;
  try {
    const body = Buffer.from(JSON.stringify(message));
    if (body.length <= MAX_BODY_BYTES) return body;
    error = wireError('UNSUPPORTED', `the answer has ${body.length} bytes; at most ${MAX_BODY_BYTES} can be sent`, { hint: LESS });
  } catch (cause) {
    // Longer than any text can be, or nothing that JSON can say.
    error = cause instanceof RangeError ? wireError('UNSUPPORTED', `the answer is too long; at most ${MAX_BODY_BYTES} bytes can be sent`, { hint: LESS }) : wireError('INTERNAL', 'the answer cannot be written as JSON');
  }
  return Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: (message as { readonly id?: unknown }).id ?? null, error }));
}
