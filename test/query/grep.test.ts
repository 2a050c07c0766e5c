import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { test } from 'node:test';
import fc from 'fast-check';
import { grep, MAX_ANSWER_CHARS, REGEX_TURNS, type GrepRequest, type GrepResult } from '../../src/query/grep.ts';
import { compilePattern } from '../../src/query/line-pattern.ts';
import type { Snapshot } from '../../src/index/snapshot.ts';
import { PATIENCE_MS, until } from '../support/cli.ts';
import { checkLeaks } from '../support/leaks.ts';
import { testSeed } from '../support/random-docs.ts';
import { SimplePart, snapshotOf } from '../support/simple-part.ts';
import { Turns } from '../../src/query/turns.ts';
import { corpus, docsOf } from './search-fixture.ts';

checkLeaks();

const FILES = {
  'b.ts': 'const walFile = open();\nif (x) {\n  walFile.append(1);\n}\n\nfunction close() {\n  // WALFILE\n}',
  'a.py': 'def open_wal(path):\n    return path\n',
  'c.md': 'the wal; a wallet',
};

/** The largest there is: only a test of the budget itself runs out of it. */
const AMPLE_MS = 600_000;

function run(snapshot: Snapshot, pattern: string, more: Partial<GrepRequest> = {}, signal?: AbortSignal): Promise<GrepResult> {
  return grep(snapshot, { pattern, isRegex: false, ignoreCase: false, wholeWord: false, limit: 100, context: 0, timeBudgetMs: AMPLE_MS, ...more }, signal);
}
const places = ({ matches }: GrepResult): string[] => matches.map(({ key, line, start, end }) => `${key}:${line}:${start}-${end}`);

test('[6.7] grep finds literals with line and columns, in order of path and line', async () => {
  const snapshot = corpus(FILES);
  assert.deepEqual(places(await run(snapshot, 'walFile')), ['b.ts:1:6-13', 'b.ts:3:2-9']);
  assert.deepEqual(places(await run(snapshot, 'wal')), ['a.py:1:9-12', 'b.ts:1:6-9', 'b.ts:3:2-5', 'c.md:1:4-7']);
  assert.deepEqual(places(await run(snapshot, '(x) {')), ['b.ts:2:3-8'], 'special characters are literal');
  assert.deepEqual(places(await run(snapshot, 'nowhere')), []);
});

test('[6.7] grep: case, whole words, regular expressions', async () => {
  const snapshot = corpus(FILES);
  assert.deepEqual(places(await run(snapshot, 'walfile', { ignoreCase: true })), ['b.ts:1:6-13', 'b.ts:3:2-9', 'b.ts:7:5-12']);
  assert.deepEqual(places(await run(snapshot, 'wal', { wholeWord: true })), ['c.md:1:4-7']);
  assert.deepEqual(places(await run(snapshot, '^\\s+return\\b', { isRegex: true })), ['a.py:2:0-10']);
  assert.deepEqual(places(await run(snapshot, 'walFile\\.(append|close)', { isRegex: true })), ['b.ts:3:2-16']);
  assert.deepEqual(places(await run(snapshot, 'x*', { isRegex: true })), ['b.ts:2:4-5'], 'empty matches do not count');
  assert.deepEqual(places(await run(snapshot, 'wal\\-?File', { isRegex: true })), ['b.ts:1:6-13', 'b.ts:3:2-9'], 'needless escapes are allowed');
});

test('[6.7] grep gives context lines, also across chunks, and stops at the ends of the file', async () => {
  const [match] = (await run(corpus(FILES), 'function close', { context: 3 })).matches;
  assert.deepEqual(match?.before, ['  walFile.append(1);', '}', '']);
  assert.deepEqual(match?.after, ['  // WALFILE', '}']);
  assert.equal(match?.text, 'function close() {');
});

test('[6.6] grep filters by language, path and kind', async () => {
  const docs = docsOf(FILES);
  const snapshot = snapshotOf([new SimplePart(docs)]);
  assert.deepEqual(places(await run(snapshot, 'wal', { filters: { paths: ['*.py', '*.md'] } })), ['a.py:1:9-12', 'c.md:1:4-7']);
  assert.deepEqual(places(await run(snapshot, 'WALFILE', { filters: { kinds: ['function'] } })), ['b.ts:7:5-12']);
  assert.deepEqual(places(await run(snapshot, 'walFile', { filters: { languages: ['python'] } })), []);
});

test('[6.7] grep says when it stopped at the limit, and does not when it just reached it', async () => {
  const snapshot = corpus(FILES);
  const cut = await run(snapshot, 'wal', { limit: 2 });
  assert.deepEqual([cut.matches.length, cut.stopped], [2, 'limit']);
  assert.equal((await run(snapshot, 'wal', { limit: 4 })).stopped, null);
});

test('[6.7] [C.10] an answer is bounded, however many long lines of context are asked for', async () => {
  const wide = Array.from({ length: 400 }, (_, i) => `wal ${'x'.repeat(300)} ${i}`).join('\n');
  const snapshot = corpus({ 'a.ts': wide, 'b.ts': wide });
  const chars = ({ matches }: GrepResult): number => matches.reduce((sum, { text, before, after }) => sum + [text, ...before, ...after].join('').length, 0);
  for (const isRegex of [false, true]) {
    const result = await run(snapshot, 'wal', { isRegex, limit: 10_000, context: 50 });
    assert.deepEqual([result.stopped, result.stoppedAt], ['size', 'a.ts']);
    assert.ok(result.matches.length > 100 && chars(result) <= MAX_ANSWER_CHARS && chars(result) > MAX_ANSWER_CHARS - 40_000);
    const all = await run(snapshot, 'wal', { isRegex, limit: 10_000 });
    assert.deepEqual([all.stopped, all.matches.length, all.filesSearched], [null, 800, 2]);
  }
  assert.equal((await run(corpus({ 'a.ts': `wal ${'x'.repeat(MAX_ANSWER_CHARS)}` }), 'wal')).matches.length, 1, 'one line is always given');
});

test('[C.10] a burst of regular expressions takes few threads at a time, and each gets its answer', async () => {
  const snapshot = corpus(FILES);
  const cancelled = new AbortController();
  const taken: number[] = [];
  const burst = Array.from({ length: 12 }, async (_, i) => {
    const answer = run(snapshot, `walFil(e|${i})`, { isRegex: true });
    taken.push(REGEX_TURNS.taken);
    const result = await answer;
    taken.push(REGEX_TURNS.taken);
    return result;
  });
  const waiting = run(snapshot, 'x+', { isRegex: true }, cancelled.signal);
  cancelled.abort();
  await assert.rejects(waiting, { code: 'CANCELLED' });
  for (const result of await Promise.all(burst)) assert.deepEqual(places(result), ['b.ts:1:6-13', 'b.ts:3:2-9']);
  // Looked at when each search began and when it had ended, the turns of all others included.
  assert.equal(Math.max(...taken), Math.max(1, Math.min(4, availableParallelism())), String(taken));
  assert.equal(REGEX_TURNS.taken, 0);
});

test('turns go round in order; one that is not wanted any more is skipped, and one given back twice counts once', async () => {
  const turns = new Turns(2);
  const order: number[] = [];
  const give = [await turns.take(), await turns.take()];
  const abort = new AbortController();
  const later = [turns.take(), turns.take(abort.signal), turns.take()].map((turn, i) => turn.then((back) => (order.push(i), back), (error: unknown) => Promise.reject(error)));
  abort.abort();
  await assert.rejects(later[1] as Promise<unknown>, { code: 'CANCELLED' });
  await assert.rejects(turns.take(AbortSignal.abort()), { code: 'CANCELLED' });
  give[0]?.();
  give[0]?.();
  const first = await later[0];
  assert.deepEqual([order, turns.taken], [[0], 2]);
  first?.();
  (await later[2])?.();
  give[1]?.();
  assert.deepEqual([order, turns.taken], [[0, 2], 0]);
});

test('[6.7] [C.10] a regex that runs away on a long line is stopped at its time budget', async () => {
  const snapshot = corpus({ 'a.ts': 'aaa', 'long.ts': `${'a'.repeat(5000)}!` });
  const result = await run(snapshot, '(a+)+$', { isRegex: true, timeBudgetMs: 400 });
  assert.equal(result.stopped, 'time');
  assert.ok(result.stoppedAt !== null);
});

test('[6.7] [C.10] a runaway regex can be cancelled, and an aborted signal ends grep at once', async () => {
  const snapshot = corpus({ 'long.ts': `${'a'.repeat(5000)}!` });
  const abort = new AbortController();
  const before = process.cpuUsage().user;
  const pending = run(snapshot, '(a+)+$', { isRegex: true, timeBudgetMs: PATIENCE_MS }, abort.signal);
  // So much takes no start of a thread: it is at the expression.
  await until(() => process.cpuUsage().user - before > 500_000, 'the expression runs');
  abort.abort();
  await assert.rejects(pending, { code: 'CANCELLED' });
  await assert.rejects(run(snapshot, 'a', {}, AbortSignal.abort()), { code: 'CANCELLED' });
});

test('[6.7] patterns and limits that make no sense are refused', async () => {
  const snapshot = corpus(FILES);
  for (const more of [{ pattern: '' }, { pattern: '(', isRegex: true }, { pattern: 'a\nb' }, { pattern: 'x'.repeat(5000) }, { limit: 0 }, { context: 99 }, { timeBudgetMs: 0 }]) {
    await assert.rejects(run(snapshot, 'a', more), { code: 'INVALID_ARGUMENT' }, JSON.stringify(more).slice(0, 60));
  }
});

test('words that every match must hold narrow the chunks down', () => {
  const sure = (pattern: string, more: { isRegex?: boolean; ignoreCase?: boolean; wholeWord?: boolean } = {}): readonly (readonly string[])[] =>
    compilePattern({ pattern, isRegex: false, ignoreCase: false, wholeWord: false, ...more }).sureTerms;
  assert.deepEqual(sure('a.parse(b'), [['pars']]);
  assert.deepEqual(sure('parse'), []);
  assert.deepEqual(sure('parse', { wholeWord: true }), [['pars']]);
  assert.deepEqual(sure('(readFile)', { ignoreCase: true }), [['readfile', 'readfil']]);
  assert.deepEqual(sure('\\bparse\\(x', { isRegex: true }), [['pars']]);
  assert.deepEqual(sure('^import \\w+ from "zod"', { isRegex: true }), [['import'], ['from'], ['zod']]);
  for (const pattern of ['\\bparse|x\\b', '(parse)', '\\bparse?\\b', '\\bpar.e\\b', 'x?parse ', '\\bparses*\\b', '[ab]parse ', ' *parse *', '\\bparse{0,1}\\b']) {
    assert.deepEqual(sure(pattern, { isRegex: true }), [], pattern);
  }
});

test('narrowing never loses a match: grep equals matching every line', async () => {
  const word = fc.constantFrom('wal', 'walFile', 'WalFile', 'wal_file', 'files', 'x', 'Parsing', ' ', ' ', '.', '(', ')', '\n', '\n\n', '=');
  const text = fc.array(word, { maxLength: 30 }).map((parts) => parts.join(''));
  const pattern = fc.constantFrom('wal', 'walFile', ' files ', '.wal(', 'x = wal', 'wal file', 'Parsing', '\\bwal\\b', 'wal.?File', '\\(files\\)', '(wal|x)', 'w\\w+e ', '\\bParsing\\b', ' wal +x', 'files$', '^x ');
  await fc.assert(
    fc.asyncProperty(fc.array(text, { minLength: 1, maxLength: 4 }), pattern, fc.boolean(), fc.boolean(), async (texts, source, ignoreCase, wholeWord) => {
      const files = Object.fromEntries(texts.map((body, i) => [`f${i}.ts`, body]));
      const isRegex = /[\\$^|?+]/.test(source);
      const { source: compiled, flags } = compilePattern({ pattern: source, isRegex, ignoreCase, wholeWord });
      const regex = new RegExp(compiled, flags);
      const expected = Object.entries(files).flatMap(([key, body]) => body.split('\n').flatMap((line, i) => ((line.match(regex) ?? []).some((hit) => hit !== '') ? [`${key}:${i + 1}`] : [])));
      const { matches } = await run(corpus(files), source, { isRegex, ignoreCase, wholeWord });
      assert.deepEqual(matches.map(({ key, line }) => `${key}:${line}`), expected);
    }),
    { seed: testSeed(), numRuns: 60 },
  );
});
