/** The address of an embedded text in the cache. */
import { hash } from 'node:crypto';

export const VECTOR_KEY_BYTES = 16;

/** First half of SHA-256 over the UTF-8 text exactly as it is given to the embedder (with its path prefix). */
export function vectorKey(text: string): Uint8Array {
  return hash('sha256', text, 'buffer').subarray(0, VECTOR_KEY_BYTES);
}
