/**
 * What cairn expects of an embedding model. An index stores the identity it was built with; a different one is refused
 * with EMBEDDER_MISMATCH, never mixed.
 */
export interface EmbedderIdentity {
  /** Model name and revision as published ('cairn-static-256', '1'). */
  readonly name: string;
  readonly revision: string;
  readonly dimension: number;
  readonly normalized: boolean;
  /** Hex SHA-256 over everything that decides a vector: weights, tokenizer, pooling, text template versions. */
  readonly fingerprint: string;
}

export interface Embedder {
  readonly identity: EmbedderIdentity;
  /** Vectors in the order of `texts`; fails with EMBEDDER_FAILED, never with a made-up vector. */
  embed(texts: readonly string[], signal?: AbortSignal): Promise<Float32Array[]>;
  close(): Promise<void>;
}

/** Content-addressed store of vectors of one embedder identity; keys are 16 bytes (first half of SHA-256 of the text). */
export interface VectorCache {
  /** Shape: one entry per key, null for a miss. */
  lookup(keys: readonly Uint8Array[]): Promise<(Float32Array | null)[]>;
  /** Remembers vectors; returns when they are accepted (durable in the background: a lost tail only costs embedding again). */
  store(entries: readonly { readonly key: Uint8Array; readonly vector: Float32Array }[]): Promise<void>;
}
