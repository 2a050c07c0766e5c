import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseSnippet } from '../../src/query/snippet.ts';

const TEXT = ['/** Opens it. */', 'export function open() {', '  const a = 1;', '', '  // the torn tail is cut here', '  cutTail(log);', '}', ''].join('\n');

test('the window with the most query words is shown, with its lines in the file', () => {
  const snippet = chooseSnippet(TEXT, 101, 'torn tail of the log', { maxLines: 2, maxColumns: 200 });
  assert.deepEqual([snippet.startLine, snippet.endLine], [105, 106]);
  assert.equal(snippet.text, '  // the torn tail is cut here\n  cutTail(log);');
  const lines = snippet.text.split('\n');
  assert.deepEqual(snippet.highlights.map(({ line, start, end }) => lines[line]?.slice(start, end)), ['torn', 'tail', 'cutTail', 'log']);
});

test('inflected forms and parts of identifiers are highlighted', () => {
  const { highlights } = chooseSnippet('openFiles(reading)', 1, 'open file reader', { maxLines: 1, maxColumns: 80 });
  assert.deepEqual(highlights.map(({ start, end }) => [start, end]), [[0, 9], [10, 17]]);
});

test('without any word the preferred line is shown, else the first lines', () => {
  const options = { maxLines: 2, maxColumns: 80 };
  assert.equal(chooseSnippet(TEXT, 1, 'zebra', options).startLine, 1);
  assert.equal(chooseSnippet(TEXT, 1, 'zebra', { ...options, preferredLine: 6 }).startLine, 5);
});

test('blank lines at the ends go, long lines are cut, short texts come whole', () => {
  assert.equal(chooseSnippet('\n\nwal\n\n', 10, 'wal', { maxLines: 5, maxColumns: 80 }).startLine, 12);
  assert.equal(chooseSnippet('x'.repeat(50), 1, 'wal', { maxLines: 5, maxColumns: 10 }).text, `${'x'.repeat(9)}…`);
  assert.equal(chooseSnippet('a\r\nb', 1, 'wal', { maxLines: 5, maxColumns: 10 }).text, 'a\nb');
  assert.deepEqual(chooseSnippet('', 1, 'wal', { maxLines: 5, maxColumns: 10 }), { startLine: 1, endLine: 1, text: '', highlights: [] });
});
