/**
 * One ingest worker as the pool sees it: sends batches, answers its questions for vectors, watches its pulse, ends it.
 * Reports its end exactly once, with the files it had.
 */
import { Worker } from 'node:worker_threads';
import type { Embedder, VectorCache } from '../embed/embedder.ts';
import { VECTOR_KEY_BYTES } from '../embed/vector-key.ts';
import { endThread } from '../util/end-thread.ts';
import type { IngestResult } from './types.ts';
import { usageOf } from './thread-usage.ts';
import { PULSE_FILE, PULSE_STEP, PULSE_THREAD, type FileJob, type FromWorker, type ToWorker, type WorkerEmbedding, type WorkerSetup } from './worker-protocol.ts';

export interface WorkerEnd {
  readonly cause: 'timeout' | 'crash' | 'retired' | 'idle' | 'stopped';
  /** Files that were with it. */
  readonly jobs: readonly number[];
  /** The file it was working on, if that is known. */
  readonly culprit: number | null;
  readonly wasReady: boolean;
  readonly error: unknown;
}

export interface WorkerHandleOptions {
  readonly entry: URL;
  readonly embedding: WorkerEmbedding;
  readonly cache: VectorCache | null;
  readonly embedder: Embedder | null;
  readonly parseBudgetMs: number;
  readonly fileTimeoutMs: number;
  /** Without any sign of life for so long, before it is ready or between files, it is ended. */
  readonly silenceTimeoutMs: number;
  readonly idleMs: number;
  readonly onCacheError: ((error: unknown) => void) | undefined;
  onReady(): void;
  onResults(results: readonly { readonly id: number; readonly result: IngestResult }[]): void;
  onEnd(end: WorkerEnd): void;
}

/** A document with its tree and vectors stays far below; a runaway heap ends the thread, not the process. */
const MAX_HEAP_MB = 192;
/** Measured with two workers: 8 MB costs a tenth more processor time than V8's own choice, and saves 130 MB. */
const YOUNG_HEAP_MB = 8;
/** A file counts as stuck when its pulse stands still for the timeout; looked at this many times within it. */
const LOOKS = 10;
/** Time in which the thread would run, but the machine does other things, counts so many times less. */
const STARVED = 10;

export class WorkerHandle {
  readonly #options: WorkerHandleOptions;
  readonly #worker: Worker;
  readonly #pulse = new Int32Array(new SharedArrayBuffer(12));
  readonly #jobs = new Set<number>();
  readonly #exited = Promise.withResolvers<void>();
  #batches = 0;
  /** Questions of the worker that are not answered yet: then it waits for us, not for itself. */
  #questions = 0;
  #isReady = false;
  #isRetiring = false;
  #end: WorkerEnd['cause'] | null = null;
  #isFinished = false;
  #error: unknown = null;
  #watch: NodeJS.Timeout | null = null;
  #idle: NodeJS.Timeout | null = null;
  #lastStep = -1;
  #lastFile = 0;
  #lastLook = 0;
  /** Time that was seen to pass without a step: a process that was stopped, or a blocked loop, does not count. */
  #stillMs = 0;
  #cpuMs = 0;

  constructor(options: WorkerHandleOptions) {
    this.#options = options;
    const setup: WorkerSetup = { embedding: options.embedding, hasCache: options.cache !== null, parseBudgetMs: options.parseBudgetMs, pulse: this.#pulse };
    // Flags of the host, such as --input-type, are not meant for the worker.
    this.#worker = new Worker(options.entry, { workerData: setup, execArgv: [], resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB, maxYoungGenerationSizeMb: YOUNG_HEAP_MB }, name: 'cairn-ingest' });
    this.#worker.on('message', (message: FromWorker) => void this.#receive(message));
    this.#worker.on('error', (error) => (this.#error = error));
    this.#worker.once('exit', () => this.#finish());
  }

  /** Batches it has not answered. */
  get batches(): number {
    return this.#batches;
  }

  /** It gets no more work and ends when it is done. */
  get isRetiring(): boolean {
    return this.#isRetiring;
  }

  send(jobs: readonly FileJob[]): void {
    for (const { id } of jobs) this.#jobs.add(id);
    this.#batches++;
    if (this.#idle !== null) clearTimeout(this.#idle);
    this.#idle = null;
    this.#watch ??= this.#startWatch();
    this.#tell({ type: 'batch', jobs }, []);
  }

  /** Resolves when the thread is gone, or cannot be ended. */
  async stop(): Promise<void> {
    this.#terminate('stopped');
    await this.#exited.promise;
  }

  async #receive(message: FromWorker): Promise<void> {
    this.#stillMs = 0;
    if (message.type === 'ready') {
      this.#isReady = true;
      this.#options.onReady();
    } else if (message.type === 'done') {
      this.#done(message);
    } else {
      this.#questions++;
      await (message.type === 'lookup' ? this.#lookup(message.request, message.keys) : this.#embed(message.request, message.texts));
      this.#questions--;
      this.#stillMs = 0;
    }
  }

  #done(message: FromWorker & { type: 'done' }): void {
    this.#batches--;
    for (const { id } of message.results) this.#jobs.delete(id);
    this.#remember(message.newKeys, message.newVectors);
    this.#isRetiring ||= message.isWorn;
    this.#options.onResults(message.results);
    if (this.#batches > 0) return;
    this.#stopWatch();
    if (this.#isRetiring) this.#terminate('retired');
    else this.#idle = setTimeout(() => this.#goIdle(), this.#options.idleMs).unref();
  }

  #goIdle(): void {
    if (this.#batches > 0) return;
    this.#isRetiring = true;
    this.#terminate('idle');
  }

  async #lookup(request: number, keys: Uint8Array): Promise<void> {
    const list = splitKeys(keys);
    let rows: readonly (Float32Array | null)[];
    try {
      rows = (await this.#options.cache?.lookup(list)) ?? [];
    } catch (error) {
      // A broken cache costs time, not correctness: everything counts as missing.
      this.#options.onCacheError?.(error);
      rows = [];
    }
    const dimension = this.#dimension();
    const vectors = new Float32Array(list.length * dimension);
    const present = new Uint8Array(list.length);
    rows.forEach((row, i) => {
      if (row === null || row.length !== dimension) return;
      vectors.set(row, i * dimension);
      present[i] = 1;
    });
    this.#tell({ type: 'vectors', request, vectors, present, error: null }, [vectors.buffer, present.buffer]);
  }

  async #embed(request: number, texts: readonly string[]): Promise<void> {
    const dimension = this.#dimension();
    try {
      const rows = (await this.#options.embedder?.embed(texts)) ?? [];
      const wrong = rows.find((row) => row.length !== dimension);
      if (rows.length !== texts.length || wrong !== undefined) throw new Error(`the embedder gave ${rows.length} vectors of ${wrong?.length ?? dimension} numbers for ${texts.length} texts of ${dimension}`);
      const vectors = new Float32Array(texts.length * dimension);
      rows.forEach((row, i) => vectors.set(row, i * dimension));
      this.#tell({ type: 'vectors', request, vectors, present: new Uint8Array(texts.length).fill(1), error: null }, [vectors.buffer]);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#tell({ type: 'vectors', request, vectors: new Float32Array(0), present: new Uint8Array(0), error: reason }, []);
    }
  }

  #remember(keys: Uint8Array, vectors: Float32Array): void {
    const { cache, onCacheError } = this.#options;
    if (cache === null || keys.length === 0) return;
    const dimension = this.#dimension();
    const entries = splitKeys(keys).map((key, i) => ({ key, vector: vectors.subarray(i * dimension, (i + 1) * dimension) }));
    cache.store(entries).catch((error: unknown) => onCacheError?.(error));
  }

  #dimension(): number {
    const { embedding } = this.#options;
    if (embedding.kind === 'none') return 0;
    return embedding.kind === 'host' ? embedding.dimension : embedding.model.identity.dimension;
  }

  #tell(message: ToWorker, transfer: readonly ArrayBuffer[]): void {
    if (this.#end === null) this.#worker.postMessage(message, transfer);
  }

  #startWatch(): NodeJS.Timeout {
    const everyMs = this.#options.fileTimeoutMs / LOOKS;
    this.#lastLook = performance.now();
    this.#stillMs = 0;
    return setInterval(() => this.#look(everyMs), everyMs);
  }

  /**
   * Ends the worker when it has stood at the same step of the same file for too long, or has done nothing at all: not become
   * ready, or neither worked on a file nor asked us anything. Both have been seen of threads that wait for each other in the runtime.
   */
  #look(everyMs: number): void {
    const step = Atomics.load(this.#pulse, PULSE_STEP);
    const file = Atomics.load(this.#pulse, PULSE_FILE);
    const now = performance.now();
    const moved = step !== this.#lastStep || file !== this.#lastFile;
    const passed = this.#ownTime(Math.min(now - this.#lastLook, 2 * everyMs));
    this.#stillMs = moved || (file === 0 && this.#questions > 0) ? 0 : this.#stillMs + passed;
    this.#lastStep = step;
    this.#lastFile = file;
    this.#lastLook = now;
    if (this.#stillMs >= (file === 0 ? this.#options.silenceTimeoutMs : this.#options.fileTimeoutMs)) this.#terminate('timeout');
  }

  /** What of the time counts as the thread's own: how a file is indexed must not depend on what else the machine does. */
  #ownTime(passedMs: number): number {
    const usage = usageOf(Atomics.load(this.#pulse, PULSE_THREAD));
    if (usage === null) return passedMs;
    const hadMs = usage.cpuMs - this.#cpuMs;
    this.#cpuMs = usage.cpuMs;
    return usage.isRunnable ? Math.min(passedMs, Math.max(hadMs, passedMs / STARVED)) : passedMs;
  }

  #terminate(cause: WorkerEnd['cause']): void {
    if (this.#end !== null) return;
    this.#end = cause;
    this.#isRetiring = true;
    this.#stopWatch();
    // Its files go on also when the thread cannot be ended.
    void endThread(this.#worker).then(() => this.#finish());
  }

  #stopWatch(): void {
    if (this.#watch !== null) clearInterval(this.#watch);
    if (this.#idle !== null) clearTimeout(this.#idle);
    this.#watch = null;
    this.#idle = null;
  }

  /** Once: at the exit of the thread, or when it was left behind. */
  #finish(): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    this.#stopWatch();
    const cause = this.#end ?? 'crash';
    this.#end = cause;
    const file = Atomics.load(this.#pulse, PULSE_FILE);
    this.#options.onEnd({ cause, jobs: [...this.#jobs], culprit: file === 0 ? null : file, wasReady: this.#isReady, error: this.#error });
    this.#exited.resolve();
  }
}

function splitKeys(keys: Uint8Array): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (let at = 0; at < keys.length; at += VECTOR_KEY_BYTES) out.push(keys.subarray(at, at + VECTOR_KEY_BYTES));
  return out;
}
