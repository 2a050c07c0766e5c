/**
 * Cuts a byte stream into message bodies: `Content-Length: n\r\n\r\n` and n bytes. Owns all limits of the way in (header bytes,
 * body bytes, time per frame); knows nothing of JSON or sockets. After the first violation it accepts nothing more.
 */
import { FRAME_TIMEOUT_MS, MAX_BODY_BYTES, MAX_HEADER_BYTES } from '../protocol/limits.ts';

export interface FrameLimits {
  readonly maxHeaderBytes: number;
  readonly maxBodyBytes: number;
  readonly frameTimeoutMs: number;
}

export const FRAME_LIMITS: FrameLimits = { maxHeaderBytes: MAX_HEADER_BYTES, maxBodyBytes: MAX_BODY_BYTES, frameTimeoutMs: FRAME_TIMEOUT_MS };

export interface FrameSink {
  readonly body: (body: Buffer) => void;
  readonly violation: (message: string) => void;
}

/** More header lines than any client sends. */
const MAX_HEADER_LINES = 8;
const END_OF_HEADER = Buffer.from('\r\n\r\n');
const EMPTY = Buffer.alloc(0);

export class FrameReader {
  readonly #sink: FrameSink;
  #limits: FrameLimits;
  /** Header bytes seen so far, while `#need` is -1. Never longer than the header limit. */
  #header: Buffer = EMPTY;
  /** Body length of the frame being read; -1 while in a header. */
  #need = -1;
  #have = 0;
  /** Kept as pieces: nothing is allocated for bytes that were only announced. */
  #pieces: Buffer[] = [];
  #timer: NodeJS.Timeout | null = null;
  #closed = false;
  #suspended = false;

  constructor(sink: FrameSink, limits: FrameLimits = FRAME_LIMITS) {
    this.#sink = sink;
    this.#limits = limits;
  }

  /** Takes effect from the next header on. */
  setLimits(limits: FrameLimits): void {
    this.#limits = limits;
  }

  push(data: Buffer): void {
    let rest: Buffer | null = data;
    while (rest !== null && !this.#closed) rest = this.#need < 0 ? this.#readHeader(rest) : this.#readBody(rest);
  }

  /** Stops the clock of a half-read frame (the reader is paused) without forgetting its bytes. */
  suspend(): void {
    this.#suspended = true;
    this.#disarm();
  }

  resume(): void {
    this.#suspended = false;
    if (this.#header.length > 0 || this.#need >= 0) this.#arm();
  }

  close(): void {
    this.#closed = true;
    this.#disarm();
    this.#header = EMPTY;
    this.#pieces = [];
  }

  /** Returns the bytes after the header, or null when more are needed. */
  #readHeader(data: Buffer): Buffer | null {
    if (data.length === 0) return null;
    const { maxHeaderBytes, maxBodyBytes } = this.#limits;
    const bytes = this.#header.length > 0 ? Buffer.concat([this.#header, data]) : data;
    // One search window suffices: a header that does not end inside it is too long, whatever follows.
    const end = bytes.subarray(0, maxHeaderBytes + END_OF_HEADER.length).indexOf(END_OF_HEADER);
    if (end < 0) {
      if (bytes.length > maxHeaderBytes) return this.#fail(`header longer than ${maxHeaderBytes} bytes`);
      this.#header = Buffer.from(bytes); // a copy: `data` may be a view of a large pooled buffer
      this.#arm();
      return null;
    }
    const length = contentLength(bytes.toString('latin1', 0, end));
    if (typeof length === 'string') return this.#fail(length);
    if (length > maxBodyBytes) return this.#fail(`message of ${length} bytes; at most ${maxBodyBytes} are accepted`);
    this.#header = EMPTY;
    this.#need = length;
    this.#have = 0;
    this.#arm();
    return bytes.subarray(end + END_OF_HEADER.length);
  }

  #readBody(data: Buffer): Buffer | null {
    const missing = this.#need - this.#have;
    if (data.length < missing) {
      if (data.length > 0) this.#pieces.push(data);
      this.#have += data.length;
      return null;
    }
    const last = data.subarray(0, missing);
    const body = this.#pieces.length > 0 ? Buffer.concat([...this.#pieces, last], this.#need) : last;
    this.#need = -1;
    this.#pieces = [];
    this.#disarm();
    this.#sink.body(body);
    return data.subarray(missing);
  }

  #fail(message: string): null {
    this.close();
    this.#sink.violation(message);
    return null;
  }

  /** One clock per frame, from its first byte; bytes that drip in do not restart it. */
  #arm(): void {
    if (this.#suspended) return;
    this.#timer ??= setTimeout(() => this.#fail(`frame not complete after ${this.#limits.frameTimeoutMs} ms`), this.#limits.frameTimeoutMs);
  }

  #disarm(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }
}

/** The length, or what is wrong with the header. */
function contentLength(header: string): number | string {
  const lines = header.split('\r\n');
  if (lines.length > MAX_HEADER_LINES) return `more than ${MAX_HEADER_LINES} header lines`;
  let length: number | null = null;
  for (const line of lines) {
    const colon = line.indexOf(':');
    if (colon <= 0) return 'header line without a colon';
    if (line.slice(0, colon).toLowerCase() !== 'content-length') continue;
    const value = line.slice(colon + 1).trim();
    if (length !== null) return 'Content-Length given twice';
    if (!/^\d{1,10}$/.test(value)) return 'Content-Length is not a number of bytes';
    length = Number(value);
  }
  return length ?? 'no Content-Length';
}
