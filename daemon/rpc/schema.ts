/** The only file that knows zod: param schemas, their errors in our words, their JSON Schema. Every schema is strict. */
import { z } from 'zod';
import { CairnError } from '../errors.ts';

export type Schema = z.ZodObject<Readonly<Record<string, z.ZodType>>>;
export type Fields = Readonly<Record<string, z.ZodType>>;

/** A closed object: a key that is not listed is an error. */
export function params(fields: Fields): Schema {
  return z.strictObject(fields);
}

const NUL_FREE = /^[^\0]*$/;
const MAX_PATH_BYTES = 4096;

/** Building blocks, so that the same thing has the same bounds in every method. */
export const field = {
  text: (maxLength: number, minLength = 0) => z.string().min(minLength).max(maxLength).regex(NUL_FREE, 'must not contain a NUL character'),
  path: () => z.string().min(1).regex(NUL_FREE, 'must not contain a NUL character')
    .refine((path) => Buffer.byteLength(path) <= MAX_PATH_BYTES, `must have at most ${MAX_PATH_BYTES} bytes`),
  indexName: () => z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, 'must be 1 to 64 of a-z 0-9 . _ - and begin with a letter or digit'),
  integer: (min: number, max: number) => z.int().min(min).max(max),
  flag: () => z.boolean(),
  oneOf: (values: readonly [string, ...string[]]) => z.enum(values),
  list: (of: z.ZodType, max: number) => z.array(of).max(max),
  object: (fields: Fields) => z.strictObject(fields),
  /** A whole number or a text: the id of a record. */
  recordId: () => z.union([z.int(), z.string().min(1).max(4096)], { error: 'must be a whole number or a text of 1 to 4096 characters' }),
  /** Numbers, or base64 of little-endian f32. Checked in one loop: a batch may hold a million of them. */
  vector: (maxDimension: number) =>
    z.any().refine((value) => isVector(value, maxDimension), `must be a list of 1 to ${maxDimension} finite numbers, or base64 of f32 values`)
      .meta({ anyOf: [{ type: 'array', items: { type: 'number' }, minItems: 1, maxItems: maxDimension }, { type: 'string', contentEncoding: 'base64' }] }),
  /** Any JSON object. */
  json: () => z.record(z.string(), z.unknown()),
  progressToken: () => z.string().min(1).max(128),
} as const;

function isVector(value: unknown, maxDimension: number): boolean {
  if (typeof value === 'string') return value.length > 0 && value.length <= Math.ceil((maxDimension * 4) / 3) * 4 && /^[A-Za-z0-9+/]+={0,2}$/.test(value) && value.length % 4 === 0;
  return Array.isArray(value) && value.length > 0 && value.length <= maxDimension && value.every((one) => Number.isFinite(one));
}

/**
 * @throws CairnError INVALID_ARGUMENT that names each wrong field, and the known ones when a name is unknown
 */
export function validate(schema: Schema, value: unknown): Record<string, unknown> {
  const parsed = schema.safeParse(value ?? {});
  if (parsed.success) return parsed.data;
  const known = Object.keys(schema.shape);
  const unknown = parsed.error.issues.flatMap((issue) => (issue.code === 'unrecognized_keys' ? issue.keys : []));
  const message = parsed.error.issues.slice(0, 5).map(describe).join('; ');
  const hint = unknown.length === 0 ? undefined : known.length === 0 ? 'This method takes no params.' : `Known params: ${known.join(', ')}.`;
  throw new CairnError('INVALID_ARGUMENT', message, { hint });
}

export function jsonSchemaOf(schema: Schema): JsonSchema {
  return z.toJSONSchema(schema) as JsonSchema;
}

export interface JsonSchema {
  readonly type: string;
  readonly properties?: Readonly<Record<string, unknown>>;
  readonly required?: readonly string[];
}

type Issue = z.core.$ZodIssue;

function describe(issue: Issue): string {
  const path = issue.path.map(String).join('.');
  if (issue.code === 'unrecognized_keys') return `unknown param ${issue.keys.map((key) => JSON.stringify(key.slice(0, 64))).join(', ')}${path === '' ? '' : ` in ${path}`}`;
  return `${path === '' ? 'params' : path}: ${issue.message.replace(/^Invalid input: /, '')}`;
}
