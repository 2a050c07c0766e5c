/**
 * From query matches to the outline of a file: symbols with kind, qualified name and span, edges, comments.
 * Knows nothing of grammars, only the capture names that every queries/<language>.scm uses:
 *
 *   @def.<SymbolKind>  the whole definition, with @name, and @owner where the enclosing type is named beside it (Go, JavaScript)
 *   @scope             a container that is no symbol itself but qualifies what it holds (impl, extension, instance), with @name
 *   @call @extends @implements @reference   a name; @import a module specifier
 *   @comment @doc      text of comments; @attribute   decorators and the like that stand before a definition
 *   @_…                only for predicates
 *
 * Where two patterns give the same name node, the earlier pattern wins. Edges are never resolved here.
 */
import type { EdgeRecord, SymbolKind } from '../../format/doc.ts';
import { isBlank, type SourceText } from '../source-text.ts';
import { cleanImport, cleanName, ownerName, splitName, typeName } from './names.ts';
import type { Match } from './tree-sitter.ts';

export interface OutlineSymbol {
  readonly name: string;
  readonly qualified: string;
  readonly kind: SymbolKind;
  readonly startLine: number;
  readonly endLine: number;
  /** First line of what belongs to it: doc comment, decorators; never after startLine. */
  readonly leadLine: number;
  /** Index of the enclosing symbol, or -1. Not always a span that encloses: methods of Go and Rust stand outside their type. */
  readonly parent: number;
}

export interface Outline {
  /** Sorted by position; an enclosing symbol comes before what it holds. */
  readonly symbols: readonly OutlineSymbol[];
  readonly edges: readonly EdgeRecord[];
  readonly comments: readonly string[];
}

/** More symbols or edges than this in one file are data, not code. */
const MAX_SYMBOLS = 20_000;
const MAX_EDGES = 50_000;

const TYPE_LIKE: ReadonlySet<SymbolKind> = new Set<SymbolKind>(['class', 'interface', 'struct', 'enum', 'trait', 'type', 'object', 'protocol']);
const CONTAINER: ReadonlySet<SymbolKind> = new Set<SymbolKind>([...TYPE_LIKE, 'module', 'namespace']);
const VALUE: ReadonlySet<SymbolKind> = new Set<SymbolKind>(['variable', 'constant', 'property', 'field']);
const CONSTRUCTORS: ReadonlySet<string> = new Set(['constructor', '__init__', '__construct', 'initialize', 'init']);
/** Languages that write one function as several equations or clauses in a row. */
const CLAUSES: ReadonlySet<string> = new Set(['haskell', 'elixir']);

interface Item {
  readonly start: number;
  readonly nameStart: number;
  end: number;
  readonly name: string;
  readonly kind: SymbolKind | 'scope';
  readonly owner: string | null;
  readonly pattern: number;
  /** Set while the nesting is worked out. */
  qualified: string;
  symbol: number;
  /** Whether variables may be declared directly in it. */
  holdsValues: boolean;
}

interface RawEdge {
  readonly kind: EdgeRecord['kind'];
  readonly start: number;
  readonly text: string;
}

interface Collected {
  readonly items: Item[];
  readonly edges: RawEdge[];
  readonly comments: string[];
  /** 1 for lines that hold nothing but comment or attribute; index = line number. */
  readonly lead: Uint8Array;
}

export function buildOutline(source: SourceText, language: string, matches: readonly Match[]): Outline {
  const collected = collect(source, language, matches);
  const items = mergeClauses(collected.items, language, source.text);
  const symbols = nest(items, source, collected.lead, language);
  return { symbols, edges: resolveOrigins(collected.edges, items, symbols, source), comments: collected.comments };
}

function collect(source: SourceText, language: string, matches: readonly Match[]): Collected {
  const items = new Map<number, Item>();
  const edges: RawEdge[] = [];
  const comments: string[] = [];
  const lead = new Uint8Array(source.lines.length + 2);
  for (const match of matches) {
    const item = toItem(source.text, language, match);
    if (item !== null) {
      const other = items.get(item.nameStart);
      if (other === undefined || item.pattern < other.pattern) items.set(item.nameStart, item);
      continue;
    }
    for (const { name, start, end } of match.captures) {
      if (name === 'comment' || name === 'doc') comments.push(source.text.slice(start, end));
      if (name === 'comment' || name === 'attribute') markLead(source, lead, start, end);
      const kind = EDGE_OF[name];
      if (kind !== undefined) edges.push({ kind, start, text: source.text.slice(start, end) });
    }
  }
  const sorted = [...items.values()].sort((a, b) => a.start - b.start || b.end - a.end || a.nameStart - b.nameStart);
  return { items: sorted.slice(0, MAX_SYMBOLS), edges: edges.filter((edge) => (items.get(edge.start)?.kind ?? 'scope') === 'scope'), comments, lead };
}

const EDGE_OF: Readonly<Record<string, EdgeRecord['kind']>> = {
  call: 'call', import: 'import', extends: 'extends', implements: 'implements', reference: 'reference',
};

function toItem(text: string, language: string, match: Match): Item | null {
  const whole = match.captures.find(({ name }) => name === 'scope' || name.startsWith('def.'));
  if (whole === undefined) return null;
  const name = match.captures.find((capture) => capture.name === 'name');
  if (name === undefined) return null;
  const kind = whole.name === 'scope' ? 'scope' : (whole.name.slice(4) as SymbolKind);
  const raw = cleanName(text.slice(name.start, name.end));
  const { prefix, last } = kind === 'scope' ? { prefix: null, last: typeName(raw) } : splitName(raw, language);
  if (last === '') return null;
  const owner = match.captures.find((capture) => capture.name === 'owner');
  return {
    start: whole.start, end: whole.end, nameStart: name.start, name: last, kind, pattern: match.pattern,
    owner: prefix ?? (owner === undefined ? null : ownerName(text.slice(owner.start, owner.end))),
    qualified: last, symbol: -1, holdsValues: false,
  };
}

function markLead(source: SourceText, lead: Uint8Array, start: number, end: number): void {
  if (source.startsLine(start) && source.endsLine(end)) lead.fill(1, source.lineAt(start), source.lastLineOf(start, end) + 1);
}

/** Joins the clauses of one function that follow each other: `f 0 = 1` and `f n = …` are one symbol. */
function mergeClauses(items: readonly Item[], language: string, text: string): Item[] {
  if (!CLAUSES.has(language)) return [...items];
  const out: Item[] = [];
  let last: Item | undefined;
  for (const item of items) {
    const inside = last !== undefined && item.start < last.end;
    if (!inside && last !== undefined && last.name === item.name && last.kind === item.kind && item.kind === 'function' && isAdjacent(text, last.end, item.start)) {
      last.end = item.end;
      continue;
    }
    out.push(item);
    if (!inside || item.kind === 'function') last = item;
  }
  return out;
}

/** Clauses may be apart by little more than a comment; a closing `end` in between means another container. */
function isAdjacent(text: string, end: number, start: number): boolean {
  return start - end < 400 && !/^\s*(end|instance|class)\b/m.test(text.slice(end, start));
}

/** Works out parents, qualified names and final kinds; drops locals. One pass with a stack: no recursion. */
function nest(items: readonly Item[], source: SourceText, lead: Uint8Array, language: string): OutlineSymbol[] {
  const symbols: OutlineSymbol[] = [];
  const types = typesByName(items);
  const stack: Item[] = [];
  for (const item of items) {
    while (stack.length > 0 && !encloses(stack[stack.length - 1] as Item, item)) stack.pop();
    const outer = stack[stack.length - 1];
    if (item.kind !== 'scope' && VALUE.has(item.kind) && outer !== undefined && !outer.holdsValues) continue;
    const prefix = [outer?.qualified, item.owner].filter((part): part is string => typeof part === 'string' && part !== '');
    item.qualified = qualify(prefix, item.name);
    stack.push(item);
    if (item.kind === 'scope') {
      item.symbol = types.get(item.name)?.symbol ?? -1;
      item.holdsValues = true;
      continue;
    }
    const owner = item.owner === null ? undefined : types.get(typeName(item.owner));
    const kind = finalKind(item, outer, item.owner, language);
    item.holdsValues = CONTAINER.has(kind) || (kind === 'constructor' && language === 'haskell');
    item.symbol = symbols.length;
    const startLine = source.lineAt(item.start);
    symbols.push({
      name: item.name, qualified: item.qualified, kind, startLine, endLine: source.lastLineOf(item.start, item.end),
      leadLine: leadLine(startLine, lead), parent: owner?.symbol ?? outer?.symbol ?? -1,
    });
  }
  return symbols;
}

/** One statement that defines several names gives items of the same span: they stand side by side. */
function encloses(outer: Item, inner: Item): boolean {
  return outer.end > inner.start && !(outer.start === inner.start && outer.end === inner.end);
}

/** Absurd nesting must not make names of quadratic total length. */
const MAX_QUALIFIED = 512;

function qualify(prefix: readonly string[], name: string): string {
  const whole = [...prefix, name].join('.');
  return whole.length > MAX_QUALIFIED ? name : whole;
}

/** Types of the file by name, the outermost first; scopes and receivers refer to them. Their `symbol` is set when they are reached. */
function typesByName(items: readonly Item[]): Map<string, Item> {
  const types = new Map<string, Item>();
  for (const item of items) {
    if (item.kind !== 'scope' && TYPE_LIKE.has(item.kind) && !types.has(item.name)) types.set(item.name, item);
  }
  return types;
}

function finalKind(item: Item, outer: Item | undefined, owner: string | null, language: string): SymbolKind {
  const kind = item.kind as SymbolKind;
  const inType = outer !== undefined && (outer.kind === 'scope' || TYPE_LIKE.has(outer.kind) || outer.kind === 'module');
  if (kind === 'function' || kind === 'method') {
    if (inType && CONSTRUCTORS.has(item.name)) return 'constructor';
    if (language === 'cpp' && item.name === (owner === null ? outer?.name : typeName(owner))) return 'constructor';
    if (kind === 'function') return owner !== null || (inType && outer.kind !== 'module') ? 'method' : 'function';
    return outer === undefined && owner === null ? 'function' : 'method';
  }
  const isConstant = /^[A-Z][A-Z0-9_]*$/.test(item.name);
  if (kind === 'property' && !inType && owner === null) return isConstant ? 'constant' : 'variable';
  return kind === 'variable' && isConstant ? 'constant' : kind;
}

function leadLine(startLine: number, lead: Uint8Array): number {
  let line = startLine;
  while (line > 1 && lead[line - 1] === 1) line--;
  return line;
}

/** Gives each edge the innermost symbol around it, cleans its target, drops repetitions. */
function resolveOrigins(raw: readonly RawEdge[], items: readonly Item[], symbols: readonly OutlineSymbol[], source: SourceText): EdgeRecord[] {
  const sorted = [...raw].sort((a, b) => a.start - b.start);
  const stack: Item[] = [];
  const named = items.filter((item) => item.symbol !== -1 || item.kind === 'scope');
  const seen = new Set<string>();
  const out: EdgeRecord[] = [];
  let next = 0;
  for (const edge of sorted) {
    for (; next < named.length && (named[next] as Item).start <= edge.start; next++) {
      const item = named[next] as Item;
      while (stack.length > 0 && (stack[stack.length - 1] as Item).end <= item.start) stack.pop();
      stack.push(item);
    }
    while (stack.length > 0 && (stack[stack.length - 1] as Item).end <= edge.start) stack.pop();
    const from = stack[stack.length - 1]?.symbol ?? -1;
    const record = toEdge(edge, from, source);
    if (record === null || isOwnName(record, symbols)) continue;
    // References are kept once per symbol, calls once per line: enough to find every user, without one row per mention.
    const key = `${record.kind} ${from} ${record.target}${record.kind === 'call' ? ` ${record.line}` : ''}`;
    if (seen.has(key)) continue;
    seen.add(key);
    out.push(record);
    if (out.length >= MAX_EDGES) break;
  }
  return withoutShadowed(out);
}

function toEdge(edge: RawEdge, from: number, source: SourceText): EdgeRecord | null {
  const target = edge.kind === 'import' ? cleanImport(edge.text) : typeName(edge.text);
  if (target === '' || target.length > 256 || isBlank(target)) return null;
  // One-letter types are type parameters.
  if (edge.kind === 'reference' && target.length === 1) return null;
  return { kind: edge.kind, from, target, line: source.lineAt(edge.start) };
}

function isOwnName(edge: EdgeRecord, symbols: readonly OutlineSymbol[]): boolean {
  return edge.kind === 'reference' && edge.from !== -1 && symbols[edge.from]?.name === edge.target;
}

/** A name that is called, extended or implemented in a symbol is not listed again as a reference. */
function withoutShadowed(edges: readonly EdgeRecord[]): EdgeRecord[] {
  const strong = new Set(edges.filter((edge) => edge.kind !== 'reference' && edge.kind !== 'import').map((edge) => `${edge.from} ${edge.target}`));
  return edges.filter((edge) => edge.kind !== 'reference' || !strong.has(`${edge.from} ${edge.target}`));
}
