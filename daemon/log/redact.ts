/**
 * What must not be in a log: tokens, what users search for, and the text of their sources. Works on field names, at any depth,
 * and bounds every string, so that a careless log call cannot leak a file.
 */
import { isCairnError } from '../errors.ts';

const SECRET_FIELDS = new Set([
  'token', 'authorization', 'password', 'secret', 'env',
  'query', 'pattern', 'text', 'snippet', 'content', 'chunk', 'chunks', 'before', 'after', 'params', 'payload', 'body',
]);
const CENSORED = '[redacted]';
const MAX_DEPTH = 5;
const MAX_STRING = 2_000;
const MAX_ITEMS = 50;

export type LogFields = Readonly<Record<string, unknown>>;

export function redact(fields: LogFields): Record<string, unknown> {
  return redactObject(fields, 0);
}

function redactObject(fields: object, depth: number): Record<string, unknown> {
  const out: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const [key, value] of Object.entries(fields).slice(0, MAX_ITEMS)) {
    // Numbers and booleans say nothing of the source: `chunks: 12` is a count.
    out[key] = SECRET_FIELDS.has(key.toLowerCase()) && !isPlainFact(value) ? CENSORED : redactValue(value, depth);
  }
  return out;
}

function redactValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return value.length > MAX_STRING ? `${value.slice(0, MAX_STRING)}…` : value;
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= MAX_DEPTH) return '[deep]';
  if (value instanceof Error) return describeError(value, depth);
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (Array.isArray(value)) return value.slice(0, MAX_ITEMS).map((item) => redactValue(item, depth + 1));
  return redactObject(value, depth + 1);
}

function describeError(error: Error, depth: number): Record<string, unknown> {
  const own = isCairnError(error) ? { code: error.code, path: error.path, offset: error.offset, hint: error.hint } : { code: (error as NodeJS.ErrnoException).code };
  return {
    type: error.name, message: redactValue(error.message, depth), ...own, stack: redactValue(error.stack ?? '', depth),
    ...(error.cause === undefined ? {} : { cause: redactValue(error.cause, depth + 1) }),
  };
}

const isPlainFact = (value: unknown): boolean => value === null || ['number', 'boolean', 'undefined'].includes(typeof value);
