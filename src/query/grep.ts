/**
 * Literal and regex search over the texts of the indexed chunks [6.7], with context lines. Answers for what the index holds, not
 * for what the disk holds now. Results come in order of path and line.
 */
import { availableParallelism } from 'node:os';
import type { Snapshot } from '../index/snapshot.ts';
import { CairnError } from '../util/errors.ts';
import { compileFilter } from './filters.ts';
import { matchLines, type LineMatch } from './line-matcher.ts';
import { compilePattern, type LinePattern, type PatternRequest } from './line-pattern.ts';
import { RegexRunner } from './regex-runner.ts';
import { Slices } from './slices.ts';
import { boundedLookup, openParts, type PartQuery } from './statistics.ts';
import { Turns } from './turns.ts';
import type { SearchFilters } from './types.ts';

export interface GrepRequest extends PatternRequest {
  readonly filters?: SearchFilters | undefined;
  /** Matching lines, 1..10000. */
  readonly limit: number;
  /** Lines before and after each match, 0..50. */
  readonly context: number;
  /** After this long the search stops with what it has. */
  readonly timeBudgetMs: number;
}

export interface GrepMatch {
  readonly key: string;
  readonly language: string;
  /** 1-based line; columns of the first match in it, 0-based UTF-16 units, end exclusive. */
  readonly line: number;
  readonly start: number;
  readonly end: number;
  readonly text: string;
  readonly before: readonly string[];
  readonly after: readonly string[];
}

export interface GrepResult {
  readonly matches: readonly GrepMatch[];
  /** Why the search ended before all files were read; null = the answer is complete. */
  readonly stopped: 'limit' | 'size' | 'time' | null;
  /** Where time ran out or the answer was full, null otherwise. */
  readonly stoppedAt: string | null;
  readonly filesSearched: number;
}

/** Texts sent to the regex worker at once; smaller batches lose less when the worker must be killed. */
const BATCH_BYTES = 1 << 18;
/** Characters of the lines of an answer, context included: it is made into one message at once, by a thread that others wait for. */
export const MAX_ANSWER_CHARS = 4 << 20;

/** A thread for each expression of a burst of requests would take half a gigabyte; the time budget of a search begins with its turn. */
export const REGEX_TURNS = new Turns(Math.max(1, Math.min(4, availableParallelism())));

interface DocWork {
  readonly query: PartQuery;
  readonly doc: number;
  readonly key: string;
  /** Chunks to look at, ascending. */
  readonly chunks: readonly number[];
}

/**
 * Finds matching lines.
 * @throws INVALID_ARGUMENT for a pattern or limit that makes no sense; CANCELLED
 */
export async function grep(snapshot: Snapshot, request: GrepRequest, signal?: AbortSignal): Promise<GrepResult> {
  validate(request);
  const pattern = compilePattern(request);
  const endTurn = pattern.isLiteral ? null : await REGEX_TURNS.take(signal);
  let runner: RegexRunner | null = null;
  try {
    const slices = new Slices(request.timeBudgetMs, signal);
    const work = await findWork(openParts(snapshot, compileFilter(request.filters)), pattern, slices);
    if (!pattern.isLiteral && work.length > 0) runner = new RegexRunner(pattern);
    return await run(work, request, runner === null ? literalMatcher(pattern, slices) : regexMatcher(runner, slices, signal), slices);
  } finally {
    await runner?.close();
    endTurn?.();
  }
}

function validate({ limit, context, timeBudgetMs }: GrepRequest): void {
  const check = (name: string, value: number, low: number, high: number): void => {
    if (Number.isInteger(value) && value >= low && value <= high) return;
    throw new CairnError('INVALID_ARGUMENT', `${name} ${value} is not a whole number from ${low} to ${high}`, { hint: `Give a ${name} in that range.` });
  };
  check('limit', limit, 1, 10_000);
  check('context', context, 0, 50);
  check('timeBudgetMs', timeBudgetMs, 1, 600_000);
}

type Matcher = (texts: readonly string[]) => Promise<LineMatch[][] | null>;

function literalMatcher(pattern: LinePattern, slices: Slices): Matcher {
  const regex = new RegExp(pattern.source, pattern.flags);
  return async (texts) => {
    const found: LineMatch[][] = [];
    for (const text of texts) {
      await slices.pause();
      found.push(matchLines(text, regex));
    }
    return found;
  };
}

function regexMatcher(runner: RegexRunner, slices: Slices, signal: AbortSignal | undefined): Matcher {
  return (texts) => runner.match(texts, slices.leftMs, signal);
}

/** Docs in scope with the chunks that can match, in order of key. */
async function findWork(parts: readonly PartQuery[], pattern: LinePattern, slices: Slices): Promise<DocWork[]> {
  const work: DocWork[] = [];
  for (const query of parts) {
    const sure = sureChunks(query, pattern.sureTerms);
    for (let doc = 0; doc < query.docCount; doc++) {
      if ((doc & 1023) === 0) await slices.pause();
      if (query.scope.docs?.has(doc) === false) continue;
      const chunks: number[] = [];
      for (let chunk = query.part.chunkStart(doc); chunk < query.part.chunkStart(doc + 1); chunk++) {
        if (query.scope.chunks?.has(chunk) !== false && (sure === null || sure.has(chunk))) chunks.push(chunk);
      }
      if (chunks.length > 0) work.push({ query, doc, key: query.part.docKey(doc), chunks });
    }
  }
  return work.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
}

/** Chunks with a term of each group; null = any chunk. */
function sureChunks(query: PartQuery, groups: readonly (readonly string[])[]): Set<number> | null {
  let kept: Set<number> | null = null;
  for (const group of groups) {
    const found = new Set<number>();
    for (const term of group) {
      const list = boundedLookup(query.part, 'body', term, query.chunkCount);
      for (let i = 0; list !== null && i < list.count; i++) {
        const chunk = list.ids[i] as number;
        if (kept === null || kept.has(chunk)) found.add(chunk);
      }
    }
    kept = found;
  }
  return kept;
}

async function run(work: readonly DocWork[], request: GrepRequest, match: Matcher, slices: Slices): Promise<GrepResult> {
  const matches: GrepMatch[] = [];
  let searched = 0;
  let chars = 0;
  for (const batch of batches(work)) {
    const stoppedAt = (batch[0] as DocWork).key;
    const texts = await readTexts(batch, slices);
    const found = slices.isOver ? null : await match(texts);
    if (found === null) return { matches, stopped: 'time', stoppedAt, filesSearched: searched };
    let at = 0;
    for (const item of batch) {
      searched++;
      for (const hit of docMatches(item, found.slice(at, at + item.chunks.length), request.context)) {
        await slices.pause();
        if (matches.length === request.limit) return { matches, stopped: 'limit', stoppedAt: null, filesSearched: searched };
        chars += charsOf(hit);
        if (chars > MAX_ANSWER_CHARS && matches.length > 0) return { matches, stopped: 'size', stoppedAt: item.key, filesSearched: searched };
        matches.push(hit);
      }
      at += item.chunks.length;
    }
  }
  return { matches, stopped: null, stoppedAt: null, filesSearched: searched };
}

function charsOf({ text, before, after }: GrepMatch): number {
  let chars = text.length;
  for (const lines of [before, after]) for (const line of lines) chars += line.length;
  return chars;
}

/** Docs in groups of about BATCH_BYTES, by the number of lines (a line is about 32 bytes); the first group is small, for a quick first page. */
function* batches(work: readonly DocWork[]): Iterable<DocWork[]> {
  let batch: DocWork[] = [];
  let bytes = 0;
  for (const item of work) {
    const { part } = item.query;
    for (const chunk of item.chunks) bytes += 32 * (1 + part.chunk(chunk).endLine - part.chunk(chunk).startLine);
    batch.push(item);
    if (bytes < BATCH_BYTES) continue;
    yield batch;
    batch = [];
    bytes = 0;
  }
  if (batch.length > 0) yield batch;
}

async function readTexts(batch: readonly DocWork[], slices: Slices): Promise<string[]> {
  const texts: string[] = [];
  for (const { query, chunks } of batch) {
    for (const chunk of chunks) texts.push(query.part.chunkText(chunk));
    await slices.pause();
  }
  return texts;
}

/** Matches of one file, each line once even where chunks overlap. */
function* docMatches({ query, doc, key, chunks }: DocWork, found: readonly LineMatch[][], context: number): Iterable<GrepMatch> {
  const byLine = new Map<number, LineMatch>();
  chunks.forEach((chunk, i) => {
    const { startLine } = query.part.chunk(chunk);
    for (const match of found[i] as LineMatch[]) if (!byLine.has(startLine + match.line)) byLine.set(startLine + match.line, match);
  });
  if (byLine.size === 0) return;
  const lines = docLines(query, doc);
  const last = query.part.chunkStart(doc + 1) - 1;
  const end = 1 + query.part.chunk(last).endLine;
  const language = query.part.docLanguage(doc);
  for (const [line, match] of [...byLine].sort(([a], [b]) => a - b)) {
    yield {
      key, language, line, start: match.start, end: match.end, text: lines.get(line) ?? '',
      before: around(lines, Math.max(1, line - context), line),
      after: around(lines, line + 1, Math.min(end, line + 1 + context)),
    };
  }
}

/** Lines of a file that are in chunks (blank stretches between chunks may be missing). */
function docLines({ part }: PartQuery, doc: number): Map<number, string> {
  const lines = new Map<number, string>();
  for (let chunk = part.chunkStart(doc); chunk < part.chunkStart(doc + 1); chunk++) {
    const { startLine } = part.chunk(chunk);
    part.chunkText(chunk).split('\n').forEach((line, i) => lines.set(startLine + i, line.replace(/\r$/, '')));
  }
  return lines;
}

/** Lines [from, to); gaps between chunks are blank. */
function around(lines: ReadonlyMap<number, string>, from: number, to: number): string[] {
  const out: string[] = [];
  for (let line = from; line < to; line++) out.push(lines.get(line) ?? '');
  return out;
}
