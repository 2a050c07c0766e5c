/**
 * Constants of the encoded document record (FORMAT.md, "Document record"): magic, flags, code tables and limits.
 * Codes are positions in these tables: entries are appended, never moved or reused.
 */
import type { ChunkKind, EdgeKind, SymbolKind } from './doc.ts';

/** "CDOC" read as a little-endian u32. */
export const DOC_MAGIC = 0x434f4443;
export const DOC_VERSION = 1;
export const DOC_HEADER_BYTES = 32;
export const DOC_TRAILER_BYTES = 4;

export const DOC_HAS_SOURCE = 1;
export const DOC_HAS_NOTE = 2;
export const DOC_HAS_PATH_VECTOR = 4;
export const DOC_HAS_CHUNK_VECTORS = 8;
export const DOC_HAS_PAYLOAD = 16;
export const DOC_KNOWN_FLAGS = 31;

export const SYMBOL_KINDS: readonly SymbolKind[] = [
  'class', 'interface', 'struct', 'enum', 'trait', 'type', 'module', 'namespace', 'object', 'protocol',
  'function', 'method', 'constructor', 'macro', 'property', 'field', 'variable', 'constant', 'section',
];
export const EDGE_KINDS: readonly EdgeKind[] = ['call', 'import', 'extends', 'implements', 'reference'];
export const CHUNK_KINDS: readonly ChunkKind[] = ['declaration', 'group', 'section', 'window', 'record'];

/**
 * Checked when a record is encoded (INVALID_ARGUMENT) and again when one is read (CORRUPT), so that no damaged count
 * can ask for more memory than the record has bytes. Byte lengths are of UTF-8.
 */
export const DOC_LIMITS = {
  keyBytes: 4096,
  languageBytes: 64,
  noteBytes: 4096,
  hashBytes: 16,
  /** Terms, names, qualified names, edge targets, pairs, stem. */
  stringBytes: 65_535,
  textBytes: 16 * 1024 * 1024,
  payloadBytes: 16 * 1024 * 1024,
  /** Whole record; below the largest WAL record. */
  recordBytes: 64 * 1024 * 1024,
  chunks: 1 << 18,
  symbols: 1 << 18,
  edges: 1 << 20,
  /** Distinct strings of one record. */
  strings: 1 << 21,
  dimension: 16_384,
  /** Occurrences of one term, weight of a path term. */
  termCount: (1 << 24) - 1,
  line: 0xffff_ffff,
} as const;
