/**
 * The pool of ingest workers. Owns their life: starts them on demand, hands out files in small batches, replaces a worker
 * that hangs, crashes or has grown, ends idle ones. A file that hangs or kills a worker is cut into line windows instead;
 * no file can fail the whole index. Every request settles: with a result, or CANCELLED.
 */
import type { Embedder, VectorCache } from '../embed/embedder.ts';
import { createStaticEmbedder, type StaticEmbedder } from '../embed/static-embedder.ts';
import { CairnError } from '../util/errors.ts';
import { prepareEngine } from './syntax/prepare-engine.ts';
import type { IngestRequest, IngestResult } from './types.ts';
import type { FileJob, WorkerEmbedding } from './worker-protocol.ts';
import { WorkerHandle, type WorkerEnd } from './worker-handle.ts';

export type IngestEmbedder =
  /** A model folder; null is the one that ships with cairn. Loaded once, shared by all workers. */
  | { readonly modelPath: string | null }
  /** A static embedder that is loaded already. */
  | { readonly model: StaticEmbedder }
  /** Any other embedder: called here, in the thread of the pool. `documentTemplate` as in embed/text-template.ts. */
  | { readonly host: Embedder; readonly documentTemplate: string };

export interface IngestPoolOptions {
  /** Threads; default 2. */
  readonly workers?: number | undefined;
  /** null: documents without vectors. */
  readonly embedder: IngestEmbedder | null;
  readonly cache: VectorCache | null;
  /** A worker that works longer on one file is ended; default 20 s, far above the parse budget also when the machine is busy. */
  readonly fileTimeoutMs?: number | undefined;
  /** A worker that shows no sign of life for so long, before it is ready or between files, is ended; default 30 s. */
  readonly silenceTimeoutMs?: number | undefined;
  /** Parsing and querying one file may take this much processor time before it is cut into windows; default 4 s (a header of 160 KB takes up to 2). */
  readonly parseBudgetMs?: number | undefined;
  /** Workers without work for this long are ended, so that an idle daemon is small; default 30 s. */
  readonly idleMs?: number | undefined;
  /** The cache failed to answer or to store; indexing goes on without it. */
  readonly onCacheError?: ((error: unknown) => void) | undefined;
  /** Another worker entry, for tests that need one that hangs or dies. */
  readonly workerEntry?: URL | undefined;
}

export interface IngestPoolStats {
  /** Requests that wait for a worker, and that are with one. */
  readonly waiting: number;
  readonly running: number;
  readonly workers: number;
  readonly started: number;
  readonly timeouts: number;
  readonly crashes: number;
  readonly retired: number;
  readonly files: number;
  readonly chunks: number;
  readonly embedded: number;
  readonly cached: number;
}

interface Request {
  readonly job: FileJob;
  /** How often a worker died with this file under work. */
  deaths: number;
  readonly settle: (result: IngestResult | CairnError) => void;
}

/** Files per message: small ones cost less than the message. */
const BATCH_FILES = 8;
/** One batch is parsed while the other waits for vectors. */
const BATCHES_PER_WORKER = 2;
/** Workers that die before they are ready, in a row, until the pool gives up. */
const MAX_FAILED_STARTS = 3;

export class IngestPool {
  readonly #options: IngestPoolOptions;
  readonly #size: number;
  readonly #queue: Request[] = [];
  readonly #running = new Map<number, Request>();
  readonly #workers = new Set<WorkerHandle>();
  #embedding: Promise<WorkerEmbedding> | null = null;
  #nextId = 1;
  #flushing = false;
  #failedStarts = 0;
  #closed = false;
  readonly #counts = { started: 0, timeouts: 0, crashes: 0, retired: 0, files: 0, chunks: 0, embedded: 0, cached: 0 };

  constructor(options: IngestPoolOptions) {
    this.#options = options;
    this.#size = Math.max(1, options.workers ?? 2);
  }

  /** So many requests at once keep all workers busy; more only wait. */
  get capacity(): number {
    return this.#size * BATCH_FILES * BATCHES_PER_WORKER;
  }

  get stats(): IngestPoolStats {
    return { waiting: this.#queue.length, running: this.#running.size, workers: this.#workers.size, ...this.#counts };
  }

  /** Rejects only with CANCELLED (aborted, closed) or when workers cannot be started at all; whatever is wrong with the file is a result. */
  ingest(request: IngestRequest, signal?: AbortSignal): Promise<IngestResult> {
    if (this.#closed) return Promise.reject(cancelled('The ingest pool is closed'));
    if (signal?.aborted === true) return Promise.reject(cancelled('Ingest was cancelled', signal.reason));
    return new Promise((resolve, reject) => {
      const { root, path, known } = request;
      const job: FileJob = { id: this.#takeId(), root, path, known, plainReason: null };
      const onAbort = (): void => {
        this.#forget(job.id);
        reject(cancelled('Ingest was cancelled', signal?.reason));
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      const settle = (result: IngestResult | CairnError): void => {
        signal?.removeEventListener('abort', onAbort);
        if (result instanceof CairnError) reject(result);
        else resolve(result);
      };
      this.#queue.push({ job, deaths: 0, settle });
      this.#flushSoon();
    });
  }

  /** Ends all workers; requests that are not done reject with CANCELLED. */
  async close(): Promise<void> {
    this.#closed = true;
    const open = [...this.#queue.splice(0), ...this.#running.values()];
    this.#running.clear();
    for (const request of open) request.settle(cancelled('The ingest pool was closed'));
    await Promise.all([...this.#workers].map((worker) => worker.stop()));
  }

  #takeId(): number {
    const id = this.#nextId;
    this.#nextId = id === 0x7fffffff ? 1 : id + 1;
    return id;
  }

  #forget(id: number): void {
    const at = this.#queue.findIndex(({ job }) => job.id === id);
    if (at !== -1) this.#queue.splice(at, 1);
    this.#running.delete(id);
  }

  /** Requests of one turn of the event loop go out together. */
  #flushSoon(): void {
    if (this.#flushing || this.#closed) return;
    this.#flushing = true;
    setImmediate(() => {
      this.#flushing = false;
      this.#flush().catch((error: unknown) => this.#failAll(error));
    });
  }

  async #flush(): Promise<void> {
    if (this.#queue.length === 0 || this.#closed) return;
    this.#embedding ??= this.#prepare();
    const embedding = await this.#embedding;
    while (this.#queue.length > 0 && !this.#closed) {
      const worker = this.#workerWithRoom(embedding);
      if (worker === null) return;
      // Spread what little there is over the workers instead of filling the first.
      const share = Math.ceil(this.#queue.length / this.#size);
      const batch = this.#queue.splice(0, Math.min(BATCH_FILES, share));
      for (const request of batch) this.#running.set(request.job.id, request);
      worker.send(batch.map(({ job }) => job));
    }
  }

  /** The least loaded worker; a new one as long as the others are busy and there may be more. */
  #workerWithRoom(embedding: WorkerEmbedding): WorkerHandle | null {
    let best: WorkerHandle | null = null;
    for (const worker of this.#workers) {
      if (worker.isRetiring || worker.batches >= BATCHES_PER_WORKER) continue;
      if (best === null || worker.batches < best.batches) best = worker;
    }
    const active = [...this.#workers].filter((worker) => !worker.isRetiring).length;
    if ((best === null || best.batches > 0) && active < this.#size) return this.#start(embedding);
    return best;
  }

  /** What all workers share. */
  async #prepare(): Promise<WorkerEmbedding> {
    const [embedding] = await Promise.all([this.#loadEmbedding(), prepareEngine()]);
    return embedding;
  }

  async #loadEmbedding(): Promise<WorkerEmbedding> {
    const { embedder } = this.#options;
    if (embedder === null) return { kind: 'none' };
    if ('host' in embedder) return { kind: 'host', documentTemplate: embedder.documentTemplate, dimension: embedder.host.identity.dimension };
    if ('model' in embedder) return { kind: 'local', model: embedder.model.share() };
    const loaded = await (embedder.modelPath === null ? createStaticEmbedder() : createStaticEmbedder(embedder.modelPath));
    return { kind: 'local', model: loaded.share() };
  }

  #start(embedding: WorkerEmbedding): WorkerHandle {
    const { embedder, cache, onCacheError } = this.#options;
    this.#counts.started++;
    const worker = new WorkerHandle({
      entry: this.#options.workerEntry ?? new URL(`./worker${import.meta.url.slice(-3)}`, import.meta.url),
      embedding, cache, onCacheError,
      embedder: embedder !== null && 'host' in embedder ? embedder.host : null,
      parseBudgetMs: this.#options.parseBudgetMs ?? 4000,
      fileTimeoutMs: this.#options.fileTimeoutMs ?? 20_000,
      silenceTimeoutMs: this.#options.silenceTimeoutMs ?? 30_000,
      idleMs: this.#options.idleMs ?? 30_000,
      onReady: () => (this.#failedStarts = 0),
      onResults: (results) => this.#onResults(results),
      onEnd: (end) => this.#onEnd(worker, end),
    });
    this.#workers.add(worker);
    return worker;
  }

  #onResults(results: readonly { readonly id: number; readonly result: IngestResult }[]): void {
    for (const { id, result } of results) {
      const request = this.#running.get(id);
      if (request === undefined) continue; // aborted meanwhile
      this.#running.delete(id);
      this.#count(result);
      request.settle(result);
    }
    this.#flushSoon();
  }

  #count(result: IngestResult): void {
    this.#counts.files++;
    if (result.outcome !== 'indexed') return;
    this.#counts.chunks += result.chunks;
    this.#counts.embedded += result.embedded;
    this.#counts.cached += result.cached;
  }

  /** A worker is gone. What it had under work goes to another one; the file that it died of is treated with care. */
  #onEnd(worker: WorkerHandle, end: WorkerEnd): void {
    this.#workers.delete(worker);
    if (this.#closed) return;
    if (end.cause === 'retired') this.#counts.retired++;
    if (end.cause === 'timeout') this.#counts.timeouts++;
    if (end.cause === 'crash') this.#counts.crashes++;
    if (!end.wasReady && (end.cause === 'crash' || end.cause === 'timeout') && ++this.#failedStarts >= MAX_FAILED_STARTS) {
      return this.#failAll(end.cause === 'crash' ? end.error : null);
    }
    const open = end.jobs.flatMap((id) => this.#running.get(id) ?? []);
    for (const request of open) this.#running.delete(request.job.id);
    this.#queue.unshift(...open.flatMap((request) => this.#afterDeath(request, end)));
    this.#flushSoon();
  }

  /**
   * The request to try again, or nothing when it is settled. A file that hangs goes straight to windows, since waiting again costs
   * the whole timeout; after a crash, or a hang between files, there is one more try, then windows, then a failure that is not retried.
   */
  #afterDeath(request: Request, end: WorkerEnd): Request[] {
    const suspect = end.culprit === null ? end.cause === 'crash' || (end.cause === 'timeout' && end.wasReady) : end.culprit === request.job.id;
    if (!suspect) return [request];
    const deaths = request.deaths + 1;
    const what = end.cause === 'timeout' ? 'took too long' : 'crashed the parser';
    if (request.job.plainReason !== null || deaths > 3) {
      request.settle({ outcome: 'failed', path: request.job.path, reason: `${what}, also without parsing`, retryable: false });
      return [];
    }
    const plainReason = (end.cause === 'timeout' && end.culprit !== null) || deaths > 1 ? what : null;
    return [{ ...request, deaths, job: { ...request.job, plainReason } }];
  }

  #failAll(cause: unknown): void {
    const error = cause instanceof CairnError ? cause : new CairnError('INTERNAL', cause === null ? 'Ingest workers do not become ready' : 'Ingest workers cannot be started', { cause, retryable: true });
    this.#failedStarts = 0;
    this.#embedding = null;
    for (const request of this.#queue.splice(0)) request.settle(error);
    const running = [...this.#running.values()];
    this.#running.clear();
    for (const request of running) request.settle(error);
  }
}

function cancelled(message: string, cause?: unknown): CairnError {
  return new CairnError('CANCELLED', message, { cause });
}
