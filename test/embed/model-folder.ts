/** Builds small model folders for tests. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface TensorSpec {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

export function safetensors(tensors: Readonly<Record<string, TensorSpec>>): Buffer {
  const header: Record<string, unknown> = {};
  let offset = 0;
  for (const [name, { dtype, shape, bytes }] of Object.entries(tensors)) {
    header[name] = { dtype, shape, data_offsets: [offset, (offset += bytes.length)] };
  }
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, ...Object.values(tensors).map((tensor) => tensor.bytes)]);
}

export const f32 = (shape: readonly number[], values: readonly number[]): TensorSpec => ({
  dtype: 'F32', shape, bytes: new Uint8Array(Float32Array.from(values).buffer),
});

export const bertTokenizer = (vocab: Readonly<Record<string, number>>): Record<string, unknown> => ({
  version: '1.0', truncation: null, padding: null,
  added_tokens: [{ id: 0, content: '[UNK]', special: true }],
  normalizer: { type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: true },
  pre_tokenizer: { type: 'BertPreTokenizer' },
  post_processor: null, decoder: null,
  model: { type: 'WordPiece', unk_token: '[UNK]', continuing_subword_prefix: '##', max_input_chars_per_word: 100, vocab },
});

export interface FolderParts {
  readonly weights?: Uint8Array;
  readonly tokenizer?: unknown;
  readonly config?: unknown;
}

export const VOCAB = { '[UNK]': 0, cache: 1, 'un': 2, '##lock': 3, ',': 4, cafe: 5, '打': 6, '##ed': 7 };

/** A two-dimensional model in the plain model2vec layout; parts can be replaced. */
export function writeModel(directory: string, parts: FolderParts = {}): string {
  mkdirSync(directory, { recursive: true });
  const rows = [0, 0, 1, 0, 0, 2, 0, 4, 1, 1, 3, 0, 0, 5, 6, 0];
  writeFileSync(join(directory, 'model.safetensors'), parts.weights ?? safetensors({ embeddings: f32([8, 2], rows) }));
  writeFileSync(join(directory, 'tokenizer.json'), JSON.stringify(parts.tokenizer ?? bertTokenizer(VOCAB)));
  writeFileSync(join(directory, 'config.json'), JSON.stringify(parts.config ?? { model_type: 'model2vec', normalize: false, hidden_dim: 2 }));
  return directory;
}
