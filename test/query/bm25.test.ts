import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { DocRecord } from '../../src/format/doc.ts';
import type { Snapshot } from '../../src/index/snapshot.ts';
import { compileFilter } from '../../src/query/filters.ts';
import { collectTops, scoreText } from '../../src/query/lexical.ts';
import { withScratch } from '../../src/query/scratch.ts';
import { openParts, sumTotals, termStatistics } from '../../src/query/statistics.ts';
import { testSeed } from '../support/random-docs.ts';
import { SimplePart, snapshotOf } from '../support/simple-part.ts';
import { sourceDoc } from '../support/source-doc.ts';

const WORDS = ['wal', 'log', 'segment', 'flush', 'reader', 'manifest', 'readFile', 'x'];

/** Okapi BM25 as in the textbook, over texts that are a chunk's terms plus the terms of its path. k1 1.2, b .75. */
function textbook(docs: readonly DocRecord[], terms: readonly string[]): Map<string, number> {
  const texts = docs.flatMap((doc) => doc.chunks.map((chunk) => {
    const counts = new Map(chunk.terms);
    for (const [term, weight] of doc.pathTerms) counts.set(term, (counts.get(term) ?? 0) + weight);
    return { id: `${doc.key}:${chunk.startLine}`, counts, length: [...counts.values()].reduce((a, b) => a + b, 0) };
  }));
  const average = texts.reduce((sum, { length }) => sum + length, 0) / texts.length;
  const scores = new Map<string, number>();
  for (const { id, counts, length } of texts) {
    let score = 0;
    for (const term of terms) {
      const frequency = counts.get(term) ?? 0;
      const holding = texts.filter((text) => text.counts.has(term)).length;
      const idf = Math.log(1 + (texts.length - holding + 0.5) / (holding + 0.5));
      score += (idf * frequency * 2.2) / (frequency + 1.2 * (0.25 + (0.75 * length) / average));
    }
    if (score > 0) scores.set(id, score);
  }
  return scores;
}

function ours(snapshot: Snapshot, terms: readonly string[]): Map<string, number> {
  const parts = openParts(snapshot, compileFilter(undefined));
  return withScratch(parts, (scratch) => {
    const totals = sumTotals(parts);
    terms.forEach((term, bit) => scoreText(parts, termStatistics(parts, term, 1, scratch, false), bit, totals, scratch));
    const scores = new Map<string, number>();
    for (const { part, chunkBase, chunkCount } of parts) {
      for (let chunk = 0; chunk < chunkCount; chunk++) {
        const score = scratch.chunkScores[chunkBase + chunk] as number;
        const row = part.chunk(chunk);
        if (score > 0) scores.set(`${part.docKey(row.doc)}:${row.startLine}`, score);
      }
    }
    return scores;
  });
}

const file = fc.record({
  path: fc.array(fc.constantFrom('wal', 'log', 'src', 'readFile', 'x'), { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/')),
  text: fc.array(fc.oneof(fc.constantFrom(...WORDS), fc.constantFrom('\n\n', '\n')), { minLength: 1, maxLength: 40 }).map((words) => words.join(' ')),
  part: fc.nat(3),
  isDead: fc.boolean(),
});

test('[4.13] BM25 over body plus path terms equals the textbook formula, over several parts with deletions', () => {
  fc.assert(
    fc.property(fc.array(file, { minLength: 1, maxLength: 20 }), (files) => {
      const docs = files.map(({ path, text }, i) => sourceDoc(`${path}${i}.ts`, text));
      const groups = [0, 1, 2, 3].map((p) => docs.filter((_, i) => files[i]?.part === p));
      const dead = [0, 1, 2, 3].map((p) => files.filter(({ part }) => part === p).flatMap(({ isDead }, i) => (isDead ? [i] : [])));
      const live = docs.filter((_, i) => files[i]?.isDead === false);
      const terms = ['wal', 'log', 'readfile', 'read', 'segment', 'absent'];
      const expected = textbook(live, terms);
      const actual = ours(snapshotOf(groups.map((group) => new SimplePart(group)), dead), terms);
      assert.deepEqual([...actual.keys()].sort(), [...expected.keys()].sort());
      for (const [id, score] of expected) assert.ok(Math.abs((actual.get(id) as number) - score) < 1e-4 * score, `${id}: ${actual.get(id)} is not ${score}`);
    }),
    { seed: testSeed(), numRuns: 200 },
  );
});

test('[4.13] a word that only the path has still scores, in every chunk of the file', () => {
  const docs = [sourceDoc('manifest.ts', 'a\n\nb'), sourceDoc('other.ts', 'a\n\nb')];
  assert.deepEqual([...ours(snapshotOf([new SimplePart(docs)]), ['manifest']).keys()], ['manifest.ts:1', 'manifest.ts:3']);
});

test('[4.13] counts of a common word that are kept follow deletions and new docs', () => {
  const docs = Array.from({ length: 700 }, (_, i) => sourceDoc(`f${i}.ts`, i % 7 === 0 ? 'wal\n\nlog wal' : 'wal log'));
  const part = new SimplePart(docs);
  const dead = Array.from({ length: 100 }, (_, i) => 3 * i);
  for (const gone of [[], dead, dead.slice(0, 50), []]) {
    const live = docs.filter((_, i) => !gone.includes(i));
    const expected = textbook(live, ['wal']);
    const actual = ours(snapshotOf([part], [gone]), ['wal']);
    assert.equal(actual.size, expected.size);
    for (const [id, score] of expected) assert.ok(Math.abs((actual.get(id) as number) - score) < 1e-4 * score, `${gone.length} deleted, ${id}: ${actual.get(id)} is not ${score}`);
  }
});

test('the best three chunks of each doc are those that sorting finds, over several parts', () => {
  fc.assert(
    fc.property(fc.array(file, { minLength: 1, maxLength: 20 }), (files) => {
      const docs = files.map(({ path, text }, i) => sourceDoc(`${path}${i}.ts`, text));
      const parts = openParts(snapshotOf([0, 1, 2, 3].map((p) => new SimplePart(docs.filter((_, i) => files[i]?.part === p)))), compileFilter(undefined));
      withScratch(parts, (scratch) => {
        const totals = sumTotals(parts);
        ['wal', 'log', 'x'].forEach((term, bit) => scoreText(parts, termStatistics(parts, term, 1, scratch, false), bit, totals, scratch));
        collectTops(parts, scratch);
        const found = new Set(scratch.docs.ids.subarray(0, scratch.docs.count));
        for (const { part, docBase, chunkBase, docCount } of parts) {
          for (let doc = 0; doc < docCount; doc++) {
            const scores = [...scratch.chunkScores.subarray(chunkBase + part.chunkStart(doc), chunkBase + part.chunkStart(doc + 1))].sort((a, b) => b - a);
            const at = 3 * (docBase + doc);
            assert.deepEqual([...scratch.docTop.subarray(at, at + 3)], [...scores, 0, 0, 0].slice(0, 3));
            assert.equal(found.has(docBase + doc), (scores[0] ?? 0) > 0);
          }
        }
      });
    }),
    { seed: testSeed(), numRuns: 100 },
  );
});
