// The container: what is written is read back, every damaged byte is found, nothing outside the file is believed.
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { ContainerReader, type ContainerExpectation } from '../../src/format/container-reader.ts';
import { ContainerWriter, type FinishedContainer } from '../../src/format/container-writer.ts';
import { CONTAINER_FOOTER_BYTES, CONTAINER_HEADER_BYTES, SECTION_ALIGNMENT } from '../../src/format/constants.ts';
import { isCairnError } from '../../src/util/errors.ts';
import { MemoryEnv, ROOT } from '../support/memory-env.ts';
import { testSeed } from '../support/random.ts';

const PATH = `${ROOT}/c`;
const ID = '00112233445566ff';
const seed = testSeed(21);
const expected = (change: Partial<ContainerExpectation> = {}): ContainerExpectation => ({ kind: 1, id: ID, maxContent: 1, knownTags: new Set([1, 2, 3, 4, 5]), ...change });

async function build(env: MemoryEnv, sections: readonly Uint8Array[], optional: readonly number[] = []): Promise<FinishedContainer> {
  const file = await env.open(PATH, 'create');
  const writer = await ContainerWriter.create(file, { kind: 1, content: 1, id: ID });
  for (const [i, bytes] of sections.entries()) {
    const sink = await writer.section(i + 1, { optional: optional.includes(i + 1) });
    const half = bytes.length >>> 1;
    await sink.write(bytes.subarray(0, half));
    await sink.write(bytes.subarray(half));
    assert.equal(sink.length(), bytes.length);
    await sink.end();
  }
  const finished = await writer.finish();
  await file.close();
  return finished;
}

async function withReader<T>(env: MemoryEnv, use: (reader: ContainerReader) => Promise<T>, change: Partial<ContainerExpectation> = {}): Promise<T> {
  const file = await env.open(PATH, 'read');
  try {
    return await use(await ContainerReader.open(file, expected(change)));
  } finally {
    await file.close();
  }
}

test(`sections are read back, aligned and verified (seed ${seed})`, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 }), async (sections) => {
      const env = new MemoryEnv();
      const { bytes, checksum } = await build(env, sections);
      await withReader(env, async (reader) => {
        assert.equal(reader.footer.fileLength, bytes);
        for (const [i, content] of sections.entries()) {
          const loaded = await reader.load(i + 1);
          assert.deepEqual(new Uint8Array(loaded), content);
          assert.deepEqual([loaded.byteOffset, reader.section(i + 1).offset % SECTION_ALIGNMENT], [0, 0]);
        }
        assert.equal(await reader.verifyAll(), bytes);
      }, { bytes, checksum });
    }),
    { seed, numRuns: 60 },
  );
});

test('large sections are streamed; a part of one is read in place; shared memory can be the target', async () => {
  const env = new MemoryEnv();
  const large = Buffer.alloc(2_500_000).map((_, i) => (i * 7) % 253);
  await build(env, [large, Buffer.from('second')]);
  await withReader(env, async (reader) => {
    const section = reader.section(1);
    const piece = new Uint8Array(1000);
    reader.readSync(section, 1_999_500, piece);
    assert.deepEqual(piece, new Uint8Array(large.subarray(1_999_500, 2_000_500)));
    assert.throws(() => reader.readSync(section, large.length - 10, piece), (error) => isCairnError(error, 'CORRUPT'));
    const shared = new Uint8Array(new SharedArrayBuffer(large.length));
    await reader.loadInto(1, shared);
    assert.equal(Buffer.compare(shared, large), 0);
    await assert.rejects(reader.loadInto(1, new Uint8Array(5)), (error) => isCairnError(error, 'INVALID_ARGUMENT'));
    await reader.verifySection(2);
    assert.equal(reader.find(3), null);
    await assert.rejects(async () => reader.section(3), (error) => isCairnError(error, 'CORRUPT'));
  });
});

test('every damaged byte is found at opening or by verify, with path and offset', async () => {
  const env = new MemoryEnv();
  const { bytes, checksum } = await build(env, [Buffer.from('hello world'), Buffer.alloc(100, 5)]);
  const good = env.content(env.names.get(PATH) ?? 0);
  for (let at = 0; at < good.length; at++) {
    const bad = Buffer.from(good);
    bad[at] = (bad[at] ?? 0) ^ 0x40;
    env.inodes.set(env.names.get(PATH) ?? 0, bad);
    const check = withReader(env, (reader) => reader.verifyAll(), { bytes, checksum });
    await assert.rejects(check, (error) => isCairnError(error, 'CORRUPT', 'TRUNCATED', 'NEWER_FORMAT') && error.path === PATH && error.offset !== undefined, `byte ${at}`);
  }
});

test('a container that is cut anywhere, or was never finished, is refused', async () => {
  const env = new MemoryEnv();
  const { bytes } = await build(env, [Buffer.alloc(200, 1)]);
  const ino = env.names.get(PATH) ?? 0;
  const good = env.content(ino);
  for (let length = 0; length < good.length; length++) {
    env.inodes.set(ino, good.subarray(0, length));
    await assert.rejects(withReader(env, async () => undefined), (error) => isCairnError(error, 'TRUNCATED', 'CORRUPT'), `${length} bytes`);
    await assert.rejects(withReader(env, async () => undefined, { bytes }), (error) => isCairnError(error, 'TRUNCATED') && error.offset === length);
  }
  env.inodes.set(ino, Buffer.concat([good, Buffer.alloc(64)]));
  await assert.rejects(withReader(env, async () => undefined), (error) => isCairnError(error, 'TRUNCATED', 'CORRUPT'));
});

test('a file of another kind, id, checksum or newer content is refused; unknown sections only when they are required', async () => {
  const env = new MemoryEnv();
  await build(env, [Buffer.from('a'), Buffer.from('b')], [2]);
  const opens = (change: Partial<ContainerExpectation>) => withReader(env, async (reader) => reader.sections.length, change);
  await assert.rejects(opens({ kind: 2 }), (error) => isCairnError(error, 'CORRUPT'));
  await assert.rejects(opens({ id: '0000000000000000' }), (error) => isCairnError(error, 'CORRUPT'));
  await assert.rejects(opens({ checksum: 1 }), (error) => isCairnError(error, 'CORRUPT'));
  await assert.rejects(opens({ maxContent: 0 }), (error) => isCairnError(error, 'NEWER_FORMAT'));
  await assert.rejects(opens({ knownTags: new Set([2]) }), (error) => isCairnError(error, 'NEWER_FORMAT'));
  assert.equal(await opens({ knownTags: new Set([1]) }), 2);
});

test('a writer refuses what would make a bad container, and everything after a failed write', async () => {
  const env = new MemoryEnv();
  const file = await env.open(PATH, 'create');
  await assert.rejects(ContainerWriter.create(file, { kind: 1, content: 1, id: 'no hex' }), (error) => isCairnError(error, 'INVALID_ARGUMENT'));
  const writer = await ContainerWriter.create(file, { kind: 1, content: 1, id: ID });
  const sink = await writer.section(1);
  await assert.rejects(writer.section(2), (error) => isCairnError(error, 'INTERNAL'));
  await assert.rejects(writer.finish(), (error) => isCairnError(error, 'INTERNAL'));
  await sink.end();
  await assert.rejects(sink.write(Buffer.from('late')), (error) => isCairnError(error, 'INTERNAL'));
  await assert.rejects(sink.end(), (error) => isCairnError(error, 'INTERNAL'));
  for (const tag of [1, 0, -1, 1.5]) await assert.rejects(writer.section(tag), (error) => isCairnError(error, 'INVALID_ARGUMENT'));
  env.fault = (call) => (call.kind === 'write' ? { errno: 'ENOSPC' } : null);
  await assert.rejects(writer.add(2, Buffer.alloc(1_000_000)), (error) => isCairnError(error, 'DISK_FULL'));
  env.fault = null;
  await assert.rejects(writer.finish(), (error) => isCairnError(error, 'INTERNAL'));
  await file.close();
});

test('an empty container is header, footer and nothing else; verify can be cancelled', async () => {
  const env = new MemoryEnv();
  const { bytes } = await build(env, []);
  assert.equal(bytes, CONTAINER_HEADER_BYTES + CONTAINER_FOOTER_BYTES);
  await withReader(env, async (reader) => {
    assert.deepEqual(reader.sections, []);
    await assert.rejects(reader.verifyAll(AbortSignal.abort()), (error) => isCairnError(error, 'CANCELLED'));
  });
});
