/** What ingest makes of a file, as lines that people can read and compare. */
import type { DocRecord } from '../../../src/format/doc.ts';
import { analyzeFile } from '../../../src/ingest/document.ts';
import { TreeSitter } from '../../../src/ingest/syntax/tree-sitter.ts';

export const QUERIES = new URL('../../../src/ingest/queries/', import.meta.url);

const STAMP = { size: 0, mtimeNs: 0n, hash: new Uint8Array(16) };

let parser: Promise<TreeSitter> | undefined;

/** The parser of this process; there can be only one. */
export function sharedParser(): Promise<TreeSitter> {
  parser ??= TreeSitter.create(QUERIES);
  return parser;
}

/** By default without a limit that could be met: what a file becomes does not depend on the machine. */
export async function analyze(path: string, content: string | Uint8Array, parseBudgetMs = 600_000): Promise<DocRecord> {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  return analyzeFile(path, bytes, STAMP, { parser: await sharedParser(), parseBudgetMs, plainReason: null });
}

/** `kind qualified.name first-last` for each symbol, then `kind target, …` for each symbol's edges. */
export function describe(doc: DocRecord): string {
  const lines = [`${doc.language}${doc.source?.note == null ? '' : ` (${doc.source.note})`}`];
  const edges = (from: number): string[] => {
    const byKind = Map.groupBy(doc.edges.filter((edge) => edge.from === from), (edge) => edge.kind);
    return [...byKind].map(([kind, list]) => `    ${kind} ${list.map((edge) => edge.target).join(', ')}`);
  };
  lines.push(...edges(-1));
  doc.symbols.forEach((symbol, index) => {
    const parent = symbol.parent === -1 ? '' : ` in ${doc.symbols[symbol.parent]?.qualified}`;
    lines.push(`  ${symbol.kind} ${symbol.qualified} ${symbol.startLine}-${symbol.endLine}${parent}`, ...edges(index));
  });
  return `${lines.join('\n')}\n`;
}
