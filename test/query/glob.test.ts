import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compileGlob, compileGlobs } from '../../src/query/glob.ts';
import { testSeed } from '../support/random-docs.ts';

const CASES: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  ['*.ts', ['a.ts', 'src/a.ts', 'src/b/a.d.ts'], ['a.tsx', 'ts']],
  ['/*.ts', ['a.ts'], ['src/a.ts']],
  ['src/*.ts', ['src/a.ts'], ['src/b/a.ts', 'x/src/a.ts']],
  ['src/**/*.ts', ['src/a.ts', 'src/b/c/a.ts'], ['srcs/a.ts', 'lib/src/a.ts']],
  ['**/test/**', ['test/a.ts', 'a/test/b/c.ts'], ['tests/a.ts', 'a/latest/b.ts']],
  ['src', ['src/a.ts', 'pkg/src/b/c.ts'], ['srcs/a.ts', 'a/src.ts']],
  ['src/', ['src/a.ts'], ['a/srcs/b']],
  ['./src/index', ['src/index/a.ts', 'src/index'], ['x/src/index/a.ts', 'src/index.ts']],
  ['a?c', ['abc', 'x/abc'], ['ac', 'a/c', 'abbc']],
  ['[a-c]x[!0-9]', ['axy', 'bx_'], ['dxy', 'ax1', 'ax']],
  ['[]x]', [']', 'x'], ['y']],
  ['*.{c,h,{cc,hh}}', ['a.c', 'b/a.hh'], ['a.cpp']],
  ['{src,test}/**/a*', ['src/ab', 'test/x/a'], ['lib/a']],
  ['{x}', ['{x}'], ['x']],
  ['a\\*b', ['a*b'], ['axb']],
  ['a**b', ['ab', 'a/x/b'], ['a/x/c']],
  ['ünï*', ['ünïcode'], ['unicode']],
];

for (const [pattern, yes, no] of CASES) {
  test(`[6.6] glob ${pattern}`, () => {
    const match = compileGlob(pattern);
    for (const path of yes) assert.ok(match(path), `${path} should match`);
    for (const path of no) assert.ok(!match(path), `${path} should not match`);
  });
}

test('[6.6] a list of globs: one positive must match, no negative may', () => {
  const match = compileGlobs(['src/**', '!**/*.test.ts']);
  assert.deepEqual(['src/a.ts', 'src/a.test.ts', 'lib/a.ts'].map(match), [true, false, false]);
  assert.ok(compileGlobs(['!docs'])('src/a.ts'));
});

test('[6.6] patterns that make no sense are refused', () => {
  for (const pattern of ['', '{a', '[a', 'x'.repeat(5000), '{a,b}'.repeat(9)]) {
    assert.throws(() => compileGlob(pattern), { code: 'INVALID_ARGUMENT' });
  }
});

/** By the textbook: a set of positions, no backtracking. */
function reference(pattern: string, path: string): boolean {
  const full = pattern.includes('/') ? pattern : `**/${pattern}`;
  const step = (p: number, t: number): boolean => {
    if (t === full.length) return p === path.length || path[p] === '/';
    if (full.startsWith('**/', t) && (t === 0 || full[t - 1] === '/')) return step(p, t + 3) || [...path].some((_, i) => i >= p && path[i] === '/' && step(i + 1, t + 3));
    if (full.startsWith('**', t)) {
      for (let i = p; i <= path.length; i++) if (step(i, t + 2)) return true;
      return false;
    }
    if (full[t] === '*') {
      for (let i = p; i <= path.length; i++) {
        if (step(i, t + 1)) return true;
        if (path[i] === '/') return false;
      }
      return false;
    }
    return p < path.length && (full[t] === '?' ? path[p] !== '/' : full[t] === path[p]) && step(p + 1, t + 1);
  };
  return step(0, 0);
}

test('matching equals the definition on random patterns', () => {
  const pattern = fc.array(fc.constantFrom('a', 'b', '/', '*', '**', '?'), { minLength: 1, maxLength: 7 }).map((parts) => parts.join(''))
    .filter((text) => !/\*\*\*|^\/|\/$|\/\//.test(text));
  const path = fc.array(fc.constantFrom('a', 'b', '/'), { minLength: 1, maxLength: 8 }).map((parts) => parts.join('')).filter((text) => !/^\/|\/$|\/\//.test(text));
  fc.assert(fc.property(pattern, path, (glob, text) => assert.equal(compileGlob(glob)(text), reference(glob, text))), { seed: testSeed(), numRuns: 3000 });
});

test('a hostile pattern costs pattern × path, not more', () => {
  const match = compileGlob(`${'*a'.repeat(200)}b`);
  assert.ok(!match('a'.repeat(4000)));
  assert.ok(!compileGlob(`${'**/a*'.repeat(50)}b`)('a/'.repeat(2000)));
});
