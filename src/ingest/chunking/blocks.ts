/**
 * Cuts a run of lines into blocks without knowing the language: blocks are filled up to a size and cut where the indentation
 * returns to the outer levels, after blank lines and closing brackets. This is the chunking the embedder was trained and
 * measured with; syntax-aware chunking falls back to it inside long declarations.
 */
import { isBlank } from '../source-text.ts';

/** Half-open range of line indexes, 0-based. */
export interface LineRange {
  readonly start: number;
  readonly end: number;
}

const TAB_WIDTH = 4;
/** A cut is looked for in the last part of a full block only. */
const KEEP = 0.4;

/** Ranges cover [from, to) in order, at least one line each; a block is longer than `maxChars` only if it is a single line. */
export function cutBlocks(lines: readonly string[], from: number, to: number, maxChars: number): LineRange[] {
  const out: LineRange[] = [];
  for (let start = from; start < to; ) {
    let size = 0;
    let end = start;
    while (end < to && (end === start || size + length(lines, end) <= maxChars)) size += length(lines, end++);
    if (end < to) end = bestCut(lines, start, end);
    out.push({ start, end });
    start = end;
  }
  return out;
}

function length(lines: readonly string[], at: number): number {
  return (lines[at] as string).length + 1;
}

function bestCut(lines: readonly string[], start: number, end: number): number {
  let best = end;
  let bestScore = Number.NEGATIVE_INFINITY;
  for (let at = end; at > start + Math.max(1, (end - start) * KEEP); at--) {
    if (isBlank(lines[at] as string)) continue;
    const score = cutScore(lines[at] as string, lines[at - 1] as string) - (end - at) * 0.15;
    if (score > bestScore) {
      bestScore = score;
      best = at;
    }
  }
  return best;
}

const CLOSES = /^\s*[}\])]|^\s*end\b/;
const CONTINUES = /^\s*[}\])]|^\s*(end|else|elif|catch|finally|then|do|in|where)\b/;

/** How good it is to start a block with `line` after `before`. */
function cutScore(line: string, before: string): number {
  let score = -2 * indentation(line);
  if (isBlank(before)) score += 6;
  if (CLOSES.test(before)) score += 4;
  if (CONTINUES.test(line)) score -= 20;
  return score;
}

function indentation(line: string): number {
  let width = 0;
  for (let i = 0; i < line.length; i++) {
    const code = line.charCodeAt(i);
    if (code === 32) width++;
    else if (code === 9) width += TAB_WIDTH;
    else break;
  }
  return width;
}
