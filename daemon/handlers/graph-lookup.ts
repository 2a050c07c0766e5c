/**
 * Edges by name over one snapshot. Edges are stored as written ("calls `open`"), not resolved: a lookup answers with what is
 * certain, and gives all definitions that a name may mean instead of guessing one. [6.8]
 */
import type { EdgeKind, IndexPart, PartView, Snapshot } from '../../src/api.ts';
import type { ReferenceHit, SymbolHit } from '../protocol/types.ts';

export interface EdgeFilter {
  /** null = every kind. */
  readonly kinds: ReadonlySet<EdgeKind> | null;
  readonly limit: number;
  readonly signal: AbortSignal;
}

export interface FoundEdges {
  readonly edges: readonly ReferenceHit[];
  readonly truncated: boolean;
}

/** A symbol found again in its part, with the ids that its edges hang on. */
export interface LocatedSymbol {
  readonly view: PartView;
  readonly doc: number;
  readonly symbol: number;
  readonly hit: SymbolHit;
}

/** Edges whose target, as written, is one of `names`; in order of path and line. */
export async function edgesTo(snapshot: Snapshot, names: readonly string[], filter: EdgeFilter): Promise<FoundEdges> {
  const edges: ReferenceHit[] = [];
  for (const view of snapshot.parts) {
    await view.part.loadEdges();
    for (const name of names) {
      const postings = view.part.field('target').lookup(name);
      for (let i = 0; i < (postings?.count ?? 0); i++) {
        if ((i & 1023) === 0) filter.signal.throwIfAborted();
        const hit = toReference(view, postings?.ids[i] ?? 0, filter.kinds);
        if (hit !== null) edges.push(hit);
      }
    }
  }
  return cut(edges, filter.limit);
}

/** Calls that stand in the body of a symbol or of a symbol inside it. */
export async function edgesFrom(located: LocatedSymbol, filter: EdgeFilter): Promise<FoundEdges> {
  const { view, doc, symbol } = located;
  await view.part.loadEdges();
  const inside = descendants(view.part, doc, symbol);
  const edges: ReferenceHit[] = [];
  for (let edge = view.part.edgeStart(doc); edge < view.part.edgeStart(doc + 1); edge++) {
    filter.signal.throwIfAborted();
    const row = view.part.edge(edge);
    const hit = inside.has(row.from) ? toReference(view, edge, filter.kinds) : null;
    if (hit !== null) edges.push(hit);
  }
  return cut(edges, filter.limit);
}

/** The symbol of a search hit, in the snapshot it came from; null when it is not there. */
export function locate(snapshot: Snapshot, hit: SymbolHit): LocatedSymbol | null {
  const found = snapshot.find(hit.path);
  if (found === null) return null;
  const { view, doc } = found;
  for (let symbol = view.part.symbolStart(doc); symbol < view.part.symbolStart(doc + 1); symbol++) {
    const row = view.part.symbol(symbol);
    if (row.startLine === hit.startLine && row.endLine === hit.endLine && row.qualified === hit.qualified) return { view, doc, symbol, hit };
  }
  return null;
}

function toReference(view: PartView, edge: number, kinds: ReadonlySet<EdgeKind> | null): ReferenceHit | null {
  const { part } = view;
  const row = part.edge(edge);
  const isVisible = row.doc < view.docCount && (view.live === null || view.live.has(row.doc));
  if (!isVisible || (kinds !== null && !kinds.has(row.kind))) return null;
  return { path: part.docKey(row.doc), line: row.line, kind: row.kind, target: row.target, from: row.from < 0 ? null : symbolHit(part, row.from) };
}

function symbolHit(part: IndexPart, symbol: number): SymbolHit {
  const { doc, name, qualified, kind, startLine, endLine } = part.symbol(symbol);
  return { name, qualified, kind, path: part.docKey(doc), language: part.docLanguage(doc), startLine, endLine };
}

/** Parents come before their children in a document, so one pass finds all. */
function descendants(part: IndexPart, doc: number, root: number): Set<number> {
  const inside = new Set([root]);
  for (let symbol = root + 1; symbol < part.symbolStart(doc + 1); symbol++) if (inside.has(part.symbol(symbol).parent)) inside.add(symbol);
  return inside;
}

function cut(edges: ReferenceHit[], limit: number): FoundEdges {
  edges.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : a.line - b.line));
  return { edges: edges.slice(0, limit), truncated: edges.length > limit };
}
