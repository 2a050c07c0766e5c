/** Odd queries, dead docs, many parts: the answer is exact, the same however docs are stored, and never an accident. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { warmColumns } from '../../src/query/part-columns.ts';
import { search } from '../../src/query/search.ts';
import type { SearchRequest } from '../../src/query/types.ts';
import { seededRandom, testSeed } from '../support/random-docs.ts';
import { SimplePart, snapshotOf } from '../support/simple-part.ts';
import { sourceDoc } from '../support/source-doc.ts';
import { corpus, embedTopics, filesOf, hitsOf, topicVectors } from './search-fixture.ts';

const seed = testSeed();
const WORDS = ['wal', 'segment', 'flush', 'parse', 'token', 'socket', 'Reader', 'readFile', 'class', 'paint', 'x', 'manifest', 'crash'];

function randomDocs(random: () => number, count: number): ReturnType<typeof sourceDoc>[] {
  const pick = (): string => WORDS[Math.floor(random() * WORDS.length)] as string;
  return Array.from({ length: count }, (_, i) => {
    const lines = Array.from({ length: 3 + Math.floor(random() * 12) }, () => {
      const kind = random();
      return kind < 0.2 ? `class ${pick()}${pick()} {}` : kind < 0.35 ? '' : kind < 0.5 ? `// ${pick()} ${pick()}` : `${pick()} ${pick()} ${pick()}`;
    });
    return sourceDoc(`${random() < 0.2 ? 'test' : 'src'}/${pick()}/${pick()}${i}.ts`, lines.join('\n'), { embed: embedTopics });
  });
}

const QUERIES = ['flush the segment', 'ReaderReader', 'wal', 'how is a token parsed', 'readFile manifest', 'class x', '"wal segment"', 'crash', 'paint socket crash'];

test('[3.6] splitting the same docs over any number of parts, in any order, gives identical results', () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 7 }), (docSeed, partCount) => {
      const random = seededRandom(docSeed);
      const docs = randomDocs(random, 40);
      const whole = snapshotOf([new SimplePart(docs)]);
      const shuffled = docs.map((doc) => ({ doc, at: random() })).sort((a, b) => a.at - b.at).map(({ doc }) => doc);
      const groups = Array.from({ length: partCount }, (_, p) => shuffled.filter((_doc, i) => i % partCount === p));
      const split = snapshotOf([new SimplePart([]), ...groups.map((group) => new SimplePart(group))]);
      for (const query of QUERIES) {
        for (const vectors of [null, topicVectors(query)]) {
          const request = { query, limit: 25, explain: true };
          assert.deepEqual(flat(search(split, request, vectors)), flat(search(whole, request, vectors)), query);
        }
      }
    }),
    { seed, numRuns: 15 },
  );
});

/** Lanes are sets; their order is no part of the result. */
function flat({ hits, candidates }: ReturnType<typeof search>): unknown {
  return { candidates, hits: hits.map((hit) => ({ ...hit, explain: { ...hit.explain, lanes: [...(hit.explain?.lanes ?? [])].sort() } })) };
}

test('[0.17] dead docs are not counted and not shown: the answer is that of an index without them', () => {
  const random = seededRandom(seed);
  const docs = randomDocs(random, 60);
  const dead = docs.flatMap((_, i) => (random() < 0.4 ? [i] : []));
  const buried = snapshotOf([new SimplePart(docs)], [dead]);
  const clean = snapshotOf([new SimplePart(docs.filter((_, i) => !dead.includes(i)))]);
  for (const query of QUERIES) {
    const request = { query, limit: 50, explain: true };
    for (const vectors of [null, topicVectors(query)]) assert.deepEqual(flat(search(buried, request, vectors)), flat(search(clean, request, vectors)), query);
  }
});

test('[1.61] a view of a part that has grown since sees only its own docs', () => {
  const docs = [sourceDoc('a.ts', 'class Wal {}\n\nwal'), sourceDoc('b.ts', 'class Wal {}\n\nwal wal'), sourceDoc('wal.ts', 'wal')];
  const part = new SimplePart(docs);
  const full = snapshotOf([part]);
  const view = { ...(full.parts[0] as (typeof full.parts)[number]), docCount: 1, chunkCount: part.chunkStart(1), liveDocs: 1, liveChunks: part.chunkStart(1) };
  const old = { ...full, parts: [view] };
  const alone = corpus({ 'a.ts': 'class Wal {}\n\nwal' });
  for (const query of ['wal', 'Wal', '"wal"']) assert.deepEqual(hitsOf(old, query), hitsOf(alone, query));
});

test('equal scores are ordered by key, then by line, and repeated searches agree', () => {
  const snapshot = corpus({ 'c.ts': 'wal', 'a.ts': 'wal\n\nwal', 'b.ts': 'wal' });
  assert.deepEqual(filesOf(snapshot, 'wal', { without: ['symbol'] }), filesOf(snapshot, 'wal', { without: ['symbol'] }));
  const equal = corpus({ 'c.ts': 'wal', 'a.ts': 'wal', 'b.ts': 'wal' });
  assert.deepEqual(filesOf(equal, 'wal'), ['a.ts', 'b.ts', 'c.ts']);
});

test('an empty query is refused with a hint, an impossible limit too', () => {
  const snapshot = corpus({ 'a.ts': 'wal' });
  for (const query of ['', '   ', '\n\t']) assert.throws(() => hitsOf(snapshot, query), (error: { code: string; hint: string }) => error.code === 'INVALID_ARGUMENT' && error.hint.length > 0);
  for (const limit of [0, -1, 1.5, 1001, Number.NaN]) assert.throws(() => hitsOf(snapshot, 'wal', { limit }), { code: 'INVALID_ARGUMENT' });
});

test('stop words alone, emoji, CJK, 10 KB of text and odd characters are answered', () => {
  const snapshot = corpus({ 'a.ts': 'the use of it all', 'b.ts': '// 検索エンジン', 'c.ts': 'wal segment', 'd.ts': 'größe' }, { embed: embedTopics });
  assert.deepEqual(filesOf(snapshot, 'the use of'), ['a.ts']);
  assert.deepEqual(filesOf(snapshot, '検索'), ['b.ts']);
  assert.deepEqual(filesOf(snapshot, 'Größe'), ['d.ts']);
  assert.deepEqual(filesOf(snapshot, '🪨💥'), []);
  assert.equal(search(snapshot, { query: '🪨💥', limit: 5 }, topicVectors('🪨')).lanes.find(({ lane }) => lane === 'semantic')?.used, true);
  const long = `${Array.from({ length: 900 }, (_, i) => `filler${i} word`).join(' ')} segment`;
  assert.ok(long.length > 10_000);
  assert.deepEqual(filesOf(corpus({ 'c.ts': 'wal segment', 'e.ts': 'nothing' }), `segment ${long}`), ['c.ts']);
  for (const query of ['\u0000', '\ud800', '((((', '[a-', '"', '""', '::', '.', '/', '__proto__', 'constructor', 'a'.repeat(10_000), '*'.repeat(500)]) {
    assert.doesNotThrow(() => hitsOf(snapshot, query), JSON.stringify(query.slice(0, 20)));
  }
});

test('an empty index and an index of files without chunks have no hits', () => {
  const empty = { ...sourceDoc('bin.ts', ''), chunks: [] };
  for (const snapshot of [snapshotOf([]), snapshotOf([new SimplePart([])]), snapshotOf([new SimplePart([empty])])]) {
    assert.deepEqual(hitsOf(snapshot, 'bin'), []);
    assert.deepEqual(hitsOf(snapshot, 'bin.ts', {}, topicVectors('bin')), []);
  }
});

test('a cancelled search says so, and the next one is not disturbed', () => {
  const snapshot = corpus({ 'a.ts': 'wal' });
  assert.throws(() => search(snapshot, { query: 'wal', limit: 1 }, null, AbortSignal.abort()), { code: 'CANCELLED' });
  assert.deepEqual(filesOf(snapshot, 'wal'), ['a.ts']);
});

test('[0.20] an error in one search leaves no trace in the next', () => {
  const docs = [sourceDoc('a.ts', 'wal segment\n\nwal'), sourceDoc('b.ts', 'wal')];
  const good = snapshotOf([new SimplePart(docs)]);
  const expected = hitsOf(good, 'wal segment');
  class Broken extends SimplePart {
    override chunkText(): string {
      throw new Error('block is damaged');
    }
  }
  assert.throws(() => hitsOf(snapshotOf([new Broken(docs)]), 'wal segment'), /damaged/);
  assert.deepEqual(hitsOf(good, 'wal segment'), expected);
});

test('warming a snapshot changes no answer, and can be cancelled', async () => {
  const docs = randomDocs(seededRandom(seed), 30);
  const expected = hitsOf(snapshotOf([new SimplePart(docs)]), 'flush segment');
  const warm = snapshotOf([new SimplePart(docs.slice(0, 10)), new SimplePart(docs.slice(10))]);
  await warmColumns(warm);
  assert.deepEqual(hitsOf(warm, 'flush segment'), expected);
  await assert.rejects(warmColumns(warm, AbortSignal.abort()), { code: 'CANCELLED' });
});

test('requests are not changed', () => {
  const request: SearchRequest = Object.freeze({ query: 'wal', limit: 3, filters: Object.freeze({ languages: Object.freeze(['typescript']), paths: Object.freeze(['*.ts']) }) });
  assert.doesNotThrow(() => search(corpus({ 'a.ts': 'wal' }), request, null));
});
