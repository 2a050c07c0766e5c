/**
 * Message-level admission of one connection: shape, ids, number of unanswered requests. Everything that passes is safe to hand
 * to the JSON-RPC library, which has no such limits and keeps a record of every cancelled id it is told of.
 */
import { MAX_IN_FLIGHT } from '../protocol/limits.ts';

export type MessageId = string | number;

/** What to do with one parsed message. */
export type Verdict =
  | { readonly action: 'pass' }
  | { readonly action: 'drop' }
  | { readonly action: 'refuse'; readonly id: MessageId | null; readonly code: 'PROTOCOL' | 'OVERLOADED' | 'INVALID_ARGUMENT'; readonly message: string; readonly hint?: string };

const MAX_ID_LENGTH = 256;
const MAX_METHOD_LENGTH = 128;
const PASS: Verdict = { action: 'pass' };
const DROP: Verdict = { action: 'drop' };

export class Gate {
  readonly #maxInFlight: number;
  readonly #inFlight = new Set<MessageId>();

  constructor(maxInFlight: number = MAX_IN_FLIGHT) {
    this.#maxInFlight = maxInFlight;
  }

  get inFlight(): number {
    return this.#inFlight.size;
  }

  /** A response with this id was written. */
  answered(id: unknown): void {
    if (isId(id)) this.#inFlight.delete(id);
  }

  judge(message: Readonly<Record<string, unknown>>): Verdict {
    const { jsonrpc, method, params } = message;
    const hasId = Object.hasOwn(message, 'id');
    const id = hasId && isId(message['id']) ? message['id'] : null;
    if (jsonrpc !== '2.0') return refuse(id, 'jsonrpc must be "2.0"');
    // The daemon asks clients nothing, so there is nothing that a response could answer.
    if (!Object.hasOwn(message, 'method')) return Object.hasOwn(message, 'result') || Object.hasOwn(message, 'error') ? DROP : refuse(id, 'a message needs a method');
    if (typeof method !== 'string' || method.length > MAX_METHOD_LENGTH) return refuse(id, 'method must be a short string');
    if (hasId && id === null) return refuse(null, 'id must be a string or an integer');
    if (params !== undefined && (typeof params !== 'object' || params === null || Array.isArray(params))) {
      return hasId ? { action: 'refuse', id, code: 'INVALID_ARGUMENT', message: 'params must be an object with named members' } : DROP;
    }
    return id === null ? this.#judgeNotification(method, params as Record<string, unknown> | undefined) : this.#judgeRequest(id);
  }

  #judgeNotification(method: string, params: Record<string, unknown> | undefined): Verdict {
    // Notifications cannot be answered. The only one that clients send is a cancellation of something that still runs.
    return method === '$/cancelRequest' && isId(params?.['id']) && this.#inFlight.has(params['id']) ? PASS : DROP;
  }

  #judgeRequest(id: MessageId): Verdict {
    if (this.#inFlight.has(id)) return refuse(null, 'this id is in use by an unanswered request');
    if (this.#inFlight.size >= this.#maxInFlight) {
      return { action: 'refuse', id, code: 'OVERLOADED', message: `${this.#maxInFlight} requests of this connection are unanswered`, hint: 'Wait for answers before sending more.' };
    }
    this.#inFlight.add(id);
    return PASS;
  }
}

function isId(value: unknown): value is MessageId {
  return typeof value === 'string' ? value.length <= MAX_ID_LENGTH : Number.isSafeInteger(value);
}

const refuse = (id: MessageId | null, message: string): Verdict => ({ action: 'refuse', id, code: 'PROTOCOL', message });
