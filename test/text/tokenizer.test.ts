import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { identifierParts } from '../../src/text/split.ts';
import { stem } from '../../src/text/stemmer.ts';
import { countTerms, eachWord, MAX_WORD_LENGTH, queryTerms, textTerms, textWords, wordTerms } from '../../src/text/tokenizer.ts';
import { testSeed } from '../support/random-docs.ts';

const seed = testSeed();

test('an identifier is indexed whole and in parts', () => {
  assert.deepEqual(textTerms('parseHTTPHeader'), ['parsehttpheader', 'par', 'http', 'head'].map((t) => (t === 'par' ? stem('parse') : t === 'head' ? stem('header') : t)));
  assert.deepEqual(textTerms('max_open_files'), ['max_open_files', 'max', 'open', stem('files')]);
  assert.deepEqual(textTerms('XMLReader utf8'), ['xmlreader', 'xml', stem('reader'), 'utf8', 'utf', '8']);
  assert.deepEqual(textTerms('x.y(z)'), ['x', 'y', 'z']);
  assert.deepEqual(textTerms('_private __init__'), ['_private', '__init__']);
  assert.deepEqual(textTerms('9lives 0xFF'), [stem('lives'), 'xff', 'x', 'ff']);
});

test('a name with underscores is split at those only', () => {
  assert.deepEqual(identifierParts('MAX_IPv4_LEN'), ['max', 'ipv4', 'len']);
  assert.deepEqual(identifierParts('IPv4'), ['i', 'pv', '4']);
});

test('words beyond ASCII are words; CJK text becomes pairs of characters', () => {
  assert.deepEqual(textWords('größe naïveName Ёлка'), ['größe', 'naïveName', 'Ёлка']);
  assert.deepEqual(textTerms('naïveName'), ['naïvename', 'naïve', stem('name')]);
  assert.deepEqual(textWords('検索エンジン'), ['検索', '索エ', 'エン', 'ンジ', 'ジン']);
  assert.deepEqual(textWords('全 getName検索'), ['全', 'getName', '検索']);
  assert.deepEqual(textWords('e\u0301te\u0301'), ['été'], 'composed and decomposed letters are the same word');
  assert.deepEqual(textTerms('🪨 — “…” ✓ 💥'), []);
});

test('words longer than a name can be are left out', () => {
  const long = 'a'.repeat(MAX_WORD_LENGTH + 1);
  assert.deepEqual(textWords(`${long} b ${'é'.repeat(200)}`), ['b']);
  assert.deepEqual(textWords('a'.repeat(MAX_WORD_LENGTH)), ['a'.repeat(MAX_WORD_LENGTH)]);
});

test('counting equals counting the list, whatever the text', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }), fc.array(fc.constantFrom('fooBar', 'a_b', ' ', 'é', '検', '9', '\n', '🪨', '_')).map((parts) => parts.join(''))), (text) => {
      const { terms, length } = countTerms(text);
      const list = textTerms(text);
      assert.equal(length, list.length);
      const expected = new Map<string, number>();
      for (const term of list) expected.set(term, (expected.get(term) ?? 0) + 1);
      assert.deepEqual(terms, expected);
    }),
    { seed, numRuns: 300 },
  );
});

test('words and terms of ASCII text equal the regular expressions that define them', () => {
  const camel = /[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+/g;
  const reference = (text: string): string[] =>
    (text.match(/[A-Za-z_][A-Za-z0-9_]*/g) ?? []).flatMap((word) => {
      const lower = word.toLowerCase();
      const parts = word.includes('_') ? lower.split('_').filter(Boolean) : (word.match(camel) ?? []).map((part) => part.toLowerCase());
      return parts.length >= 2 ? [lower, ...parts.map(stem)] : [stem(lower)];
    });
  fc.assert(
    fc.property(fc.array(fc.constantFrom('get', 'HTTP', 'User', '_', '2', ' ', '-', '.', 'running', 'x'), { maxLength: 14 }).map((parts) => parts.join('')), (text) => {
      assert.deepEqual(textTerms(text), reference(text));
    }),
    { seed, numRuns: 500 },
  );
});

test('words are reported where they stand', () => {
  const text = 'let größe = fooBar(検索エ); // e\u0301';
  eachWord(text, (word, start, end) => assert.equal(text.slice(start, end).normalize('NFC'), word));
});

test('queries lose stop words, but only as whole lower-case words, and never all of them', () => {
  assert.deepEqual(queryTerms('how is the WAL written to disk'), ['wal', stem('written'), 'disk']);
  assert.deepEqual(queryTerms('For'), ['for'], 'a capital makes it a name');
  assert.deepEqual(queryTerms('how to use it'), textTerms('how to use it'));
  assert.ok(queryTerms('use_the_force').includes('the'), 'stop words inside an identifier stay');
});

test('the word cache never changes an answer, also when it turns over', () => {
  const before = wordTerms('parseHeader');
  for (let i = 0; i < 80_000; i++) wordTerms(`filler${i}Word`);
  assert.deepEqual(wordTerms('parseHeader'), before);
});
