import assert from 'node:assert/strict';
import test from 'node:test';
import { LANGUAGE_IDS, languageNamed, languageOfPath } from '../../src/ingest/languages.ts';

test('[6.6] a language is named by its id, an extension or its common name, in any case', () => {
  const expected = { TypeScript: 'typescript', ts: 'typescript', '.ts': 'typescript', rs: 'rust', 'C++': 'cpp', 'c#': 'csharp', golang: 'go', shell: 'bash', sh: 'bash', text: 'text', c: 'c', klingon: null, '': null, constructor: null };
  assert.deepEqual(Object.fromEntries(Object.keys(expected).map((name) => [name, languageNamed(name)])), expected);
  for (const id of LANGUAGE_IDS) assert.equal(languageNamed(id), id);
  for (const extension of ['py', 'kt', 'md', 'yml']) assert.equal(languageNamed(extension), languageOfPath(`a.${extension}`)?.id);
});
