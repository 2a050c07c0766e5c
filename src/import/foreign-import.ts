/** The host of the import worker: its plan, then its batches one by one, then its report. Owns the thread. */
import { Worker } from 'node:worker_threads';
import type { VectorCache } from '../embed/embedder.ts';
import type { StaticEmbedder } from '../embed/static-embedder.ts';
import { VECTOR_KEY_BYTES } from '../embed/vector-key.ts';
import { cancelled } from '../util/cancel.ts';
import { endThread } from '../util/end-thread.ts';
import { CairnError } from '../util/errors.ts';
import type { ForeignPlan, ForeignRequest } from './foreign.ts';
import type { FromImportWorker, ImportBatch, ImportSetup, ToImportWorker } from './import-protocol.ts';
import type { ImportReport } from './report.ts';

export interface ForeignImportInit {
  readonly request: ForeignRequest;
  /** For layouts without vectors; null: documents without vectors. */
  readonly embedder: StaticEmbedder | null;
  readonly cache: VectorCache | null;
  readonly signal?: AbortSignal | undefined;
  /** The cache failed; embedding goes on without it. */
  readonly onCacheError?: ((error: unknown) => void) | undefined;
}

export class ForeignImport {
  readonly plan: ForeignPlan;
  readonly totalBytes: number;
  readonly #channel: Channel;
  #end: (FromImportWorker & { readonly type: 'end' }) | null = null;

  private constructor(plan: ForeignPlan, totalBytes: number, channel: Channel) {
    this.plan = plan;
    this.totalBytes = totalBytes;
    this.#channel = channel;
  }

  /** Resolves when the layout was looked at and can be imported. Fails with why it cannot, or CANCELLED; then nothing is left open. */
  static async open(init: ForeignImportInit): Promise<ForeignImport> {
    const channel = new Channel(init);
    try {
      const first = await channel.receive();
      if (first.type !== 'plan') throw new CairnError('INTERNAL', `the import worker began with '${first.type}'`);
      return new ForeignImport(first.plan, first.totalBytes, channel);
    } catch (error) {
      await channel.close();
      throw error;
    }
  }

  /** To be read to its end, once. */
  async *batches(): AsyncGenerator<ImportBatch> {
    for (;;) {
      this.#channel.send({ type: 'next' });
      const message = await this.#channel.receive();
      if (message.type === 'batch') yield message;
      else if (message.type === 'end') {
        this.#end = message;
        return;
      }
    }
  }

  /** After the last batch. */
  get result(): { readonly report: ImportReport; readonly documents: number } {
    if (this.#end === null) throw new CairnError('INTERNAL', 'the import has not ended');
    return this.#end;
  }

  close(): Promise<void> {
    return this.#channel.close();
  }
}

/** Messages in order; answers look-ups by itself. */
class Channel {
  readonly #worker: Worker;
  readonly #init: ForeignImportInit;
  readonly #queue: FromImportWorker[] = [];
  readonly #onAbort = (): void => this.#fail(cancelled('the import', this.#init.signal));
  #waiting: PromiseWithResolvers<FromImportWorker> | null = null;
  #failure: unknown = null;

  constructor(init: ForeignImportInit) {
    this.#init = init;
    const { request, embedder, cache, signal } = init;
    const setup: ImportSetup = { request, model: embedder?.share() ?? null, hasCache: embedder !== null && cache !== null };
    this.#worker = new Worker(new URL(`./import-worker${import.meta.url.slice(-3)}`, import.meta.url), { workerData: setup });
    this.#worker.on('message', (message: FromImportWorker) => this.#onMessage(message));
    this.#worker.on('error', (error) => this.#fail(error));
    this.#worker.on('exit', () => this.#fail(new CairnError('INTERNAL', 'the import worker ended early')));
    signal?.addEventListener('abort', this.#onAbort, { once: true });
    if (signal?.aborted === true) this.#onAbort();
  }

  send(message: ToImportWorker, transfer: readonly ArrayBuffer[] = []): void {
    this.#worker.postMessage(message, transfer);
  }

  receive(): Promise<FromImportWorker> {
    const ready = this.#queue.shift();
    if (ready !== undefined) return Promise.resolve(ready);
    if (this.#failure !== null) return Promise.reject(this.#failure);
    this.#waiting = Promise.withResolvers();
    return this.#waiting.promise;
  }

  async close(): Promise<void> {
    this.#init.signal?.removeEventListener('abort', this.#onAbort);
    await endThread(this.#worker);
  }

  #onMessage(message: FromImportWorker): void {
    if (message.type === 'lookup') void this.#lookup(message.keys);
    else if (message.type === 'failed') {
      const { code, path, offset, hint } = message;
      this.#fail(new CairnError(code, message.message, { path, offset, hint }));
    } else {
      if (message.type === 'batch') this.#remember(message);
      if (this.#waiting === null) this.#queue.push(message);
      else this.#waiting.resolve(message);
      this.#waiting = null;
    }
  }

  /** The first failure counts; messages that came before it are still delivered. */
  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#waiting?.reject(this.#failure);
    this.#waiting = null;
  }

  async #lookup(keys: Uint8Array): Promise<void> {
    const { embedder, cache, onCacheError } = this.#init;
    const dimension = embedder?.identity.dimension ?? 0;
    const list = Array.from({ length: keys.length / VECTOR_KEY_BYTES }, (_, i) => keys.subarray(i * VECTOR_KEY_BYTES, (i + 1) * VECTOR_KEY_BYTES));
    const vectors = new Float32Array(list.length * dimension);
    const present = new Uint8Array(list.length);
    try {
      const rows = (await cache?.lookup(list)) ?? [];
      rows.forEach((row, i) => {
        if (row === null || row.length !== dimension) return;
        vectors.set(row, i * dimension);
        present[i] = 1;
      });
    } catch (error) {
      onCacheError?.(error); // a broken cache costs time, not correctness
    }
    this.send({ type: 'vectors', vectors, present }, [vectors.buffer, present.buffer]);
  }

  #remember({ newKeys, newVectors }: ImportBatch): void {
    const { embedder, cache, onCacheError } = this.#init;
    if (cache === null || embedder === null || newKeys.length === 0) return;
    const { dimension } = embedder.identity;
    const entries = Array.from({ length: newKeys.length / VECTOR_KEY_BYTES }, (_, i) => ({
      key: newKeys.subarray(i * VECTOR_KEY_BYTES, (i + 1) * VECTOR_KEY_BYTES), vector: newVectors.subarray(i * dimension, (i + 1) * dimension),
    }));
    cache.store(entries).catch((error: unknown) => onCacheError?.(error));
  }
}
