/** Outline of Markdown: one symbol per heading (ATX and setext), nested by level; its span is the section up to the next heading of its level. */
import type { Outline, OutlineSymbol } from './outline.ts';

interface Heading {
  readonly line: number;
  readonly level: number;
  readonly title: string;
  endLine: number;
  parent: number;
}

const ATX = /^ {0,3}(#{1,6})[ \t]+(.*?)(?:[ \t]+#*)?[ \t]*$/;
const FENCE = /^ {0,3}(`{3,}|~{3,})/;
const LINK = /\[([^\]]*)\]\([^)]*\)/g;
const MAX_TITLE = 200;

export function outlineMarkdown(lines: readonly string[]): Outline {
  const headings = findHeadings(lines);
  nest(headings, lines.length);
  const symbols: OutlineSymbol[] = [];
  for (const heading of headings) {
    const parent = symbols[heading.parent];
    symbols.push({
      name: heading.title,
      qualified: parent === undefined ? heading.title : `${parent.qualified}.${heading.title}`,
      kind: 'section', startLine: heading.line, endLine: heading.endLine, leadLine: heading.line, parent: heading.parent,
    });
  }
  return { symbols, edges: [], comments: [] };
}

function findHeadings(lines: readonly string[]): Heading[] {
  const out: Heading[] = [];
  let fence: string | null = null;
  let from = 0;
  // Front matter is no setext heading.
  if (lines[0] === '---') from = Math.max(0, lines.indexOf('---', 1) + 1);
  for (let i = from; i < lines.length; i++) {
    const line = lines[i] as string;
    const mark = FENCE.exec(line)?.[1];
    if (fence !== null) {
      if (mark !== undefined && mark[0] === fence[0] && mark.length >= fence.length) fence = null;
      continue;
    }
    if (mark !== undefined) {
      fence = mark;
      continue;
    }
    const heading = atxHeading(line, i) ?? setextHeading(lines, i);
    if (heading !== null) out.push(heading);
  }
  return out;
}

function atxHeading(line: string, index: number): Heading | null {
  const match = ATX.exec(line);
  return match === null ? null : toHeading(index + 1, (match[1] as string).length, match[2] as string);
}

function setextHeading(lines: readonly string[], index: number): Heading | null {
  const under = lines[index + 1];
  const line = lines[index] as string;
  if (under === undefined || line.trim() === '' || !/^ {0,3}(=+|-+)[ \t]*$/.test(under) || /^ {0,3}([>|#]|([-*+]|\d+[.)])[ \t])/.test(line) || line.startsWith('    ')) return null;
  const before = lines[index - 1];
  if (before !== undefined && before.trim() !== '') return null;
  return toHeading(index + 1, under.trim().startsWith('=') ? 1 : 2, line);
}

function toHeading(line: number, level: number, raw: string): Heading | null {
  const title = raw.replace(LINK, '$1').replace(/[`*]/g, '').trim().slice(0, MAX_TITLE).toWellFormed();
  return title === '' ? null : { line, level, title, endLine: line, parent: -1 };
}

function nest(headings: readonly Heading[], lineCount: number): void {
  const stack: number[] = [];
  headings.forEach((heading, index) => {
    while (stack.length > 0 && (headings[stack[stack.length - 1] as number] as Heading).level >= heading.level) {
      (headings[stack.pop() as number] as Heading).endLine = heading.line - 1;
    }
    heading.parent = stack[stack.length - 1] ?? -1;
    stack.push(index);
  });
  for (const index of stack) (headings[index] as Heading).endLine = lineCount;
}
