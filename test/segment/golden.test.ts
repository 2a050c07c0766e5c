// Files of the first format, checked in: this program still writes them byte for byte and still reads them.
// After a wanted change of format: keep the old files readable, add new ones (CAIRN_WRITE_GOLDEN=1 writes missing files).
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { decodeDoc, DOC_LIMITS, encodeDoc } from '../../src/format/doc-codec.ts';
import type { DocRecord } from '../../src/format/doc.ts';
import { nodeEnv } from '../../src/env/node-env.ts';
import { VectorArena } from '../../src/quantize/index.ts';
import { openSegment, verifySegment } from '../../src/segment/index.ts';
import { KNOWN_TAGS } from '../../src/segment/layout.ts';
import { FIELDS } from '../../src/segment/part.ts';
import { GOLDEN_DOCS } from './golden-docs.ts';
import { assertDoc, assertPart } from './part-model.ts';
import { segmentFolder, specOf } from './segment-folder.ts';

const folder = join(import.meta.dirname, '..', 'fixtures', 'format');
const segmentPath = join(folder, 'segment-1.cairn');
const docPath = join(folder, 'doc-1.bin');

function golden(path: string, written: Uint8Array): Buffer {
  if (process.env['CAIRN_WRITE_GOLDEN'] === '1' && !existsSync(path)) writeFileSync(path, written);
  return readFileSync(path);
}

test('[1.5] a document record of the first format is written byte for byte and reads back', () => {
  const doc = GOLDEN_DOCS[1] as DocRecord;
  const bytes = golden(docPath, encodeDoc(doc));
  assert.equal(Buffer.from(encodeDoc(doc)).toString('hex'), bytes.toString('hex'));
  assertDoc(decodeDoc(bytes, docPath), doc);
});

test('[1.5] a segment of the first format is written byte for byte and opens', async () => {
  const temporary = segmentFolder();
  try {
    await temporary.write('golden', GOLDEN_DOCS, 5);
    const bytes = golden(segmentPath, temporary.read('golden'));
    assert.equal(temporary.read('golden').toString('hex'), bytes.toString('hex'));
  } finally {
    temporary.remove();
  }
  const arena = new VectorArena({ maxBytes: 1 << 20 });
  const segment = await openSegment(nodeEnv(), segmentPath, arena, { id: specOf('golden', 5).id, docs: 3, chunks: 3, dimension: 5, vectors: 3 });
  assertPart(segment, GOLDEN_DOCS, 5);
  assert.deepEqual((await verifySegment(segment, { deep: true })).damages, []);
  await segment.close();
});

test('FORMAT.md names every section tag, field and limit', () => {
  const text = readFileSync(join(import.meta.dirname, '..', '..', 'src', 'format', 'FORMAT.md'), 'utf8');
  const segment = text.slice(text.indexOf('## Segment'));
  const rows = new Map([...segment.matchAll(/^\| ([\d, –]+) \| ([^|]+) \|/gm)].map((match) => [(match[1] as string).trim(), match[2]]));
  const documented = [...rows.keys()].flatMap((key) => {
    const [first, last] = key.split('–').map(Number);
    return last === undefined ? key.split(', ').map(Number) : Array.from({ length: last - (first as number) + 1 }, (_, i) => (first as number) + i);
  });
  assert.deepEqual(documented.sort((a, b) => a - b), [...KNOWN_TAGS].sort((a, b) => a - b));
  assert.ok(segment.includes(FIELDS.join(', ')), 'fields in the order of their tags');
  const record = text.slice(text.indexOf('## Document record'), text.indexOf('## Segment'));
  for (const limit of [DOC_LIMITS.chunks, DOC_LIMITS.edges, DOC_LIMITS.strings, DOC_LIMITS.stringBytes, DOC_LIMITS.dimension]) {
    assert.ok(record.includes(limit.toLocaleString('en-US')), `limit ${limit}`);
  }
});
