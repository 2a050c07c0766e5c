import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stem } from '../../src/text/stemmer.ts';

const FAMILIES: readonly (readonly string[])[] = [
  ['parse', 'parses', 'parsed', 'parsing', 'parser', 'parsers'],
  ['query', 'queries', 'queried'],
  ['stop', 'stops', 'stopped', 'stopping'],
  ['validate', 'validates', 'validated', 'validation', 'validator', 'validating'],
  ['serialize', 'serializer', 'serialized', 'serialization', 'serializing'],
  ['connect', 'connects', 'connected', 'connection', 'connections'],
  ['read', 'reads', 'reading', 'readable', 'readers'],
];

for (const family of FAMILIES) {
  test(`the forms of "${family[0]}" have one stem`, () => {
    assert.deepEqual([...new Set(family.map(stem))], [stem(family[0] as string)]);
  });
}

test('words that only look inflected, short words and other scripts stay apart', () => {
  for (const word of ['bus', 'is', 'as', 'ing', 'class', 'status', 'this', 'größen', 'utf8', 'x_y', '']) assert.equal(stem(word), stem(stem(word)));
  assert.equal(stem('status'), 'status');
  assert.equal(stem('class'), 'class');
  assert.equal(stem('größen'), 'größen');
  assert.equal(stem('utf8s'), 'utf8s');
  assert.notEqual(stem('pull'), stem('pul'));
});

test('exact stems are pinned: a change needs a new TOKENIZER_VERSION', () => {
  const pinned: Record<string, string> = {
    organization: 'organiz', relational: 'relat', handful: 'handful', expressiveness: 'expressiv', definition: 'definit', action: 'action',
    extraction: 'extract', caption: 'capt', exception: 'except', version: 'version', mention: 'ment', deployment: 'deploy', darkness: 'dark',
    instance: 'inst', difference: 'differ', allocator: 'allocat', tokenizer: 'tokeniz', carrier: 'carry', mapping: 'map', ties: 'tie', lies: 'lie',
    processes: 'process', applied: 'apply', quickly: 'quick', identity: 'ident', terminal: 'termin', recursive: 'recurs', pulling: 'pull', buzzing: 'buzz',
  };
  const actual = Object.fromEntries(Object.keys(pinned).map((word) => [word, stem(word)]));
  assert.deepEqual(actual, pinned);
});
