/**
 * Entry of the import worker: reads one foreign layout, makes encoded documents, a batch at a time, when the host asks for one.
 * Reading, tokenizing and embedding hundreds of megabytes happens here and never on the main thread.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { embedderFromShared } from '../embed/static-embedder.ts';
import { nodeEnv } from '../env/node-env.ts';
import type { DocRecord } from '../format/doc.ts';
import { encodeDoc } from '../format/doc-codec.ts';
import { encodeVectorRecord, firstNotFinite, recordKey, type VectorRecord } from '../format/vector-record.ts';
import { vectorize, type Found, type VectorSource } from '../ingest/vectors.ts';
import { CairnError, isCairnError } from '../util/errors.ts';
import { openCodanna } from './codanna.ts';
import { openDvecdb } from './dvecdb.ts';
import type { ForeignLayout, OpenForeign } from './foreign.ts';
import type { FromImportWorker, ImportSetup, ToImportWorker } from './import-protocol.ts';
import { ReportBuilder } from './report.ts';
import { openTrusty } from './trusty.ts';

const READERS: Readonly<Record<ForeignLayout, OpenForeign>> = { codanna: openCodanna, dvecdb: openDvecdb, trusty: openTrusty };
/** A batch is one commit: some of them make an fsync worth it, not so many that readers wait. */
const BATCH_ITEMS = 128;
const BATCH_BYTES = 1024 * 1024;

class ImportWorker {
  readonly #setup: ImportSetup;
  readonly #post: (message: FromImportWorker, transfer?: readonly ArrayBuffer[]) => void;
  readonly #report = new ReportBuilder();
  readonly #vectors: VectorSource | null;
  /** Keys so far: the same one again replaces, and is no new document. */
  readonly #keys = new Set<string>();
  #repeated = 0;
  #asked = Promise.withResolvers<void>();
  #found: ((found: Found) => void) | null = null;

  constructor(setup: ImportSetup, post: (message: FromImportWorker, transfer?: readonly ArrayBuffer[]) => void) {
    this.#setup = setup;
    this.#post = post;
    this.#vectors = this.#vectorSource();
  }

  receive(message: ToImportWorker): void {
    if (message.type === 'next') this.#asked.resolve();
    else this.#found?.(message);
  }

  async run(): Promise<void> {
    try {
      const source = await READERS[this.#setup.request.layout](nodeEnv(), this.#setup.request, this.#report);
      try {
        this.#post({ type: 'plan', plan: source.plan, totalBytes: source.totalBytes });
        let records: VectorRecord[] = [];
        let docs: DocRecord[] = [];
        let bytes = 0;
        let done = 0;
        for await (const { item, doneBytes } of source.items()) {
          done = doneBytes;
          if ('chunks' in item) docs.push(item);
          else records.push(item);
          bytes += 'chunks' in item ? (item.source?.size ?? 0) : item.vector.byteLength;
          if (records.length + docs.length < BATCH_ITEMS && bytes < BATCH_BYTES) continue;
          await this.#send(records, docs, done);
          [records, docs, bytes] = [[], [], 0];
        }
        await this.#send(records, docs, done);
      } finally {
        await source.close();
      }
      if (this.#repeated > 0) this.#report.warn('COUNT_MISMATCH', `${this.#repeated} records have the id of an earlier one and replace it`, { found: this.#repeated });
      this.#post({ type: 'end', report: this.#report.report(), documents: this.#keys.size });
    } catch (error) {
      if (!isCairnError(error)) throw error;
      const { code, message, path, offset, hint } = error;
      this.#post({ type: 'failed', code, message, path, offset, hint });
    }
  }

  async #send(records: readonly VectorRecord[], docs: readonly DocRecord[], doneBytes: number): Promise<void> {
    const encoded = records.flatMap((record) => this.#encodeRecord(record));
    const batch = this.#vectors === null ? null : await vectorize(docs, this.#vectors);
    const vectorized = batch?.docs ?? docs.map((doc) => ({ doc, embedded: 0, cached: 0 }));
    let [embedded, cached] = [0, 0];
    for (const one of vectorized) {
      const bytes = this.#encodeDoc(one.doc);
      if (bytes === null) continue;
      encoded.push(bytes);
      embedded += one.embedded;
      cached += one.cached;
    }
    await this.#asked.promise;
    this.#asked = Promise.withResolvers<void>();
    const newKeys = batch?.newKeys ?? new Uint8Array(0);
    const newVectors = batch?.newVectors ?? new Float32Array(0);
    this.#post({ type: 'batch', docs: encoded, doneBytes, embedded, cached, newKeys, newVectors }, [...new Set([...encoded.map(({ buffer }) => buffer as ArrayBuffer), newKeys.buffer as ArrayBuffer, newVectors.buffer as ArrayBuffer])]);
  }

  #encodeRecord(record: VectorRecord): Uint8Array[] {
    const bad = firstNotFinite(record.vector);
    if (bad >= 0) {
      this.#report.refuse('vector with a value that is not finite', `${record.id}: value ${bad} is ${String(record.vector[bad])}`);
      return [];
    }
    this.#count(recordKey(record.id), 1);
    return [whole(encodeVectorRecord(record))];
  }

  #encodeDoc(doc: DocRecord): Uint8Array | null {
    try {
      const bytes = whole(encodeDoc(doc));
      this.#count(doc.key, doc.chunks.length);
      return bytes;
    } catch (error) {
      if (!isCairnError(error, 'INVALID_ARGUMENT')) throw error;
      for (const { startLine, endLine } of doc.chunks) this.#report.refuse('chunk of a file that breaks a limit of a document', `${doc.key}:${startLine}:${endLine}: ${error.message}`);
      return null;
    }
  }

  #count(key: string, rows: number): void {
    if (this.#keys.has(key)) this.#repeated++;
    else this.#report.taken += rows;
    this.#keys.add(key);
  }

  #vectorSource(): VectorSource | null {
    const { model, hasCache } = this.#setup;
    if (model === null) return null;
    const embedder = embedderFromShared(model);
    const { dimension } = embedder.identity;
    const lookup = (keys: Uint8Array): Promise<Found> => new Promise((resolve) => {
      this.#found = resolve;
      this.#post({ type: 'lookup', keys }, [keys.buffer as ArrayBuffer]);
    });
    const embed = async (texts: readonly string[]): Promise<Float32Array> => {
      const out = new Float32Array(texts.length * dimension);
      texts.forEach((text, i) => out.set(embedder.embedText(text), i * dimension));
      return out;
    };
    return { dimension, documentTemplate: model.documentTemplate, lookup: hasCache ? lookup : null, embed };
  }
}

/** Only whole buffers can be transferred. */
function whole(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes);
}

const port = parentPort;
if (port === null) throw new CairnError('INTERNAL', 'The import worker must be started as a worker thread');
const worker = new ImportWorker(workerData as ImportSetup, (message, transfer = []) => port.postMessage(message, transfer));
port.on('message', (message: ToImportWorker) => worker.receive(message));
await worker.run();
port.close();
