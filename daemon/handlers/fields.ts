/** Param fields that several methods share, so that the same thing has one name and one bound everywhere. */
import type { Lane, SymbolKind } from '../../src/api.ts';
import { field, type Fields } from '../rpc/schema.ts';

export const SYMBOL_KINDS = [
  'class', 'interface', 'struct', 'enum', 'trait', 'type', 'module', 'namespace', 'object', 'protocol',
  'function', 'method', 'constructor', 'macro', 'property', 'field', 'variable', 'constant', 'section',
] as const satisfies readonly SymbolKind[];

export const LANES = ['lexical', 'semantic', 'symbol', 'path'] as const satisfies readonly Lane[];

/** Long enough for a pasted paragraph or stack trace, short enough to be tokenized in no time. */
const MAX_QUERY = 8_192;
const MAX_LIST = 64;

/** Which index: by name, or by any path inside its source root. */
export const INDEX_REF: Fields = {
  index: field.indexName().optional(),
  root: field.path().optional(),
};

export const FILTERS: Fields = {
  languages: field.list(field.text(64, 1), MAX_LIST).optional(),
  paths: field.list(field.text(512, 1), MAX_LIST).optional(),
};

export const KINDS: Fields = { kinds: field.list(field.oneOf(SYMBOL_KINDS), MAX_LIST).optional() };

export const LIMIT: Fields = { limit: field.integer(1, 1_000).optional() };

export const QUERY: Fields = { query: field.text(MAX_QUERY, 1) };

/** A run that a client may wait for and watch. */
export const WAITING: Fields = { wait: field.flag().optional(), progressToken: field.progressToken().optional() };
