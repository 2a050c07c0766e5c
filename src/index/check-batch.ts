/** Checks a batch before it reaches the log: what is logged can be applied, now and at every replay. */
import { FlatDoc } from '../format/flat-doc.ts';
import { CairnError } from '../util/errors.ts';
import { decodeBatch, encodeBatch } from './batch-codec.ts';
import { MAX_BATCH_BYTES, MAX_KEY_BYTES } from './options.ts';
import { Slices } from './slices.ts';
import type { Batch } from './types.ts';

export interface CheckedBatch {
  /** Of equal keys the last one counts. Deletes are applied before puts. */
  readonly docs: readonly FlatDoc[];
  readonly deletes: readonly string[];
  /** The WAL record. */
  readonly payload: Uint8Array;
}

/** INVALID_ARGUMENT for a batch that is too large or a bad key, DIMENSION_MISMATCH, CORRUPT for an encoded doc that cannot be read. */
export async function checkBatch(batch: Batch, dimension: number): Promise<CheckedBatch> {
  const bytes = batch.puts.reduce((total, doc) => total + doc.length, 0) + batch.deletes.reduce((total, key) => total + key.length, 0);
  if (bytes > MAX_BATCH_BYTES) throw new CairnError('INVALID_ARGUMENT', `a batch of ${bytes} bytes, at most ${MAX_BATCH_BYTES} are allowed`, { hint: 'Split it.' });
  for (const key of batch.deletes) requireKey(key);
  const payload = encodeBatch(batch);
  const slices = new Slices();
  const docs: FlatDoc[] = [];
  // The docs are parsed from the payload, so that what is applied is byte for byte what is logged.
  for (const doc of decodeBatch(payload, 'batch', 0).puts) {
    docs.push(checkDoc(doc, dimension));
    await slices.next();
  }
  return { docs, deletes: batch.deletes, payload };
}

/** A doc that fits an index of this dimension; the same check at commit and at replay. */
export function checkDoc(bytes: Uint8Array, dimension: number, path?: string): FlatDoc {
  const doc = new FlatDoc(bytes, path);
  requireKey(doc.key);
  const isMissing = dimension > 0 && doc.chunkCount > 0 && !doc.hasChunkVectors;
  if (isMissing || (doc.dimension !== 0 && doc.dimension !== dimension)) {
    const has = isMissing ? 'chunks without vectors' : `vectors of dimension ${doc.dimension}`;
    throw new CairnError('DIMENSION_MISMATCH', `document ${JSON.stringify(doc.key)} has ${has}, the index has dimension ${dimension}`, { path });
  }
  return doc;
}

function requireKey(key: string): void {
  if (key === '' || Buffer.byteLength(key, 'utf8') > MAX_KEY_BYTES || !key.isWellFormed()) {
    throw new CairnError('INVALID_ARGUMENT', `${JSON.stringify(key.slice(0, 80))} is no key: 1 to ${MAX_KEY_BYTES} bytes of UTF-8`);
  }
}
