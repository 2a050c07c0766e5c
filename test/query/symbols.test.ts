import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matchesHumps, matchName, searchSymbols, type SymbolRequest } from '../../src/query/symbols.ts';
import { SimplePart, snapshotOf } from '../support/simple-part.ts';
import { corpus, docsOf } from './search-fixture.ts';

const FILES = {
  'src/user.ts': 'export class User {}\n\nfunction getUserName() {}\n\nfunction getUser() {}\n\nconst userCount = 1;',
  'src/guns.ts': 'class Gun {}\n\nfunction begun() {}',
  'test/user.test.ts': 'class User {}',
  'src/http.ts': 'class HttpServerSession {}\n\ninterface HttpSession {}',
};

async function names(query: string, more: Partial<SymbolRequest> = {}): Promise<string[]> {
  return (await searchSymbols(corpus(FILES), { query, limit: 20, ...more })).map(({ name, key }) => `${name} ${key}`);
}

test('[6.8] exact names first, sources before tests, then prefixes, then looser matches', async () => {
  const found = await names('User');
  assert.deepEqual(found.slice(0, 2), ['User src/user.ts', 'User test/user.test.ts']);
  assert.ok(found.indexOf('userCount src/user.ts') < found.indexOf('getUser src/user.ts'));
});

test('[6.8] camel humps, parts of names and letters in order', async () => {
  assert.equal((await names('geUN'))[0], 'getUserName src/user.ts');
  assert.deepEqual((await names('gUN')).slice(0, 2), ['Gun src/guns.ts', 'getUserName src/user.ts'], 'a whole name in other case comes before humps');
  assert.equal((await names('HSS'))[0], 'HttpServerSession src/http.ts');
  assert.equal((await names('session'))[0], 'HttpSession src/http.ts');
  assert.deepEqual(await names('httpsrvsess'), ['HttpServerSession src/http.ts']);
  assert.deepEqual(await names('nosuchthing'), []);
});

test('[6.8] exact mode gives exactly that name', async () => {
  assert.deepEqual(await names('getUser', { exact: true }), ['getUser src/user.ts']);
  assert.deepEqual(await names('getuser', { exact: true }), []);
});

test('[6.6] kind, language and path filters apply before the limit', async () => {
  assert.deepEqual(await names('user', { filters: { kinds: ['variable', 'constant'] }, limit: 1 }), ['userCount src/user.ts']);
  assert.deepEqual(await names('User', { filters: { paths: ['test/**'] }, limit: 1 }), ['User test/user.test.ts']);
  assert.deepEqual(await names('User', { filters: { languages: ['rust'] } }), []);
});

test('symbols of dead docs are not found, and results do not depend on the parts', async () => {
  const docs = docsOf(FILES);
  const split = snapshotOf(docs.map((doc) => new SimplePart([doc])));
  for (const query of ['user', 'gUN', 'Session']) {
    assert.deepEqual(await searchSymbols(split, { query, limit: 20 }), await searchSymbols(corpus(FILES), { query, limit: 20 }));
  }
  const dead = snapshotOf([new SimplePart(docs)], [[0]]);
  assert.deepEqual((await searchSymbols(dead, { query: 'getUser', limit: 9 })).filter(({ key }) => key === 'src/user.ts'), []);
});

test('humps are beginnings of parts in order', () => {
  assert.ok(matchesHumps('gun', 'getUserName'));
  assert.ok(matchesHumps('getun', 'getUserName'));
  assert.ok(matchesHumps('gname', 'getUserName'));
  assert.ok(matchesHumps('mof', 'max_open_files'));
  assert.ok(!matchesHumps('gnu', 'getUserName'));
  assert.ok(!matchesHumps('gser', 'getUserName'));
});

test('kinds of match', () => {
  const match = (query: string, name: string, qualified = name): string | null => matchName(query, name, qualified)?.match ?? null;
  assert.equal(match('Engine.open', 'open', 'db.Engine.open'), 'exact');
  assert.equal(match('readfile', 'read_file'), 'case');
  assert.equal(match('read', 'readFile'), 'prefix');
  assert.equal(match('file read', 'readFile'), 'words');
  assert.equal(match('rdf', 'readFile'), 'letters');
  assert.equal(match('zz', 'readFile'), null);
});

test('an empty query, a bad limit and a cancelled signal are refused', async () => {
  await assert.rejects(names(' '), { code: 'INVALID_ARGUMENT' });
  await assert.rejects(names('x', { limit: 0 }), { code: 'INVALID_ARGUMENT' });
  await assert.rejects(searchSymbols(corpus(FILES), { query: 'user', limit: 5 }, AbortSignal.abort()), { code: 'CANCELLED' });
});
