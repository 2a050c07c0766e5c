// Damage of segment files: every section, every byte of a small file, truncation, wrong names and versions.
import assert from 'node:assert/strict';
import test from 'node:test';
import type { DocRecord } from '../../src/format/doc.ts';
import { VectorArena } from '../../src/quantize/index.ts';
import { DocReader, openSegment, verifySegment, type Segment } from '../../src/segment/index.ts';
import { KNOWN_TAGS, TAG } from '../../src/segment/layout.ts';
import { FIELDS } from '../../src/segment/part.ts';
import { crc32 } from '../../src/util/crc32.ts';
import { CairnError, isCairnError } from '../../src/util/errors.ts';
import { asSegmentId } from '../../src/util/ids.ts';
import { makeDoc, seededRandom, testSeed } from '../support/random-docs.ts';
import { segmentFolder, type SegmentFolder } from './segment-folder.ts';

const seed = testSeed();
const arena = new VectorArena({ maxBytes: 64 << 20 });
const DAMAGE = ['CORRUPT', 'TRUNCATED', 'COUNT_MISMATCH', 'NEWER_FORMAT', 'UNSUPPORTED'] as const;

const tinyDocs = (): DocRecord[] => {
  const random = seededRandom(7);
  return ['a', 'b', 'c'].map((key, i) => ({
    ...makeDoc(random, key, { chunks: i, dimension: 3, terms: 4 }),
    payload: i === 1 ? Uint8Array.of(1, 2, 3) : null,
    source: { size: 5, mtimeNs: 6n, hash: new Uint8Array(16), note: i === 0 ? 'binary' : null },
  }));
};

async function damaged(work: (folder: SegmentFolder, good: Buffer, sections: Segment['container']['sections']) => Promise<void>): Promise<void> {
  const folder = segmentFolder();
  try {
    await folder.write('good', tinyDocs(), 3);
    const segment = await openSegment(folder.env, folder.path('good'), arena);
    const { sections } = segment.container;
    await segment.close();
    await work(folder, folder.read('good'), sections);
  } finally {
    folder.remove();
  }
}

const flip = (bytes: Buffer, at: number, mask = 0x10): Buffer => {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] as number) ^ mask;
  return copy;
};

/** Opens and reads everything; gives the first error, or null when all went well. The arena is empty afterwards. */
async function readAll(folder: SegmentFolder, name: string): Promise<unknown> {
  let segment: Segment | null = null;
  try {
    segment = await openSegment(folder.env, folder.path(name), arena);
    const reader = new DocReader(segment);
    for (let doc = 0; doc < segment.docCount; doc++) reader.read(doc);
    return null;
  } catch (error) {
    return error;
  } finally {
    await segment?.close();
    assert.equal(arena.usage.usedBytes, 0, 'a failed open gives the arena its memory back');
  }
}

test('[1.73] a flipped byte in any section is CORRUPT and names the file and a place in the section', async () => {
  await damaged(async (folder, good, sections) => {
    assert.deepEqual(new Set(sections.map(({ tag }) => tag)), KNOWN_TAGS, 'the file has every section');
    for (const section of sections) {
      for (const at of new Set([0, section.length >> 1, section.length - 1])) {
        folder.put('bad', flip(good, section.offset + at));
        const error = await readAll(folder, 'bad');
        assert.ok(isCairnError(error, 'CORRUPT'), `section ${section.tag} byte ${at}: ${String(error)}`);
        assert.equal(error.path, folder.path('bad'));
        assert.ok(error.offset !== undefined && error.offset >= section.offset && error.offset <= section.offset + section.length, `${error.offset} for section ${section.tag}`);
      }
    }
  });
});

test('[1.73] any flipped byte of a file is found by reading it, or by a deep verify, and never crashes', async () => {
  await damaged(async (folder, good) => {
    const random = seededRandom(seed);
    // Every byte of header, table of contents and footer, a sample of the rest.
    const places = Array.from({ length: good.length }, (_, at) => at).filter((at) => at < 64 || at > good.length - 1200 || random() < 0.1);
    for (const at of places) {
      folder.put('bad', flip(good, at, 1 << Math.floor(random() * 8)));
      const error = await readAll(folder, 'bad');
      if (error !== null) {
        assert.ok(isCairnError(error, ...DAMAGE), `byte ${at}: ${String(error)}`);
        continue;
      }
      // Only padding between sections belongs to no section; the whole-file checksum covers it.
      const segment = await openSegment(folder.env, folder.path('bad'), arena);
      const { damages } = await verifySegment(segment, { deep: true });
      assert.notEqual(damages.length, 0, `byte ${at}`);
      assert.equal(damages[0]?.file, folder.path('bad'));
      await segment.close();
    }
  });
});

test('[1.73] damage behind valid checksums gives a typed error or consistent rows, never a crash or a huge allocation', async () => {
  await damaged(async (folder, good, sections) => {
    const random = seededRandom(seed);
    const toc = good.length - 64 - sections.length * 32;
    for (let run = 0; run < 1500; run++) {
      const bytes = Buffer.from(good);
      const index = Math.floor(random() * sections.length);
      const section = sections[index] as (typeof sections)[number];
      if (section.length === 0) continue;
      const at = section.offset + Math.floor(random() * section.length);
      bytes[at] = [0, 0xff, 0x7f, 0x80, Math.floor(random() * 256)][Math.floor(random() * 5)] as number;
      bytes.writeUInt32LE(crc32(bytes.subarray(section.offset, section.offset + section.length)), toc + index * 32 + 24);
      resign(bytes, toc);
      folder.put('bad', bytes);
      const error = await readAll(folder, 'bad');
      assert.ok(error === null || isCairnError(error, ...DAMAGE), `section ${section.tag} byte ${at - section.offset}: ${error instanceof Error ? error.stack : String(error)}`);
    }
  });
});

/** Makes table of contents and footer valid again. */
function resign(bytes: Buffer, toc: number): void {
  const footer = bytes.length - 64;
  bytes.writeUInt32LE(crc32(bytes.subarray(toc, footer)), footer + 20);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, footer)), footer + 24);
  bytes.writeUInt32LE(crc32(bytes.subarray(footer, footer + 52)), footer + 52);
}

test('the signature helper of these tests gives back the original', async () => {
  await damaged(async (_folder, good, sections) => {
    const bytes = Buffer.from(good);
    resign(bytes, good.length - 64 - sections.length * 32);
    assert.ok(bytes.equals(good));
  });
});

test('[1.73] a truncated file is refused at any length', async () => {
  await damaged(async (folder, good) => {
    for (let length = 0; length < good.length; length += length < 200 ? 1 : 97) {
      folder.put('cut', good.subarray(0, length));
      const error = await readAll(folder, 'cut');
      assert.ok(isCairnError(error, 'TRUNCATED', 'CORRUPT'), `${length}: ${String(error)}`);
      assert.equal(error.path, folder.path('cut'));
    }
  });
});

test('a file that is not the one the manifest names is refused', async () => {
  await damaged(async (folder) => {
    const summary = await folder.write('other', tinyDocs(), 3);
    const open = (expected: object): Promise<Segment> => openSegment(folder.env, folder.path('other'), arena, { ...summary, ...expected });
    await (await open({ dimension: 3 })).close();
    const cases = [
      [{ id: asSegmentId('0123456789abcdef') }, 'CORRUPT'],
      [{ checksum: '00000000' }, 'CORRUPT'],
      [{ bytes: summary.bytes + 1 }, 'TRUNCATED'],
      [{ docs: 4 }, 'COUNT_MISMATCH'],
      [{ chunks: 4 }, 'COUNT_MISMATCH'],
      [{ dimension: 4 }, 'COUNT_MISMATCH'],
      [{ vectors: 1 }, 'COUNT_MISMATCH'],
    ] as const;
    for (const [expected, code] of cases) await assert.rejects(open(expected), (e) => isCairnError(e, code), code);
    await assert.rejects(openSegment(folder.env, folder.path('nowhere'), arena), (e) => isCairnError(e, 'NOT_FOUND'));
    assert.equal(arena.usage.usedBytes, 0);
  });
});

test('[1.5] a newer content version is refused as such', async () => {
  await damaged(async (folder, good) => {
    const bytes = Buffer.from(good);
    bytes.writeUInt32LE(2, 20);
    bytes.writeUInt32LE(crc32(bytes.subarray(0, 60)), 60);
    folder.put('newer', bytes);
    assert.ok(isCairnError(await readAll(folder, 'newer'), 'NEWER_FORMAT'));
  });
});

test('verify lists every damage: shallow what is in memory, deep what is on disk too', async () => {
  await damaged(async (folder, good, sections) => {
    const section = (tag: number): number => sections.find((s) => s.tag === tag)?.offset as number;
    const segmentPath = folder.path('bad');
    folder.put('bad', good);
    const segment = await openSegment(folder.env, segmentPath, arena);
    assert.deepEqual((await verifySegment(segment, { deep: false })).damages, []);
    const hurt = [TAG.texts, TAG.vectors, TAG.payloads, TAG.pathVectors, TAG.docKeys];
    folder.put('bad', hurt.reduce((bytes, tag) => flip(bytes, section(tag)), good));
    const shallow = await verifySegment(segment, { deep: false });
    assert.deepEqual(shallow.damages.map(({ offset }) => offset), [section(TAG.docKeys)]);
    const deep = await verifySegment(segment, { deep: true });
    for (const tag of hurt) assert.ok(deep.damages.some(({ offset }) => offset === section(tag)), `section ${tag} in ${JSON.stringify(deep.damages)}`);
    assert.ok(deep.damages.every(({ file }) => file === segmentPath));
    const aborted = AbortSignal.abort();
    await assert.rejects(verifySegment(segment, { deep: true, signal: aborted }), (e) => isCairnError(e, 'CANCELLED'));
    await segment.close();
  });
});

test('verify finds what checksums cannot: terms, postings and lengths that disagree', async () => {
  await damaged(async (folder, good, sections) => {
    const toc = good.length - 64 - sections.length * 32;
    const index = sections.findIndex(({ tag }) => tag === TAG.chunks);
    const { offset, length } = sections[index] as (typeof sections)[number];
    const bytes = Buffer.from(good);
    const chunks = 3;
    // Fourth column of 3 u32, each padded to 16 bytes: the length of the first chunk.
    bytes.writeUInt32LE(77, offset + 3 * 16);
    assert.equal(chunks * 4, 12);
    bytes.writeUInt32LE(crc32(bytes.subarray(offset, offset + length)), toc + index * 32 + 24);
    resign(bytes, toc);
    folder.put('bad', bytes);
    const segment = await openSegment(folder.env, folder.path('bad'), arena);
    const { damages } = await verifySegment(segment, { deep: true });
    assert.equal(damages.length, 1);
    assert.match(damages[0]?.what ?? '', /chunk 0 has \d+ terms in the postings, 77 in its row/);
    await segment.close();
  });
});

test('rows outside of a segment are an internal error, not another row', async () => {
  await damaged(async (folder) => {
    const segment = await openSegment(folder.env, folder.path('good'), arena);
    const calls = [() => segment.chunk(3), () => segment.chunkText(-1), () => segment.symbol(99), () => segment.edge(99), () => segment.docKey(3), () => segment.docSource(-1)];
    for (const call of calls) assert.throws(call, (e) => e instanceof CairnError && e.code === 'INTERNAL');
    assert.equal(FIELDS.length, 8);
    await segment.close();
  });
});
