/**
 * Entry of an ingest worker: reads, analyses, embeds and encodes files, a batch per message. Two batches may be under way,
 * so that one is parsed while the other waits for vectors; files are worked on one at a time.
 * Must not fail because of a file: whatever a file does ends in a result, or in the death of this thread only.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { embedderFromShared } from '../embed/static-embedder.ts';
import type { DocRecord, SourceStamp } from '../format/doc.ts';
import { encodeDoc } from '../format/doc-codec.ts';
import { releaseMemory } from '../util/release-memory.ts';
import { CairnError } from '../util/errors.ts';
import { yieldToOtherThreads } from '../util/thread-priority.ts';
import { analyzeFile, notedDocument } from './document.ts';
import { isUnread, readSource } from './read-source.ts';
import { TreeSitter } from './syntax/tree-sitter.ts';
import { ownThread } from './thread-usage.ts';
import type { IngestResult } from './types.ts';
import { vectorize, type Found, type Vectorized, type VectorSource } from './vectors.ts';
import { PULSE_FILE, PULSE_STEP, PULSE_THREAD, type FileJob, type FromWorker, type ToWorker, type WorkerSetup } from './worker-protocol.ts';

/** A file is done, or has a document that still lacks its vectors. */
type Progress = { readonly job: FileJob; readonly result: IngestResult } | { readonly job: FileJob; readonly doc: DocRecord };

/** Without a batch for this long there is nothing to do for now. */
const REST_MS = 500;

class IngestWorker {
  readonly #setup: WorkerSetup;
  readonly #post: (message: FromWorker, transfer: readonly ArrayBuffer[]) => void;
  readonly #parser: TreeSitter;
  readonly #source: VectorSource | null;
  readonly #waiting = new Map<number, (answer: ToWorker & { type: 'vectors' }) => void>();
  #lastRequest = 0;
  #batches = 0;
  #cleanUp: NodeJS.Timeout | null = null;
  /** Tail of the chain that keeps files one after the other. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(setup: WorkerSetup, parser: TreeSitter, post: (message: FromWorker, transfer: readonly ArrayBuffer[]) => void) {
    this.#setup = setup;
    this.#parser = parser;
    this.#post = post;
    this.#source = this.#vectorSource();
  }

  receive(message: ToWorker): void {
    if (message.type === 'vectors') {
      this.#waiting.get(message.request)?.(message);
      this.#waiting.delete(message.request);
      return;
    }
    if (this.#cleanUp !== null) clearTimeout(this.#cleanUp);
    this.#batches++;
    // A rejection here is a bug: it ends the thread, and the pool reports the files.
    void this.#batch(message.jobs).then(() => this.#rest());
  }

  /** Two thirds of the heap of a busy worker are garbage. Merges follow a build, and have a use for the memory. */
  #rest(): void {
    if (--this.#batches === 0) this.#cleanUp = setTimeout(releaseMemory, REST_MS);
  }

  async #batch(jobs: readonly FileJob[]): Promise<void> {
    const progress: Progress[] = [];
    for (const job of jobs) progress.push(await this.#inTurn(job, () => this.#analyze(job)));
    const pending = progress.filter((item): item is { job: FileJob; doc: DocRecord } => 'doc' in item);
    const results = new Map(progress.flatMap((item) => ('result' in item ? [[item.job.id, item.result] as const] : [])));
    let newKeys = new Uint8Array(0);
    let newVectors = new Float32Array(0);
    try {
      const docs = pending.map(({ doc }) => doc);
      const batch = this.#source === null ? null : await vectorize(docs, this.#source);
      if (batch !== null) ({ newKeys, newVectors } = batch as { newKeys: Uint8Array<ArrayBuffer>; newVectors: Float32Array<ArrayBuffer> });
      const done = batch?.docs ?? docs.map((doc): Vectorized => ({ doc, embedded: 0, cached: 0 }));
      for (const [i, { job }] of pending.entries()) {
        results.set(job.id, await this.#inTurn(job, () => toResult(done[i] as Vectorized)));
      }
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      for (const { job } of pending) results.set(job.id, { outcome: 'failed', path: job.path, reason, retryable: true });
    }
    const out = [...results].map(([id, result]) => ({ id, result }));
    const transfer = out.flatMap(({ result }) => (result.outcome === 'indexed' ? [result.doc.buffer as ArrayBuffer] : []));
    this.#post({ type: 'done', results: out, newKeys, newVectors, isWorn: this.#parser.isWorn }, [...transfer, newKeys.buffer, newVectors.buffer]);
  }

  /** Runs `work` when its turn comes, with the pulse set to the file. */
  #inTurn<T>(job: FileJob, work: () => T | Promise<T>): Promise<T> {
    const { pulse } = this.#setup;
    const run = async (): Promise<T> => {
      Atomics.store(pulse, PULSE_FILE, job.id);
      Atomics.add(pulse, PULSE_STEP, 1);
      try {
        return await work();
      } finally {
        Atomics.store(pulse, PULSE_FILE, 0);
      }
    };
    const result = this.#turn.then(run);
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async #analyze(job: FileJob): Promise<Progress> {
    const { path, known } = job;
    const read = readSource(job.root, path);
    if (read.outcome === 'gone') return { job, result: { outcome: 'gone', path } };
    if (read.outcome === 'failed') return { job, result: { ...read, path } };
    const unchanged = known === null ? null : sameContent(known, read.stamp);
    if (unchanged !== null) return { job, result: { outcome: 'unchanged', path, stamp: unchanged } };
    if (read.outcome === 'skipped') return { job, doc: notedDocument(path, read.stamp, read.stamp.note ?? 'skipped') };
    const options = { parser: this.#parser, parseBudgetMs: this.#setup.parseBudgetMs, plainReason: job.plainReason };
    return { job, doc: await analyzeFile(path, read.bytes, read.stamp, options) };
  }

  #vectorSource(): VectorSource | null {
    const { embedding, hasCache } = this.#setup;
    if (embedding.kind === 'none') return null;
    const lookup = hasCache ? (keys: Uint8Array) => this.#ask((request) => ({ type: 'lookup', request, keys }), [keys.buffer as ArrayBuffer]) : null;
    if (embedding.kind === 'host') {
      const embed = async (texts: readonly string[]): Promise<Float32Array> => (await this.#ask((request) => ({ type: 'embed', request, texts }), [])).vectors;
      return { dimension: embedding.dimension, documentTemplate: embedding.documentTemplate, lookup, embed };
    }
    const embedder = embedderFromShared(embedding.model);
    const { dimension } = embedder.identity;
    const embed = async (texts: readonly string[]): Promise<Float32Array> => {
      const out = new Float32Array(texts.length * dimension);
      texts.forEach((text, i) => out.set(embedder.embedText(text), i * dimension));
      return out;
    };
    return { dimension, documentTemplate: embedding.model.documentTemplate, lookup, embed };
  }

  #ask(message: (request: number) => FromWorker, transfer: readonly ArrayBuffer[]): Promise<Found> {
    const request = ++this.#lastRequest;
    return new Promise((resolve, reject) => {
      this.#waiting.set(request, (answer) => {
        if (answer.error === null) resolve(answer);
        else reject(new CairnError('EMBEDDER_FAILED', answer.error));
      });
      this.#post(message(request), transfer);
    });
  }
}

/** The stamp to keep when the content is what the index has: same hash, or (for files that are not read) same size, time and note. */
function sameContent(known: SourceStamp, read: Omit<SourceStamp, 'note'> & { readonly note?: string | null }): SourceStamp | null {
  if (!Buffer.from(known.hash).equals(read.hash)) return null;
  if (isUnread(read.hash) && known.note !== (read.note ?? null)) return null;
  return { size: read.size, mtimeNs: read.mtimeNs, hash: read.hash, note: known.note };
}

function toResult({ doc, embedded, cached }: Vectorized): IngestResult {
  const encoded = encodeDoc(doc);
  // Only whole buffers can be transferred.
  const bytes = encoded.byteLength === encoded.buffer.byteLength ? encoded : new Uint8Array(encoded);
  return { outcome: 'indexed', path: doc.key, doc: bytes, chunks: doc.chunks.length, embedded, cached, note: doc.source?.note ?? null };
}

yieldToOtherThreads();
const setup = workerData as WorkerSetup;
Atomics.store(setup.pulse, PULSE_THREAD, ownThread());
const port = parentPort;
if (port === null) throw new CairnError('INTERNAL', 'The ingest worker must be started as a worker thread');
// Compiling wasm does not keep a thread's loop alive, and a thread with an empty loop hears nothing until V8's helpers are idle.
port.ref();
const parser = await TreeSitter.create(new URL('./queries/', import.meta.url));
const worker = new IngestWorker(setup, parser, (message, transfer) => port.postMessage(message, transfer));
port.on('message', (message: ToWorker) => worker.receive(message));
port.postMessage({ type: 'ready' } satisfies FromWorker);
