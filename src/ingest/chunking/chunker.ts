/**
 * Cuts a file into chunks. Invariants: chunks are in order and do not overlap; every line that is not blank is in exactly one;
 * a chunk's text is its lines exactly, joined with LF; it starts and ends with a line that is not blank.
 * A declaration is one chunk with its doc comment; small neighbours are merged; long ones are cut at the declarations inside
 * them, then at blank lines and indentation.
 */
import type { ChunkKind } from '../../format/doc.ts';
import { isBlank } from '../source-text.ts';
import type { OutlineSymbol } from '../syntax/outline.ts';
import { cutBlocks } from './blocks.ts';

/**
 * Part of every index's identity: chunks made by another version are stale. [6.16]
 * 2: literals behind names of secrets are redacted, also short ones.
 */
export const CHUNKER_VERSION = 2;

/** Characters of a chunk, the size the embedder was trained with. Only a single longer line exceeds it. */
export const MAX_CHUNK_CHARS = 1500;
/** Pieces below this are merged with their neighbours as long as the sum fits. */
const SMALL_CHARS = 700;
/** A closing bracket or a lone line never stands alone. */
const TINY_CHARS = 80;
/** Longer lines are cut in the chunk text: what follows is data, and it would be embedded and stored for nothing. */
export const MAX_LINE_CHARS = 4096;

export interface TextChunk {
  /** 1-based, inclusive. */
  readonly startLine: number;
  readonly endLine: number;
  readonly kind: ChunkKind;
  readonly symbol: number;
  readonly text: string;
}

/** A run of lines that is not cut any more; 0-based, half-open. */
interface Piece {
  start: number;
  end: number;
  chars: number;
  /** Symbol that it declares or lies in, and how many lines of the piece that symbol covers. */
  symbol: number;
  weight: number;
  /** Number of declarations in it. */
  declared: number;
  /** Innermost symbol that was cut open to get it, or -1: only neighbours in the same one are merged freely. */
  readonly container: number;
}

/** A declaration as lines, 0-based, half-open, without overlap between siblings. */
interface Unit {
  readonly start: number;
  readonly end: number;
  readonly symbol: number;
  readonly children: Unit[];
}

export function chunkLines(lines: readonly string[], symbols: readonly OutlineSymbol[], plainKind: 'window' | 'section' | 'group' = 'group'): TextChunk[] {
  const pieces = cutPieces(lines, unitTree(symbols, lines.length));
  return mergeSmall(pieces).flatMap((piece) => toChunk(lines, piece, symbols, plainKind));
}

/** Nested units of the symbols worth a chunk of their own; built with a stack, so depth costs nothing. */
function unitTree(symbols: readonly OutlineSymbol[], lineCount: number): Unit[] {
  const roots: Unit[] = [];
  const stack: Unit[] = [];
  symbols.forEach((symbol, index) => {
    if (symbol.startLine === symbol.endLine && VALUE_KINDS.has(symbol.kind)) return;
    const first = symbol.startLine - 1;
    const end = Math.min(symbol.endLine, lineCount);
    while (stack.length > 0 && (stack[stack.length - 1] as Unit).end <= first) stack.pop();
    const outer = stack[stack.length - 1];
    const siblings = outer?.children ?? roots;
    const start = Math.max(symbol.leadLine - 1, siblings[siblings.length - 1]?.end ?? 0, outer === undefined ? 0 : outer.start + 1);
    // A declaration that shares its first line with another one, or sticks out of its container, stays part of what is around it.
    if (start > first || start >= end || (outer !== undefined && end > outer.end)) return;
    const unit: Unit = { start, end, symbol: index, children: [] };
    siblings.push(unit);
    stack.push(unit);
  });
  return roots;
}

/** One-line values are no units: they are grouped with what stands around them. */
const VALUE_KINDS: ReadonlySet<string> = new Set(['property', 'field', 'constant', 'variable']);

interface Task {
  readonly start: number;
  readonly end: number;
  /** The unit itself, or null for what stands between units. */
  readonly unit: Unit | null;
  readonly container: number;
}

function cutPieces(lines: readonly string[], roots: readonly Unit[]): Piece[] {
  const sizes = prefixSizes(lines);
  const pieces: Piece[] = [];
  const tasks = spread(0, lines.length, roots, -1);
  for (let task = tasks.pop(); task !== undefined; task = tasks.pop()) {
    const { start, end, unit, container } = task;
    const chars = (sizes[end] as number) - (sizes[start] as number);
    if (unit !== null && chars > MAX_CHUNK_CHARS && unit.children.length > 0) {
      tasks.push(...spread(start, end, unit.children, unit.symbol));
      continue;
    }
    const symbol = unit?.symbol ?? container;
    const blocks = chars <= MAX_CHUNK_CHARS ? [{ start, end }] : cutBlocks(lines, start, end, MAX_CHUNK_CHARS);
    for (const block of blocks) {
      const size = (sizes[block.end] as number) - (sizes[block.start] as number);
      pieces.push({ ...block, chars: size, symbol, weight: block.end - block.start, declared: unit === null ? 0 : 1, container });
    }
  }
  return pieces;
}

/** Units and what lies between them, last first, so that popping yields file order. */
function spread(start: number, end: number, units: readonly Unit[], container: number): Task[] {
  const tasks: Task[] = [];
  let at = start;
  for (const unit of units) {
    if (unit.start > at) tasks.push({ start: at, end: unit.start, unit: null, container });
    tasks.push({ start: unit.start, end: unit.end, unit, container });
    at = unit.end;
  }
  if (end > at) tasks.push({ start: at, end, unit: null, container });
  return tasks.reverse();
}

/** sizes[i] = characters of lines [0, i), one for each line end. */
function prefixSizes(lines: readonly string[]): Float64Array {
  const sizes = new Float64Array(lines.length + 1);
  for (let i = 0; i < lines.length; i++) sizes[i + 1] = (sizes[i] as number) + (lines[i] as string).length + 1;
  return sizes;
}

function mergeSmall(pieces: readonly Piece[]): Piece[] {
  const out: Piece[] = [];
  for (const piece of pieces) {
    const last = out[out.length - 1];
    if (last !== undefined && mayMerge(last, piece)) absorb(last, piece);
    else out.push({ ...piece });
  }
  return out;
}

function mayMerge(last: Piece, next: Piece): boolean {
  const sum = last.chars + next.chars;
  if (next.chars <= TINY_CHARS || last.chars <= TINY_CHARS) return sum <= MAX_CHUNK_CHARS + TINY_CHARS;
  if (sum > MAX_CHUNK_CHARS || last.container !== next.container) return false;
  return last.chars <= SMALL_CHARS || next.chars <= SMALL_CHARS;
}

function absorb(last: Piece, next: Piece): void {
  last.end = next.end;
  last.chars += next.chars;
  last.declared += next.declared;
  // The largest declaration names the chunk; text between declarations only where there is none.
  const wins = next.declared > 0 && (last.declared === next.declared || next.weight > last.weight);
  if (wins) {
    last.symbol = next.symbol;
    last.weight = next.weight;
  }
}

function toChunk(lines: readonly string[], piece: Piece, symbols: readonly OutlineSymbol[], plainKind: ChunkKind): TextChunk[] {
  let { start, end } = piece;
  while (start < end && isBlank(lines[start] as string)) start++;
  while (end > start && isBlank(lines[end - 1] as string)) end--;
  if (start === end) return [];
  const kind = piece.declared !== 1 ? plainKind : symbols[piece.symbol]?.kind === 'section' ? 'section' : 'declaration';
  const text = lines.slice(start, end).map((line) => (line.length > MAX_LINE_CHARS ? line.slice(0, MAX_LINE_CHARS) : line)).join('\n');
  return [{ startLine: start + 1, endLine: end, kind, symbol: piece.symbol, text }];
}
