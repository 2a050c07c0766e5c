// The document record: round trip of every field, limits, and damage of every kind.
import assert from 'node:assert/strict';
import test from 'node:test';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import type { DocRecord } from '../../src/format/doc.ts';
import { decodeDoc, DOC_LIMITS, encodeDoc, peekDocHeader } from '../../src/format/doc-codec.ts';
import { FlatDoc } from '../../src/format/flat-doc.ts';
import { isCairnError, type ErrorCode } from '../../src/util/errors.ts';
import { docArbitrary, makeDoc, seededRandom, testSeed } from '../support/random-docs.ts';

const seed = testSeed();
const withSeed = (numRuns: number) => ({ seed, numRuns });
const throwsCode = (work: () => unknown, ...codes: ErrorCode[]): void => {
  assert.throws(work, (error) => isCairnError(error, ...codes), codes.join(' or '));
};

/** Equal in every field; floats by bits, so that NaN payloads and the sign of zero count. */
function assertSameDoc(actual: DocRecord, expected: DocRecord): void {
  const bits = (v: Float32Array | null): unknown => (v === null ? null : [...new Uint32Array(v.slice().buffer)]);
  const plain = (doc: DocRecord): unknown => ({
    ...doc,
    source: doc.source && { ...doc.source, hash: [...doc.source.hash] },
    chunks: doc.chunks.map((chunk) => ({ ...chunk, terms: [...chunk.terms], vector: bits(chunk.vector) })),
    pathTerms: [...doc.pathTerms],
    commentTerms: [...doc.commentTerms],
    pathVector: bits(doc.pathVector),
    payload: doc.payload && [...doc.payload],
  });
  assert.deepStrictEqual(plain(actual), plain(expected));
}

const EMPTY: DocRecord = {
  key: 'a', language: '', source: null, chunks: [], symbols: [], edges: [], pathTerms: new Map(), commentTerms: new Map(),
  pairs: [], stem: '', pathVector: null, payload: null,
};
const chunkOf = (change: Partial<DocRecord['chunks'][number]>): DocRecord['chunks'][number] => ({
  startLine: 1, endLine: 2, kind: 'window', symbol: -1, text: 'x', terms: new Map([['x', 1]]), vector: null, ...change,
});

test('[1.1] a record reads back equal in every field, vectors bit by bit', () => {
  fc.assert(
    fc.property(docArbitrary({ dimension: 5 }), (doc) => {
      const bytes = encodeDoc(doc);
      assertSameDoc(decodeDoc(bytes), doc);
      assert.deepEqual(encodeDoc(decodeDoc(bytes)), bytes);
    }),
    withSeed(300),
  );
});

test('[1.1] NaN payloads, -0 and infinities keep their bits', () => {
  const vector = new Float32Array(new Uint32Array([0x7fc12345, 0xffc00001, 0x80000000, 0x7f800000, 0x7f800001, 1]).buffer);
  const back = decodeDoc(encodeDoc({ ...EMPTY, chunks: [chunkOf({ vector })] })).chunks[0]?.vector;
  assert.deepEqual([...new Uint32Array((back as Float32Array).buffer)], [...new Uint32Array(vector.buffer)]);
});

test('a record at an odd address in a larger buffer decodes the same', () => {
  const doc = makeDoc(seededRandom(seed), 'src/a.ts', { chunks: 3, dimension: 8, terms: 30 });
  const bytes = encodeDoc(doc);
  const shifted = new Uint8Array(bytes.length + 7);
  shifted.set(bytes, 3);
  assertSameDoc(decodeDoc(shifted.subarray(3, 3 + bytes.length)), doc);
});

test('peekDocHeader gives key, language, chunk count and dimension', () => {
  fc.assert(
    fc.property(docArbitrary({ dimension: 3 }), (doc) => {
      const dimension = doc.chunks[0]?.vector?.length ?? doc.pathVector?.length ?? 0;
      assert.deepEqual(peekDocHeader(encodeDoc(doc)), { key: doc.key, language: doc.language, chunkCount: doc.chunks.length, dimension });
    }),
    withSeed(100),
  );
});

test('the string table of a flat record holds each string once, as bytes', () => {
  const flat = new FlatDoc(encodeDoc({ ...EMPTY, stem: 'größe', pairs: ['größe', 'abc', '', '検索'] }));
  assert.deepEqual(Array.from({ length: flat.stringCount }, (_, i) => flat.string(i)), ['größe', 'abc', '', '検索']);
  assert.equal(flat.stringBytes.toString('utf8'), 'größeabc検索');
  assert.deepEqual([...flat.stringEnds], [7, 10, 10, 16]);
});

test('[1.73] every flipped byte and every truncation of a record is refused with a typed error', () => {
  const bytes = encodeDoc(makeDoc(seededRandom(seed), 'src/a.ts', { chunks: 2, dimension: 4, terms: 12 }));
  for (let at = 0; at < bytes.length; at++) {
    for (const mask of [1, 0x80, 0xff]) {
      const damaged = Uint8Array.from(bytes);
      damaged[at] = (damaged[at] as number) ^ mask;
      throwsCode(() => decodeDoc(damaged, 'f'), 'CORRUPT', 'TRUNCATED', 'NEWER_FORMAT');
    }
  }
  for (let length = 0; length < bytes.length; length++) throwsCode(() => decodeDoc(bytes.subarray(0, length), 'f'), 'TRUNCATED', 'CORRUPT');
  throwsCode(() => decodeDoc(Buffer.concat([bytes, Buffer.alloc(4)]), 'f'), 'CORRUPT');
});

test('[1.73] damage behind a valid checksum decodes to a valid record or a typed error, within its memory', () => {
  fc.assert(
    fc.property(
      docArbitrary({ dimension: 3 }),
      fc.array(fc.tuple(fc.nat(), fc.oneof(fc.constantFrom(0, 0xff, 0x80, 0x7f), fc.nat(255))), { minLength: 1, maxLength: 4 }),
      (doc, damages) => {
        const bytes = Buffer.from(encodeDoc(doc));
        for (const [at, value] of damages) bytes[32 + (at % (bytes.length - 36))] = value;
        bytes.writeUInt32LE(crc32(bytes.subarray(0, bytes.length - 4)), bytes.length - 4);
        try {
          encodeDoc(decodeDoc(bytes, 'f'));
        } catch (error) {
          // Equal strings in a damaged table collapse in the maps of a DocRecord; encoding then reports what is left.
          assert.ok(isCairnError(error, 'CORRUPT', 'INVALID_ARGUMENT'), String(error));
        }
      },
    ),
    withSeed(1500),
  );
});

test('[1.73] huge counts in the header are refused before anything is allocated', () => {
  const bytes = Buffer.from(encodeDoc({ ...EMPTY, chunks: [chunkOf({})] }));
  for (const [at, value] of [[12, DOC_LIMITS.chunks], [12, 0xffffffff], [16, 0xffffffff], [20, 0xfffffffc]] as const) {
    const damaged = Buffer.from(bytes);
    damaged.writeUInt32LE(value, at);
    damaged.writeUInt32LE(crc32(damaged.subarray(0, damaged.length - 4)), damaged.length - 4);
    throwsCode(() => decodeDoc(damaged, 'f'), 'CORRUPT');
  }
});

test('[1.5] a newer version is refused as such', () => {
  const bytes = Buffer.from(encodeDoc(EMPTY));
  bytes[4] = 2;
  throwsCode(() => decodeDoc(bytes), 'NEWER_FORMAT');
  throwsCode(() => peekDocHeader(bytes), 'NEWER_FORMAT');
});

test('errors of a damaged record name the file and the offset', () => {
  const bytes = Buffer.from(encodeDoc(EMPTY));
  bytes[bytes.length - 1] = (bytes[bytes.length - 1] as number) ^ 1;
  assert.throws(() => decodeDoc(bytes, '/data/wal/1.wal'), { code: 'CORRUPT', path: '/data/wal/1.wal', offset: bytes.length - 4 });
});

test('[1.72] what breaks a limit or would not read back equal is refused at encode', () => {
  const symbol = { name: 'n', qualified: 'n', kind: 'class', startLine: 1, endLine: 1, parent: -1, terms: ['n'] } as const;
  const source = { size: 1, mtimeNs: 0n, hash: new Uint8Array(16), note: null };
  const bad: Partial<DocRecord>[] = [
    { key: 'k'.repeat(DOC_LIMITS.keyBytes + 1) },
    { key: 'ä'.repeat(DOC_LIMITS.keyBytes / 2 + 1) },
    { key: 'half \ud800' },
    { language: 'l'.repeat(65) },
    { stem: 's'.repeat(DOC_LIMITS.stringBytes + 1) },
    { pairs: ['a b', 'a b'] },
    { symbols: [{ ...symbol, terms: ['a', 'a'] }] },
    { symbols: [{ ...symbol, parent: 1 }] },
    { symbols: [{ ...symbol, startLine: 3, endLine: 2 }] },
    { symbols: [{ ...symbol, kind: 'galaxy' as 'class' }] },
    { edges: [{ kind: 'call', from: 0, target: 't', line: 1 }] },
    { edges: [{ kind: 'call', from: -1, target: 't', line: -1 }] },
    { chunks: [chunkOf({ terms: new Map([['x', 0]]) })] },
    { chunks: [chunkOf({ terms: new Map([['x', 1.5]]) })] },
    { chunks: [chunkOf({ terms: new Map([['x', DOC_LIMITS.termCount + 1]]) })] },
    { chunks: [chunkOf({ symbol: 0 })] },
    { chunks: [chunkOf({ text: '\udc00' })] },
    { chunks: [chunkOf({ vector: new Float32Array(3) }), chunkOf({})] },
    { chunks: [chunkOf({ vector: new Float32Array(3) }), chunkOf({ vector: new Float32Array(4) })] },
    { chunks: [chunkOf({ vector: new Float32Array(3) })], pathVector: new Float32Array(2) },
    { pathVector: new Float32Array(0) },
    { pathVector: new Float32Array(DOC_LIMITS.dimension + 1) },
    { payload: new Uint8Array(DOC_LIMITS.payloadBytes + 1) },
    { source: { ...source, hash: new Uint8Array(15) } },
    { source: { ...source, size: -1 } },
    { source: { ...source, mtimeNs: 2n ** 63n } },
    { source: { ...source, note: 'n'.repeat(DOC_LIMITS.noteBytes + 1) } },
  ];
  for (const change of bad) throwsCode(() => encodeDoc({ ...EMPTY, ...change }), 'INVALID_ARGUMENT');
});

test('limits are inclusive', () => {
  const doc: DocRecord = {
    ...EMPTY, key: 'k'.repeat(DOC_LIMITS.keyBytes), language: 'l'.repeat(64), stem: 's'.repeat(DOC_LIMITS.stringBytes),
    pathVector: new Float32Array(DOC_LIMITS.dimension), chunks: [chunkOf({ terms: new Map([['x', DOC_LIMITS.termCount]]), vector: new Float32Array(DOC_LIMITS.dimension) })],
  };
  assertSameDoc(decodeDoc(encodeDoc(doc)), doc);
});
