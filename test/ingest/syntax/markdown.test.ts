import assert from 'node:assert/strict';
import test from 'node:test';
import { outlineMarkdown } from '../../../src/ingest/syntax/markdown.ts';
import { analyze } from './describe.ts';

const headings = (text: string): string[] => outlineMarkdown(text.split('\n')).symbols.map(({ qualified, startLine, endLine }) => `${qualified} ${startLine}-${endLine}`);

test('headings nest by level and end where the next of their level begins', () => {
  assert.deepEqual(headings('# A\ntext\n### B\n## C\n### D\n# E'), ['A 1-5', 'A.B 3-3', 'A.C 4-5', 'A.C.D 5-5', 'E 6-6']);
});

test('setext headings, closing marks, links and emphasis; no headings in code, lists and front matter', () => {
  assert.deepEqual(headings('Title\n=====\n\nSub\n---\n'), ['Title 1-6', 'Title.Sub 4-6']);
  assert.deepEqual(headings('## Use `cairn` **now** ##\n# [Docs](http://x)\n#not\n####### seven\n#\n'), ['Use cairn now 1-1', 'Docs 2-6']);
  assert.deepEqual(headings('```\n# code\n```\n~~~~\n# code\n```\n~~~~\n    # indented\n- item\n---\ntext\nmore\n---\n'), []);
  assert.deepEqual(headings('---\ntitle: x\n---\n# A\n'), ['A 4-5']);
});

test('a setext heading may begin with a version number, a mark or a word in bold; a list item may not', () => {
  assert.deepEqual(headings('4.3.0 / 2014-05-21\n===\n\n * fix\n\n4.2.0 / 2014-05-11\n===\n'), ['4.3.0 / 2014-05-21 1-5', '4.2.0 / 2014-05-11 6-8']);
  assert.deepEqual(headings('**Bold** title\n---\n\n-fno-rtti\n---\n'), ['Bold title 1-3', '-fno-rtti 4-6']);
  assert.deepEqual(headings('1. item\n---\n\n2) item\n---\n\n* item\n---\n\n> quote\n---\n\n| table\n---\n'), []);
});

test('sections become chunks of kind section, small ones together', async () => {
  const long = 'A sentence about the topic at hand.\n'.repeat(30);
  const doc = await analyze('guide.md', `# Guide\n\n${long}\n## First\n\n${long}\n## Second\n\n${long}`);
  assert.deepEqual(doc.chunks.map((chunk) => [chunk.kind, doc.symbols[chunk.symbol]?.name]), [['section', 'Guide'], ['section', 'First'], ['section', 'Second']]);
  assert.equal((await analyze('small.md', '# A\n\na\n\n## B\n\nb\n')).chunks.length, 1);
});
