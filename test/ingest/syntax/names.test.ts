import assert from 'node:assert/strict';
import test from 'node:test';
import { cleanImport, cleanName, ownerName, splitName, typeName } from '../../../src/ingest/syntax/names.ts';

test('names: white space, quotes and symbol colons go; absurd lengths are no names', () => {
  const cases = { 'plain': 'plain', ' a\n  b ': 'a b', '"quoted"': 'quoted', "'it'": 'it', ':symbol': 'symbol', '::': '::', 'operator ==': 'operator ==', '': '' };
  for (const [raw, name] of Object.entries(cases)) assert.equal(cleanName(raw), name, raw);
  assert.equal(cleanName('x'.repeat(257)), '');
  assert.equal(cleanName('x'.repeat(5000)), '');
});

test('qualified definition names are split by the separator of their language', () => {
  const cases: readonly (readonly [string, string, string | null, string])[] = [
    ['cpp', 'a::B::run', 'a.B', 'run'], ['cpp', 'List<T>::push', 'List', 'push'], ['cpp', '~Shape', null, '~Shape'], ['cpp', 'Shape::~Shape', 'Shape', '~Shape'],
    ['cpp', 'operator==', null, 'operator=='], ['cpp', 'ns::A::operator()', 'ns.A', 'operator()'], ['ruby', 'A::B', 'A', 'B'], ['csharp', 'Shop.Orders', 'Shop', 'Orders'],
    ['elixir', 'Jobs.Worker.Pool', 'Jobs.Worker', 'Pool'], ['lua', 'M.sub.run', 'M.sub', 'run'], ['lua', 'M:run', 'M', 'run'], ['typescript', '[Symbol.iterator]', null, '[Symbol.iterator]'],
    ['typescript', 'A.B', 'A', 'B'], ['python', 'a.b', null, 'a.b'], ['zig', 'starts empty', null, 'starts empty'],
  ];
  for (const [language, name, prefix, last] of cases) assert.deepEqual(splitName(name, language), { prefix, last }, `${language} ${name}`);
});

test('owners that name the module itself say nothing', () => {
  assert.deepEqual(['exports', 'module.exports', 'this', 'Route.prototype', 'app', 'a[0]', 'f()'].map(ownerName), [null, null, null, 'Route', 'app', null, null]);
});

test('targets: last part, without arguments and decoration', () => {
  const cases = {
    'Foo': 'Foo', 'a.b.C': 'C', 'std::vector<int>': 'vector', 'List<Map<A, B>>': 'List', "&'a mut Foo<T>": 'Foo', 'dyn Trait': 'Trait', '*http.Client': 'Client', 'App\\Support\\Str': 'Str',
    '(Either a)': 'Either', 'Base(a)': 'Base', 'Generic[T]': 'Generic', 'ready?': 'ready?', 'save!': 'save!', '#private': '#private', 'größe': 'größe', "foldl'": "foldl'", '$scope': '$scope', '   ': '', '::': '',
  };
  for (const [raw, name] of Object.entries(cases)) assert.equal(typeName(raw), name, raw);
});

test('imports keep the whole specifier, without quotes, brackets and keyword', () => {
  const cases = { '"a/b"': 'a/b', "'./x.ts'": './x.ts', '<stdio.h>': 'stdio.h', 'import  a.b.{C,\n  D}': 'a.b.{C, D}', 'std::io': 'std::io', '`x`': 'x' };
  for (const [raw, specifier] of Object.entries(cases)) assert.equal(cleanImport(raw), specifier);
});
