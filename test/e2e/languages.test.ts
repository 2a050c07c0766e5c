// Every supported language through the real daemon: the symbols that the fixtures' expectations list are found over the socket,
// and searching a name brings its file with its language.
import assert from 'node:assert/strict';
import { cpSync, globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type CairnClient, connect } from '../../client/index.ts';
import { projectRoot, Sandbox } from '../support/cli.ts';
import { checkLeaks } from '../support/leaks.ts';

checkLeaks();
const fixtures = join(projectRoot, 'test', 'fixtures', 'polyglot');
const files = globSync('*/*', { cwd: fixtures }).filter((file) => !file.startsWith('expected/')).sort();

interface ExpectedSymbol {
  readonly kind: string;
  readonly qualified: string;
  readonly startLine: number;
}

function expectedSymbols(file: string): ExpectedSymbol[] {
  const text = readFileSync(join(fixtures, 'expected', `${basename(file)}.txt`), 'utf8');
  return [...text.matchAll(/^ {2}([a-z]+) (.+?) (\d+)-\d+(?: in .*)?$/gm)].map((match) => ({
    kind: match[1] ?? '',
    qualified: match[2] ?? '',
    startLine: Number(match[3]),
  }));
}

describe('languages', () => {
  const sandbox = new Sandbox();
  const root = sandbox.path('polyglot');
  let client: CairnClient;

  before(async () => {
    cpSync(fixtures, root, { recursive: true, filter: (source) => !source.includes('expected') });
    client = await connect({ env: sandbox.env, entry: join(projectRoot, 'dist', 'daemon', 'main.js') });
    await client.openIndex({ root, wait: true });
  });
  after(async () => {
    client.close();
    await sandbox.close();
  });

  for (const file of files) {
    test(`[6.8] ${file}`, async () => {
      const expected = expectedSymbols(file);
      assert.ok(expected.length >= 1, 'the fixture has expectations');
      for (const symbol of expected) {
        const { symbols } = await client.symbols({ root, query: symbol.qualified, paths: [file], limit: 50 });
        const found = symbols.some((hit) => hit.qualified === symbol.qualified && hit.kind === symbol.kind && hit.startLine === symbol.startLine && hit.path === file);
        assert.ok(found, `${symbol.kind} ${symbol.qualified} of line ${symbol.startLine}: got ${JSON.stringify(symbols)}`);
      }
      const name = expected.find((symbol) => symbol.kind !== 'section')?.qualified ?? expected[0]?.qualified ?? '';
      const answer = await client.search({ root, query: name, paths: [file] });
      assert.equal(answer.hits[0]?.path, file);
      assert.ok(answer.hits.every((hit) => hit.language === answer.hits[0]?.language && hit.language !== 'text'));
    });
  }

  test('[6.8] definition, references, callers and callees over the socket', async () => {
    const definition = await client.definition({ root, name: 'Cache' });
    assert.ok(JSON.stringify(definition).includes('go/cache.go'), JSON.stringify(definition));
    const callees = await client.callees({ root, name: 'Cache.Get' });
    assert.ok(JSON.stringify(callees).includes('MoveToFront'), JSON.stringify(callees));
    const callers = await client.callers({ root, name: 'MoveToFront' });
    assert.ok(JSON.stringify(callers).includes('Cache.Get'), JSON.stringify(callers));
  });
});
