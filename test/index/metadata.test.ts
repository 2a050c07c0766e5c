import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeMetadata, encodeMetadata, newMetadata } from '../../src/index/metadata.ts';
import { indexOptions, DEFAULT_INDEX_OPTIONS } from '../../src/index/options.ts';

const EMBEDDER = { name: 'm', revision: '1', dimension: 8, normalized: true, fingerprint: 'ff' };
const sample = newMetadata({ name: 'x', kind: 'code', dimension: 8, embedder: EMBEDDER, sourceRoot: '/r' }, 0);
const text = (change: Record<string, unknown>): Uint8Array => {
  // Values only: a checksum over them is checked elsewhere.
  const { checksum: _, ...value } = JSON.parse(Buffer.from(encodeMetadata(sample)).toString()) as Record<string, unknown>;
  return Buffer.from(JSON.stringify({ ...value, ...change }));
};
const decode = (bytes: Uint8Array): unknown => decodeMetadata(bytes, '/d/metadata.json');

test('[3.1] every field that is wrong or missing is CORRUPT and named', () => {
  const wrong: Record<string, unknown[]> = {
    name: [undefined, 7, '', 'A', '../x'], kind: [undefined, 'other'], dimension: [undefined, -1, 1.5, 1e9, '8'], distanceMetric: [undefined, 'l1'],
    vectorType: [undefined, 'f16'], indexConfig: [undefined, null, {}, { max_connections: 16 }], contentVersions: [undefined, {}, { chunker: 1 }],
    sourceRoot: [undefined, 3], createdAt: [undefined, 'yesterday', 5], modifiedAt: [undefined, ''], owner: [undefined, null],
    embedder: [undefined, 'm', { ...EMBEDDER, dimension: 9 }, { ...EMBEDDER, name: 1 }, { ...EMBEDDER, normalized: 'yes' }],
  };
  for (const [field, values] of Object.entries(wrong)) {
    for (const value of values) {
      assert.throws(() => decode(text({ [field]: value })), (error: Error & { code?: string; path?: string; hint?: string }) =>
        error.code === 'CORRUPT' && error.path === '/d/metadata.json' && error.message.includes(field) && error.hint !== undefined, `${field}: ${String(JSON.stringify(value))}`);
    }
  }
});

test('bytes that are no JSON object, and a later schema, have answers of their own', () => {
  for (const bytes of ['', '{', '[]', 'null', '"x"', '\xff\xfe']) assert.throws(() => decode(Buffer.from(bytes, 'latin1')), { code: 'CORRUPT' }, bytes);
  assert.throws(() => decode(text({ schemaVersion: 2 })), { code: 'NEWER_FORMAT' });
  assert.throws(() => decode(text({ schemaVersion: 0 })), { code: 'CORRUPT' });
});

test('options have defaults, and each one that is out of range is named', () => {
  assert.deepEqual(indexOptions(), DEFAULT_INDEX_OPTIONS);
  assert.equal(indexOptions({ syncMode: 'off' }).syncMode, 'off');
  const wrong: [string, unknown][] = [
    ['syncMode', 'sometimes'], ['syncIntervalMs', 0], ['memtableMaxChunks', 0], ['memtableMaxBytes', 1], ['walFileMaxBytes', 10], ['compactionFanIn', 1], ['compactionFanIn', Number.NaN],
  ];
  for (const [name, value] of wrong) assert.throws(() => indexOptions({ [name]: value }), (error: Error & { code?: string }) => error.code === 'INVALID_CONFIG' && error.message.includes(name), name);
});
