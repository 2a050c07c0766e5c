/**
 * Is the right part of a file shown? Of every source tree, functions are drawn whose doc comment is a sentence without their name;
 * the sentence is the question, asked of the file alone, and the answer is right when the first passage lies in the function.
 *   away    the comments are taken out of the tree before it is indexed: the words have to be found in names and code
 *   kept    the tree as it is: the comment itself can be found
 *   named   comments taken out, the function's name in front of the question
 * Mean over the trees (each counts the same).
 *   node scripts/bench/passages.ts --trees DIR [--repos a,b] [--questions 60] [--cache DIR] [--json]
 */
import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { sideKinds } from '../../src/text/index.ts';
import { index, type OfflineIndex } from './retrieval-offline.ts';

interface Question {
  readonly key: string;
  readonly name: string;
  readonly text: string;
  /** Of the function, 1-based, inclusive. */
  readonly startLine: number;
  readonly endLine: number;
}

interface Drawn {
  readonly questions: Question[];
  /** Per file: lines (0-based) of the comments that questions were made of. */
  readonly comments: Map<string, number[]>;
}

const { values: args } = parseArgs({
  options: {
    trees: { type: 'string', default: process.env.RETRIEVAL_REPOS ?? '' },
    repos: { type: 'string' },
    questions: { type: 'string', default: '60' },
    cache: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
});
if (args.trees === '') {
  console.error('Set RETRIEVAL_REPOS, or give --trees: a folder of source trees.');
  process.exit(2);
}

const MIN_CHUNKS = 5;
const MIN_LINES = 4;
const COMMENT = /^\s*(\/\/|\/\*|\*|#|--|;;)/;
const MARKS = /^\s*(?:\/\/[/!]?|\/\*\*?|\*\/|\*|#+|--+ ?\|?|;;+|[rRuU]?"""|''')\s?/;
/** Not a sentence about what the function does. */
const NO_QUESTION = /[{}<>=;\\@]|https?:|TODO|FIXME|copyright|license|eslint|noqa|pragma/i;

const rows: { repo: string; questions: number; away: number; kept: number; named: number }[] = [];
for (const repo of readdirSync(args.trees).sort()) {
  if (args.repos === undefined || args.repos.split(',').includes(repo)) await measure(repo, join(args.trees, repo));
}
const mean = (pick: (row: (typeof rows)[number]) => number): number => rows.reduce((sum, row) => sum + pick(row), 0) / rows.length;
const total = { trees: rows.length, questions: rows.reduce((sum, row) => sum + row.questions, 0), away: mean((row) => row.away), kept: mean((row) => row.kept), named: mean((row) => row.named) };
if (args.json) console.log(JSON.stringify({ ...total, rows }, null, 2));
else console.log(`${total.questions} questions, ${total.trees} trees: away ${total.away.toFixed(3)}, kept ${total.kept.toFixed(3)}, named ${total.named.toFixed(3)}`);

async function measure(repo: string, directory: string): Promise<void> {
  const whole = await index(directory, { cache: args.cache });
  const { questions, comments } = draw(whole, directory);
  if (questions.length === 0) return;
  const stripped = mkdtempSync(join(tmpdir(), 'cairn-passages-'));
  try {
    cpSync(directory, stripped, { recursive: true, filter: (path) => !path.split('/').includes('.git') });
    for (const [key, lines] of comments) blank(join(stripped, key), lines);
    const bare = await index(stripped);
    const share = (opened: OfflineIndex, ask: (question: Question) => string): number =>
      questions.filter((question) => isRight(opened, question, ask(question))).length / questions.length;
    const row = {
      repo, questions: questions.length,
      away: share(bare, ({ text }) => text), kept: share(whole, ({ text }) => text), named: share(bare, ({ name, text }) => `${name} ${text}`),
    };
    rows.push(row);
    if (!args.json) console.error(`${repo.padEnd(20)} ${String(row.questions).padStart(3)}  away ${row.away.toFixed(3)}  kept ${row.kept.toFixed(3)}  named ${row.named.toFixed(3)}`);
  } finally {
    rmSync(stripped, { recursive: true, force: true });
  }
}

function isRight(opened: OfflineIndex, { key, startLine, endLine }: Question, text: string): boolean {
  const [hit] = opened.query(text, 1, { paths: [key] }).hits;
  return hit !== undefined && hit.startLine <= endLine && hit.endLine >= startLine;
}

/** The same questions for the same tree: drawn by hash. */
function draw({ snapshot }: OfflineIndex, directory: string): Drawn {
  const questions = new Map<string, Question>();
  const comments = new Map<string, number[]>();
  for (const { part } of snapshot.parts) {
    for (let doc = 0; doc < part.docCount; doc++) {
      const key = part.docKey(doc);
      if (sideKinds(key).length > 0 || part.chunkStart(doc + 1) - part.chunkStart(doc) < MIN_CHUNKS) continue;
      const lines = readFileSync(join(directory, key), 'utf8').split('\n');
      for (let id = part.symbolStart(doc); id < part.symbolStart(doc + 1); id++) {
        const { name, kind, startLine, endLine } = part.symbol(id);
        if ((kind !== 'function' && kind !== 'method') || endLine - startLine + 1 < MIN_LINES) continue;
        const comment = part.docLanguage(doc) === 'python' ? docstring(lines, startLine - 1) : commentAbove(lines, startLine - 1);
        const text = sentence(comment.map((line) => lines[line] as string), name);
        if (text === null) continue;
        comments.set(key, [...(comments.get(key) ?? []), ...comment]);
        if (!questions.has(text)) questions.set(text, { key, name, text, startLine, endLine });
      }
    }
  }
  const order = ({ key, text }: Question): string => createHash('sha256').update(`${key}\n${text}`).digest('hex');
  const drawn = [...questions.values()].map((question) => ({ question, at: order(question) })).sort((a, b) => (a.at < b.at ? -1 : 1));
  return { questions: drawn.slice(0, Number(args.questions)).map(({ question }) => question), comments };
}

/** Line numbers (0-based) of the comment that ends above a declaration, attributes between them left out. */
function commentAbove(lines: readonly string[], declaration: number): number[] {
  let line = declaration - 1;
  while (/^\s*(@|#?\[)/.test(lines[line] ?? '')) line--;
  const found: number[] = [];
  for (; COMMENT.test(lines[line] ?? '') && !/^\s*#(include|define|if|endif|else)/.test(lines[line] as string); line--) found.unshift(line);
  return found;
}

function docstring(lines: readonly string[], declaration: number): number[] {
  for (let line = declaration + 1; line < declaration + 15; line++) {
    const [, quotes, rest] = /^\s*[rRuU]?("""|''')(.*)$/.exec(lines[line] ?? '') ?? [];
    if (quotes === undefined && /:\s*(#.*)?$/.test(lines[line - 1] ?? '')) return [];
    if (quotes === undefined || rest === undefined) continue;
    const end = rest.includes(quotes) ? line : lines.findIndex((text, i) => i > line && text.includes(quotes));
    return end < 0 ? [] : Array.from({ length: end - line + 1 }, (_, i) => line + i);
  }
  return [];
}

/** The first sentence of a comment as a question; null when it is none, or names its function. */
function sentence(comment: readonly string[], name: string): string | null {
  const text = comment.map((line) => line.replace(MARKS, '')).join('\n').replace(/(\*\/|"""|''')\s*$/, '').trim();
  const [first = ''] = text.split(/\n\s*\n|\n\s*[@:\\-]|(?<=[a-z)`])\.(?:\s|$)/);
  const words = first.replace(/`|\*+/g, '').replace(/\s+/g, ' ').trim();
  // Go's comments begin with the name.
  const question = words.toLowerCase().startsWith(`${name.toLowerCase()} `) ? words.slice(name.length + 1) : words;
  const count = question.split(' ').length;
  if (count < 4 || count > 24 || question.length > 160 || NO_QUESTION.test(question)) return null;
  return question.split(/[^\w$]+/).includes(name) ? null : question;
}

function blank(path: string, numbers: readonly number[]): void {
  const lines = readFileSync(path, 'utf8').split('\n');
  for (const number of numbers) lines[number] = '';
  writeFileSync(path, lines.join('\n'));
}
