import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { isBlank, SourceText } from '../../src/ingest/source-text.ts';
import { testSeed } from '../support/random.ts';

const seed = testSeed();

test('lines end at LF or CRLF; a last line without one counts, an empty rest does not', () => {
  const lines = (text: string): readonly string[] => new SourceText(text).lines;
  assert.deepEqual(lines(''), []);
  assert.deepEqual(lines('a'), ['a']);
  assert.deepEqual(lines('a\n'), ['a']);
  assert.deepEqual(lines('a\r\nb\r\n'), ['a', 'b']);
  assert.deepEqual(lines('\n\na'), ['', '', 'a']);
  assert.deepEqual(lines('a\rb\n\r\n'), ['a\rb', '']);
});

test(`the line of an offset (seed ${seed})`, () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('a', '\n', '\r\n', ' '), { minLength: 1, maxLength: 60 }).map((list) => list.join('')), fc.nat(200), (text, at) => {
      const offset = at % text.length;
      assert.equal(new SourceText(text).lineAt(offset), text.slice(0, offset).split('\n').length);
    }),
    { seed, numRuns: 300 },
  );
});

test('the last line of a span, and what stands around it on its lines', () => {
  const source = new SourceText('  /// doc\nfn f() {}  \n');
  assert.equal(source.lastLineOf(2, 10), 1, 'a span that includes its line feed ends on its own line');
  assert.equal(source.lastLineOf(10, 19), 2);
  assert.deepEqual([source.startsLine(2), source.startsLine(4), source.startsLine(10)], [true, false, true]);
  assert.deepEqual([source.endsLine(9), source.endsLine(10), source.endsLine(19), source.endsLine(14)], [true, true, true, false]);
});

test('blank lines', () => {
  assert.deepEqual(['', ' \t', '\u00a0', 'x'].map(isBlank), [true, true, true, false]);
});
