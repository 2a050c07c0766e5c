/**
 * Regular expressions that users give are matched in a worker thread that is killed at a deadline. JavaScript's engine
 * backtracks, so `(a+)+$` on one long line can take longer than the universe has; a thread of its own can be ended, and it
 * keeps the daemon's main thread free. (A linear-time matcher of our own would not know lookbehind and backreferences.)
 */
import { Worker } from 'node:worker_threads';
import { cancelled } from '../util/cancel.ts';
import { endThread } from '../util/end-thread.ts';
import { CairnError } from '../util/errors.ts';
import type { CompiledLinePattern, LineMatch } from './line-matcher.ts';

const WORKER = new URL(`./regex-worker${import.meta.url.slice(-3)}`, import.meta.url);

export class RegexRunner {
  readonly #worker: Worker;
  #failure: Error | null = null;

  constructor({ source, flags }: CompiledLinePattern) {
    this.#worker = new Worker(WORKER, { workerData: { source, flags }, stdin: false, resourceLimits: { maxOldGenerationSizeMb: 256 } });
    this.#worker.on('error', (error) => {
      this.#failure = error;
    });
  }

  /** Matches of each text, or null when `budgetMs` was not enough: the worker is dead then. CANCELLED when the signal fires. */
  async match(texts: readonly string[], budgetMs: number, signal: AbortSignal | undefined): Promise<LineMatch[][] | null> {
    if (this.#failure !== null) throw failed(this.#failure);
    const worker = this.#worker;
    return new Promise((resolve, reject) => {
      const settle = (finish: () => void): void => {
        clearTimeout(timer);
        worker.off('message', onMessage);
        worker.off('error', onError);
        signal?.removeEventListener('abort', onAbort);
        finish();
      };
      const onMessage = (matches: LineMatch[][]): void => settle(() => resolve(matches));
      const onError = (error: Error): void => settle(() => reject(failed(error)));
      const onAbort = (): void => settle(() => reject(cancelled('the query', signal)));
      const timer = setTimeout(() => settle(() => resolve(null)), budgetMs);
      worker.on('message', onMessage);
      worker.on('error', onError);
      signal?.addEventListener('abort', onAbort);
      if (signal?.aborted === true) onAbort();
      else worker.postMessage(texts);
    });
  }

  /** Ends the worker, also in the middle of a match. */
  close(): Promise<void> {
    return endThread(this.#worker);
  }
}

function failed(cause: Error): CairnError {
  return new CairnError('INTERNAL', `the regex worker failed: ${cause.message}`, { cause });
}
