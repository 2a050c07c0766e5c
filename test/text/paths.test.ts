import assert from 'node:assert/strict';
import { test } from 'node:test';
import { adjacentPairs, commentTerms, definitionTerms, isSymbolQuery, normalizedStem, pathParts, pathPenalty, pathTerms, projectTerms, symbolNames } from '../../src/text/index.ts';
import { stem } from '../../src/text/stemmer.ts';

test('path terms: the stem counts 2, the last three directories 1', () => {
  assert.deepEqual([...pathTerms('root/a/b/c/fileTable.test.ts')], [['filetable', 2], [stem('file'), 2], [stem('table'), 2], ['test', 2], ['a', 1], ['b', 1], ['c', 1]]);
  assert.equal(pathTerms('cache/cache.ts').get(stem('cache')), 3);
});

test('the stem of a path is its base name without the last extension', () => {
  assert.deepEqual(pathParts('a/b/index.d.ts'), { stem: 'index.d', directories: ['a', 'b'] });
  assert.deepEqual(pathParts('.bashrc'), { stem: '.bashrc', directories: [] });
  assert.deepEqual(pathParts('Makefile'), { stem: 'Makefile', directories: [] });
  assert.equal(normalizedStem('My_file-name.d'), 'myfilenamed');
});

test('pairs are adjacent parts of one name, never across names', () => {
  assert.deepEqual(adjacentPairs(['readFileSync', 'x'], 'write-ahead_log'), [`${stem('read')} ${stem('file')}`, `${stem('file')} ${stem('sync')}`, `${stem('write')} ${stem('ahead')}`, `${stem('ahead')} log`]);
});

test('definition terms begin with the whole name when there are parts', () => {
  assert.deepEqual(definitionTerms('readFile'), ['readfile', stem('read'), stem('file')]);
  assert.deepEqual(definitionTerms('reader'), [stem('reader')]);
  assert.deepEqual(definitionTerms('Getting started'), ['getting started', stem('getting'), stem('started')]);
  assert.deepEqual(definitionTerms('+'), []);
});

test('comment terms add up over comments', () => {
  const { terms, length } = commentTerms(['reads a file', 'a file']);
  assert.equal(terms.get(stem('file')), 2);
  assert.equal(length, 5);
});

test('side files are lowered, and lifted when asked for', () => {
  assert.equal(pathPenalty('src/wal.ts'), 1);
  assert.equal(pathPenalty('src/latest.ts'), 1);
  for (const path of ['test/wal.ts', 'src/wal.test.ts', 'src/__tests__/x.js', 'pkg/wal_test.go', 'test_wal.py', 'src/WalTest.java', 'spec/wal.rb']) assert.equal(pathPenalty(path), 0.3, path);
  for (const path of ['examples/a.ts', 'docs_src/a.py', 'lib/compat/a.c', 'benches/a.rs', 'perf/benchmarks/a.py']) assert.equal(pathPenalty(path), 0.3, path);
  assert.equal(pathPenalty('pkg/__init__.py'), 0.5);
  assert.equal(pathPenalty('types/node.d.ts'), 0.7);
  for (const path of ['src/win/tty.c', 'lib/Windows/pipe.cc', 'src/poll_windows.go', 'env-win32.c']) assert.equal(pathPenalty(path), 0.8, path);
  for (const path of ['src/window/tty.c', 'src/windows.c', 'src/darwin/tty.c', 'src/twin/a.c']) assert.equal(pathPenalty(path), 1, path);
  for (const path of ['CHANGELOG.md', 'docs/History.md', 'pkg/NEWS', 'Release-Notes.rst', 'CHANGES.txt']) assert.equal(pathPenalty(path), 0.5, path);
  for (const path of ['src/history.ts', 'lib/changes.c', 'src/news/feed.go', 'docs/changes/api.md']) assert.equal(pathPenalty(path), 1, path);
  assert.equal(pathPenalty('test/wal.ts', new Set(['test'])), 1);
  assert.ok(Math.abs(pathPenalty('examples/test/a.ts', new Set(['test'])) - 0.3) < 1e-9);
});

test('symbol queries are single words that look like names', () => {
  for (const query of ['getUser', 'HttpClient', 'max_size', 'a::b', 'foo.bar', 'p->next', 'URL']) assert.ok(isSymbolQuery(query), query);
  for (const query of ['router', 'get user', 'how does HttpClient work']) assert.ok(!isSymbolQuery(query), query);
});

test('names in a query: all of a single word, name-like words of a sentence, last parts of qualified names', () => {
  const names = (query: string): string[] => symbolNames(query).map(({ name }) => name);
  assert.deepEqual(names('router'), ['router']);
  assert.deepEqual(names('how does HttpClient retry'), ['HttpClient']);
  assert.deepEqual(names('Engine::open'), ['Engine::open', 'Engine.open', 'open']);
  assert.deepEqual(names('where is max_size used'), ['max_size']);
  assert.deepEqual(names('plain words only'), []);
  assert.deepEqual(symbolNames('Engine::open open').find(({ name }) => name === 'open'), { name: 'open', isQualified: false, sure: 0.7, isWord: false });
  const words = (query: string): string[] => symbolNames(query).filter(({ isWord }) => isWord).map(({ name }) => name);
  assert.deepEqual(words('Media type and Cookie handling of HttpClient with JSON in Http::Server'), ['Media', 'Cookie']);
  assert.deepEqual(words('Media'), []);
});

test('a project is named by a folder of one word that is not what folders are often called', () => {
  assert.deepEqual(projectTerms(['src', 'Tokio']), ['tokio']);
  assert.deepEqual(projectTerms(['reader', 'reader']), [stem('reader')]);
  assert.deepEqual(projectTerms(['bash-it', 'mini.nvim', 'server', '2024', 'work']), []);
});
