import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isCodeLanguage } from '../../src/query/filters.ts';
import { languageOfPath } from '../../src/ingest/languages.ts';
import { SimplePart, snapshotOf } from '../support/simple-part.ts';
import { sourceDoc } from '../support/source-doc.ts';
import { corpus, docsOf, filesOf, hitsOf } from './search-fixture.ts';

const noise = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`src/noise${i}.ts`, `flush flush flush segment ${i}`]));

test('[6.6] filters apply before anything is cut: the only match is found among hundreds of better files', () => {
  const docs = [...docsOf(noise), sourceDoc('deep/other/x.py', 'a segment and much more text that makes it rank below all of the others here', { language: 'python' })];
  const snapshot = snapshotOf([new SimplePart(docs)]);
  assert.deepEqual(filesOf(snapshot, 'flush segment', { filters: { languages: ['python'] } }), ['deep/other/x.py']);
  assert.deepEqual(filesOf(snapshot, 'flush segment', { filters: { languages: ['Python'] } }), ['deep/other/x.py']);
  assert.deepEqual(filesOf(snapshot, 'flush segment', { filters: { paths: ['deep/**'] } }), ['deep/other/x.py']);
  assert.deepEqual(filesOf(snapshot, 'flush segment', { filters: { paths: ['*.py', '*.rb'], languages: ['python', 'ruby'] } }), ['deep/other/x.py']);
  assert.deepEqual(filesOf(snapshot, 'flush segment', { filters: { languages: ['rust'] } }), []);
  assert.equal(filesOf(snapshot, 'flush segment', { filters: { paths: ['!deep'] }, limit: 1000 }).includes('deep/other/x.py'), false);
});

test('[6.6] the same snapshot answers alternating filters exactly', () => {
  const snapshot = corpus({ 'a.ts': 'wal', 'b.py': 'wal' });
  for (let i = 0; i < 3; i++) {
    assert.deepEqual(filesOf(snapshot, 'wal', { filters: { paths: ['*.ts'] } }), ['a.ts']);
    assert.deepEqual(filesOf(snapshot, 'wal', { filters: { paths: ['*.py'] } }), ['b.py']);
    assert.deepEqual(filesOf(snapshot, 'wal').sort(), ['a.ts', 'b.py']);
  }
});

test('[6.6] the kind filter returns chunks that declare such a symbol, and no others', () => {
  const snapshot = corpus({ 'a.ts': 'class WalFile {}\n\nfunction openWal() { wal(); }\n\nwal wal wal', 'b.ts': 'wal wal' });
  const hits = hitsOf(snapshot, 'wal', { filters: { kinds: ['function'] } });
  assert.deepEqual(hits.map(({ key, startLine }) => [key, startLine]), [['a.ts', 3]]);
  assert.deepEqual(hitsOf(snapshot, 'wal', { filters: { kinds: ['class', 'function'] } }).map(({ startLine }) => startLine).sort(), [1, 3]);
  assert.deepEqual(hitsOf(snapshot, 'wal', { filters: { kinds: ['enum'] } }), []);
});

test('[6.6] the symbol of a hit is of a kind that was asked for, also where a chunk declares several', () => {
  const snapshot = corpus({ 'a.ts': 'class WalFile {}\nfunction openWal() { wal(); }\ninterface Wal { x }', 'b.ts': 'wal wal' });
  for (const query of ['wal', 'WalFile', 'openWal', 'Wal']) {
    assert.deepEqual(hitsOf(snapshot, query, { filters: { kinds: ['function'] } }).map(({ symbol }) => symbol?.name), ['openWal'], query);
    assert.deepEqual(hitsOf(snapshot, query, { filters: { kinds: ['class', 'enum'] } }).map(({ symbol }) => symbol?.name), ['WalFile'], query);
  }
  assert.equal(hitsOf(snapshot, 'Wal')[0]?.symbol?.name, 'Wal');
});

test('[6.6] codeOnly leaves out prose, data and configuration', () => {
  const docs = [sourceDoc('a.ts', 'wal'), sourceDoc('README.md', 'wal', { language: 'markdown' }), sourceDoc('x.json', 'wal', { language: 'json' }), sourceDoc('LICENSE', 'wal', { language: 'text' })];
  assert.deepEqual(filesOf(snapshotOf([new SimplePart(docs)]), 'wal', { filters: { codeOnly: true } }), ['a.ts']);
});

test('[6.6] what ingest calls prose or data is not code here', () => {
  for (const name of ['a.md', 'a.rst', 'a.adoc', 'a.tex', 'a.org', 'a.html', 'a.json', 'a.yaml', 'a.toml', 'a.xml', 'a.ini', 'a.csv', 'a.diff', 'a.log']) {
    const language = languageOfPath(name);
    assert.ok(language !== null && !isCodeLanguage(language.id), name);
  }
  for (const name of ['a.ts', 'a.py', 'a.go', 'a.rs', 'a.hs', 'a.sql', 'Makefile', 'Dockerfile']) assert.ok(isCodeLanguage(languageOfPath(name)?.id ?? ''), name);
});

test('[6.6] a filter changes which files are returned, not how they are scored', () => {
  const snapshot = corpus({ ...noise, 'lib/a.ts': 'segment flush', 'lib/b.ts': 'segment' });
  const all = hitsOf(snapshot, 'segment', { limit: 1000, without: ['semantic'], explain: true }).find(({ key }) => key === 'lib/a.ts');
  const filtered = hitsOf(snapshot, 'segment', { filters: { paths: ['lib'] }, explain: true }).find(({ key }) => key === 'lib/a.ts');
  assert.equal(filtered?.explain?.features.chunkCover?.value, all?.explain?.features.chunkCover?.value);
});
