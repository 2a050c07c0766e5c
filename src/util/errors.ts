/**
 * The one error type of cairn. Owns the closed set of codes; nothing else compares errors by message.
 * Expected failures are CairnError; anything else that is thrown is a bug.
 */

export type ErrorCode =
  // input
  | 'INVALID_ARGUMENT' | 'UNKNOWN_METHOD' | 'NOT_FOUND' | 'ALREADY_EXISTS' | 'UNSUPPORTED' | 'INVALID_CONFIG'
  // source trees
  | 'ROOT_NOT_FOUND' | 'ROOT_NOT_DIRECTORY' | 'ROOT_UNREADABLE' | 'ROOT_DETACHED'
  // storage
  | 'CORRUPT' | 'TRUNCATED' | 'NEWER_FORMAT' | 'COUNT_MISMATCH' | 'DEGRADED' | 'FENCED' | 'READ_ONLY' | 'POISONED'
  | 'IO' | 'DISK_FULL' | 'TOO_MANY_FILES' | 'PERMISSION'
  | 'EMPTY_OVER_POPULATED'
  // embedding
  | 'EMBEDDER_MISMATCH' | 'EMBEDDER_FAILED' | 'DIMENSION_MISMATCH'
  // service
  | 'LOCKED' | 'NOT_SERVING' | 'CANCELLED' | 'TIMEOUT' | 'OVERLOADED' | 'PROTOCOL' | 'UNAUTHORIZED' | 'VERSION_SKEW'
  | 'DAEMON_UNREACHABLE' | 'INTERNAL';

export interface CairnErrorInit {
  /** File or directory concerned; for file formats together with `offset` (bytes from the start of the file). */
  readonly path?: string | undefined;
  readonly offset?: number | undefined;
  /** What the user can do next, one sentence. */
  readonly hint?: string | undefined;
  readonly retryable?: boolean | undefined;
  readonly cause?: unknown;
}

export class CairnError extends Error {
  readonly code: ErrorCode;
  readonly path: string | undefined;
  readonly offset: number | undefined;
  readonly hint: string | undefined;
  readonly retryable: boolean;

  constructor(code: ErrorCode, message: string, init: CairnErrorInit = {}) {
    super(message, init.cause === undefined ? undefined : { cause: init.cause });
    this.name = 'CairnError';
    this.code = code;
    this.path = init.path;
    this.offset = init.offset;
    this.hint = init.hint;
    this.retryable = init.retryable ?? false;
  }
}

/** True if `error` is a CairnError with one of `codes` (any code when none is given). */
export function isCairnError(error: unknown, ...codes: readonly ErrorCode[]): error is CairnError {
  return error instanceof CairnError && (codes.length === 0 || codes.includes(error.code));
}
