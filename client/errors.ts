/**
 * The error type of the client. The same codes as the daemon's, as plain strings: a newer daemon may know more of them.
 * Everything that a client call throws on purpose is a ClientError.
 */
import type { ErrorData } from '../daemon/protocol/types.ts';

export interface ClientErrorInit {
  readonly retryable?: boolean | undefined;
  readonly hint?: string | undefined;
  readonly path?: string | undefined;
  readonly cause?: unknown;
}

export class ClientError extends Error {
  readonly code: string;
  readonly retryable: boolean;
  readonly hint: string | undefined;
  readonly path: string | undefined;

  constructor(code: string, message: string, init: ClientErrorInit = {}) {
    super(message, init.cause === undefined ? undefined : { cause: init.cause });
    this.name = 'ClientError';
    this.code = code;
    this.retryable = init.retryable ?? false;
    this.hint = init.hint;
    this.path = init.path;
  }
}

/** True for a ClientError with one of `codes` (any code when none is given). */
export function isClientError(error: unknown, ...codes: readonly string[]): error is ClientError {
  return error instanceof ClientError && (codes.length === 0 || codes.includes(error.code));
}

/** A JSON-RPC error object as an error. */
export function fromWire(error: unknown): ClientError {
  const { message, data } = (error ?? {}) as { message?: unknown; data?: Partial<ErrorData> };
  const text = typeof message === 'string' ? message : 'the daemon failed without a message';
  return new ClientError(typeof data?.code === 'string' ? data.code : 'INTERNAL', text, {
    retryable: data?.retryable === true, hint: data?.hint, path: data?.path,
  });
}

export const unreachable = (message: string, init: ClientErrorInit = {}): ClientError => new ClientError('DAEMON_UNREACHABLE', message, { retryable: true, ...init });

/** Node's error code ('ENOENT', …) or undefined. */
export const errnoOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException | null)?.code;
