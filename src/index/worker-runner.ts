/**
 * Runs storage jobs in one worker thread, started with the first job and kept for the next ones. Owns the thread: a thread
 * that dies fails its jobs with INTERNAL (nothing was published, so nothing is lost) and the next job starts a new one.
 */
import { Worker } from 'node:worker_threads';
import { endThread } from '../util/end-thread.ts';
import { CairnError, type ErrorCode } from '../util/errors.ts';
import { startWatchdog } from '../util/watchdog.ts';
import type { ResultOf, StorageJob, StorageRunner } from './storage-jobs.ts';

export interface JobRequest {
  readonly id: number;
  readonly job: StorageJob;
}

/** A CairnError crosses the thread boundary as plain data. */
export interface JobFailure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly path: string | undefined;
  readonly offset: number | undefined;
  readonly hint: string | undefined;
  readonly retryable: boolean;
}

/** The first thing that a thread says. */
export const READY = 'ready';

export type JobReply = { readonly id: number; readonly result: ResultOf<StorageJob> } | { readonly id: number; readonly failure: JobFailure };

interface Waiting {
  readonly resolve: (result: never) => void;
  readonly reject: (error: CairnError) => void;
}

/** Threads that wait for each other inside the runtime have been seen; without this limit their jobs would never end. */
const START_TIMEOUT_MS = 30_000;
/** What a job needs lies in buffers outside the heap. */
const YOUNG_HEAP_MB = 4;

export interface WorkerRunnerOptions {
  /** For tests: another thread, another patience. */
  readonly entry?: URL;
  readonly startTimeoutMs?: number;
}

export class WorkerRunner implements StorageRunner {
  readonly #options: WorkerRunnerOptions;
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | null = null;
  #nextId = 1;
  #isClosed = false;

  constructor(options: WorkerRunnerOptions = {}) {
    this.#options = options;
  }

  run<J extends StorageJob>(job: J): Promise<ResultOf<J>> {
    if (this.#isClosed) return Promise.reject(new CairnError('NOT_SERVING', 'the engine is closed'));
    const worker = (this.#worker ??= this.#start());
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      worker.ref();
      worker.postMessage({ id, job } satisfies JobRequest);
    });
  }

  /**
   * Ends the thread; a job that still runs fails and leaves at most a file that nobody names. So it is also when the thread hangs in
   * a system call and is left behind: no line of the job runs after that call.
   */
  async close(): Promise<void> {
    this.#isClosed = true;
    const worker = this.#worker;
    this.#worker = null;
    this.#failAll('the engine was closed');
    if (worker !== null) await endThread(worker);
  }

  #start(): Worker {
    const { entry = new URL(`./storage-worker${import.meta.url.slice(-3)}`, import.meta.url), startTimeoutMs = START_TIMEOUT_MS } = this.#options;
    const worker = new Worker(entry, { name: 'cairn-storage', resourceLimits: { maxYoungGenerationSizeMb: YOUNG_HEAP_MB } });
    worker.unref();
    const stopWatchdog = startWatchdog(startTimeoutMs, () => {
      this.#lost(worker, new Error(`it was not ready after ${startTimeoutMs} ms`));
      void endThread(worker);
    });
    worker.on('message', (reply: JobReply | typeof READY) => (reply === READY ? stopWatchdog() : this.#settle(worker, reply)));
    worker.on('error', (error) => this.#lost(worker, error));
    worker.on('exit', () => {
      stopWatchdog();
      this.#lost(worker, null);
    });
    return worker;
  }

  #settle(worker: Worker, reply: JobReply): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if (this.#waiting.size === 0) worker.unref();
    if ('failure' in reply) waiting?.reject(new CairnError(reply.failure.code, reply.failure.message, reply.failure));
    else waiting?.resolve(reply.result as never);
  }

  #lost(worker: Worker, cause: unknown): void {
    if (this.#worker !== worker) return;
    this.#worker = null;
    this.#failAll('the storage thread ended', cause);
  }

  #failAll(what: string, cause?: unknown): void {
    for (const waiting of this.#waiting.values()) waiting.reject(new CairnError('INTERNAL', `storage job stopped: ${what}`, { cause, retryable: true }));
    this.#waiting.clear();
  }
}
