/**
 * Loads a model folder (model.safetensors, tokenizer.json, config.json) from disk. The only file of src/embed that reads
 * the file system by itself: a model belongs to the program or the user, not to the data directory.
 * Yields between its steps, so that loading on a main thread never holds it for long.
 */
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { CairnError } from '../util/errors.ts';
import type { ErrorCode } from '../util/errors.ts';
import { readModelConfig } from './model-config.ts';
import type { ModelConfig } from './model-config.ts';
import { readSafetensors } from './safetensors.ts';
import type { Tensor } from './safetensors.ts';
import { StaticModel } from './static-model.ts';
import { readTokenizer } from './tokenizer-file.ts';
import type { TokenizerFile } from './tokenizer-file.ts';

/** Bump when the same files would give other vectors. Part of every fingerprint. */
const ARITHMETIC_VERSION = 1;

/** Larger files are no static models; protects against reading a wrong file whole. */
const MAX_WEIGHTS_BYTES = 1 << 30;
const MAX_TOKENIZER_BYTES = 64 << 20;
const MAX_CONFIG_BYTES = 1 << 20;
const HASH_STEP = 2 << 20;

/**
 * Fails with NOT_FOUND (no folder or file), CORRUPT (damaged; names file and position), UNSUPPORTED (names the part), IO.
 * If the folder has a golden.json that publishes SHA-256 sums of its files, they are checked too.
 */
export async function loadStaticModel(directory: string): Promise<StaticModel> {
  const folder = resolve(directory);
  const file = (name: string): string => join(folder, name);
  const configBytes = await readModelFile(file('config.json'), MAX_CONFIG_BYTES);
  const config = readModelConfig(configBytes.toString('utf8'), file('config.json'));
  const tokenizerBytes = await readModelFile(file('tokenizer.json'), MAX_TOKENIZER_BYTES);
  const weightBytes = await readModelFile(file('model.safetensors'), MAX_WEIGHTS_BYTES);
  const hashes = {
    'model.safetensors': await sha256(weightBytes),
    'tokenizer.json': await sha256(tokenizerBytes),
    'config.json': await sha256(configBytes),
  };
  await checkPublishedSums(folder, hashes);
  await setImmediate();
  const tokenizer = readTokenizer(tokenizerBytes.toString('utf8'), file('tokenizer.json'));
  await setImmediate();
  const tensors = readTensors(weightBytes, file('model.safetensors'), config);
  checkIds(tokenizer, tensors, file('tokenizer.json'));
  const fingerprint = createHash('sha256')
    .update(`cairn static embedding ${ARITHMETIC_VERSION}\n${hashes['model.safetensors']}\n${hashes['tokenizer.json']}\n${hashes['config.json']}\n`)
    .digest('hex');
  await setImmediate();
  return StaticModel.fromParts({
    identity: {
      name: config.name ?? basename(folder),
      revision: config.revision ?? fingerprint.slice(0, 12),
      dimension: tensors.dimension,
      normalized: config.normalize,
      fingerprint,
    },
    pooling: config.pooling,
    maxTokens: config.maxTokens,
    documentTemplate: config.documentTemplate,
    tokenizer: tokenizer.spec,
    vocabulary: tokenizer.vocabulary,
    rows: tensors.rows,
    weights: tensors.weights,
  });
}

async function readModelFile(path: string, maxBytes: number): Promise<Buffer> {
  try {
    await using handle = await open(path, 'r');
    const { size } = await handle.stat();
    if (size > maxBytes) throw new CairnError('CORRUPT', `${path}: ${size} bytes are too many for this file (limit ${maxBytes})`, { path });
    return await handle.readFile();
  } catch (cause) {
    if (cause instanceof CairnError) throw cause;
    const code = (cause as NodeJS.ErrnoException).code;
    const codes: Readonly<Record<string, ErrorCode>> = { ENOENT: 'NOT_FOUND', ENOTDIR: 'NOT_FOUND', EACCES: 'PERMISSION', EPERM: 'PERMISSION', EMFILE: 'TOO_MANY_FILES' };
    throw new CairnError(codes[code ?? ''] ?? 'IO', `${path}: cannot be read (${code ?? String(cause)})`, {
      path, cause, hint: 'A model folder holds model.safetensors, tokenizer.json and config.json.',
    });
  }
}

async function sha256(bytes: Buffer): Promise<string> {
  const hash = createHash('sha256');
  for (let at = 0; at < bytes.length; at += HASH_STEP) {
    hash.update(bytes.subarray(at, at + HASH_STEP));
    await setImmediate();
  }
  return hash.digest('hex');
}

async function checkPublishedSums(folder: string, hashes: Readonly<Record<string, string>>): Promise<void> {
  const path = join(folder, 'golden.json');
  const bytes = await readModelFile(path, MAX_CONFIG_BYTES).catch((error: unknown) => {
    if (error instanceof CairnError && error.code === 'NOT_FOUND') return null;
    throw error;
  });
  if (bytes === null) return;
  let sums: Readonly<Record<string, unknown>>;
  try {
    sums = (JSON.parse(bytes.toString('utf8')) as { sha256?: Record<string, unknown> }).sha256 ?? {};
  } catch (cause) {
    throw new CairnError('CORRUPT', `${path}: not JSON`, { path, cause });
  }
  for (const [name, sum] of Object.entries(sums)) {
    if (Object.hasOwn(hashes, name) && hashes[name] !== sum) {
      throw new CairnError('CORRUPT', `${join(folder, name)}: SHA-256 is ${hashes[name]}, golden.json expects ${String(sum)}`, {
        path: join(folder, name), hint: 'Get a fresh copy of the model folder.',
      });
    }
  }
}

interface Tensors {
  readonly dimension: number;
  readonly rows: Int8Array | Float32Array;
  readonly weights: Float32Array;
}

function readTensors(bytes: Buffer, path: string, config: ModelConfig): Tensors {
  const fail = (message: string, tensor?: Tensor): never => {
    throw new CairnError('CORRUPT', `${path}: ${message}`, { path, offset: tensor?.offset, hint: 'Get a fresh copy of the model folder.' });
  };
  const tensors = readSafetensors(bytes, path);
  const embeddings = tensors.get('embeddings') ?? fail('there is no tensor "embeddings"');
  const [rowCount = 0, dimension = 0] = embeddings.shape;
  if (embeddings.shape.length !== 2 || rowCount === 0 || dimension === 0) fail(`"embeddings" has the shape [${embeddings.shape.join(', ')}]`, embeddings);
  if (config.dimension !== null && config.dimension !== dimension) fail(`rows have ${dimension} numbers, config.json says ${config.dimension}`, embeddings);
  const other = [...tensors.values()].find((tensor) => tensor.name !== 'embeddings' && tensor.name !== 'weights');
  if (other !== undefined) throw new CairnError('UNSUPPORTED', `${path}: tensor "${other.name}" is not supported`, { path, offset: other.offset });
  if (config.rows !== null && config.rows !== rowCount) fail(`${rowCount} rows, config.json says ${config.rows}`, embeddings);
  const rows = embeddings.dtype === 'I8' ? new Int8Array(embeddings.bytes.buffer, embeddings.bytes.byteOffset, embeddings.bytes.length) : floats(embeddings, path);
  const weights = tensors.get('weights');
  const factors = weights === undefined ? new Float32Array(rowCount).fill(1) : floats(weights, path);
  if (factors.length !== rowCount) fail(`${factors.length} weights for ${rowCount} rows`, weights);
  return { dimension, rows, weights: factors };
}

/** An own, aligned copy of the data (a Buffer's slice would be a view at any offset). */
function copy(tensor: Tensor): ArrayBuffer {
  return new Uint8Array(tensor.bytes).buffer;
}

/** A damaged number would poison every vector that it enters, so each must be finite. */
function floats(tensor: Tensor, path: string): Float32Array {
  const values = decodeFloats(tensor, path);
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    throw new CairnError('CORRUPT', `${path}: number ${bad} of "${tensor.name}" is ${values[bad]}`, {
      path, offset: tensor.offset + (bad * tensor.bytes.length) / values.length,
    });
  }
  return values;
}

function decodeFloats(tensor: Tensor, path: string): Float32Array {
  switch (tensor.dtype) {
    case 'F32':
      return new Float32Array(copy(tensor));
    case 'F64':
      return Float32Array.from(new Float64Array(copy(tensor)));
    case 'F16':
      return Float32Array.from(new Uint16Array(copy(tensor)), halfToFloat);
    default:
      throw new CairnError('UNSUPPORTED', `${path}: "${tensor.name}" has the type ${tensor.dtype}, which is not supported`, { path, offset: tensor.offset });
  }
}

/** IEEE 754 binary16. */
function halfToFloat(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function checkIds(tokenizer: TokenizerFile, tensors: Tensors, path: string): void {
  const rows = tensors.weights.length;
  const { words, ids } = tokenizer.vocabulary;
  const bad = ids.findIndex((id) => id >= rows);
  if (bad >= 0) throw new CairnError('CORRUPT', `${path}: ${JSON.stringify(words[bad])} has the id ${ids[bad]}, the model has ${rows} rows`, { path });
}
