/**
 * The documents of a range of the log, newest version of each key, in key order. The log is read twice, first for where they are
 * and then one by one, so that in memory is one document and not all of them. Reads only; `close` when done.
 */
import { join } from 'node:path';
import type { Env, EnvFile } from '../env/env.ts';
import { peekDocHeader } from '../format/doc-codec.ts';
import { WAL_DIRECTORY } from '../format/file-names.ts';
import { compareUtf8 } from '../segment/utf8-order.ts';
import { closeAll } from '../util/close-all.ts';
import { releaseMemory } from '../util/release-memory.ts';
import { crc32 } from '../util/crc32.ts';
import { CairnError } from '../util/errors.ts';
import { replayWal } from '../wal/wal-reader.ts';
import { decodeBatch } from './batch-codec.ts';
import type { FlushJob } from './storage-jobs.ts';

interface Place {
  readonly path: string;
  readonly at: number;
  readonly length: number;
  /** Of the document when its record was checked. */
  readonly checksum: number;
}

export class LoggedDocs {
  readonly #env: Env;
  readonly #places: ReadonlyMap<string, Place>;
  readonly #files = new Map<string, EnvFile>();
  #buffer = Buffer.alloc(0);

  private constructor(env: Env, places: ReadonlyMap<string, Place>) {
    this.#env = env;
    this.#places = places;
  }

  static async find(env: Env, job: FlushJob): Promise<LoggedDocs> {
    const places = new Map<string, Place>();
    const walDir = join(job.dir, WAL_DIRECTORY);
    await replayWal(env, walDir, { after: job.afterLsn, upTo: job.uptoLsn, tag: job.logTag }, ({ payload, path, payloadAt }) => {
      const { puts, deletes } = decodeBatch(payload, path, payloadAt);
      for (const key of deletes) places.delete(key);
      for (const doc of puts) {
        const at = payloadAt + doc.byteOffset - payload.byteOffset;
        places.set(peekDocHeader(doc).key, { path, at, length: doc.length, checksum: crc32(doc) });
      }
    });
    releaseMemory(); // the log, as it was read
    return new LoggedDocs(env, places);
  }

  /** Keys whose last change is a delete are left out. */
  get count(): number {
    return this.#places.size;
  }

  /** Encoded documents; each is valid until the next one is asked for. */
  async *inKeyOrder(): AsyncGenerator<Uint8Array> {
    for (const key of [...this.#places.keys()].sort(compareUtf8)) yield await this.#read(this.#places.get(key) as Place);
  }

  async close(): Promise<void> {
    const files = [...this.#files.values()];
    this.#files.clear();
    await closeAll(files);
  }

  async #read({ path, at, length, checksum }: Place): Promise<Uint8Array> {
    let file = this.#files.get(path);
    if (file === undefined) this.#files.set(path, (file = await this.#env.open(path, 'read')));
    if (length > this.#buffer.length) this.#buffer = Buffer.allocUnsafeSlow(length * 2);
    const doc = this.#buffer.subarray(0, length);
    if (file.readSync(doc, at) === length && crc32(doc) === checksum) return doc;
    throw new CairnError('CORRUPT', `${path}: a document at offset ${at} is not what it was when its record was checked`, { path, offset: at });
  }
}
