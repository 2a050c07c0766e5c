import assert from 'node:assert/strict';
import test from 'node:test';
import { analyzeFile, notedDocument } from '../../src/ingest/document.ts';
import { analyze, sharedParser } from './syntax/describe.ts';

const STAMP = { size: 3, mtimeNs: 5n, hash: new Uint8Array(16).fill(9) };

test('a noted document keeps path, language and stamp, and nothing else', () => {
  const doc = notedDocument('a/b/App.min.js', STAMP, 'minified');
  assert.deepEqual([doc.key, doc.language, doc.stem, doc.source], ['a/b/App.min.js', 'javascript', 'appmin', { ...STAMP, note: 'minified' }]);
  assert.deepEqual([doc.chunks, doc.symbols, doc.edges, doc.pathVector, doc.payload], [[], [], [], null, null]);
  assert.ok(doc.pathTerms.size > 0, 'it is still found by its path');
});

test('a file that must not be parsed is cut into windows and says why', async () => {
  const bytes = Buffer.from('function f() {\n  return 1;\n}\n');
  const doc = await analyzeFile('a.js', bytes, STAMP, { parser: await sharedParser(), parseBudgetMs: 1000, plainReason: 'took too long' });
  assert.deepEqual([doc.source?.note, doc.symbols.length, doc.chunks.map(({ kind }) => kind)], ['lines: took too long', 0, ['window']]);
  const without = await analyzeFile('a.js', bytes, STAMP, { parser: null, parseBudgetMs: 1000, plainReason: null });
  assert.deepEqual([without.source?.note, without.chunks.length], [null, 1]);
});

test('languages without a grammar: windows without a note; markdown: sections', async () => {
  const sql = await analyze('schema.sql', 'create table a (id int);\n');
  assert.deepEqual([sql.language, sql.source?.note, sql.chunks[0]?.kind], ['sql', null, 'window']);
  const markdown = await analyze('a.md', '# A\n\ntext\n');
  assert.deepEqual([markdown.language, markdown.chunks[0]?.kind], ['markdown', 'section']);
});

test('notes add up: encoding, secrets, way of parsing', async () => {
  const bytes = Buffer.concat([Buffer.from(`password = "Zk3pQ9xT7vRm2wLs"\n# `), Buffer.from([0xff, 0x80]), Buffer.from('\n')]);
  const doc = await analyzeFile('a.py', bytes, STAMP, { parser: await sharedParser(), parseBudgetMs: 1000, plainReason: 'crashed the parser' });
  assert.equal(doc.source?.note, 'invalid encoding: shown as U+FFFD; redacted: 1 secret; lines: crashed the parser');
});

test('terms of chunks, pairs and stem follow the tokenizer', async () => {
  const doc = await analyze('src/http-client.ts', 'export class HttpClient {\n  sendRequest(): void {}\n}\n');
  assert.deepEqual([doc.stem, doc.chunks[0]?.terms.get('httpclient'), doc.chunks[0]?.terms.get('http')], ['httpclient', 1, 1]);
  assert.deepEqual([...doc.pairs].sort(), ['http client', 'send request']);
  assert.equal(doc.pathTerms.get('http'), 2);
});

test('UTF-16 files are decoded; spans count their lines', async () => {
  for (const encode of [(text: string) => Buffer.from(`\ufeff${text}`, 'utf16le'), (text: string) => Buffer.from(`\ufeff${text}`, 'utf16le').swap16()]) {
    const doc = await analyze('A.cs', encode('using System;\r\n\r\nclass Größe\r\n{\r\n}\r\n'));
    assert.deepEqual(doc.symbols.map(({ name, startLine, endLine }) => [name, startLine, endLine]), [['Größe', 3, 5]]);
  }
});
