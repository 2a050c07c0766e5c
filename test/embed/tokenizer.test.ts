import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { readTokenizer } from '../../src/embed/tokenizer-file.ts';
import type { TokenizerSpec } from '../../src/embed/tokenizer-file.ts';
import { CodeTokenizer, GeneralTokenizer, isCodeTokenizer } from '../../src/embed/tokenizer.ts';
import { BUILT_IN_MODEL } from '../../src/embed/static-embedder.ts';
import type { WordList } from '../../src/embed/vocabulary.ts';
import { Vocabulary, fillVocabulary, vocabularyShape } from '../../src/embed/vocabulary.ts';
import { WordPiece } from '../../src/embed/word-piece.ts';
import { testSeed } from '../support/random-docs.ts';
import { bertTokenizer } from './model-folder.ts';

const seed = testSeed();
const file = readFileSync(new URL('tokenizer.json', BUILT_IN_MODEL), 'utf8');
const { spec, vocabulary } = readTokenizer(file, 'tokenizer.json');

function vocabularyOf(words: WordList): Vocabulary {
  const shape = vocabularyShape(words);
  const arrays = { slots: new Uint32Array(shape.slots), ends: new Uint32Array(shape.entries), ids: new Int32Array(shape.entries), units: new Uint16Array(shape.units) };
  fillVocabulary(words, arrays);
  return new Vocabulary(arrays, shape.longest);
}

function wordPieceOf(list: WordList, limits: TokenizerSpec): WordPiece {
  const { words, ids: wordIds } = list;
  const continuing = words.flatMap((word, i) => (word.startsWith('##') ? [[word.slice(2), wordIds[i] as number] as const] : []));
  const pieces = { words: continuing.map(([word]) => word), ids: continuing.map(([, id]) => id) };
  return new WordPiece(vocabularyOf(list), vocabularyOf(pieces), limits);
}

/** The same by the shortest possible code, as the model card describes it. */
const idOf = new Map(vocabulary.words.map((word, i) => [word, vocabulary.ids[i] as number]));
function referenceIds(text: string): number[] {
  const ids = idOf;
  const out: number[] = [];
  const words = text.replace(/(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/gu, ' ').toLowerCase().match(/[a-z]+[0-9]*|[0-9]+|[^\x00-\x7f]+/gu) ?? [];
  for (const word of words) {
    const whole = ids.get(word);
    if (whole !== undefined && whole !== 1) out.push(whole);
    else if ([...word].length <= 40) out.push(...spell(word, ids));
  }
  return out;
}

function spell(word: string, ids: ReadonlyMap<string, number>): number[] {
  const out: number[] = [];
  for (let start = 0; start < word.length; ) {
    let end = word.length;
    while (end > start && !ids.has((start > 0 ? '##' : '') + word.slice(start, end))) end--;
    if (end === start) return [];
    out.push(ids.get((start > 0 ? '##' : '') + word.slice(start, end)) as number);
    start = end;
  }
  return out;
}

const wordPiece = wordPieceOf(vocabulary, spec);
const scanner = new CodeTokenizer(wordPiece);
const general = new GeneralTokenizer(spec, wordPiece);
const ids = (tokenizer: { encode(text: string, out: Int32Array): number }, text: string, max = 4096): number[] => {
  const out = new Int32Array(max);
  return [...out.subarray(0, tokenizer.encode(text, out))];
};

const alphabet = ['a', 'b', 'z', 'A', 'B', 'Z', '0', '7', ' ', '_', '-', '\n', '[', '\u212a', '\u0130', 'é', 'Σ', '\u{1f680}', '\ud800', 'parse', 'HTTP', 'Server', 'utf8', 'zq', '打'];
const codeText = fc.array(fc.constantFrom(...alphabet), { maxLength: 40 }).map((parts) => parts.join(''));

test('the built-in tokenizer is taken by the single-pass scanner', () => {
  assert.equal(isCodeTokenizer(spec), true);
  assert.equal(isCodeTokenizer({ ...spec, normalizers: spec.normalizers.slice(1) }), false);
});

test('scanner, general tokenizer and the plain reference agree on any text', () => {
  fc.assert(
    fc.property(fc.oneof(codeText, fc.string({ unit: 'binary', maxLength: 60 }), fc.string({ unit: 'grapheme', maxLength: 60 })), (text) => {
      const expected = referenceIds(text);
      assert.deepEqual(ids(scanner, text), expected);
      assert.deepEqual(ids(general, text), expected);
    }),
    { seed, numRuns: 3000 },
  );
});

test('no other character than the two known ones becomes an ASCII letter in lower case', () => {
  const found: number[] = [];
  for (let c = 128; c <= 0x10ffff; c++) {
    if (c >= 0xd800 && c <= 0xdfff) continue;
    if (/[\x00-\x7f]/.test(String.fromCodePoint(c).toLowerCase())) found.push(c);
  }
  assert.deepEqual(found, [0x130, 0x212a]);
});

test('ids past the maximum are cut, also inside a spelled word', () => {
  const text = 'frobnicatorize supercalifragilistic parse';
  const all = ids(scanner, text);
  for (let max = 0; max <= all.length; max++) {
    assert.deepEqual(ids(scanner, text, max), all.slice(0, max));
    assert.deepEqual(ids(general, text, max), all.slice(0, max));
  }
});

test('a very long word neither overflows nor matches', () => {
  assert.deepEqual(ids(scanner, `${'parse'.repeat(10_000)} parse`), ids(scanner, 'parse'));
});

test('the general tokenizer follows BERT: accents, Chinese characters, control characters, punctuation', () => {
  const vocab = { '[UNK]': 0, a: 1, b: 2, '.': 3, '##b': 4, '中': 5, resume: 6, '$': 7 };
  const bert = readTokenizer(JSON.stringify(bertTokenizer(vocab)), 't');
  const tokenizer = new GeneralTokenizer(bert.spec, wordPieceOf(bert.vocabulary, bert.spec));
  assert.deepEqual(ids(tokenizer, 'A.b$ab'), [1, 3, 2, 7, 1, 4]);
  assert.deepEqual(ids(tokenizer, 'Résumé a中b\u0000a\u00adb'), [6, 1, 5]);
  assert.deepEqual(ids(tokenizer, 'a\u0000b a\u00adb'), [1, 4, 1, 4]);
});

test('steps of other tokenizers: splits, digits, white space, unicode forms', () => {
  const build = (normalizer: unknown, pre: unknown): ((text: string) => number[]) => {
    const text = JSON.stringify({ ...bertTokenizer({ '[UNK]': 0, a: 1, b: 2, '1': 3, '12': 4, '-': 5, 'é': 6, 'a-b': 7, fi: 8 }), normalizer, pre_tokenizer: pre });
    const read = readTokenizer(text, 't');
    const tokenizer = new GeneralTokenizer(read.spec, wordPieceOf(read.vocabulary, read.spec));
    return (input) => ids(tokenizer, input);
  };
  const split = (pattern: unknown, behavior: string, invert = false): unknown => ({ type: 'Split', pattern, behavior, invert });
  assert.deepEqual(build(null, { type: 'WhitespaceSplit' })('a-b a'), [7, 1]);
  assert.deepEqual(build(null, { type: 'Whitespace' })('a-b a'), [1, 5, 2, 1]);
  assert.deepEqual(build(null, { type: 'Punctuation' })('a-b'), [1, 5, 2]);
  assert.deepEqual(build(null, split({ String: '-' }, 'Removed'))('a-b'), [1, 2]);
  assert.deepEqual(build(null, split({ Regex: '(a)' }, 'Isolated'))('ab'), [1, 2]);
  assert.deepEqual(build(null, split({ Regex: '(-)' }, 'Removed'))('a-b'), [1, 2]);
  assert.deepEqual(build(null, { type: 'Sequence', pretokenizers: [{ type: 'WhitespaceSplit' }, { type: 'Digits', individual_digits: true }] })('a1 12'), [1, 3, 3]);
  assert.deepEqual(build(null, { type: 'Sequence', pretokenizers: [{ type: 'WhitespaceSplit' }, { type: 'Digits' }] })('a12'), [1, 4]);
  assert.deepEqual(build({ type: 'NFC' }, null)('e\u0301'), [6]);
  assert.deepEqual(build({ type: 'NFKC' }, null)('\ufb01'), [8]);
  assert.deepEqual(build({ type: 'Sequence', normalizers: [{ type: 'NFD' }, { type: 'StripAccents' }, { type: 'Replace', pattern: { String: 'e' }, content: 'a' }] }, null)('é'), [1]);
  assert.deepEqual(build({ type: 'Strip', strip_left: true, strip_right: true }, null)('  a\n'), [1]);
});

const unsupported: readonly (readonly [string, Record<string, unknown>, RegExp])[] = [
  ['model', { model: { type: 'Unigram', vocab: [] } }, /model\.type "Unigram"/],
  ['normalizer', { normalizer: { type: 'Precompiled' } }, /normalizer\.type "Precompiled"/],
  ['nested normalizer', { normalizer: { type: 'Sequence', normalizers: [{ type: 'NFC' }, { type: 'Nmt' }] } }, /normalizer\.normalizers\[1\]\.type "Nmt"/],
  ['pre-tokenizer', { pre_tokenizer: { type: 'ByteLevel' } }, /pre_tokenizer\.type "ByteLevel"/],
  ['split behaviour', { pre_tokenizer: { type: 'Split', pattern: { String: 'x' }, behavior: 'MergedWithNext' } }, /MergedWithNext/],
  ['expression', { normalizer: { type: 'Replace', pattern: { Regex: '(?>a)' }, content: '' } }, /\(\?>a\)/],
  ['added token', { added_tokens: [{ content: 'foo', special: false }] }, /"foo"/],
];
for (const [what, change, message] of unsupported) {
  test(`[6.19] an unknown ${what} is refused by name`, () => {
    const text = JSON.stringify({ ...bertTokenizer({ a: 1 }), ...change });
    assert.throws(() => readTokenizer(text, 'dir/tokenizer.json'), { code: 'UNSUPPORTED', path: 'dir/tokenizer.json', message });
  });
}

test('the quick way through the vocabulary gives what JSON.parse gives', () => {
  const key = fc.oneof(fc.string({ unit: 'binary', maxLength: 6 }), fc.constantFrom('a', '##b', '"', '\\', 'vocab', '\u2028', ''));
  const vocab = fc.dictionary(key, fc.oneof(fc.nat(), fc.constantFrom<unknown>(1.5, -1, '3', null, 2 ** 40)), { maxKeys: 8, noNullPrototype: true });
  const read = (text: string): unknown => {
    try {
      return readTokenizer(text, 't').vocabulary;
    } catch (error) {
      return (error as { code: string }).code;
    }
  };
  fc.assert(
    fc.property(vocab, fc.constantFrom(undefined, 1), (entries, indent) => {
      const whole = bertTokenizer(entries as Record<string, number>);
      // A second "vocab" in the text makes the quick way step aside.
      assert.deepEqual(read(JSON.stringify(whole, null, indent)), read(JSON.stringify({ ...whole, vocab: 0 }, null, indent)));
    }),
    { seed, numRuns: 1000 },
  );
});

test('a vocabulary with the same key twice is read as JSON reads it: the last one counts', () => {
  const text = JSON.stringify(bertTokenizer({ a: 1, b: 2 })).replace('"b":2', '"a":3');
  assert.deepEqual(readTokenizer(text, 't').vocabulary, { words: ['a'], ids: [3] });
});

test('any JSON in place of a tokenizer gives a typed error or a tokenizer', () => {
  const known = ['type', 'model', 'vocab', 'normalizer', 'normalizers', 'pre_tokenizer', 'pattern', 'Regex', 'content', 'behavior', 'added_tokens'];
  const json = fc.letrec((tie) => ({
    value: fc.oneof({ maxDepth: 4 }, fc.constantFrom<unknown>('WordPiece', 'Sequence', 'Split', 'Replace', 'BertNormalizer', 'Removed', '[', null, 1, -1, true), tie('object'), fc.array(tie('value'), { maxLength: 3 })),
    object: fc.dictionary(fc.constantFrom(...known), tie('value'), { maxKeys: 6, noNullPrototype: true }),
  })).value;
  fc.assert(
    fc.property(json, (value) => {
      const text = JSON.stringify(typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...bertTokenizer({ a: 1 }), ...value } : value) ?? '';
      try {
        readTokenizer(text, 't');
      } catch (error) {
        assert.match((error as { code?: string }).code ?? String(error), /^(CORRUPT|UNSUPPORTED)$/);
      }
    }),
    { seed, numRuns: 2000 },
  );
});
