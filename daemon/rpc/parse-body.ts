/** From body bytes to a JSON object, with a bound on nesting that is checked before anything is built. */
import { isUtf8 } from 'node:buffer';
import { messageOf } from '../errors.ts';
import { MAX_JSON_DEPTH } from '../protocol/limits.ts';

export type ParsedBody =
  | { readonly ok: true; readonly value: Readonly<Record<string, unknown>> }
  | { readonly ok: false; readonly kind: 'PARSE' | 'PROTOCOL'; readonly message: string };

export function parseBody(body: Buffer, maxDepth: number = MAX_JSON_DEPTH): ParsedBody {
  if (!isUtf8(body)) return refuse('PARSE', 'the message is not UTF-8');
  if (isDeeperThan(body, maxDepth)) return refuse('PROTOCOL', `JSON nested deeper than ${maxDepth} levels`);
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch (error) {
    return refuse('PARSE', `the message is not JSON: ${shorten(messageOf(error))}`);
  }
  if (Array.isArray(value)) return refuse('PROTOCOL', 'JSON-RPC batches are not supported; send one message after the other');
  if (typeof value !== 'object' || value === null) return refuse('PROTOCOL', 'a message must be a JSON object');
  return { ok: true, value: value as Record<string, unknown> };
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Counts brackets outside strings. One pass over the bytes; UTF-8 continuation bytes never look like brackets or quotes. */
export function isDeeperThan(body: Uint8Array, maxDepth: number): boolean {
  let depth = 0;
  for (let i = 0; i < body.length; i++) {
    const byte = body[i];
    if (byte === QUOTE) i = endOfString(body, i + 1);
    else if (byte === 0x5b || byte === 0x7b) {
      if (++depth > maxDepth) return true;
    } else if (byte === 0x5d || byte === 0x7d) depth--;
  }
  return false;
}

function endOfString(body: Uint8Array, from: number): number {
  for (let i = from; i < body.length; i++) {
    if (body[i] === BACKSLASH) i++;
    else if (body[i] === QUOTE) return i;
  }
  return body.length;
}

/** V8 quotes the input in its message; a client's text does not belong in an error that may be logged. */
const shorten = (message: string): string => message.replace(/[,:]? ?(\.\.\.)?["'].*$/s, '').slice(0, 80);

const refuse = (kind: 'PARSE' | 'PROTOCOL', message: string): ParsedBody => ({ ok: false, kind, message });
