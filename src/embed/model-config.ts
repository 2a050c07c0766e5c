/** Reads config.json of a model folder: names, pooling, limits, text template. Owns the defaults of plain model2vec folders. */
import { CairnError } from '../util/errors.ts';
import { CODE_TEMPLATE, checkTemplate } from './text-template.ts';

export type Pooling =
  /** Sum over distinct tokens of sqrt(occurrences) · weight · row. */
  | 'sqrt_tf'
  /** Mean over all tokens of weight · row, as model2vec does. */
  | 'mean';

export interface ModelConfig {
  readonly name: string | null;
  readonly revision: string | null;
  /** Expected shape of the embeddings; null when the file does not say. */
  readonly dimension: number | null;
  readonly rows: number | null;
  readonly normalize: boolean;
  readonly pooling: Pooling;
  /** Tokens past this many are ignored. */
  readonly maxTokens: number;
  readonly documentTemplate: string;
}

/** What model2vec itself uses when encode() is not told otherwise. */
const DEFAULT_MAX_TOKENS = 512;
const MAX_TOKENS_LIMIT = 65_536;

export function readModelConfig(text: string, path: string): ModelConfig {
  const fail = (code: 'CORRUPT' | 'UNSUPPORTED', message: string): never => {
    throw new CairnError(code, `${path}: ${message}`, { path, hint: 'Get a fresh copy of the model folder.' });
  };
  const config = parseObject(text, fail);
  const count = (key: string): number | null => {
    const value = config[key] ?? null;
    if (value !== null && (!Number.isSafeInteger(value) || (value as number) < 1)) fail('CORRUPT', `${key} is no positive whole number`);
    return value as number | null;
  };
  const pooling = config['pooling'] ?? 'mean';
  if (pooling !== 'mean' && pooling !== 'sqrt_tf') fail('UNSUPPORTED', `pooling ${JSON.stringify(pooling)} is not supported`);
  const normalize = config['normalize'] ?? false;
  if (typeof normalize !== 'boolean') fail('CORRUPT', 'normalize is not true or false');
  const version = config['version'];
  return {
    name: typeof config['name'] === 'string' ? config['name'] : null,
    revision: typeof version === 'string' || typeof version === 'number' ? String(version) : null,
    dimension: count('hidden_dim'),
    rows: count('vocab_size'),
    normalize: normalize as boolean,
    pooling: pooling as Pooling,
    maxTokens: Math.min(count('max_tokens') ?? DEFAULT_MAX_TOKENS, MAX_TOKENS_LIMIT),
    documentTemplate: readTemplate(config['text_template'], fail),
  };
}

type Fail = (code: 'CORRUPT' | 'UNSUPPORTED', message: string) => never;

function parseObject(text: string, fail: Fail): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    return fail('CORRUPT', `not JSON (${cause instanceof Error ? cause.message : String(cause)})`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return fail('CORRUPT', 'not a JSON object');
  return value as Readonly<Record<string, unknown>>;
}

/** A model without a template of its own gets cairn's: path words in front help any bag-of-words model. */
function readTemplate(value: unknown, fail: Fail): string {
  if (value === undefined || value === null) return CODE_TEMPLATE;
  const { document, query } = value as { document?: unknown; query?: unknown };
  if (typeof document !== 'string') return fail('CORRUPT', 'text_template.document is not a string');
  if ((query ?? '{text}') !== '{text}') return fail('UNSUPPORTED', `text_template.query ${JSON.stringify(query)} is not supported`);
  const unknown = checkTemplate(document);
  if (unknown !== null) return fail('UNSUPPORTED', `text_template.document: ${unknown} is not supported`);
  return document;
}
