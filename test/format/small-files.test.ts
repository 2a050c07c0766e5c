// File names, text files, checked JSON, tombstones.
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { manifestFile, parseFileName, segmentFile, tombstoneFile, walFile } from '../../src/format/file-names.ts';
import { JsonFields } from '../../src/format/json-fields.ts';
import { decodeTextFile, encodeTextFile } from '../../src/format/text-file.ts';
import { decodeTombstones, encodeTombstones } from '../../src/format/tombstones.ts';
import { Bitset } from '../../src/util/bitset.ts';
import { isCairnError } from '../../src/util/errors.ts';
import { asGeneration, asLsn, asSegmentId } from '../../src/util/ids.ts';
import { testSeed } from '../support/random.ts';

const seed = testSeed(31);
const ID = asSegmentId('0123456789abcdef');

test(`every name that is built is parsed back (seed ${seed})`, () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (n) => {
      assert.deepEqual(parseFileName(manifestFile(asGeneration(n))), { kind: 'manifest', generation: n });
      assert.deepEqual(parseFileName(tombstoneFile(ID, asGeneration(n))), { kind: 'tombstones', segment: ID, generation: n });
      assert.deepEqual(parseFileName(walFile(asLsn(n))), { kind: 'wal', firstLsn: n });
      assert.deepEqual(parseFileName(`${manifestFile(asGeneration(n))}.00112233445a.tmp`), { kind: 'temp', target: manifestFile(asGeneration(n)) });
    }),
    { seed },
  );
  assert.deepEqual(parseFileName(segmentFile(ID)), { kind: 'segment', segment: ID });
  for (const [name, kind] of [['CURRENT', 'current'], ['metadata.json', 'metadata'], ['wal', 'wal-directory'], ['quarantine', 'quarantine-directory']] as const) assert.deepEqual(parseFileName(name), { kind });
  assert.ok(walFile(asLsn(9)) < walFile(asLsn(10)), 'names sort like LSNs');
});

test('a name that is not ours is not recognised', () => {
  const foreign = ['', 'manifest-', 'manifest-01', 'manifest-1.bak', 'manifest--1', 'manifest-99999999999999999', 'seg-0123456789ABCDEF.cairn', 'seg-1.cairn', 'seg-0123456789abcdef.cairn~', '../CURRENT', 'current',
    'seg-0123456789abcdef-01.tomb', '1.wal', '00000000000000001.wal', '9999999999999999.wal', 'notes.00112233445a.tmp', 'constructor', 'CURRENT.00112233445a.tmp.00112233445a.tmp.x'];
  for (const name of foreign) assert.equal(parseFileName(name), null, name);
});

test('[1.73] a text file is read back, and refused when one byte of it changed, was cut or was added', () => {
  const bytes = encodeTextFile('cairn-current', { a: 'ä', n: 1 });
  assert.deepEqual(decodeTextFile('cairn-current', bytes, 'f'), { a: 'ä', n: 1 });
  for (let at = 0; at < bytes.length; at++) {
    const bad = Buffer.from(bytes);
    bad[at] = (bad[at] ?? 0) ^ 2;
    assert.throws(() => decodeTextFile('cairn-current', bad, 'f'), (error) => isCairnError(error, 'CORRUPT', 'TRUNCATED') && error.path === 'f', `byte ${at}`);
    assert.throws(() => decodeTextFile('cairn-current', bytes.subarray(0, at), 'f'), (error) => isCairnError(error, 'CORRUPT', 'TRUNCATED'), `cut at ${at}`);
  }
  assert.throws(() => decodeTextFile('cairn-current', Buffer.concat([bytes, Buffer.from('\n')]), 'f'), (error) => isCairnError(error, 'CORRUPT'));
  assert.throws(() => decodeTextFile('cairn-manifest', bytes, 'f'), (error) => isCairnError(error, 'CORRUPT'));
  assert.throws(() => decodeTextFile('cairn-current', encodeTextFile('cairn-current', {}, 2), 'f'), (error) => isCairnError(error, 'NEWER_FORMAT'));
  assert.throws(() => decodeTextFile('cairn-current', encodeTextFile('cairn-current', {}, 0), 'f'), (error) => isCairnError(error, 'UNSUPPORTED'));
});

test('[1.73] checked JSON names the field that is wrong', () => {
  const fields = new JsonFields({ n: 3, s: 'abc', b: true, o: { x: -1 }, l: [{ y: 1 }, 5], none: null, toString: 'own' }, 'f.json');
  assert.deepEqual([fields.count('n'), fields.string('s', /^a/), fields.boolean('b'), fields.oneOf('s', ['abc', 'd']), fields.nullable('none', fields.count.bind(fields))], [3, 'abc', true, 'abc', null]);
  const wrong: [() => unknown, RegExp][] = [
    [() => fields.count('missing'), /missing is missing/],
    [() => fields.count('hasOwnProperty'), /hasOwnProperty is missing/],
    [() => fields.object('o').count('x'), /o\.x is not a whole number/],
    [() => fields.string('s', /^b/), /s does not match/],
    [() => fields.string('s', undefined, 2), /at most 2 characters/],
    [() => fields.boolean('n'), /n is neither/],
    [() => fields.oneOf('s', ['x']), /s is not one of x/],
    [() => fields.list('l', (item) => item.count('y')), /l\[1\] is not an object/],
    [() => fields.list('o', () => 1), /o is not a list/],
    [() => new JsonFields([], 'f.json'), /the document is not an object/],
  ];
  for (const [act, message] of wrong) assert.throws(act, (error) => isCairnError(error, 'CORRUPT') && error.path === 'f.json' && message.test(error.message));
});

test(`[0.18] tombstones are read back in the smaller of two encodings (seed ${seed})`, () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5000 }), fc.array(fc.nat(4999), { maxLength: 400 }), (docs, picks) => {
      const dead = new Bitset(docs);
      for (const doc of picks) dead.add(doc % docs);
      const bytes = encodeTombstones(ID, dead);
      assert.ok(bytes.length <= 36 + Math.ceil(docs / 32) * 4);
      const decoded = decodeTombstones(bytes, 'f');
      assert.deepEqual([decoded.segment, decoded.count, decoded.dead.length], [ID, dead.count(), docs]);
      assert.deepEqual(decoded.dead.words, dead.words);
    }),
    { seed },
  );
  const one = new Bitset(100_000);
  one.add(99_999);
  assert.ok(encodeTombstones(ID, one).length < 64);
});

test(`[1.73] any bytes as tombstones give a typed error (seed ${seed})`, () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      assert.throws(() => decodeTombstones(bytes, 'f'), (error) => isCairnError(error, 'CORRUPT', 'TRUNCATED'));
    }),
    { seed },
  );
});
