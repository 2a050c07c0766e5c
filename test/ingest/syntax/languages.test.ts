// Every supported language: symbols, spans, parents and edges of a small realistic file, as reviewed text.
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { detectLanguage, languageOfPath, PARSED_LANGUAGES } from '../../../src/ingest/languages.ts';
import { analyze, describe } from './describe.ts';

const fixtures = join(dirname(fileURLToPath(import.meta.url)), '../../fixtures/polyglot');
const files = globSync('*/*', { cwd: fixtures }).filter((file) => !file.startsWith('expected/')).sort();

for (const file of files) {
  test(`[6.8] symbols and unresolved edges of ${file}`, async () => {
    const doc = await analyze(file, readFileSync(join(fixtures, file)));
    assert.equal(describe(doc), readFileSync(join(fixtures, 'expected', `${basename(file)}.txt`), 'utf8'));
  });
}

test('[6.8] there is a fixture for every language with a grammar', async () => {
  const seen = new Set<string>();
  for (const file of files) seen.add((await analyze(file, readFileSync(join(fixtures, file)))).language);
  assert.deepEqual([...PARSED_LANGUAGES].sort().filter((id) => !seen.has(id)), []);
});

test('doc comments and decorators stay with their declaration', async () => {
  const padding = (n: number): string => Array.from({ length: 30 }, (_, i) => `  total += ${n} * ${i}; // padding to make it long`).join('\n');
  const text = `/** First. */\nfunction first() {\n${padding(1)}\n}\n\n/** Second. */\n// more\n@Decorated()\nclass Second {\n${padding(2).replaceAll('total +=', 'x =')}\n}\n`;
  const doc = await analyze('a.ts', text);
  const second = doc.chunks.find((chunk) => chunk.text.includes('class Second'));
  assert.match(second?.text ?? '', /^\/\*\* Second/);
  assert.equal(doc.symbols[second?.symbol ?? -1]?.name, 'Second');
});

test('languages by name, extension, first line and content', () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ['a/b.ts', '', 'typescript'], ['a.d.mts', '', 'typescript'], ['A.TSX', '', 'tsx'], ['Rakefile', '', 'ruby'], ['x/Gemfile', '', 'ruby'],
    ['run', '#!/usr/bin/env -S python3 -u\n', 'python'], ['run', '#!/bin/sh\n', 'bash'], ['run', '#!/usr/bin/node\n', 'javascript'], ['run', 'hello', 'text'],
    ['.bashrc', '', 'bash'], ['Dockerfile', '', 'dockerfile'], ['Dockerfile.dev', '', 'dockerfile'], ['CMakeLists.txt', '', 'cmake'], ['README', '', 'markdown'],
    ['notes.txt', '', 'text'], ['a.h', 'int f(void);\n', 'c'], ['a.h', '#ifdef __cplusplus\nextern "C" {\n#endif\nint f(void);\n', 'c'],
    ['a.h', 'class A {\n};\n', 'cpp'], ['a.h', 'template <typename T> struct B {};\n', 'cpp'], ['a.h', 'namespace x {\n', 'cpp'], ['a.h', '#include <vector>\n', 'cpp'],
    ['a.h', 'struct class_of { int class; };\n', 'c'], ['a.h', '@interface Foo : NSObject\n@end\n', 'objectivec'], ['a.m', '#import <Foundation/Foundation.h>\n', 'objectivec'], ['a.m', 'x = 1;\n', 'matlab'],
  ];
  for (const [path, text, id] of cases) assert.equal(detectLanguage(path, text).id, id, `${path} ${JSON.stringify(text)}`);
  assert.equal(languageOfPath('a.h'), null);
});
