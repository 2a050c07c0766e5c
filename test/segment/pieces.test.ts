// The pieces of a segment on their own: columns, postings at their limits, text blocks, the cache, growing postings.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { ContainerReader } from '../../src/format/container-reader.ts';
import { ContainerWriter } from '../../src/format/container-writer.ts';
import { encodeDoc } from '../../src/format/doc-codec.ts';
import { FlatDoc } from '../../src/format/flat-doc.ts';
import { VectorArena } from '../../src/quantize/index.ts';
import { BlockCache, openSegment } from '../../src/segment/index.ts';
import { ColumnReader, writeColumns } from '../../src/segment/columns.ts';
import { FieldReader } from '../../src/segment/field-reader.ts';
import { FieldWriter } from '../../src/segment/field-writer.ts';
import { Inverter } from '../../src/segment/inverter.ts';
import { fieldTag, KNOWN_TAGS, TAG } from '../../src/segment/layout.ts';
import { TextBlocks, TextBlockWriter } from '../../src/segment/text-blocks.ts';
import { isCairnError } from '../../src/util/errors.ts';
import { makeDoc, seededRandom, testSeed } from '../support/random-docs.ts';
import { MemoryEnv, ROOT } from '../support/memory-env.ts';
import { segmentFolder } from './segment-folder.ts';

const seed = testSeed();
const SPEC = { kind: 1, content: 1, id: '0123456789abcdef' };

/** A container of sections written by `fill`, opened again. */
async function container(fill: (writer: ContainerWriter) => Promise<void>): Promise<ContainerReader> {
  const env = new MemoryEnv();
  const file = await env.open(`${ROOT}/c`, 'create');
  const writer = await ContainerWriter.create(file, SPEC);
  await fill(writer);
  await writer.finish();
  return ContainerReader.open(file, { kind: 1, maxContent: 1, knownTags: KNOWN_TAGS });
}

test('columns come back in order, aligned, and a wrong length is CORRUPT', async () => {
  const reader = await container(async (writer) => {
    await writeColumns(await writer.section(TAG.docs), [Uint8Array.of(1, 2, 3), Uint32Array.of(7), BigUint64Array.of(2n ** 60n), Float32Array.of(1.5, -0), BigInt64Array.of(-5n)]);
  });
  const open = async (): Promise<ColumnReader> => new ColumnReader(await reader.load(TAG.docs), '/f', 1000);
  const columns = await open();
  assert.deepEqual([...columns.u8(3)], [1, 2, 3]);
  assert.deepEqual([...columns.u32(1)], [7]);
  assert.deepEqual([...columns.u64(1)], [2n ** 60n]);
  assert.deepEqual([...columns.f32(2)], [1.5, -0]);
  assert.throws(() => columns.end(), { code: 'CORRUPT', path: '/f', offset: 1032 });
  assert.deepEqual([...columns.i64(1)], [-5n]);
  columns.end();
  assert.throws(() => columns.u8(1), { code: 'CORRUPT', offset: 1040 });
  const other = await open();
  assert.throws(() => other.codes(3, 3), { code: 'CORRUPT', offset: 1002 });
  assert.throws(() => other.below(1, 7), { code: 'CORRUPT' });
});

test('positions must start at 0 where they are starts, never descend, and end with their section', () => {
  const columns = (...values: number[]): ColumnReader => {
    const bytes = Buffer.from(Uint32Array.from([...values, 0]).buffer).subarray(0, Math.ceil(values.length / 2) * 8);
    return new ColumnReader(bytes, '/f', 0);
  };
  assert.deepEqual([...columns(0, 2, 2, 5).starts(3, 5)], [0, 2, 2, 5]);
  assert.deepEqual([...columns(2, 5).ends(2, 5)], [2, 5]);
  assert.throws(() => columns(1, 5).starts(1, 5), { code: 'CORRUPT' });
  assert.throws(() => columns(3, 2).ends(2, 2), { code: 'CORRUPT', offset: 4 });
  assert.throws(() => columns(2, 4).ends(2, 5), { code: 'CORRUPT' });
  assert.deepEqual([...columns().ends(0, 0)], []);
});

test('postings of any gap and value read back, up to the largest id and count', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.oneof(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 1, max: 0x0fff_ffff })), fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 0xff_ffff }))), { maxLength: 7 }),
      fc.boolean(),
      async (gaps, fromZero) => {
        let id = fromZero ? -1 : 0x7fff_fffe - gaps.reduce((sum, [gap]) => sum + gap, 0);
        const ids = Uint32Array.from(gaps, ([gap]) => (id += gap));
        const values = Uint32Array.from(gaps, ([, value]) => value);
        const reader = await container(async (writer) => {
          const field = new FieldWriter();
          field.add(Buffer.from('term'), { count: ids.length, ids, values });
          field.add(Buffer.from('zz'), { count: 1, ids: Uint32Array.of(3), values: Uint32Array.of(1) });
          await field.write(writer, 'body');
        });
        const field = new FieldReader(await reader.load(fieldTag('body')), '/f', 0, 0x7fff_ffff);
        const postings = field.lookup('term');
        assert.deepEqual([[...(postings?.ids ?? [])], [...(postings?.values ?? [])]], [[...ids], [...values]]);
        assert.deepEqual(field.lookup('zz')?.ids, Uint32Array.of(3));
      },
    ),
    { seed, numRuns: 100 },
  );
});

test('an id beyond the rows of the part is CORRUPT, not a row of something else', async () => {
  const reader = await container(async (writer) => {
    const field = new FieldWriter();
    field.add(Buffer.from('a'), { count: 2, ids: Uint32Array.of(1, 10), values: Uint32Array.of(1, 1) });
    await field.write(writer, 'name');
  });
  const section = await reader.load(fieldTag('name'));
  assert.equal(new FieldReader(section, '/f', 0, 11).lookup('a')?.count, 2);
  assert.throws(() => new FieldReader(section, '/f', 0, 10).lookup('a'), { code: 'CORRUPT', path: '/f' });
});

test('texts of any size come back from their blocks: empty, small, larger than a block, incompressible', async () => {
  const random = seededRandom(seed);
  const noise = (bytes: number): Buffer => Buffer.from(Array.from({ length: bytes }, () => Math.floor(random() * 256)));
  const texts = [
    Buffer.alloc(0), ...Array.from({ length: 100 }, (_, i) => Buffer.from(`chunk ${i} `.repeat(i))), Buffer.alloc(0), Buffer.alloc(100_000, 'x'), noise(40_000), Buffer.from('end'), Buffer.alloc(0),
  ];
  let starts = new Uint32Array(0);
  let blocks = 0;
  const reader = await container(async (writer) => {
    const out = await TextBlockWriter.open(writer);
    for (const text of texts) await out.add(text);
    await out.end();
    starts = out.textStarts as Uint32Array<ArrayBuffer>;
    blocks = out.blockCount;
    await out.writeIndex(writer);
  });
  assert.ok(blocks > 4 && blocks < texts.length);
  assert.ok(reader.section(TAG.texts).length < 80_000, 'compressed');
  const index = await reader.load(TAG.textBlocks);
  const stored = new TextBlocks(reader, index, blocks, starts, new BlockCache(1 << 20));
  for (const order of [texts.keys(), [...texts.keys()].reverse()]) {
    for (const i of order) assert.ok(stored.bytes(i).equals(texts[i] as Buffer), `text ${i}`);
  }
  assert.throws(() => new TextBlocks(reader, index, blocks, starts.map((at, i) => (i === 2 ? at + 1e6 : at)), new BlockCache(0)), { code: 'CORRUPT' });
  assert.throws(() => new TextBlocks(reader, index, blocks, starts.slice(0, 3), new BlockCache(0)), { code: 'CORRUPT' });
});

test('[1.62] the cache keeps what was used last within its budget, per owner', () => {
  const cache = new BlockCache(1000);
  const [a, b] = [{}, {}];
  let reads = 0;
  const get = (owner: object, key: number, bytes = 100): Buffer => cache.get(owner, key, () => (reads++, Buffer.alloc(bytes, key)));
  for (const key of [1, 2, 3]) get(a, key);
  assert.equal(reads, 3);
  get(a, 1);
  assert.equal(reads, 3, 'a hit reads nothing');
  get(b, 1);
  assert.equal(reads, 4, 'the same key of another owner is another block');
  get(a, 1);
  assert.equal(reads, 4, 'just used: stays');
  get(a, 2);
  assert.equal(reads, 5, 'the oldest went first');
  assert.equal(get(a, 9, 5000).length, 5000, 'larger than the budget: returned, not kept');
  assert.equal(cache.memoryBytes, 0);
  get(a, 9, 5000);
  assert.equal(reads, 7);
  assert.throws(() => cache.get(a, 20, () => { throw new RangeError('disk'); }), RangeError);
  get(a, 20);
  assert.equal(reads, 8, 'an error is not kept');
  get(b, 5);
  cache.drop(a);
  assert.equal(cache.memoryBytes, 300);
});

test('growing postings keep every entry through slices of all sizes', () => {
  const inverter = new Inverter();
  const field = inverter.field('comment');
  const bytes = Buffer.from('often seldom');
  const [often, seldom] = [inverter.strings.idOf(bytes, 0, 5), inverter.strings.idOf(bytes, 6, 12)];
  for (let doc = 0; doc < 5000; doc++) {
    field.add(often, doc, 1 + (doc % 3));
    field.add(often, doc, 99);
    if (doc % 1000 === 0) field.add(seldom, doc, 1);
  }
  assert.equal(field.termCount, 2);
  const { ids, values, count } = field.postings(field.slotOf(often));
  assert.equal(count, 5000);
  assert.ok(ids.every((id, i) => id === i) && values.every((value, i) => value === 1 + (i % 3)), 'a repeated id changes nothing');
  assert.deepEqual([...field.postings(field.slotOf(seldom)).ids], [0, 1000, 2000, 3000, 4000]);
  assert.equal(field.slotOf(77), -1);
  assert.equal(inverter.field('body').termCount, 0);
});

test('a name with several parts counts as whole name once, its parts as parts', () => {
  const inverter = new Inverter();
  const symbol = { kind: 'method', startLine: 1, endLine: 1, parent: -1 } as const;
  const doc = makeDoc(seededRandom(1), 'k', { chunks: 0, dimension: 0, terms: 0 });
  const flat = new FlatDoc(encodeDoc({
    ...doc, symbols: [{ ...symbol, name: 'readBack', qualified: 'Wal.readBack', terms: ['readback', 'read', 'back'] }, { ...symbol, name: 'read', qualified: 'read', terms: ['read'] }],
  }));
  inverter.add(flat, { doc: 0, chunk: 0, symbol: 0, edge: 0 });
  const of = (field: 'definition' | 'name', term: string): unknown => {
    const growing = inverter.field(field);
    const { ids, values } = growing.postings(growing.slotOf(inverter.strings.find(term)));
    return [[...ids], [...values]];
  };
  assert.deepEqual(of('definition', 'readback'), [[0], [2]]);
  assert.deepEqual(of('definition', 'read'), [[0, 1], [1, 1]]);
  assert.deepEqual(of('name', 'readBack'), [[0], [1]]);
  assert.deepEqual(of('name', 'Wal.readBack'), [[0], [1]]);
  assert.deepEqual(of('name', 'read'), [[1], [1]]);
});

test('a segment is merged and opened inside a worker thread', async () => {
  const folder = segmentFolder();
  try {
    await folder.write('a', [makeDoc(seededRandom(seed), 'k', { chunks: 3, dimension: 16, terms: 20 })], 16);
    const at = (module: string): string => JSON.stringify(new URL(`../../src/${module}`, import.meta.url).href);
    const source = `
      import { parentPort, workerData } from 'node:worker_threads';
      import { nodeEnv } from ${at('env/node-env.ts')};
      import { VectorArena } from ${at('quantize/index.ts')};
      import { mergeSegments, openSegment } from ${at('segment/index.ts')};
      const env = nodeEnv();
      const segment = await openSegment(env, workerData.from, new VectorArena({ maxBytes: 1 << 20 }));
      const file = await env.open(workerData.to, 'create');
      const summary = await mergeSegments(file, workerData.spec, [{ segment, live: null }]);
      await file.close();
      await segment.close();
      parentPort.postMessage(summary);`;
    const spec = { id: '00000000000000aa', dimension: 16, contentVersions: { chunker: 2, tokenizer: 5 }, minLsn: 1, maxLsn: 2, createdAt: '2026-01-02T03:04:05.678Z' };
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), { workerData: { from: folder.path('a'), to: folder.path('b'), spec } });
    const summary = await new Promise<{ readonly chunks: number }>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
    await worker.terminate();
    const segment = await openSegment(folder.env, folder.path('b'), new VectorArena({ maxBytes: 1 << 20 }), summary);
    assert.equal(segment.chunkCount, 3);
    await segment.close();
    await assert.rejects(openSegment(folder.env, folder.path('b'), new VectorArena({ maxBytes: 65_536 })), (e) => isCairnError(e, 'OVERLOADED'));
  } finally {
    folder.remove();
  }
});
