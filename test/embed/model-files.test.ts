import assert from 'node:assert/strict';
import { appendFileSync, cpSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadStaticModel } from '../../src/embed/model-files.ts';
import { BUILT_IN_MODEL, createStaticEmbedder } from '../../src/embed/static-embedder.ts';
import { tempDir } from '../support/temp-dir.ts';
import { VOCAB, bertTokenizer, f32, safetensors, writeModel } from './model-folder.ts';

const builtIn = fileURLToPath(BUILT_IN_MODEL);

test('[6.19] a plain model2vec folder loads: mean pooling, BERT tokenizer, no normalisation', async (t) => {
  const model = await loadStaticModel(writeModel(join(tempDir(t), 'tiny')));
  assert.equal(model.identity.name, 'tiny');
  assert.equal(model.identity.normalized, false);
  assert.deepEqual([...model.tokenIds('Cache, UNLOCKED')], [1, 4, 2, 3, 7]);
  assert.deepEqual([...model.tokenIds('Café 打开 [UNK]')], [5, 6]);
  // Mean of rows 1 (1, 0), 1 (1, 0) and 3 (0, 4) after 'un' (0, 2).
  assert.deepEqual([...model.embed('cache cache unlock')], [0.5, 1.5]);
  assert.deepEqual([...model.embed('')], [0, 0]);
});

test('[6.19] weights, half precision and double precision are understood', async (t) => {
  const half = Buffer.alloc(8 * 2 * 2);
  half.writeUInt16LE(0x3c00, 4); // row 1 = (1, 0)
  half.writeUInt16LE(0xc100, 10); // row 2 = (0, -2.5)
  const doubles = new Uint8Array(Float64Array.from([0, 3, 1, 1, 1, 1, 1, 1]).buffer);
  const weights = safetensors({ embeddings: { dtype: 'F16', shape: [8, 2], bytes: half }, weights: { dtype: 'F64', shape: [8], bytes: doubles } });
  const model = await loadStaticModel(writeModel(join(tempDir(t), 'm'), { weights, config: { normalize: true } }));
  assert.deepEqual([...model.embed('cache')], [1, 0]);
  const plain = await loadStaticModel(writeModel(join(tempDir(t), 'm'), { weights, config: { normalize: false, pooling: 'sqrt_tf' } }));
  assert.deepEqual([...plain.embed('cache cache cache cache un')], [6, -2.5]);
});

test('[0.14] the identity changes with any file of the model', async (t) => {
  const dir = join(tempDir(t), 'model');
  const fingerprint = async (): Promise<string> => (await loadStaticModel(dir)).identity.fingerprint;
  writeModel(dir);
  const seen = [await fingerprint()];
  assert.equal(await fingerprint(), seen[0], 'the same files give the same identity');
  writeModel(dir, { config: { normalize: true, hidden_dim: 2 } });
  seen.push(await fingerprint());
  writeModel(dir, { tokenizer: bertTokenizer({ ...VOCAB, other: 4 }) });
  seen.push(await fingerprint());
  writeModel(dir, { weights: safetensors({ embeddings: f32([8, 2], new Array<number>(16).fill(1)) }) });
  seen.push(await fingerprint());
  assert.equal(new Set(seen).size, seen.length);
  assert.match(seen[0] as string, /^[0-9a-f]{64}$/);
});

test('[0.14] the built-in model has a stable name and revision', async () => {
  const { identity } = await createStaticEmbedder();
  assert.deepEqual({ ...identity, fingerprint: '' }, { name: 'cairn-static-256', revision: '1', dimension: 256, normalized: true, fingerprint: '' });
});

const damages: readonly (readonly [string, (dir: string) => void, Record<string, unknown>])[] = [
  ['a truncated weights file', (dir) => truncateSync(join(dir, 'model.safetensors'), 7_000_000), { code: 'CORRUPT' }],
  ['an empty weights file', (dir) => truncateSync(join(dir, 'model.safetensors'), 0), { code: 'CORRUPT' }],
  ['a longer weights file', (dir) => appendFileSync(join(dir, 'model.safetensors'), 'x'), { code: 'CORRUPT' }],
  ['one changed weight', (dir) => flip(join(dir, 'model.safetensors'), 5_000_000), { code: 'CORRUPT' }],
  ['a changed tokenizer', (dir) => flip(join(dir, 'tokenizer.json'), 200_000), { code: 'CORRUPT' }],
  ['a truncated tokenizer', (dir) => truncateSync(join(dir, 'tokenizer.json'), 1000), { code: 'CORRUPT' }],
  ['a config that is not JSON', (dir) => writeFileSync(join(dir, 'config.json'), '{'), { code: 'CORRUPT' }],
  ['no tokenizer', (dir) => rmSync(join(dir, 'tokenizer.json')), { code: 'NOT_FOUND' }],
];
for (const [what, damage, expected] of damages) {
  test(`damaged model folder: ${what}`, async (t) => {
    const dir = join(tempDir(t), 'model');
    cpSync(builtIn, dir, { recursive: true });
    damage(dir);
    await assert.rejects(loadStaticModel(dir), (error: { path?: string; code: string }) => {
      assert.equal(error.code, expected['code']);
      assert.ok(error.path?.startsWith(dir), 'the error names the file');
      return true;
    });
  });
}

test('truncation is found by position even where no sums are published', async (t) => {
  const dir = writeModel(join(tempDir(t), 'm'));
  const path = join(dir, 'model.safetensors');
  truncateSync(path, readFileSync(path).length - 3);
  await assert.rejects(loadStaticModel(dir), { code: 'CORRUPT', path, message: /past the end of the file/ });
});

test('a number that is not finite is refused with its position', async (t) => {
  const weights = safetensors({ embeddings: f32([8, 2], [0, 0, 1, NaN, ...new Array<number>(12).fill(1)]) });
  const dir = writeModel(join(tempDir(t), 'm'), { weights });
  const header = weights.length - 64;
  await assert.rejects(loadStaticModel(dir), { code: 'CORRUPT', offset: header + 12 });
});

const refused: readonly (readonly [string, Parameters<typeof writeModel>[1], string, RegExp])[] = [
  ['pooling', { config: { pooling: 'max' } }, 'UNSUPPORTED', /pooling "max"/],
  ['text template', { config: { text_template: { document: '{repo} {text}' } } }, 'UNSUPPORTED', /\{repo\}/],
  ['tensor', { weights: safetensors({ embeddings: f32([8, 2], new Array<number>(16).fill(1)), mapping: f32([1], [1]) }) }, 'UNSUPPORTED', /"mapping"/],
  ['number type', { weights: safetensors({ embeddings: { dtype: 'BF16', shape: [8, 2], bytes: Buffer.alloc(32) } }) }, 'UNSUPPORTED', /BF16/],
  ['dimension', { config: { hidden_dim: 3 } }, 'CORRUPT', /2 numbers, config.json says 3/],
  ['number of weights', { weights: safetensors({ embeddings: f32([8, 2], new Array<number>(16).fill(1)), weights: f32([2], [1, 1]) }) }, 'CORRUPT', /2 weights for 8 rows/],
  ['id beyond the rows', { tokenizer: bertTokenizer({ ...VOCAB, far: 8 }) }, 'CORRUPT', /"far" has the id 8/],
];
for (const [what, parts, code, message] of refused) {
  test(`refused by name: ${what}`, async (t) => {
    await assert.rejects(loadStaticModel(writeModel(join(tempDir(t), 'm'), parts)), { code, message });
  });
}

function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at] = (bytes[at] as number) ^ 1;
  writeFileSync(path, bytes);
}
