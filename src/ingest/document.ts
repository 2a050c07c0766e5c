/**
 * From the bytes of one file to its document record, without vectors: guards, decoding, redaction, parsing, chunking, terms.
 * Pure apart from the parser; never fails because of what a file holds: a file that cannot be used is a record with a note.
 */
import type { ChunkRecord, DocRecord, SourceStamp, SymbolRecord } from '../format/doc.ts';
import { adjacentPairs, commentTerms, countTerms, definitionTerms, normalizedStem, pathParts, pathTerms } from '../text/index.ts';
import { chunkLines, type TextChunk } from './chunking/chunker.ts';
import { decodeText, isBinary, judgeText, sizeLimit } from './guards/content.ts';
import type { TextKind } from './guards/named-secrets.ts';
import { redact } from './guards/redact.ts';
import { detectLanguage, languageOfPath, type Language } from './languages.ts';
import { SourceText } from './source-text.ts';
import { outlineMarkdown } from './syntax/markdown.ts';
import { buildOutline, type Outline } from './syntax/outline.ts';
import type { TreeSitter } from './syntax/tree-sitter.ts';

export interface AnalyzeOptions {
  /** null: no file is parsed, all are cut into line windows. */
  readonly parser: TreeSitter | null;
  /** Milliseconds that parsing and querying one file may take. */
  readonly parseBudgetMs: number;
  /** Why this file must not be parsed although it could be (it crashed or hung a worker); goes into the note. */
  readonly plainReason: string | null;
}

const NO_OUTLINE: Outline = { symbols: [], edges: [], comments: [] };

/** A record without chunks, for a file that is known but not searched. */
export function notedDocument(path: string, stamp: Omit<SourceStamp, 'note'>, note: string): DocRecord {
  return assemble(path, languageOfPath(path)?.id ?? 'text', { ...stamp, note }, [], NO_OUTLINE);
}

/** Vectors are null; the caller fills them in. */
export async function analyzeFile(path: string, bytes: Uint8Array, stamp: Omit<SourceStamp, 'note'>, options: AnalyzeOptions): Promise<DocRecord> {
  if (bytes.length === 0) return notedDocument(path, stamp, 'empty');
  if (isBinary(bytes)) return notedDocument(path, stamp, 'binary');
  const decoded = decodeText(bytes);
  const language = detectLanguage(path, decoded.text);
  if (bytes.length > sizeLimit(language)) return notedDocument(path, stamp, 'too large');
  const redaction = redact(decoded.text, textKindOf(language));
  const source = new SourceText(redaction.text);
  const verdict = judgeText(source.text, source.lines, language);
  if (verdict !== null) return notedDocument(path, stamp, verdict);

  const notes: string[] = [];
  if (decoded.isLossy) notes.push('invalid encoding: shown as U+FFFD');
  if (redaction.count > 0) notes.push(`redacted: ${redaction.count} secret${redaction.count === 1 ? '' : 's'}`);
  const parsed = await outlineOf(source, language, options);
  if (parsed.note !== null) notes.push(parsed.note);
  const plainKind = parsed.outline === null ? 'window' : language.id === 'markdown' ? 'section' : 'group';
  const outline = parsed.outline ?? NO_OUTLINE;
  const chunks = chunkLines(source.lines, outline.symbols, plainKind);
  return assemble(path, language.id, { ...stamp, note: notes.length === 0 ? null : notes.join('; ') }, chunks, outline);
}

/** Shells and Dockerfiles assign without quotes, as configuration does. */
function textKindOf({ id, class: kind }: Language): TextKind {
  return kind === 'code' && !['bash', 'fish', 'dockerfile', 'make'].includes(id) ? 'code' : 'configuration';
}

/** `outline` is null for files that are cut into windows; `note` says why if they could have been parsed. */
async function outlineOf(source: SourceText, language: Language, options: AnalyzeOptions): Promise<{ outline: Outline | null; note: string | null }> {
  if (language.id === 'markdown') return { outline: outlineMarkdown(source.lines), note: null };
  if (language.grammar === null) return { outline: null, note: null };
  if (options.plainReason !== null) return { outline: null, note: `lines: ${options.plainReason}` };
  if (options.parser === null) return { outline: null, note: null };
  await options.parser.load(language.grammar);
  const result = options.parser.parse(language.grammar, source.text, options.parseBudgetMs);
  if (!result.ok) return { outline: null, note: `lines: ${result.reason}` };
  return { outline: buildOutline(source, language.id, result.matches), note: null };
}

function assemble(path: string, language: string, source: SourceStamp, chunks: readonly TextChunk[], outline: Outline): DocRecord {
  const { stem } = pathParts(path);
  const symbols = outline.symbols.map(({ name, qualified, kind, startLine, endLine, parent }): SymbolRecord => {
    return { name, qualified, kind, startLine, endLine, parent, terms: definitionTerms(name) };
  });
  return {
    key: path,
    language,
    source,
    chunks: chunks.map((chunk): ChunkRecord => ({ ...chunk, terms: countTerms(chunk.text).terms, vector: null })),
    symbols,
    edges: outline.edges,
    pathTerms: pathTerms(path),
    commentTerms: commentTerms(outline.comments).terms,
    pairs: adjacentPairs(new Set(symbols.map(({ name }) => name)), stem),
    stem: normalizedStem(stem),
    pathVector: null,
    payload: null,
  };
}
