import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { cutBlocks } from '../../../src/ingest/chunking/blocks.ts';
import { chunkLines, MAX_CHUNK_CHARS, MAX_LINE_CHARS } from '../../../src/ingest/chunking/chunker.ts';
import type { OutlineSymbol } from '../../../src/ingest/syntax/outline.ts';
import { testSeed } from '../../support/random.ts';

const seed = testSeed();

function symbol(name: string, startLine: number, endLine: number, parent = -1, kind: OutlineSymbol['kind'] = 'function', leadLine = startLine): OutlineSymbol {
  return { name, qualified: name, kind, startLine, endLine, leadLine, parent };
}

/** `count` lines of about `width` characters. */
const lines = (count: number, width: number, tag = 'x'): string[] => Array.from({ length: count }, (_, i) => `  ${tag}${i} `.padEnd(width, '.'));

const shape = (all: readonly string[], symbols: readonly OutlineSymbol[]): string[] =>
  chunkLines(all, symbols).map((chunk) => `${chunk.kind} ${chunk.startLine}-${chunk.endLine} ${symbols[chunk.symbol]?.name ?? '-'}`);

test('a declaration of some size is one chunk; comments above it go with it', () => {
  const all = ['// doc', 'f {', ...lines(10, 100), '}', '', '// doc', 'g {', ...lines(10, 100), '}'];
  assert.deepEqual(shape(all, [symbol('f', 2, 13, -1, 'function', 1), symbol('g', 16, 27, -1, 'function', 15)]), ['declaration 1-13 f', 'declaration 15-27 g']);
});

test('small neighbours are merged and named by the largest of them', () => {
  const all = ['import a', '', 'f {', '}', '', 'g {', ...lines(3, 60), '}', '', 'h {', '}'];
  assert.deepEqual(shape(all, [symbol('f', 3, 4), symbol('g', 6, 10), symbol('h', 12, 13)]), ['group 1-13 g']);
});

test('a long class is cut at its methods; head and tail stay with them', () => {
  const all = ['class A {', '  field;', 'm {', ...lines(12, 100), '}', 'n {', ...lines(12, 100), '}', '}'];
  assert.deepEqual(shape(all, [symbol('A', 1, 31, -1, 'class'), symbol('field', 2, 2, 0, 'field'), symbol('m', 3, 16, 0, 'method'), symbol('n', 17, 30, 0, 'method')]), ['declaration 1-16 m', 'declaration 17-31 n']);
});

test('a long function without inner declarations is cut at blank lines', () => {
  const part = lines(9, 100);
  const all = ['f {', ...part, '', ...part, '', ...part, '}'];
  const chunks = chunkLines(all, [symbol('f', 1, all.length)]);
  assert.deepEqual(chunks.map(({ startLine, endLine }) => [startLine, endLine]), [[1, 10], [12, 20], [22, 31]]);
  assert.ok(chunks.every((chunk) => chunk.symbol === 0 && chunk.kind === 'declaration'));
});

test('text without declarations is cut into windows', () => {
  const chunks = chunkLines(lines(60, 100), [], 'window');
  assert.ok(chunks.length >= 4 && chunks.every((chunk) => chunk.kind === 'window' && chunk.symbol === -1 && chunk.text.length <= MAX_CHUNK_CHARS));
});

test('a long line stands alone and is cut short; a closing bracket never stands alone', () => {
  const [chunk] = chunkLines([`data = "${'x'.repeat(MAX_LINE_CHARS * 2)}"`], []);
  assert.equal(chunk?.text.length, MAX_LINE_CHARS);
  const full = chunkLines(['f {', ...lines(15, 98), '}'], [symbol('f', 1, 17)]);
  assert.deepEqual(full.map(({ startLine, endLine }) => [startLine, endLine]), [[1, 17]]);
});

test('declarations on one line, or that stick out of each other, are not cut out', () => {
  const all = ['class A { f {', ...lines(20, 100), '} } class B {', ...lines(20, 100), '}'];
  const chunks = chunkLines(all, [symbol('A', 1, 22, -1, 'class'), symbol('f', 1, 22, 0, 'method'), symbol('B', 22, 43, -1, 'class')]);
  assert.deepEqual(chunks.map((chunk) => chunk.text).join('\n'), all.join('\n'));
});

test(`any outline over any lines: every line once, in order (seed ${seed})`, () => {
  const line = fc.oneof(fc.constant(''), fc.constant('}'), fc.integer({ min: 1, max: 400 }).map((n) => 'a'.repeat(n)));
  const span = fc.tuple(fc.nat(120), fc.nat(60), fc.nat(4));
  fc.assert(
    fc.property(fc.array(line, { maxLength: 120 }), fc.array(span, { maxLength: 25 }), (all, spans) => {
      const symbols = spans
        .map(([start, length, lead]) => symbol('s', Math.min(start, all.length - 1) + 1, Math.min(start + length, all.length - 1) + 1, -1, 'function', Math.max(1, Math.min(start, all.length - 1) + 1 - lead)))
        .filter(({ startLine }) => startLine >= 1)
        .sort((a, b) => a.startLine - b.startLine || b.endLine - a.endLine);
      const covered = new Set<number>();
      let last = 0;
      for (const chunk of chunkLines(all, symbols)) {
        assert.ok(chunk.startLine > last);
        last = chunk.endLine;
        assert.equal(chunk.text, all.slice(chunk.startLine - 1, chunk.endLine).join('\n'));
        for (let i = chunk.startLine; i <= chunk.endLine; i++) covered.add(i);
      }
      all.forEach((text, i) => assert.ok(text === '' || covered.has(i + 1)));
    }),
    { seed, numRuns: 300 },
  );
});

test('blocks: cut after blank lines and closing brackets, where the indentation returns', () => {
  const all = ['a {', ...lines(6, 90, 'p'), '}', '', 'b {', ...lines(6, 90, 'q'), '}'];
  assert.deepEqual(cutBlocks(all, 0, all.length, 900), [{ start: 0, end: 9 }, { start: 9, end: 17 }]);
  const noBetter = lines(20, 90);
  assert.deepEqual(cutBlocks(noBetter, 0, 20, 910).map(({ start, end }) => end - start), [10, 10]);
  assert.deepEqual(cutBlocks(['x'.repeat(5000), 'y'], 0, 2, 100), [{ start: 0, end: 1 }, { start: 1, end: 2 }]);
  assert.deepEqual(cutBlocks([], 0, 0, 100), []);
});

test('blocks: an `else` or a closing bracket does not begin one', () => {
  const all = ['if x {', ...lines(7, 90, 'p'), '} else {', ...lines(7, 90, 'q'), '}'];
  const starts = cutBlocks(all, 0, all.length, 850).map(({ start }) => all[start]);
  assert.ok(!starts.includes('} else {'), starts.join(' | '));
});
