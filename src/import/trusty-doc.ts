/** The chunks of one file of a trusty-search snapshot as a document, without vectors. The text is theirs, terms and order are ours. */
import { createHash } from 'node:crypto';
import type { ChunkRecord, DocRecord, EdgeRecord, SymbolRecord } from '../format/doc.ts';
import { redact } from '../ingest/guards/redact.ts';
import { languageNamed, languageOfPath } from '../ingest/languages.ts';
import { addTerms } from '../text/tokenizer.ts';
import { adjacentPairs, commentTerms, countTerms, definitionTerms, normalizedStem, pathParts, pathTerms } from '../text/index.ts';
import { symbolKindOf, type TrustyChunk } from './trusty-chunk.ts';

/** The stamp matches no file, so a tree that the index is attached to replaces every document that differs, and removes what is gone. */
export function documentOf(file: string, unordered: readonly TrustyChunk[]): DocRecord {
  // Parents before their children.
  const chunks = [...unordered].sort((a, b) => a.startLine - b.startLine || b.endLine - a.endLine || a.depth - b.depth || (a.id < b.id ? -1 : 1));
  const { symbols, symbolOf } = symbolsOf(chunks);
  const { stem } = pathParts(file);
  const hash = createHash('sha256');
  for (const { content } of chunks) hash.update(content);
  return {
    key: file,
    language: languageOf(file, chunks),
    source: { size: chunks.reduce((sum, { content }) => sum + Buffer.byteLength(content), 0), mtimeNs: 0n, hash: new Uint8Array(hash.digest().subarray(0, 16)), note: null },
    chunks: chunks.map((chunk) => chunkOf(chunk, symbolOf.get(chunk.id) ?? -1)),
    symbols,
    edges: chunks.flatMap((chunk) => edgesOf(chunk, symbolOf.get(chunk.id) ?? -1)),
    pathTerms: pathTerms(file),
    commentTerms: commentTerms(chunks.filter(({ type }) => type === 'Docstring').map(({ content }) => content)).terms,
    pairs: adjacentPairs(new Set(symbols.map(({ name }) => name)), stem),
    stem: normalizedStem(stem),
    pathVector: null,
    payload: null,
  };
}

function symbolsOf(chunks: readonly TrustyChunk[]): { readonly symbols: SymbolRecord[]; readonly symbolOf: ReadonlyMap<string, number> } {
  const symbols: SymbolRecord[] = [];
  const symbolOf = new Map<string, number>();
  for (const { id, name, type, startLine, endLine, parentId } of chunks) {
    const kind = symbolKindOf(type);
    const parent = parentId === null ? -1 : (symbolOf.get(parentId) ?? -1);
    if (kind === null || name === null) {
      if (parent >= 0) symbolOf.set(id, parent); // a piece of a declaration lies in it
      continue;
    }
    const qualified = parent < 0 ? name : `${symbols[parent]?.qualified ?? ''}.${name}`;
    symbolOf.set(id, symbols.length);
    symbols.push({ name, qualified, kind, startLine, endLine, parent, terms: definitionTerms(name) });
  }
  return { symbols, symbolOf };
}

/** Body terms are those of the text and of the virtual terms. [4.13] */
function chunkOf({ startLine, endLine, content, type, name, virtualTerms }: TrustyChunk, symbol: number): ChunkRecord {
  const text = redact(content).text;
  const { terms } = countTerms(text);
  for (const term of virtualTerms) addTerms(terms, term);
  const kind = symbolKindOf(type) !== null && name !== null ? 'declaration' : type === 'Docstring' ? 'section' : 'window';
  return { startLine, endLine, kind, symbol, text, terms, vector: null };
}

function edgesOf({ calls, inheritsFrom, startLine }: TrustyChunk, from: number): EdgeRecord[] {
  const called = new Set(calls.map((call) => call.split(/::|\.|->/).at(-1) ?? '').filter((name) => name !== ''));
  return [
    ...[...called].map((target): EdgeRecord => ({ kind: 'call', from, target, line: startLine })),
    ...[...new Set(inheritsFrom)].map((target): EdgeRecord => ({ kind: 'extends', from, target, line: startLine })),
  ];
}

function languageOf(file: string, chunks: readonly TrustyChunk[]): string {
  const named = chunks.find(({ language }) => language !== null)?.language ?? null;
  return languageOfPath(file)?.id ?? (named === null ? null : languageNamed(named)) ?? 'text';
}
