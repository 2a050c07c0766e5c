import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from '../support/cli.ts';
import { checkLeaks } from '../support/leaks.ts';
import { HIT, META, RUN, harness } from './cli-harness.ts';
import { WireError, never } from './fake-daemon.ts';

checkLeaks();

const EXPLAINED = { ...HIT, explain: { lanes: ['lexical', 'symbol'], features: { chunkMax: { value: 0.5, weight: 0.8 }, symDef: { value: 1, weight: 0.5 }, ePath: { value: 0, weight: 1 } }, penalty: 0.3 } };

const PLAIN = `src/log-writer.ts:10-13  LogWriter.frameRecord (method)  1.234
  10 | frameRecord(payload: Buffer): Buffer {
  11 | \tconst header = Buffer.alloc(8);
  12 | \treturn header;
  13 | }
`;

const COLOURED = [
  '\u001b[36msrc/log-writer.ts\u001b[39m:10-13  \u001b[1mLogWriter.frameRecord\u001b[22m \u001b[2m(method)\u001b[22m  \u001b[2m1.234\u001b[22m',
  '\u001b[2m  10 |\u001b[22m frameRecord(\u001b[1;33mpayload\u001b[22;39m: Buffer): Buffer {',
  '\u001b[2m  11 |\u001b[22m \tconst \u001b[1;33mheader\u001b[22;39m = Buffer.alloc(8);',
  '\u001b[2m  12 |\u001b[22m \treturn \u001b[1;33mheader\u001b[22;39m;',
  '\u001b[2m  13 |\u001b[22m }',
  '',
].join('\n');

test('[6.11] search prints the documented JSON', async (t) => {
  const { fake, run } = await harness(t);
  fake.answer('search/query', () => ({ hits: [HIT], meta: META }));
  const { code, stdout, stderr } = await run(['search', 'framed records', '--json']);
  assert.deepEqual([code, stderr], [0, '']);
  assert.deepEqual(JSON.parse(stdout), { hits: [HIT], meta: META });
});

test('plain text in a pipe, colour and marked words on a terminal', async (t) => {
  const { fake, run } = await harness(t);
  fake.answer('search/query', () => ({ hits: [HIT], meta: META }));
  assert.equal((await run(['search', 'how is the payload header'])).stdout, PLAIN);
  assert.equal((await run(['search', 'how is the payload header'], { tty: true })).stdout, COLOURED);
  assert.equal((await run(['search', 'how is the payload header'], { tty: true, env: { NO_COLOR: '1' } })).stdout, PLAIN);
  assert.equal((await run(['search', 'how is the payload header'], { tty: true, env: { TERM: 'dumb' } })).stdout, PLAIN);
  assert.equal((await run(['search', 'how is the payload header', '--color', 'always'])).stdout, COLOURED);
  assert.equal((await run(['search', 'how is the payload header', '--color', 'never'], { tty: true })).stdout, PLAIN);
});

test('[6.9] --explain shows lanes and what each feature gave', async (t) => {
  const { fake, run } = await harness(t);
  fake.answer('search/query', () => ({ hits: [EXPLAINED], meta: META }));
  const { stdout } = await run(['search', 'q', '--explain', '--lines', '0']);
  assert.equal(fake.requests.at(-1)?.params['explain'], true);
  assert.equal(stdout, `src/log-writer.ts:10-13  LogWriter.frameRecord (method)  1.234
    lanes: lexical, symbol  penalty × 0.3
      symDef         1.000 × 0.50 = 0.500
      chunkMax       0.500 × 0.80 = 0.400
`);
});

test('the lines of a long result are those with the words of the query', async (t) => {
  const { fake, run } = await harness(t);
  const snippet = Array.from({ length: 30 }, (_, i) => (i === 20 ? 'const checksum = crc(payload);' : `line ${i}`)).join('\n');
  fake.answer('search/query', () => ({ hits: [{ ...HIT, startLine: 100, endLine: 129, snippet }], meta: META }));
  const { stdout } = await run(['search', 'checksum payload', '--lines', '2']);
  assert.match(stdout, /\n {2}119 \| line 19\n {2}120 \| const checksum/);
});

test('filters and limits are passed on, and nothing that was not asked for', async (t) => {
  const { fake, run } = await harness(t);
  fake.answer('search/query', () => ({ hits: [HIT], meta: META }));
  await run(['search', 'q']);
  assert.deepEqual(Object.keys(fake.requests.at(-1)?.params ?? {}).sort(), ['query', 'root']);
  await run(['search', 'q', '-n', '7', '--lang', 'go,rust', '--lang', 'c', '--path', 'src/**/{a,b}.ts', '--path', '!test/**', '--kind', 'class', '--code-only', '--fresh', '--without', 'semantic', '--index', 'x']);
  assert.deepEqual(fake.requests.at(-1)?.params, {
    query: 'q', limit: 7, languages: ['go', 'rust', 'c'], paths: ['src/**/{a,b}.ts', '!test/**'], kinds: ['class'], codeOnly: true, fresh: true, without: ['semantic'], index: 'x',
  });
});

test('[6.5] nothing found is exit code 1 and said; in a degraded index it is 3, and why is said', async (t) => {
  const { fake, run } = await harness(t);
  fake.answer('search/query', () => ({ hits: [], meta: META }));
  const none = await run(['search', 'q']);
  assert.deepEqual([none.code, none.stdout, none.stderr], [1, '', 'nothing found\n']);
  fake.answer('search/query', () => ({ hits: [], meta: { ...META, state: 'degraded', reasons: ['segment seg-1 is quarantined'] } }));
  const degraded = await run(['search', 'q']);
  assert.equal(degraded.code, 3);
  assert.match(degraded.stderr, /the index is degraded; segment seg-1 is quarantined/);
});

test('[6.4, 6.5] an answer that is not complete says so', async (t) => {
  const { fake, run } = await harness(t);
  const lanes = [{ lane: 'semantic', used: false, reason: 'index has no vectors' }, { lane: 'symbol', used: false, reason: 'asked' }];
  fake.answer('search/query', () => ({ hits: [HIT], meta: { ...META, state: 'catching-up', pendingFiles: 3, lanes } }));
  const { code, stderr } = await run(['search', 'q']);
  assert.equal(code, 0);
  assert.equal(stderr, 'note: the index is catching-up; 3 changed files are not in it yet; no semantic search: index has no vectors\n');
});

test('[5.6] what is not indexed is indexed first, from the top of the work tree', async (t) => {
  const { fake, run, dir } = await harness(t);
  mkdirSync(join(dir, 'project', '.git'), { recursive: true });
  mkdirSync(join(dir, 'project', 'deep', 'er'), { recursive: true });
  fake.answer('search/query', ({ params }) => {
    if (params['index'] !== 'pebble') throw new WireError('NOT_FOUND', 'no index here');
    return { hits: [HIT], meta: META };
  });
  fake.answer('index/open', ({ socket, params }) => {
    fake.send(socket, { jsonrpc: '2.0', method: '$/progress', params: { token: params['progressToken'], value: { phase: 'index', done: 50, total: 200, unit: 'files', chunks: 1700, rate: 25, etaSeconds: 6 } } });
    return RUN;
  });
  const { code, stdout, stderr } = await run(['search', 'header'], { cwd: join(dir, 'project', 'deep', 'er'), tty: true, env: { NO_COLOR: '1' } });
  assert.equal(code, 0);
  assert.match(stdout, /log-writer/);
  const { root, wait } = fake.requests.find((request) => request.method === 'index/open')?.params ?? {};
  assert.deepEqual({ root, wait }, { root: join(dir, 'project'), wait: true });
  assert.match(stderr, /\[#{6}-{18}\] {2}25 % {2}50\/200 files {2}1,700 chunks {2}25 files\/s {2}6 s left/);
  assert.ok(stderr.endsWith('\r\u001b[2K'), 'the progress line is removed');
  assert.equal((await run(['search', 'header'], { cwd: join(dir, 'project') })).stderr, '', 'no progress in a pipe');
});

test('a first build that is still running is waited for', async (t) => {
  const { fake, run } = await harness(t);
  let built = false;
  fake.answer('search/query', () => ({ hits: built ? [HIT] : [], meta: { ...META, state: built ? 'ready' : 'indexing' } }));
  fake.answer('index/open', ({ params }) => {
    assert.equal(params['enclosing'], true);
    built = true;
    return RUN;
  });
  assert.equal((await run(['search', 'q'])).code, 0);
});

test('a whole home directory is not indexed unasked', async (t) => {
  const { fake, run, dir } = await harness(t);
  fake.answer('search/query', () => {
    throw new WireError('NOT_FOUND', 'no index here');
  });
  const { code, stderr } = await run(['search', 'q'], { env: { HOME: dir } });
  assert.equal(code, 2);
  assert.match(stderr, /too large a place to index unasked\nName the directory/);
});

test('--root names the index exactly', async (t) => {
  const { fake, run, dir } = await harness(t);
  fake.answer('index/open', () => RUN).answer('search/query', () => ({ hits: [HIT], meta: META }));
  await run(['search', 'q', '--root', 'sub']);
  assert.deepEqual(fake.requests.slice(1).map(({ method, params }) => [method, params]), [['index/open', { root: join(dir, 'sub') }], ['search/query', { query: 'q', index: 'pebble' }]]);
  fake.answer('index/open', () => {
    throw new WireError('ROOT_NOT_FOUND', '/x does not exist', { hint: 'Check the path.' });
  });
  const missing = await run(['search', 'q', '--root', '/x', '--json']);
  assert.equal(missing.code, 2);
  assert.deepEqual(JSON.parse(missing.stdout), { error: { code: 'ROOT_NOT_FOUND', message: '/x does not exist', retryable: false, hint: 'Check the path.' } });
});

test('control characters of files never reach the terminal', async (t) => {
  const { fake, run } = await harness(t);
  const evil = 'a\u001b]0;owned\u0007b\u009b31mc\u202ed\re\u007f';
  const hit = { ...HIT, path: `${evil}\n.ts`, snippet: `${evil}\nnext`, symbol: { name: evil, qualified: evil, kind: evil, line: 1 } };
  fake.answer('search/query', () => ({ hits: [hit], meta: { ...META, state: 'degraded', reasons: [evil] } }));
  const text = await run(['search', 'q'], { tty: true, env: { NO_COLOR: '1' } });
  assert.doesNotMatch(text.stdout + text.stderr, /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202e]/);
  assert.match(text.stdout, /a\u241b\]0;owned\u2407b\ufffd31mc\ufffdd\u240de\u2421/);
  const json = await run(['search', 'q', '--json']);
  assert.doesNotMatch(json.stdout, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
  assert.equal((JSON.parse(json.stdout) as { hits: { path: string }[] }).hits[0]?.path, hit.path, 'as JSON it is the same text');
});

test('an interrupt cancels the request and exits with 130, without an error message', async (t) => {
  const { fake, run } = await harness(t);
  fake.answer('search/query', never);
  const abort = new AbortController();
  const running = run(['search', 'q'], { signal: abort.signal });
  await until(() => fake.requests.some((request) => request.method === 'search/query'), 'it is asked');
  abort.abort();
  const { code, stdout, stderr } = await running;
  assert.deepEqual([code, stdout, stderr], [130, '', '']);
  await until(() => fake.cancelled.length === 1, 'the daemon is told');
});

test('an interrupt while indexing says that the daemon goes on', async (t) => {
  const { fake, run } = await harness(t);
  fake.answer('index/open', never);
  const abort = new AbortController();
  const running = run(['index', '.'], { signal: abort.signal });
  await until(() => fake.requests.some((request) => request.method === 'index/open'), 'it is asked');
  abort.abort();
  const { code, stdout, stderr } = await running;
  assert.deepEqual([code, stdout, stderr], [130, '', 'no longer waiting; the daemon goes on indexing: see cairn status\n']);
});

test('a daemon that is stopped while it indexes: no success, no interrupt of ours, and what to do', async (t) => {
  const { fake, run } = await harness(t);
  fake.answer('index/open', () => {
    throw new WireError('CANCELLED', 'the daemon is stopping');
  });
  const { code, stderr } = await run(['index', '.']);
  assert.deepEqual([code, stderr], [4, 'cairn: the daemon was stopped while it was indexing\nWhat is indexed stays; the same command goes on with the rest.\n']);
});

test('grep prints like grep, marks matches, and says when there is more', async (t) => {
  const { fake, run } = await harness(t);
  const match = { path: 'a.go', line: 7, column: 5, text: '\tfunc main() {', before: ['package x'], after: ['}', ''] };
  fake.answer('search/grep', () => ({ matches: [match, { ...match, path: 'b.go', before: [], after: [] }], truncated: true, filesSearched: 9, meta: META }));
  const { code, stdout, stderr } = await run(['grep', 'func m', '-C', '2', '-i', '-n', '2']);
  assert.equal(code, 0);
  assert.equal(stdout, 'a.go-6-package x\na.go:7:\tfunc main() {\na.go-8-}\na.go-9-\n--\nb.go:7:\tfunc main() {\n');
  assert.match(stderr, /more matches/);
  assert.deepEqual(fake.requests.at(-1)?.params, { pattern: 'func m', ignoreCase: true, context: 2, limit: 2, root: fake.requests.at(-1)?.params['root'] });
  assert.match((await run(['grep', 'FUNC', '-i'], { tty: true })).stdout, /\u001b\[1;33mfunc\u001b\[22;39m main/);
  fake.answer('search/grep', () => ({ matches: [match], truncated: true, filesSearched: 9, meta: { ...META, reasons: ['the answer is full at b.go'] } }));
  assert.match((await run(['grep', 'x'])).stderr, /the answer is full at b\.go/);
  fake.answer('search/grep', () => ({ matches: [], truncated: false, filesSearched: 1, meta: META }));
  const none = await run(['grep', '(?<weird', '-e']);
  assert.deepEqual([none.code, none.stderr], [1, 'nothing found in 1 file\n']);
});

test('[6.8] symbols lists definitions with kind and place', async (t) => {
  const { fake, run } = await harness(t);
  const symbol = { name: 'get', qualified: 'Params.Get', kind: 'method', path: 'tree.go', language: 'go', startLine: 3, endLine: 9 };
  fake.answer('search/symbols', () => ({ symbols: [symbol], meta: META }));
  assert.equal((await run(['symbols', 'get'])).stdout, 'tree.go:3-9  Params.Get (method, go)\n');
  assert.deepEqual(JSON.parse((await run(['symbols', 'get', '--json'])).stdout), { symbols: [symbol], meta: META });
});
