// The streaming reader sees what JSON.parse sees, wherever the pieces are cut, and holds one value at a time.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import type { EnvFile } from '../../src/env/env.ts';
import { ByteSource } from '../../src/import/byte-source.ts';
import { readJsonObject, type JsonItem } from '../../src/import/json-stream.ts';
import { nodeEnv } from '../../src/env/node-env.ts';
import { checkLeaks } from '../support/leaks.ts';
import { testSeed } from '../support/random.ts';
import { tempDir } from '../support/temp-dir.ts';

checkLeaks();

/** A file in memory that gives at most `piece` bytes at a time. */
function fileOf(bytes: Buffer, piece: number): EnvFile {
  return { size: async () => bytes.length, read: async (at: number, length: number) => bytes.subarray(at, at + Math.max(1, Math.min(length, piece))) } as unknown as EnvFile;
}

class Cut {
  readonly size: number;
  readonly #bytes: Buffer;
  readonly #piece: number;
  position = 0;

  constructor(bytes: Buffer, piece: number) {
    this.#bytes = bytes;
    this.size = bytes.length;
    this.#piece = piece;
  }

  async takeSome(): Promise<Buffer> {
    const piece = this.#bytes.subarray(this.position, this.position + this.#piece);
    this.position += piece.length;
    return piece;
  }
}

const LIMITS = { maxValueBytes: 10_000, maxDepth: 20 };

async function read(text: string | Buffer, piece = 7, limits = LIMITS): Promise<JsonItem[]> {
  const items: JsonItem[] = [];
  for await (const item of readJsonObject(new Cut(Buffer.from(text), piece) as unknown as ByteSource, 'file.json', limits)) items.push(item);
  return items;
}

test('every object is read as JSON.parse reads it, with offsets, for any cut into pieces', async () => {
  const value = fc.object({ maxDepth: 3, withBigInt: false }).filter((object) => !Object.keys(object).includes('__proto__'));
  await fc.assert(
    fc.asyncProperty(value, fc.integer({ min: 1, max: 40 }), fc.constantFrom(undefined, 1, '\t'), async (object, piece, space) => {
      const text = JSON.stringify(object, null, space);
      const expected = JSON.parse(text) as Record<string, unknown>;
      const found = new Map<string, unknown>();
      for (const [key, one] of Object.entries(expected)) if (Array.isArray(one)) found.set(key, []);
      for (const { key, index, value, offset, length, problem } of await read(text, piece)) {
        assert.equal(problem, null);
        assert.deepEqual(JSON.parse(Buffer.from(text).subarray(offset, offset + length).toString()), value);
        if (index === null) found.set(key, value);
        else {
          const list = found.get(key) as unknown[];
          assert.equal(list.length, index);
          list.push(value);
        }
      }
      assert.deepEqual(Object.fromEntries(found), expected);
    }),
    { numRuns: 300, seed: testSeed(17) },
  );
});

test('a value that is wrong by itself is named and the rest goes on', async () => {
  const deep = `${'['.repeat(30)}${']'.repeat(30)}`;
  const bad = Buffer.concat([Buffer.from('{"chunks": [{"a": 1}, {"a": 01}, "'), Buffer.from([0xff]), Buffer.from(`", ${deep}, "${'x'.repeat(10_001)}", 5], "end": tru}`)]);
  const items = await read(bad);
  assert.deepEqual(items.map(({ problem }) => problem), [null, 'not JSON', 'not UTF-8', 'nested deeper than 20', 'longer than 10000 bytes', null, 'not JSON']);
});

test('[1.73] a file that is cut off, or no object, is refused with the offset', async () => {
  const text = '{"version": 1, "chunks": [{"id": "a\\"}"}, {"id": "b"}], "entities": []}';
  for (let end = 0; end < text.length; end++) {
    await assert.rejects(read(text.slice(0, end)), (error: { code: string; offset: number }) => error.code === 'TRUNCATED' && error.offset === end, `cut at ${end}`);
  }
  assert.equal((await read(`${text}\n \n`)).length, 3);
  for (const [wrong, offset] of [['[1]', 0], ['{"a" 1}', 5], ['{"a":1 "b":2}', 7], ['{a:1}', 1], ['{"a":1}x', 7], ['{"a":1,"a":2}', 10], ['{"a":}', 5], ['{"a":[1,]}', 8], ['{"a":1,}', 7]] as const) {
    await assert.rejects(read(wrong), { code: 'CORRUPT', offset }, wrong);
  }
});

test('a file source gives all bytes once, whatever the pieces', async (t: TestContext) => {
  const path = join(tempDir(t), 'big');
  const bytes = Buffer.alloc(3_000_001, 'abcdefg');
  writeFileSync(path, bytes);
  const file = await nodeEnv().open(path, 'read');
  t.after(() => file.close());
  const source = await ByteSource.of(file);
  const parts: Buffer[] = [];
  for (let length = 1; source.left > 0; length = (length * 7 + 1) % 100_003) {
    const part = await source.take(Math.min(length, source.left));
    assert.ok(part !== null);
    parts.push(Buffer.from(part));
    if (parts.length % 5 === 0) parts.push(Buffer.from(await source.takeSome()));
  }
  assert.ok(Buffer.concat(parts).equals(bytes));
  assert.equal(await source.take(1), null);
  assert.equal((await ByteSource.of(fileOf(bytes, 10))).left, bytes.length);
});
