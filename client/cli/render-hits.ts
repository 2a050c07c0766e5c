/** Search results, grep matches and symbols as text; coloured by the given style, neutralized, one layout for terminal and pipe. */
import type { AnswerMeta, GrepMatch, SearchHitWire, SymbolHit } from '../../daemon/protocol/types.ts';
import { oneLine, neutralize } from './style.ts';
import type { Style } from './style.ts';

/** Longest line that is shown, in characters. */
const MAX_COLUMNS = 240;

export function renderHit(hit: SearchHitWire, style: Style, query: string, lines: number): string {
  const place = `${style.path(oneLine(hit.path))}:${hit.startLine}-${hit.endLine}`;
  const symbol = hit.symbol === undefined ? '' : `  ${style.bold(oneLine(hit.symbol.qualified))} ${style.dim(`(${oneLine(hit.symbol.kind)})`)}`;
  const head = `${place}${symbol}  ${style.dim(hit.score.toFixed(3))}\n`;
  return head + renderSnippet(hit, style, matcher(query), lines) + (hit.explain === undefined ? '' : renderExplain(hit.explain, style));
}

/** The `lines` consecutive lines with the most query words, the first such window. */
function renderSnippet(hit: SearchHitWire, style: Style, words: RegExp | null, lines: number): string {
  if (lines === 0) return '';
  const all = neutralize(hit.snippet).replace(/\n+$/, '').split('\n');
  const first = bestWindow(all, words, lines);
  const width = String(hit.startLine + first + lines).length;
  return all.slice(first, first + lines)
    .map((line, i) => `${style.dim(`${String(hit.startLine + first + i).padStart(width + 2)} |`)} ${highlight(cut(line), words, style)}`.trimEnd() + '\n')
    .join('');
}

function bestWindow(lines: readonly string[], words: RegExp | null, size: number): number {
  if (words === null || lines.length <= size) return 0;
  const hits = lines.map((line) => line.match(words)?.length ?? 0);
  let best = 0;
  let bestSum = -1;
  for (let first = 0; first + size <= lines.length; first++) {
    const sum = hits.slice(first, first + size).reduce((total, n) => total + Math.min(n, 3), 0);
    if (sum > bestSum) [best, bestSum] = [first, sum];
  }
  return best;
}

function renderExplain(explain: NonNullable<SearchHitWire['explain']>, style: Style): string {
  const features = Object.entries(explain.features)
    .map(([name, { value, weight }]) => ({ name, value, weight, share: value * weight }))
    .filter(({ share }) => share !== 0)
    .sort((a, b) => b.share - a.share)
    .map(({ name, value, weight, share }) => `      ${oneLine(name).padEnd(14)} ${value.toFixed(3)} × ${weight.toFixed(2)} = ${share.toFixed(3)}\n`);
  const penalty = explain.penalty === 1 ? '' : `  penalty × ${explain.penalty}`;
  return style.dim(`    lanes: ${explain.lanes.map(oneLine).join(', ') || 'none'}${penalty}\n${features.join('')}`);
}

/** Words of the query, longest first, as whole prefixes of words: 'frame' marks 'frames' but not 'iframe'. null if there are none. */
export function matcher(query: string): RegExp | null {
  const words = query.match(/[\p{L}\p{N}_]{3,}/gu) ?? [];
  const parts = [...new Set(words.map((word) => word.toLowerCase()))].filter((word) => !STOP_WORDS.has(word)).sort((a, b) => b.length - a.length);
  return parts.length === 0 ? null : new RegExp(`(?<![\\p{L}\\p{N}])(?:${parts.join('|')})[\\p{L}\\p{N}_]*`, 'giu');
}

const STOP_WORDS = new Set(['the', 'and', 'are', 'how', 'what', 'where', 'which', 'when', 'who', 'why', 'does', 'for', 'from', 'with', 'that', 'this', 'into', 'can', 'not']);

function highlight(line: string, words: RegExp | null, style: Style): string {
  return words === null ? line : line.replace(words, (match) => style.match(match));
}

const cut = (line: string): string => (line.length > MAX_COLUMNS ? `${line.slice(0, MAX_COLUMNS)}…` : line);

/** A line of a file: its tabs stay. */
const sourceLine = (text: string): string => neutralize(text).replaceAll('\n', '\u240a');

/** grep's own layout: path:line:text, context lines with '-', groups apart. */
export function renderMatch(match: GrepMatch, style: Style, words: RegExp | null): string {
  const path = style.path(oneLine(match.path));
  const context = (text: string, line: number): string => `${path}${style.dim(`-${line}-`)}${cut(sourceLine(text))}\n`;
  const before = match.before.map((text, i) => context(text, match.line - match.before.length + i));
  const after = match.after.map((text, i) => context(text, match.line + 1 + i));
  return [...before, `${path}:${match.line}:${highlight(cut(sourceLine(match.text)), words, style)}\n`, ...after].join('');
}

export function renderSymbol(symbol: SymbolHit, style: Style): string {
  return `${style.path(oneLine(symbol.path))}:${symbol.startLine}-${symbol.endLine}  ${style.bold(oneLine(symbol.qualified))} ${style.dim(`(${oneLine(symbol.kind)}, ${oneLine(symbol.language)})`)}\n`;
}

/** What a user must know about an answer: that it is not complete, and why. null when there is nothing to say. */
export function answerNote(meta: AnswerMeta): string | null {
  const notes: string[] = [];
  if (meta.state !== 'ready') notes.push(`the index is ${meta.state}`);
  if (meta.pendingFiles > 0) notes.push(`${meta.pendingFiles} changed files are not in it yet`);
  for (const lane of meta.lanes) {
    // 'asked' is the user's own wish (--without).
    if (!lane.used && lane.reason !== null && lane.reason !== 'asked') notes.push(`no ${lane.lane} search: ${lane.reason}`);
  }
  for (const reason of meta.reasons) notes.push(reason);
  return notes.length === 0 ? null : [...new Set(notes)].map(oneLine).join('; ');
}
