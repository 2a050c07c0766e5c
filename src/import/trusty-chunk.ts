/** One chunk of a trusty-search snapshot: checked field by field, because its file comes from anywhere. */
import type { SymbolKind } from '../format/doc.ts';
import { DOC_LIMITS } from '../format/doc-layout.ts';
import { isSecretPath } from '../ingest/guards/paths.ts';

export interface TrustyChunk {
  readonly id: string;
  readonly file: string;
  readonly startLine: number;
  readonly endLine: number;
  readonly content: string;
  readonly name: string | null;
  readonly language: string | null;
  readonly type: string;
  readonly calls: readonly string[];
  readonly inheritsFrom: readonly string[];
  readonly depth: number;
  readonly parentId: string | null;
  readonly virtualTerms: readonly string[];
}

/** Symbol kind of each chunk type; null = it declares nothing. */
const TYPES: Readonly<Record<string, SymbolKind | null>> = {
  Function: 'function', Method: 'method', Class: 'class', Struct: 'struct', Impl: 'class', Module: 'module', Trait: 'trait', Enum: 'enum',
  Test: 'function', Constant: 'constant', TypeAlias: 'type', Docstring: null, FreeCode: null, Code: null, Unknown: null,
};
const MAX_NAME_LENGTH = 1_000;
const MAX_LIST = 100_000;

export function symbolKindOf(type: string): SymbolKind | null {
  return TYPES[type] ?? null;
}

/** The chunk, or why it cannot be taken. */
export function readChunk(value: unknown): TrustyChunk | string {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'chunk that is no object';
  const chunk = value as Readonly<Record<string, unknown>>;
  const { id, file, start_line: startLine, end_line: endLine, content, chunk_type: type } = chunk;
  if (typeof id !== 'string' || id === '' || id.length > 8_192) return 'chunk without an id';
  const problem = pathProblem(file);
  if (problem !== null) return problem;
  if (!isLine(startLine) || !isLine(endLine) || endLine < startLine) return 'chunk with impossible lines';
  if (typeof content !== 'string' || !content.isWellFormed()) return 'chunk whose content is no text';
  if (Buffer.byteLength(content) > DOC_LIMITS.textBytes) return `chunk of more than ${DOC_LIMITS.textBytes} bytes`;
  if (typeof type !== 'string' || !Object.hasOwn(TYPES, type)) return 'chunk of an unknown type';
  const lists = [chunk['calls'], chunk['inherits_from'], chunk['virtual_terms']].map(namesIn);
  if (lists.includes(null)) return 'chunk whose calls, inherits_from or virtual_terms are no list of texts';
  const [calls = [], inheritsFrom = [], virtualTerms = []] = lists as string[][];
  const depth = chunk['chunk_depth'] ?? 0;
  if (!isLine(depth)) return 'chunk whose depth is no number';
  return {
    id, file: file as string, startLine, endLine, content, type, calls, inheritsFrom, virtualTerms, depth,
    name: nameIn(chunk['function_name']), language: nameIn(chunk['language']), parentId: nameIn(chunk['parent_chunk_id']),
  };
}

/** Keys are relative paths that stay inside the tree: `--root` may attach them to one. */
function pathProblem(file: unknown): string | null {
  if (typeof file !== 'string' || file === '' || !file.isWellFormed() || file.includes('\0') || Buffer.byteLength(file) > DOC_LIMITS.keyBytes) return 'chunk without a usable file name';
  if (file.startsWith('/') || file.includes('\\') || /^[A-Za-z]:/.test(file) || file.split('/').some((part) => part === '' || part === '.' || part === '..')) return 'chunk whose file is no plain relative path';
  return isSecretPath(file) ? 'chunk of a file that holds secrets' : null;
}

function isLine(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= DOC_LIMITS.line;
}

function nameIn(value: unknown): string | null {
  return typeof value === 'string' && value !== '' && value.length <= MAX_NAME_LENGTH && value.isWellFormed() ? value : null;
}

/** Absent is empty; null for anything but a list of texts. Names too long to be names are left out. */
function namesIn(value: unknown): string[] | null {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value) || value.length > MAX_LIST || value.some((name) => typeof name !== 'string')) return null;
  return (value as string[]).filter((name) => nameIn(name) !== null);
}
