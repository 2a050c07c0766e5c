/**
 * `Content-Length: n\r\n\r\n` and n bytes of JSON, both ways, with limits: header bytes, body bytes, time per frame.
 * Knows nothing of sockets or requests. After the first violation a reader accepts nothing more.
 */
import { FRAME_TIMEOUT_MS, MAX_BODY_BYTES, MAX_HEADER_BYTES } from '../daemon/protocol/limits.ts';
import { ClientError } from './errors.ts';

const END_OF_HEADER = Buffer.from('\r\n\r\n');

/** Fails with INVALID_ARGUMENT when the message is larger than a daemon accepts. */
export function encodeFrame(message: unknown, maxBodyBytes = MAX_BODY_BYTES): Buffer {
  const body = Buffer.from(JSON.stringify(message));
  if (body.length > maxBodyBytes) throw new ClientError('INVALID_ARGUMENT', `a message of ${body.length} bytes is too large (limit ${maxBodyBytes})`);
  return Buffer.concat([Buffer.from(`Content-Length: ${body.length}\r\n\r\n`, 'latin1'), body]);
}

export interface FrameHandlers {
  /** One message: a JSON object. */
  readonly message: (message: Readonly<Record<string, unknown>>) => void;
  readonly violation: (reason: string) => void;
}

export interface ReaderLimits {
  readonly maxHeaderBytes: number;
  readonly maxBodyBytes: number;
  readonly frameTimeoutMs: number;
}

const LIMITS: ReaderLimits = { maxHeaderBytes: MAX_HEADER_BYTES, maxBodyBytes: MAX_BODY_BYTES, frameTimeoutMs: FRAME_TIMEOUT_MS };

export class FrameReader {
  readonly #handlers: FrameHandlers;
  readonly #limits: ReaderLimits;
  #header: Buffer = Buffer.alloc(0);
  #parts: Buffer[] = [];
  /** Body bytes still missing; -1 while a header is read. */
  #missing = -1;
  #timer: NodeJS.Timeout | null = null;
  #ended = false;

  constructor(handlers: FrameHandlers, limits: ReaderLimits = LIMITS) {
    this.#handlers = handlers;
    this.#limits = limits;
  }

  push(data: Buffer): void {
    let rest: Buffer = data;
    while (rest.length > 0 && !this.#ended) rest = this.#missing < 0 ? this.#readHeader(rest) : this.#readBody(rest);
  }

  /** Stops the clock and forgets what was read. */
  end(): void {
    this.#ended = true;
    this.#stopClock();
    this.#parts = [];
  }

  #readHeader(data: Buffer): Buffer {
    const bytes = this.#header.length === 0 ? data : Buffer.concat([this.#header, data]);
    const end = bytes.subarray(0, this.#limits.maxHeaderBytes + END_OF_HEADER.length).indexOf(END_OF_HEADER);
    if (end < 0) {
      if (bytes.length > this.#limits.maxHeaderBytes) return this.#violate(`a header of more than ${this.#limits.maxHeaderBytes} bytes`);
      this.#header = Buffer.from(bytes);
      this.#startClock();
      return Buffer.alloc(0);
    }
    const match = /^content-length:[ \t]*(\d{1,10})[ \t]*$/im.exec(bytes.toString('latin1', 0, end));
    if (match === null) return this.#violate('a header without Content-Length');
    const length = Number(match[1]);
    if (length > this.#limits.maxBodyBytes) return this.#violate(`a message of ${length} bytes (limit ${this.#limits.maxBodyBytes})`);
    this.#header = Buffer.alloc(0);
    this.#missing = length;
    this.#startClock();
    if (length === 0) this.#finish();
    return bytes.subarray(end + END_OF_HEADER.length);
  }

  #readBody(data: Buffer): Buffer {
    const part = data.subarray(0, this.#missing);
    this.#parts.push(part);
    this.#missing -= part.length;
    if (this.#missing === 0) this.#finish();
    return data.subarray(part.length);
  }

  #finish(): void {
    const body = this.#parts.length === 1 ? (this.#parts[0] as Buffer) : Buffer.concat(this.#parts);
    this.#parts = [];
    this.#missing = -1;
    this.#stopClock();
    let message: unknown;
    try {
      message = JSON.parse(body.toString('utf8'));
    } catch {
      this.#violate('a message that is not JSON');
      return;
    }
    if (typeof message !== 'object' || message === null || Array.isArray(message)) this.#violate('a message that is not an object');
    else this.#handlers.message(message as Record<string, unknown>);
  }

  #violate(reason: string): Buffer {
    this.end();
    this.#handlers.violation(reason);
    return Buffer.alloc(0);
  }

  /** One clock a frame: bytes that drip in do not restart it. */
  #startClock(): void {
    this.#timer ??= setTimeout(() => this.#violate(`a message that was not complete after ${this.#limits.frameTimeoutMs} ms`), this.#limits.frameTimeoutMs);
  }

  #stopClock(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
