/** Work whose caller gave up: what an AbortSignal becomes. */
import { CairnError } from './errors.ts';

/** @param what the work, as the subject of a sentence */
export function cancelled(what: string, signal: AbortSignal | undefined): CairnError {
  return new CairnError('CANCELLED', `${what} was cancelled`, { cause: signal?.reason });
}

export function requireNotCancelled(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted === true) throw cancelled(what, signal);
}
