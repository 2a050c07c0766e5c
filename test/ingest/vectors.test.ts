import assert from 'node:assert/strict';
import test from 'node:test';
import { vectorKey } from '../../src/embed/vector-key.ts';
import type { DocRecord } from '../../src/format/doc.ts';
import { vectorize, type VectorSource } from '../../src/ingest/vectors.ts';
import { analyze } from './syntax/describe.ts';

const TEMPLATE = '{dir3} {dir2} {dir1} {stem} {stem}\n{text}';

/** Embeds a text as [length, number in order]. */
function source(known: ReadonlyMap<string, Float32Array> | null): VectorSource & { readonly asked: string[] } {
  const asked: string[] = [];
  return {
    asked, dimension: 2, documentTemplate: TEMPLATE,
    lookup: known === null ? null : async (keys) => {
      const count = keys.length / 16;
      const vectors = new Float32Array(count * 2);
      const present = new Uint8Array(count);
      for (let i = 0; i < count; i++) {
        const row = known.get(Buffer.from(keys.subarray(i * 16, i * 16 + 16)).toString('hex'));
        if (row === undefined) continue;
        vectors.set(row, i * 2);
        present[i] = 1;
      }
      return { vectors, present };
    },
    embed: async (texts) => {
      const out = new Float32Array(texts.length * 2);
      texts.forEach((text, i) => out.set([text.length, asked.push(text)], i * 2));
      return out;
    },
  };
}

const key = (text: string): string => Buffer.from(vectorKey(text)).toString('hex');

async function docs(): Promise<DocRecord[]> {
  return [await analyze('a/b/one.ts', 'let one = 1;\n'), await analyze('empty.ts', ''), await analyze('two.md', 'two words\n')];
}

test('each chunk and each path gets its vector; documents without chunks need none', async () => {
  const from = source(null);
  const result = await vectorize(await docs(), from);
  assert.deepEqual(from.asked, ['a b one one\nlet one = 1;', 'a b one one', 'two two\ntwo words', 'two two']);
  assert.deepEqual(result.docs.map(({ doc }) => [doc.chunks[0]?.vector?.[1] ?? null, doc.pathVector?.[1] ?? null]), [[1, 2], [null, null], [3, 4]]);
  assert.deepEqual(result.docs.map(({ embedded, cached }) => [embedded, cached]), [[1, 0], [0, 0], [1, 0]]);
  assert.equal(result.newKeys.length, 0, 'no cache, nothing to remember');
});

test('what the cache has is not computed; what is computed is handed back for it', async () => {
  const from = source(new Map([[key('a b one one\nlet one = 1;'), Float32Array.of(7, 7)], [key('two two'), Float32Array.of(8, 8)]]));
  const result = await vectorize(await docs(), from);
  assert.deepEqual(from.asked, ['a b one one', 'two two\ntwo words']);
  assert.deepEqual(result.docs.map(({ doc, embedded, cached }) => [doc.chunks[0]?.vector?.[0] ?? null, doc.pathVector?.[0] ?? null, embedded, cached]), [[7, 11, 0, 1], [null, null, 0, 0], [17, 8, 1, 0]]);
  assert.deepEqual([key('a b one one'), key('two two\ntwo words')].join(''), Buffer.from(result.newKeys).toString('hex'));
  assert.deepEqual([...result.newVectors], [11, 1, 17, 2]);
});

test('a failing embedder fails the batch', async () => {
  const from: VectorSource = { ...source(null), embed: () => Promise.reject(new Error('away')) };
  await assert.rejects(vectorize(await docs(), from), /away/);
  assert.equal((await vectorize([], from)).docs.length, 0, 'nothing to embed, nothing fails');
});
