/** Doc records from a few lines of source, for tests of storage and search that need no parser. */
import type { ChunkRecord, DocRecord, SymbolKind, SymbolRecord } from '../../src/format/doc.ts';
import { adjacentPairs, commentTerms, countTerms, definitionTerms, normalizedStem, pathParts, pathTerms } from '../../src/text/index.ts';

export interface SourceOptions {
  readonly language?: string;
  /** Lines per chunk; by default a blank line ends a chunk. */
  readonly chunkLines?: number;
  /** One vector per text, given the chunk's text or the path. */
  readonly embed?: (text: string) => Float32Array;
}

const KIND: Readonly<Record<string, SymbolKind>> = {
  class: 'class', interface: 'interface', struct: 'struct', enum: 'enum', trait: 'trait', type: 'type', module: 'module',
  function: 'function', def: 'function', fn: 'function', func: 'function', const: 'constant', let: 'variable', '#': 'section',
};
const DEFINITION = /^\s*(?:export\s+)?(class|interface|struct|enum|trait|type|module|function|def|fn|func|const|let|#)\s+([\w$]+)/;
const COMMENT = /^\s*(?:\/\/|#|\*|\/\*)(.*)/;

/** A file as a doc: `class X`, `function f`, `def f` … at the start of a line define symbols; `//` and `#` lines are comments. */
export function sourceDoc(key: string, text: string, options: SourceOptions = {}): DocRecord {
  const lines = text.split('\n');
  const symbols: SymbolRecord[] = [];
  lines.forEach((line, i) => {
    const [, keyword, name] = DEFINITION.exec(line) ?? [];
    if (keyword === undefined || name === undefined) return;
    symbols.push({ name, qualified: name, kind: KIND[keyword] ?? 'function', startLine: i + 1, endLine: i + 1, parent: -1, terms: definitionTerms(name) });
  });
  const chunks = spans(lines, options.chunkLines).map(([from, to]): ChunkRecord => {
    const body = lines.slice(from, to).join('\n');
    const symbol = symbols.findIndex(({ startLine }) => startLine > from && startLine <= to);
    return { startLine: from + 1, endLine: to, kind: symbol < 0 ? 'window' : 'declaration', symbol, text: body, terms: countTerms(body).terms, vector: options.embed?.(body) ?? null };
  });
  const { stem } = pathParts(key);
  return {
    key, language: options.language ?? 'typescript', source: null, chunks, symbols, edges: [], pathTerms: pathTerms(key),
    commentTerms: commentTerms(lines.flatMap((line) => COMMENT.exec(line)?.[1] ?? [])).terms,
    pairs: adjacentPairs(symbols.map(({ name }) => name), stem), stem: normalizedStem(stem), pathVector: options.embed?.(key) ?? null, payload: null,
  };
}

function spans(lines: readonly string[], chunkLines: number | undefined): [number, number][] {
  const out: [number, number][] = [];
  let from = 0;
  for (let i = 0; i <= lines.length; i++) {
    const ends = i === lines.length || (chunkLines === undefined ? lines[i]?.trim() === '' : i - from === chunkLines);
    if (!ends) continue;
    if (lines.slice(from, i).some((line) => line.trim() !== '')) out.push([from, i]);
    from = chunkLines === undefined ? i + 1 : i;
  }
  return out;
}
