/**
 * Reads the safetensors container: u64 header length, JSON header, tensor data. Owns the check that every tensor lies
 * inside the file and that the tensors cover the data exactly, so that a truncated or overwritten file is refused
 * before a single number of it is used. Never copies the data.
 */
import { CairnError } from '../util/errors.ts';

/** Bytes of one element. */
const ELEMENT_BYTES: Readonly<Record<string, number>> = {
  BOOL: 1, U8: 1, I8: 1, U16: 2, I16: 2, F16: 2, BF16: 2, U32: 4, I32: 4, F32: 4, U64: 8, I64: 8, F64: 8,
};

/** Headers of embedding models are below 1 KiB; more than this is damage or not a model. */
const MAX_HEADER_BYTES = 1 << 20;

export interface Tensor {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Position in the file, bytes. */
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** Tensors by name. Fails with CORRUPT, which names `path` and the position of the damage. */
export function readSafetensors(file: Uint8Array, path: string): ReadonlyMap<string, Tensor> {
  const fail = (message: string, offset: number): never => {
    throw new CairnError('CORRUPT', `${path}: ${message}`, { path, offset, hint: 'Get a fresh copy of the model folder.' });
  };
  if (file.length < 8) fail(`a safetensors file has at least 8 bytes, this one has ${file.length}`, 0);
  const length = new DataView(file.buffer, file.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(Math.min(MAX_HEADER_BYTES, file.length - 8))) fail(`header length ${length} does not fit the file of ${file.length} bytes`, 0);
  const start = 8 + Number(length);
  const header = parseHeader(file.subarray(8, start), fail);
  const tensors = new Map<string, Tensor>();
  for (const [name, entry] of Object.entries(header)) {
    if (name !== '__metadata__') tensors.set(name, readTensor(name, entry, file, start, fail));
  }
  checkCoverage([...tensors.values()], start, file.length, fail);
  return tensors;
}

type Fail = (message: string, offset: number) => never;

function parseHeader(bytes: Uint8Array, fail: Fail): Record<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    return fail(`the header is not JSON (${cause instanceof Error ? cause.message : String(cause)})`, 8);
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) return fail('the header is not a JSON object', 8);
  return header as Record<string, unknown>;
}

function readTensor(name: string, entry: unknown, file: Uint8Array, start: number, fail: Fail): Tensor {
  const { dtype, shape, data_offsets: offsets } = (entry ?? {}) as { dtype?: unknown; shape?: unknown; data_offsets?: unknown };
  const size = typeof dtype === 'string' && Object.hasOwn(ELEMENT_BYTES, dtype) ? ELEMENT_BYTES[dtype] : undefined;
  if (size === undefined) return fail(`tensor "${name}" has the unknown type ${JSON.stringify(dtype)}`, 8);
  if (!isCounts(shape) || !isCounts(offsets) || offsets.length !== 2) return fail(`tensor "${name}" has no valid shape or position`, 8);
  const [from, to] = offsets as [number, number];
  const expected = shape.reduce((product, n) => product * n, size);
  if (from > to || start + to > file.length) return fail(`tensor "${name}" ends at ${start + to}, past the end of the file (${file.length} bytes)`, Math.min(start + from, file.length));
  if (to - from !== expected) return fail(`tensor "${name}" has ${to - from} bytes, its shape needs ${expected}`, start + from);
  return { name, dtype: dtype as string, shape, offset: start + from, bytes: file.subarray(start + from, start + to) };
}

function isCounts(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && (n as number) >= 0);
}

/** The format allows neither gaps nor overlaps. */
function checkCoverage(tensors: readonly Tensor[], start: number, end: number, fail: Fail): void {
  let position = start;
  for (const tensor of tensors.toSorted((a, b) => a.offset - b.offset || a.bytes.length - b.bytes.length)) {
    if (tensor.offset !== position) fail(`tensor "${tensor.name}" begins at ${tensor.offset}, expected ${position}`, tensor.offset);
    position += tensor.bytes.length;
  }
  if (position !== end) fail(`${end - position} bytes after the last tensor`, position);
}
