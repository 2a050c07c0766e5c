/** What a user expects of the order of hits, each on a corpus of a few lines. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { search } from '../../src/query/search.ts';
import { corpus, embedTopics, filesOf, hitsOf, topicVectors } from './search-fixture.ts';

const MENTIONS = 'import { RetryPolicy } from "./x";\nRetryPolicy; RetryPolicy; RetryPolicy; new RetryPolicy(RetryPolicy);';

test('[6.7] the definition of a symbol ranks before files that mention it more often', () => {
  const snapshot = corpus({ 'client.ts': MENTIONS, 'server.ts': MENTIONS, 'policy/backoff.ts': 'const a = 1;\n\nexport class RetryPolicy {}\n\nconst b = 2;' });
  const [first] = hitsOf(snapshot, 'RetryPolicy');
  assert.equal(first?.key, 'policy/backoff.ts');
  assert.equal(first?.startLine, 3, 'the chunk with the definition is shown');
  assert.equal(first?.symbol?.name, 'RetryPolicy');
});

test('a name in a sentence does not decide which part of a file is shown: what is said of it does', () => {
  const client = [
    'export class HttpClient {', '  readonly base: string;', '  readonly headers: Map<string, string>;', '', '}', '',
    'function parseUrl(text: string): Url {', '  return new Url(text);', '}', '',
    'function followRedirect(response: Response): Request {', '  return requestFor(response.headers.get("location"));', '}',
  ].join('\n');
  const users = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`src/users/u${i}.ts`, 'import { HttpClient } from "../client.ts";\nconst http = new HttpClient(client);']));
  const snapshot = corpus({ ...users, 'src/client.ts': client, 'src/url.ts': 'export class Url {}' });
  const shown = (query: string): string | undefined => hitsOf(snapshot, query).find(({ key }) => key === 'src/client.ts')?.text.split('\n')[0];
  assert.match(shown('how does HttpClient follow redirects') ?? '', /followRedirect/);
  assert.match(shown('HttpClient') ?? '', /class HttpClient/);
  assert.match(shown('HttpClient class') ?? '', /class HttpClient/);
  assert.match(shown('HttpClient headers') ?? '', /class HttpClient/);
});

test('the part that declares a name made of the words stands above one that repeats them', () => {
  const snapshot = corpus({ 'src/cookies.ts': 'function load() {\n  build(); cookie; header; cookie; header; cookie; header;\n}\n\nfunction buildCookieHeader() {\n  return [...jar].map(text).join(sep);\n}' });
  assert.match(hitsOf(snapshot, 'build the header of a cookie for a request')[0]?.text ?? '', /buildCookieHeader/);
});

test('[6.7] an exact definition ranks first even when it lies in a test or an example', () => {
  const snapshot = corpus({ 'src/a.ts': MENTIONS, 'src/b.ts': MENTIONS, 'test/helpers/fake.ts': 'export class RetryPolicy {}' });
  assert.equal(filesOf(snapshot, 'RetryPolicy')[0], 'test/helpers/fake.ts');
});

test('[6.7] files that define a name rank before one that only bears it and uses it', () => {
  const uses = 'const runtime = start();\nspawnBlocking(() => work()); spawnBlocking(() => spawnBlocking());';
  const files = { 'bin/spawnBlocking.ts': uses, 'src/runtime/task/pool.ts': 'export function spawnBlocking() {}', 'src/deep/er/handle.ts': 'export function spawnBlocking() { pool() }' };
  const snapshot = corpus(files);
  assert.deepEqual(filesOf(snapshot, 'spawnBlocking').slice(0, 2).sort(), ['src/deep/er/handle.ts', 'src/runtime/task/pool.ts']);
  assert.equal(filesOf(snapshot, 'spawnBlocking')[2], 'bin/spawnBlocking.ts');
  assert.equal(filesOf(corpus({ 'src/a.ts': uses, 'bin/spawnBlocking.ts': 'start()' }), 'spawnBlocking')[0], 'bin/spawnBlocking.ts', 'where nobody defines it, the file of that name');
});

test('[6.7] the one file that holds a rare word ranks first, above files that only resemble it', () => {
  const resembling = Object.fromEntries(Array.from({ length: 8 }, (_, i) => [`net/socket${i}.ts`, `listen(network); connect(socket); // http ${i}`]));
  const snapshot = corpus({ ...resembling, 'deep/in/tests/fixtures/list_test.go': '// socketfrobnicate stands here\nfunc other() {}' }, { embed: embedTopics });
  const query = 'socketfrobnicate';
  assert.equal(filesOf(snapshot, query, {}, topicVectors('socket connect listen'))[0], 'deep/in/tests/fixtures/list_test.go');
  assert.equal(filesOf(snapshot, query)[0], 'deep/in/tests/fixtures/list_test.go');
});

test('[6.5] words that nothing holds or resembles find nothing, and the lane says so', () => {
  const snapshot = corpus({ 'a.ts': 'parse the grammar', 'b.ts': 'listen on a socket' }, { embed: (text) => Float32Array.of(1, text.length / 1e6) });
  const far = { vector: Float32Array.of(0.2, -1), pathVector: Float32Array.of(0.2, -1) };
  const near = { vector: Float32Array.of(1, 0.1), pathVector: Float32Array.of(1, 0.1) };
  const answer = search(snapshot, { query: 'zzzzqqqq', limit: 10 }, far);
  assert.deepEqual(answer.hits, []);
  assert.equal(answer.lanes.find(({ lane }) => lane === 'semantic')?.reason, 'nothing near the query');
  assert.equal(search(snapshot, { query: 'zzzzqqqq', limit: 10 }, near).hits.length, 2, 'a near vector answers where words do not');
  assert.equal(search(snapshot, { query: 'grammar', limit: 10 }, far).hits[0]?.key, 'a.ts', 'a word answers where vectors do not');
});

test('a changelog comes after the code, unless it is asked for', () => {
  const files = { 'History.md': '* static file serving: fixed\n* serving static files: faster\n* static file serving: added', 'lib/http/send.ts': 'export function send(file) { pipe(open(file)); } // serving of a static file' };
  assert.equal(filesOf(corpus(files), 'serving of static files')[0], 'lib/http/send.ts');
  assert.equal(filesOf(corpus(files), 'history of serving static files')[0], 'History.md');
});

test('[6.7] an exact file name, with or without its folder, ranks first', () => {
  const files = { 'src/wal.ts': 'a', 'src/http/router.ts': 'b', 'docs/router.md': 'router.ts router.ts router.ts router router', 'src/app.ts': 'import "./http/router.ts"; // router.ts router.ts' };
  for (const query of ['router.ts', 'http/router.ts', './src/http/router.ts']) assert.equal(filesOf(corpus(files), query)[0], 'src/http/router.ts', query);
  assert.equal(filesOf(corpus(files), 'where is router.ts')[0], 'src/http/router.ts');
  assert.ok(filesOf(corpus(files), 'wal').includes('src/wal.ts'));
});

test('[6.7] a qualified name finds the member of that class, not its namesake', () => {
  const snapshot = corpus({ 'a.ts': 'export class Reader {}\n\nfunction open() {}', 'engine.ts': 'export class Engine {}\n\nfunction open() {}' });
  const names = search(snapshot, { query: 'Engine.open', limit: 5 }, null).hits.map(({ key }) => key);
  assert.ok(names.includes('engine.ts'));
});

test('file names count: the file that is about the subject beats one that repeats the words', () => {
  const snapshot = corpus({
    'src/rate-limiter.ts': 'export class Bucket {}\nfunction take() {}',
    'src/config.ts': 'const rate = 1;\nconst limiter = rate; // rate limiter rate limiter',
  });
  assert.equal(filesOf(snapshot, 'rate limiter')[0], 'src/rate-limiter.ts');
});

test('a capitalised word of a sentence counts less than a name', () => {
  const snapshot = corpus({
    'src/media.ts': 'export class Media {}\nexport interface Other { size: number }\n',
    'src/player.ts': 'export class Player { play(): void {} }\n',
  });
  const worth = (query: string, feature: string): number | undefined =>
    hitsOf(snapshot, query, { explain: true }).find(({ key }) => key === 'src/media.ts')?.explain?.features[feature]?.value;
  for (const feature of ['symbolDefinition', 'symbolStem']) {
    assert.equal(worth('Media', feature), 1);
    assert.equal(worth('Media player', feature), 0.5);
  }
});

test('test files come after sources, unless the query or the filter asks for them', () => {
  const text = 'function flushSegment() { writeSegment(); }';
  const snapshot = corpus({ 'src/flush.ts': text, 'test/flush.test.ts': `${text}\n// flush segment flush segment` });
  assert.equal(filesOf(snapshot, 'how a segment is flushed')[0], 'src/flush.ts');
  assert.equal(filesOf(snapshot, 'tests of flushing a segment')[0], 'test/flush.test.ts');
  assert.deepEqual(filesOf(snapshot, 'flush segment', { filters: { paths: ['test/**'] } }), ['test/flush.test.ts']);
  const explained = hitsOf(snapshot, 'flush segment', { filters: { paths: ['test/**'] }, explain: true })[0];
  assert.equal(explained?.explain?.penalty, 1);
});

test('of two files for two systems the one for Windows comes second, unless the query names it', () => {
  const text = 'int tty_set_mode(int mode) { return raw_mode(mode); }';
  const snapshot = corpus({ 'src/unix/tty.c': text, 'src/win/tty.c': `${text}\n// tty raw mode` });
  assert.equal(filesOf(snapshot, 'raw mode of the tty')[0], 'src/unix/tty.c');
  assert.equal(filesOf(snapshot, 'raw mode of the tty on Windows')[0], 'src/win/tty.c');
  assert.equal(filesOf(snapshot, 'raw mode of the tty', { filters: { paths: ['src/win/**'] } })[0], 'src/win/tty.c');
});

test('the name of the project says next to nothing, unless it is all that is asked for', () => {
  const files = { 'src/zls.ts': 'export const zls = 1; // zls zls references', 'src/features/references.ts': 'export function findReferences() {} // for zls' };
  const projectTerms = ['zls'];
  assert.equal(filesOf(corpus(files), 'how zls finds references', { projectTerms })[0], 'src/features/references.ts');
  assert.equal(filesOf(corpus(files), 'zls', { projectTerms })[0], 'src/zls.ts');
  const exact = (terms: readonly string[]): number | undefined =>
    hitsOf(corpus(files), 'zls references', { projectTerms: terms, explain: true }).find(({ key }) => key === 'src/zls.ts')?.explain?.features.stemExact?.value;
  assert.equal(exact([]), 1);
  assert.ok((exact(projectTerms) ?? 0) === 0);
});

test('[6.7] quoted phrases are required, as whole words, in any case', () => {
  const snapshot = corpus({ 'a.ts': 'the torn tail of a log', 'b.ts': 'the tail is torn', 'c.ts': 'Torn Tail!', 'd.ts': 'untorn tail', 'e.ts': 'torn tails' });
  assert.deepEqual(filesOf(snapshot, '"torn tail"').sort(), ['a.ts', 'c.ts']);
  assert.deepEqual(filesOf(snapshot, 'log "torn tail"')[0], 'a.ts');
  assert.deepEqual(filesOf(snapshot, '"tail of" "torn tail"'), ['a.ts']);
  assert.deepEqual(filesOf(snapshot, '"no such words here"'), []);
  assert.deepEqual(filesOf(snapshot, 'log "=>"'), ['a.ts'], 'quoted punctuation is no phrase');
  assert.ok(filesOf(snapshot, 'torn "tail').length > 2, 'a lone quote is no phrase');
});

test('[6.7] a phrase finds identifiers in any casing, also where the stem differs', () => {
  const snapshot = corpus({ 'a.ts': 'readFile now', 'b.ts': 'READFILE now', 'c.ts': 'reads file now' });
  assert.deepEqual(filesOf(snapshot, '"readfile now"').sort(), ['a.ts', 'b.ts']);
});

test('the semantic lane finds what shares no word with the query', () => {
  const files = { 'log/tail.ts': 'function cutTornTail() { replay(); recover(); }', 'ui/view.ts': 'function draw() { paint(); }', 'net/server.ts': 'function listen() { socket(); }' };
  const snapshot = corpus(files, { embed: embedTopics });
  assert.equal(filesOf(snapshot, 'what happens after a failure', {}, topicVectors('what happens after a failure'))[0], 'log/tail.ts');
  assert.deepEqual(filesOf(snapshot, 'failure'), [], 'without vectors nothing matches');
});

test('further chunks of one file come at a fraction, and not before other good files', () => {
  const chunk = 'function parseHeader() { header(); }';
  const snapshot = corpus({ 'big.ts': Array(6).fill(chunk).join('\n\n'), 'small.ts': chunk });
  const hits = hitsOf(snapshot, 'parse header');
  assert.deepEqual(new Set(hits.slice(0, 2).map(({ key }) => key)), new Set(['big.ts', 'small.ts']));
  const big = hits.filter(({ key }) => key === 'big.ts');
  assert.equal(big.length, 5, 'one chunk and four more');
  assert.ok((big[1]?.score as number) <= 0.3 * (big[0]?.score as number) + 1e-9);
});

test('[6.9] explain tells lanes, feature values and weights that add up to the score', () => {
  const snapshot = corpus({ 'src/wal.ts': 'export class WalWriter {}', 'src/b.ts': 'wal writer' }, { embed: embedTopics });
  const { hits } = search(snapshot, { query: 'wal writer', limit: 5, explain: true }, topicVectors('wal writer'));
  const explain = hits[0]?.explain;
  assert.ok(explain !== undefined);
  assert.ok(explain.lanes.includes('lexical') && explain.lanes.includes('path'));
  const sum = Object.values(explain.features).reduce((total, { value, weight }) => total + value * weight, 0);
  assert.ok(Math.abs(sum * explain.penalty - (hits[0]?.score as number)) < 1e-9);
  assert.equal(hitsOf(snapshot, 'wal writer')[0]?.explain, undefined);
});

test('[6.5] every lane is reported, with the reason why it was not used', () => {
  const plain = corpus({ 'a.ts': 'wal' });
  const withVectors = corpus({ 'a.ts': 'wal' }, { embed: embedTopics });
  const report = (...args: Parameters<typeof search>): unknown => Object.fromEntries(search(...args).lanes.map(({ lane, used, reason }) => [lane, used || reason]));
  assert.deepEqual(report(plain, { query: 'wal', limit: 1 }, null), { lexical: true, semantic: 'no embedder', symbol: true, path: true });
  assert.deepEqual(report(plain, { query: 'wal', limit: 1 }, topicVectors('wal')), { lexical: true, semantic: 'index has no vectors', symbol: true, path: true });
  assert.deepEqual(report(withVectors, { query: '🪨', limit: 1, without: ['path'] }, topicVectors('x')), { lexical: 'the query has no words', semantic: true, symbol: true, path: 'asked' });
});

test('a lane that is left out contributes nothing', () => {
  const snapshot = corpus({ 'router.ts': 'x', 'b.ts': 'router router', 'c.ts': 'function router() {}' }, { embed: embedTopics });
  const lanes = (without: 'lexical' | 'path' | 'symbol'): string[] =>
    hitsOf(snapshot, 'router', { without: [without, 'semantic'], explain: true }).flatMap(({ explain }) => [...(explain?.lanes ?? [])]);
  for (const lane of ['lexical', 'path', 'symbol'] as const) assert.ok(!lanes(lane).includes(lane), lane);
  assert.deepEqual(filesOf(snapshot, 'router', { without: ['semantic', 'symbol', 'lexical'] }), ['router.ts']);
});

test('a repository word in the stem of several languages is found by stem, plural and case', () => {
  const snapshot = corpus({ 'lib/HttpClients.rb': 'x', 'lib/http_client.py': 'x', 'lib/other.py': 'HttpClient HttpClient' });
  assert.deepEqual(filesOf(snapshot, 'HttpClient').slice(0, 2).sort(), ['lib/HttpClients.rb', 'lib/http_client.py']);
});
