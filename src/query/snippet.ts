/** The few lines of a chunk that show best why it was found, and where in them the query words stand. */
import { eachWord, queryTerms, wordTerms } from '../text/index.ts';

export interface Highlight {
  /** Line within the snippet, 0-based; columns in UTF-16 units, end exclusive. */
  readonly line: number;
  readonly start: number;
  readonly end: number;
}

export interface Snippet {
  /** 1-based lines of the file. */
  readonly startLine: number;
  readonly endLine: number;
  readonly text: string;
  readonly highlights: readonly Highlight[];
}

export interface SnippetOptions {
  readonly maxLines: number;
  /** Longer lines are cut, with '…'. */
  readonly maxColumns: number;
  /** A line that the snippet should hold if nothing better is known (where the hit's symbol begins), 1-based. */
  readonly preferredLine?: number | undefined;
}

/** Chooses the window of at most `maxLines` lines with the most distinct query words; the first such window wins. */
export function chooseSnippet(text: string, startLine: number, query: string, options: SnippetOptions): Snippet {
  const lines = text.split('\n').map((line) => cut(line.replace(/\r$/, ''), options.maxColumns));
  const wanted = new Set(queryTerms(query));
  const found = lines.map((line) => findWords(line, wanted));
  const size = Math.max(1, Math.min(options.maxLines, lines.length));
  const preferred = options.preferredLine === undefined ? -1 : options.preferredLine - startLine;
  let from = 0;
  let best = -1;
  for (let at = 0; at + size <= lines.length; at++) {
    const value = windowValue(found, at, size, preferred);
    if (value <= best) continue;
    best = value;
    from = at;
  }
  const [first, last] = trimBlank(lines, from, from + size);
  return {
    startLine: startLine + first,
    endLine: startLine + last - 1,
    text: lines.slice(first, last).join('\n'),
    highlights: found.slice(first, last).flatMap((words, line) => words.map(({ start, end }) => ({ line, start, end }))),
  };
}

interface FoundWord {
  readonly terms: readonly string[];
  readonly start: number;
  readonly end: number;
}

function findWords(line: string, wanted: ReadonlySet<string>): FoundWord[] {
  const found: FoundWord[] = [];
  eachWord(line, (word, start, end) => {
    const terms = wordTerms(word).filter((term) => wanted.has(term));
    if (terms.length > 0) found.push({ terms, start, end });
  });
  return found;
}

/** Distinct words first; then how often they occur, which never outweighs one more distinct word. */
function windowValue(found: readonly (readonly FoundWord[])[], at: number, size: number, preferred: number): number {
  const distinct = new Set<string>();
  let count = 0;
  for (let line = at; line < at + size; line++) {
    for (const word of found[line] as readonly FoundWord[]) {
      count++;
      for (const term of word.terms) distinct.add(term);
    }
  }
  const holdsPreferred = preferred >= at && preferred < at + size;
  return distinct.size + (holdsPreferred ? 0.75 : 0) + 0.2 * (count / (count + 8));
}

function trimBlank(lines: readonly string[], from: number, to: number): [number, number] {
  let [first, last] = [from, to];
  while (first < last - 1 && lines[first]?.trim() === '') first++;
  while (last > first + 1 && lines[last - 1]?.trim() === '') last--;
  return [first, last];
}

function cut(line: string, maxColumns: number): string {
  return line.length <= maxColumns ? line : `${line.slice(0, Math.max(0, maxColumns - 1))}…`;
}
