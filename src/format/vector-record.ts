/**
 * A record of a vector index as a document: one chunk of kind 'record' without text, the vector as given, the payload as opaque
 * bytes. An integer id has its decimal digits as key and stands on line 1; a text id stands on line 0, so that an id comes back
 * as it was given. `7` and `"7"` are the same record: they have the same key. FORMAT.md, "Record of a vector index".
 */
import { CairnError } from '../util/errors.ts';
import type { DocRecord } from './doc.ts';
import { DOC_LIMITS, encodeDoc } from './doc-codec.ts';

export type RecordId = string | number;

export interface VectorRecord {
  readonly id: RecordId;
  readonly vector: Float32Array;
  readonly payload: Uint8Array | null;
}

const TEXT_ID_LINE = 0;
const INTEGER_ID_LINE = 1;

/** The key of an id. INVALID_ARGUMENT for a number that is no safe integer, an empty text, or one that is too long. */
export function recordKey(id: RecordId): string {
  if (typeof id === 'number') {
    if (!Number.isSafeInteger(id)) throw new CairnError('INVALID_ARGUMENT', `id ${id} is not a whole number below 2^53`);
    return String(id);
  }
  if (id === '' || !id.isWellFormed() || Buffer.byteLength(id) > DOC_LIMITS.keyBytes) {
    throw new CairnError('INVALID_ARGUMENT', `id ${JSON.stringify(id.slice(0, 80))}: a text id has 1 to ${DOC_LIMITS.keyBytes} bytes of UTF-8`);
  }
  return id;
}

/** The id of a record with this key, whose chunk begins on `line`. */
export function recordId(key: string, line: number): RecordId {
  const number = Number(key);
  return line === INTEGER_ID_LINE && String(number) === key && Number.isSafeInteger(number) ? number : key;
}

/** The first value that is neither a number nor finite, or -1. */
export function firstNotFinite(vector: Float32Array): number {
  return vector.findIndex((value) => !Number.isFinite(value));
}

/** INVALID_ARGUMENT for an id, a value or a payload that cannot be stored and found again. */
export function encodeVectorRecord({ id, vector, payload }: VectorRecord): Uint8Array {
  const key = recordKey(id);
  const bad = firstNotFinite(vector);
  if (bad >= 0) throw new CairnError('INVALID_ARGUMENT', `record ${JSON.stringify(key.slice(0, 80))}: value ${bad} is ${String(vector[bad])}, only finite numbers can be compared`);
  const line = typeof id === 'number' ? INTEGER_ID_LINE : TEXT_ID_LINE;
  const doc: DocRecord = {
    key, language: '', source: null, payload,
    chunks: [{ startLine: line, endLine: line, kind: 'record', symbol: -1, text: '', terms: new Map(), vector }],
    symbols: [], edges: [], pathTerms: new Map(), commentTerms: new Map(), pairs: [], stem: '', pathVector: null,
  };
  return encodeDoc(doc);
}
