/** Waiting that a caller can give up without stopping the work that it waits for. */
import { CairnError } from '../errors.ts';

/** The result of `work`, or CANCELLED as soon as `signal` aborts; the work goes on for others. */
export function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) {
    work.catch(() => undefined);
    return Promise.reject(cancelled());
  }
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(cancelled());
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

function cancelled(): CairnError {
  return new CairnError('CANCELLED', 'the request was cancelled');
}
