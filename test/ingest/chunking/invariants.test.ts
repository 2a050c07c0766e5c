// What holds for the chunks, symbols and edges of any text whatever.
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import type { DocRecord } from '../../../src/format/doc.ts';
import { decodeDoc, encodeDoc } from '../../../src/format/doc-codec.ts';
import { MAX_CHUNK_CHARS, MAX_LINE_CHARS } from '../../../src/ingest/chunking/chunker.ts';
import { SourceText } from '../../../src/ingest/source-text.ts';
import { analyze } from '../syntax/describe.ts';
import { testSeed } from '../../support/random.ts';

const seed = testSeed();
const runs = Number(process.env['CAIRN_RUNS'] ?? 40);

const fixtures = join(dirname(fileURLToPath(import.meta.url)), '../../fixtures/polyglot');
const sources = globSync('*/*', { cwd: fixtures })
  .filter((file) => !file.startsWith('expected/'))
  .sort()
  .map((path) => ({ path, text: readFileSync(join(fixtures, path), 'utf8') }));

function checkDoc(doc: DocRecord, text: string): void {
  const { lines } = new SourceText(text);
  const covered = new Uint8Array(lines.length + 1);
  let last = 0;
  for (const chunk of doc.chunks) {
    assert.ok(chunk.startLine > last && chunk.endLine >= chunk.startLine && chunk.endLine <= lines.length, `chunk ${chunk.startLine}-${chunk.endLine} after line ${last}`);
    last = chunk.endLine;
    covered.fill(1, chunk.startLine, chunk.endLine + 1);
    const own = lines.slice(chunk.startLine - 1, chunk.endLine);
    if (own.every((line) => line.length <= MAX_LINE_CHARS)) assert.equal(chunk.text, own.join('\n'));
    assert.ok(own[0]?.trim() !== '' && own.at(-1)?.trim() !== '', 'no blank lines at the ends');
    assert.ok(chunk.text.length <= MAX_CHUNK_CHARS + 200 || own.length === 1 || own.some((line) => line.length > MAX_CHUNK_CHARS), `${chunk.text.length} characters`);
    assert.ok(chunk.symbol >= -1 && chunk.symbol < doc.symbols.length);
  }
  if (doc.chunks.length > 0) lines.forEach((line, i) => assert.ok(covered[i + 1] === 1 || line.trim() === '', `line ${i + 1} is in no chunk: ${line}`));
  doc.symbols.forEach((symbol, i) => {
    assert.ok(symbol.startLine >= 1 && symbol.endLine >= symbol.startLine && symbol.endLine <= lines.length, symbol.qualified);
    assert.ok(symbol.parent >= -1 && symbol.parent < doc.symbols.length && symbol.parent !== i);
    assert.ok(symbol.name !== '' && symbol.qualified.endsWith(symbol.name));
  });
  for (const edge of doc.edges) assert.ok(edge.line >= 1 && edge.line <= lines.length && edge.from >= -1 && edge.from < doc.symbols.length && edge.target !== '');
  assert.deepEqual(decodeDoc(encodeDoc(doc)).chunks.length, doc.chunks.length, 'can be stored');
}

test('chunks cover every line once, in order and exactly: the fixtures', async () => {
  for (const { path, text } of sources) checkDoc(await analyze(path, text), text);
});

test('line ends, marks and a missing last line end change no symbol and no chunk', async () => {
  for (const { path, text } of sources) {
    const plain = await analyze(path, text);
    const shape = (doc: DocRecord): unknown => ({ symbols: doc.symbols, chunks: doc.chunks.map(({ startLine, endLine, text: body }) => [startLine, endLine, body]) });
    if (path !== 'haskell/Queue.hs') assert.deepEqual(shape(await analyze(path, text.replaceAll('\n', '\r\n'))), shape(plain), `${path} with CRLF`);
    assert.deepEqual(shape(await analyze(path, `\ufeff${text}`)), shape(plain), `${path} with a byte order mark`);
    assert.deepEqual(shape(await analyze(path, text.trimEnd())), shape(plain), `${path} without a last line feed`);
  }
});

/** Cuts, repeats, moves and damages parts of a real source. */
const mutated = fc
  .record({
    source: fc.constantFrom(...sources),
    edits: fc.array(fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), length: fc.nat(80), text: fc.constantFrom('', '{', '}', '"', '/*', '*/', '\n', '\n\n\n', '(', 'class X {', '    ', 'é🙂', '\r\n', '#', "'''", ';') }), { maxLength: 8 }),
    copies: fc.integer({ min: 1, max: 4 }),
  })
  .map(({ source, edits, copies }) => {
    let text = source.text.repeat(copies);
    for (const { at, length, text: insert } of edits) {
      const from = Math.floor(at * text.length);
      text = text.slice(0, from) + insert + text.slice(from + length);
    }
    return { path: source.path, text: text.toWellFormed() };
  });

test(`chunks cover every line once, spans are in range, twice is the same: damaged sources (seed ${seed})`, async () => {
  await fc.assert(
    fc.asyncProperty(mutated, async ({ path, text }) => {
      const doc = await analyze(path, text);
      // A long repeated source may count as secret, minified or empty: then there is nothing to cover.
      checkDoc(doc, doc.source?.note?.startsWith('redacted') === true ? text : text);
      assert.deepEqual(await analyze(path, text), doc);
    }),
    { seed, numRuns: runs },
  );
});

test(`any text at all, in any language (seed ${seed})`, async () => {
  const anyText = fc.oneof(fc.string({ unit: 'binary', maxLength: 400 }), fc.string({ unit: 'grapheme', maxLength: 400 }), fc.array(fc.constantFrom('a', ' ', '\n', '\t', '{', '}', '(', '"', "'", '\\', '#', '\r', '=', ':'), { maxLength: 400 }).map((list) => list.join('')));
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...sources), anyText, async ({ path }, raw) => {
      const text = raw.toWellFormed().replace(/^\ufeff+/, '').replaceAll('\0', ' ');
      checkDoc(await analyze(path, text), text);
    }),
    { seed, numRuns: runs * 2 },
  );
});
