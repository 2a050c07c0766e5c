/** Collects the texts of a batch whose vectors are needed, finds them in the cache or embeds them. Runs in a worker. */
import { textPrefix } from '../embed/text-template.ts';
import { VECTOR_KEY_BYTES, vectorKey } from '../embed/vector-key.ts';
import type { DocRecord } from '../format/doc.ts';

export interface Found {
  readonly vectors: Float32Array;
  readonly present: Uint8Array;
}

/** Where vectors come from; `lookup` is null without a cache. */
export interface VectorSource {
  readonly dimension: number;
  readonly documentTemplate: string;
  readonly lookup: ((keys: Uint8Array) => Promise<Found>) | null;
  /** One row per text; rejects when the embedder failed. */
  embed(texts: readonly string[]): Promise<Float32Array>;
}

export interface Vectorized {
  readonly doc: DocRecord;
  readonly embedded: number;
  readonly cached: number;
}

export interface VectorizedBatch {
  readonly docs: readonly Vectorized[];
  /** What was computed now, for the cache. */
  readonly newKeys: Uint8Array;
  readonly newVectors: Float32Array;
}

/** Fills in the vectors of all chunks and paths. Documents without chunks need none. */
export async function vectorize(docs: readonly DocRecord[], source: VectorSource): Promise<VectorizedBatch> {
  const texts = docs.flatMap((doc) => textsOf(doc, source.documentTemplate));
  const keys = new Uint8Array(source.lookup === null ? 0 : texts.length * VECTOR_KEY_BYTES);
  let found: Found = { vectors: new Float32Array(0), present: new Uint8Array(texts.length) };
  if (source.lookup !== null && texts.length > 0) {
    texts.forEach((text, i) => keys.set(vectorKey(text), i * VECTOR_KEY_BYTES));
    found = await source.lookup(keys.slice());
  }
  const missing = texts.flatMap((_, i) => (found.present[i] === 1 ? [] : [i]));
  const computed = missing.length === 0 ? new Float32Array(0) : await source.embed(missing.map((i) => texts[i] as string));
  const rows = mergeRows(texts.length, source.dimension, found, missing, computed);
  return { docs: assign(docs, rows, found.present), ...forCache(source, keys, missing, computed) };
}

/** The text of each chunk with its path in front, then the path alone. */
function textsOf(doc: DocRecord, template: string): string[] {
  if (doc.chunks.length === 0) return [];
  const prefix = textPrefix(template, doc.key);
  return [...doc.chunks.map((chunk) => prefix + chunk.text), prefix.trimEnd()];
}

function mergeRows(count: number, dimension: number, found: Found, missing: readonly number[], computed: Float32Array): Float32Array[] {
  const rows = new Array<Float32Array>(count);
  missing.forEach((row, i) => (rows[row] = computed.slice(i * dimension, (i + 1) * dimension)));
  for (let i = 0; i < count; i++) rows[i] ??= found.vectors.slice(i * dimension, (i + 1) * dimension);
  return rows;
}

function assign(docs: readonly DocRecord[], rows: readonly Float32Array[], present: Uint8Array): Vectorized[] {
  let at = 0;
  return docs.map((doc) => {
    if (doc.chunks.length === 0) return { doc, embedded: 0, cached: 0 };
    let cached = 0;
    const chunks = doc.chunks.map((chunk) => {
      cached += present[at] ?? 0;
      return { ...chunk, vector: rows[at++] as Float32Array };
    });
    const pathVector = rows[at++] as Float32Array;
    return { doc: { ...doc, chunks, pathVector }, embedded: chunks.length - cached, cached };
  });
}

function forCache(source: VectorSource, keys: Uint8Array, missing: readonly number[], computed: Float32Array): { newKeys: Uint8Array; newVectors: Float32Array } {
  if (source.lookup === null) return { newKeys: new Uint8Array(0), newVectors: new Float32Array(0) };
  const newKeys = new Uint8Array(missing.length * VECTOR_KEY_BYTES);
  missing.forEach((row, i) => newKeys.set(keys.subarray(row * VECTOR_KEY_BYTES, (row + 1) * VECTOR_KEY_BYTES), i * VECTOR_KEY_BYTES));
  return { newKeys, newVectors: computed };
}
