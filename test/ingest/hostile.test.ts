// Inputs made to hurt: each must give a document with a note, or ordinary chunks, within the time and memory box.
import assert from 'node:assert/strict';
import test from 'node:test';
import { decodeDoc, encodeDoc } from '../../src/format/doc-codec.ts';
import { analyze } from './syntax/describe.ts';

const BUDGET_MS = 1500;

/** Deterministic noise. */
function noise(length: number, seed = 1): Uint8Array {
  const out = new Uint8Array(length);
  let state = seed;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    out[i] = state >>> 24;
  }
  return out;
}

const cases: readonly (readonly [string, string, () => string | Uint8Array, RegExp | null])[] = [
  ['an empty file', 'a.ts', () => '', /^empty$/],
  ['only white space', 'a.ts', () => ' \n\t\r\n\n', /^empty$/],
  ['50 MB', 'a.ts', () => Buffer.alloc(50 * 1024 * 1024, 'a = 1;\n'), /^too large$/],
  ['a single line of 10 MB', 'a.js', () => Buffer.alloc(10 * 1024 * 1024, 'a=1;'), /^too large$/],
  ['a single line of 900 KB', 'a.js', () => 'a=1;'.repeat(230_000), /^minified$/],
  ['300 KB of JSON', 'a.json', () => `[${'{"a": 1},\n'.repeat(30_000)}{}]`, /^too large$/],
  ['NULs', 'a.py', () => 'x = 1\n\0\0\0\n', /^binary$/],
  ['random bytes', 'a.rs', () => noise(200_000), /^binary$/],
  ['random text', 'a.go', () => Buffer.from(noise(200_000)).toString('base64').replace(/(.{60})/g, '$1\n'), null],
  ['a NUL far behind', 'a.py', () => `${'x = 1\n'.repeat(3000)}\0\n`, null],
  ['lone surrogates', 'a.ts', () => Buffer.from('\ufefflet a = "\ud800 \udc00";\n', 'utf16le'), /^invalid encoding/],
  ['bytes that are no UTF-8', 'a.c', () => Buffer.concat([Buffer.from('int a; /* '), Buffer.from([0xff, 0xfe, 0xc3, 0x28]), Buffer.from(' */\n')]), /^invalid encoding/],
  ['UTF-16 with a mark', 'a.cs', () => Buffer.from('\ufeffclass A {\n}\n', 'utf16le'), null],
  ['200,000 nested brackets', 'a.js', () => `${'(\n'.repeat(100_000)}${')\n'.repeat(100_000)}`, null],
  ['a million open brackets', 'a.py', () => `${'['.repeat(100)}\n`.repeat(10_000), null],
  ['10,000 nested functions', 'a.js', () => `${'function f() {\n'.repeat(10_000)}${'}\n'.repeat(10_000)}`, null],
  ['10,000 nested classes', 'a.java', () => `${'class Quite {\n'.repeat(10_000)}${'}\n'.repeat(10_000)}`, null],
  ['100,000 chained calls', 'a.ts', () => `a\n${'.b()\n'.repeat(100_000)}`, /^lines: |^$/],
  ['one string of 500 KB in code', 'a.rb', () => `x = "${'lorem ipsum '.repeat(40_000)}"\nputs x\n`, /^minified$/],
  ['comments that never end', 'a.swift', () => '/* '.repeat(20_000).replaceAll('/* /* ', '/* \n'), null],
  [
    'what could make the secret scan slow', 'a.txt',
    () => ['secret'.repeat(10_000), 'token=token='.repeat(10_000), '://:'.repeat(20_000), '-----BEGIN PRIVATE KEY-----'.repeat(5000), 'eyJ.'.repeat(20_000), `api_key: ${'a1'.repeat(20_000)}`].map((text) => text.replace(/(.{97})/g, '$1\n')).join('\n'), null,
  ],
  ['the same in long lines', 'a.txt', () => ['secret'.repeat(400), '://:'.repeat(400), '-----BEGIN PRIVATE KEY-----'.repeat(100), 'eyJ.'.repeat(700), 'AKIA'.repeat(700)].join('\n').concat('\n').repeat(30).replace(/$/, '\nend'.repeat(20_000)), null],
];

for (const [title, path, make, note] of cases) {
  test(`bad input: ${title}`, async () => {
    const started = process.cpuUsage();
    const doc = await analyze(path, make(), BUDGET_MS);
    const used = process.cpuUsage(started);
    // A bound, not a benchmark: without the budget some of these take minutes.
    assert.ok((used.user + used.system) / 1e6 < 20, `${(used.user + used.system) / 1e6} s of processor time`);
    if (note !== null) assert.match(doc.source?.note ?? '', note);
    else assert.ok(doc.chunks.length > 0, `note: ${doc.source?.note}`);
    assert.equal(decodeDoc(encodeDoc(doc)).chunks.length, doc.chunks.length);
  });
}

test('a parse that is cut short leaves the parser usable, and the file gets line windows', async () => {
  const doc = await analyze('a.ts', `a\n${'.b()\n'.repeat(100_000)}`, 0);
  assert.equal(doc.source?.note, 'lines: parse budget');
  assert.ok(doc.chunks.length > 100 && doc.chunks.every((chunk) => chunk.kind === 'window'));
  const next = await analyze('b.ts', 'export function works(): void {}\n');
  assert.deepEqual(next.symbols.map(({ name }) => name), ['works']);
});
