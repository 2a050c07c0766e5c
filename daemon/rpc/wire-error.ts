/** From what a handler throws to what a client sees. Expected failures keep their code; anything else is INTERNAL and a bug. */
import { CairnError, errnoOf, isCairnError } from '../errors.ts';
import { errorNumber, type WireError } from '../protocol/errors.ts';
import { EndpointError } from '../protocol/endpoint.ts';

export interface ConvertedError {
  readonly wire: WireError;
  /** True when nobody expected this: log it with its stack. */
  readonly isBug: boolean;
}

export function toWireError(error: unknown): ConvertedError {
  if (error instanceof EndpointError) return toWireError(new CairnError(error.code, error.message, { path: error.path, hint: error.hint, cause: error }));
  if (isCairnError(error)) return { wire: fromCairnError(error), isBug: error.code === 'INTERNAL' };
  const expected = isAbort(error) ? new CairnError('CANCELLED', 'the request was cancelled') : fromErrno(error);
  if (expected !== null) return { wire: fromCairnError(expected), isBug: false };
  const hint = 'This is a bug in cairn; the daemon log has the details.';
  return { wire: fromCairnError(new CairnError('INTERNAL', 'an internal error occurred', { hint })), isBug: true };
}

export function wireError(code: string, message: string, more: { readonly hint?: string | undefined; readonly path?: string | undefined; readonly retryable?: boolean } = {}): WireError {
  const data = { code, retryable: more.retryable ?? false, ...(more.hint === undefined ? {} : { hint: more.hint }), ...(more.path === undefined ? {} : { path: more.path }) };
  return { code: errorNumber(code), message, data };
}

function fromCairnError(error: CairnError): WireError {
  return wireError(error.code, error.message, { hint: error.hint, path: error.path, retryable: error.retryable });
}

const isAbort = (error: unknown): boolean => error instanceof Error && error.name === 'AbortError';

/** System errors that reach a handler from outside the engine (a root that is looked at, a log that is written). */
function fromErrno(error: unknown): CairnError | null {
  const path = error instanceof Error ? (error as NodeJS.ErrnoException).path : undefined;
  const init = { path, cause: error };
  switch (errnoOf(error)) {
    case 'ENOSPC': case 'EDQUOT': return new CairnError('DISK_FULL', 'the disk is full', { ...init, retryable: true, hint: 'Free some space; nothing is lost.' });
    case 'EMFILE': case 'ENFILE': return new CairnError('TOO_MANY_FILES', 'no file descriptors are left', { ...init, retryable: true, hint: 'Raise the limit (ulimit -n).' });
    case 'EACCES': case 'EPERM': case 'EROFS': return new CairnError('PERMISSION', 'permission denied', init);
    default: return null;
  }
}
