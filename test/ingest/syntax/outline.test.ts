// Rules of the outline that are the same for all languages, each shown in a language where it matters.
import assert from 'node:assert/strict';
import test from 'node:test';
import { analyze } from './describe.ts';

async function symbols(path: string, text: string): Promise<string[]> {
  return (await analyze(path, text)).symbols.map(({ kind, qualified }) => `${kind} ${qualified}`);
}

async function edges(path: string, text: string): Promise<string[]> {
  const doc = await analyze(path, text);
  return doc.edges.map(({ kind, target, from, line }) => `${doc.symbols[from]?.name ?? '-'} ${kind} ${target} @${line}`);
}

test('variables inside functions are no symbols; functions inside functions are', async () => {
  assert.deepEqual(await symbols('a.ts', 'const top = 1;\nfunction f() {\n  const local = 2;\n  function inner() {\n    let deep = 3;\n  }\n  const arrow = () => 4;\n}\n'), [
    'variable top', 'function f', 'function f.inner', 'function f.arrow',
  ]);
  assert.deepEqual(await symbols('a.kt', 'val top = 1\nfun f() {\n    val local = 2\n}\nclass A {\n    val field = 3\n    fun g() { var x = 4 }\n}\n'), ['variable top', 'function f', 'class A', 'property A.field', 'method A.g']);
  assert.deepEqual(await symbols('a.py', 'X = 1\ndef f():\n    y = 2\nclass A:\n    z = 3\n    def g(self):\n        self.w = 4\n'), ['constant X', 'function f', 'class A', 'property A.z', 'method A.g']);
});

test('names in capitals are constants', async () => {
  assert.deepEqual(await symbols('a.js', 'const MAX_SIZE = 1;\nlet Count = 2;\nvar x = 3;\n'), ['constant MAX_SIZE', 'variable Count', 'variable x']);
});

test('one statement, several names: side by side, not nested', async () => {
  assert.deepEqual(await symbols('a.rb', 'class A\n  attr_accessor :x, :y\nend\n'), ['class A', 'property A.x', 'property A.y']);
  assert.deepEqual(await symbols('a.go', 'package a\nvar a, b int\nconst (\n\tx = 1\n\ty = 2\n)\n'), ['variable a', 'variable b', 'constant x', 'constant y']);
  assert.deepEqual(await symbols('A.java', 'class A { int a, b; }\n'), ['class A', 'field A.a', 'field A.b']);
});

test('methods outside their type belong to it when it is in the file', async () => {
  const doc = await analyze('a.go', 'package a\n\nfunc (s *Stack[T]) Push() {}\n\nfunc (o Other) Run() {}\n\ntype Stack[T any] struct{}\n');
  assert.deepEqual(doc.symbols.map(({ qualified, kind, parent }) => [qualified, kind, parent === -1 ? null : doc.symbols[parent]?.qualified]), [
    ['Stack.Push', 'method', null], ['Other.Run', 'method', null], ['Stack', 'struct', null],
  ]);
  const rust = await analyze('a.rs', 'struct A;\nimpl A { fn x(&self) {} }\nimpl<T> From<T> for B<T> { fn from(t: T) -> Self { make(t) } }\n');
  assert.deepEqual(rust.symbols.map(({ qualified, parent }) => [qualified, parent]), [['A', -1], ['A.x', 0], ['B.from', -1]]);
});

test('clauses of one function are one symbol, unless something stands between them', async () => {
  assert.deepEqual(await symbols('a.ex', 'defmodule A do\n  def f(0), do: 1\n  # rest\n  def f(n), do: n\n  def g(x), do: x\n  def f(a, b), do: a\nend\n'), ['module A', 'function A.f', 'function A.g', 'function A.f']);
  const doc = await analyze('a.hs', 'f 0 = 1\nf n = n\n\ng x = x\n');
  assert.deepEqual(doc.symbols.map(({ name, startLine, endLine }) => [name, startLine, endLine]), [['f', 1, 2], ['g', 4, 4]]);
});

test('constructors are told apart', async () => {
  assert.deepEqual(await symbols('a.js', 'class A { constructor() {} run() {} }\nfunction constructor() {}\n'), ['class A', 'constructor A.constructor', 'method A.run', 'function constructor']);
  assert.deepEqual(await symbols('a.cpp', 'struct A { A() {} };\nB::B(int x) {}\nvoid B::run() {}\n'), ['struct A', 'constructor A.A', 'constructor B.B', 'method B.run']);
  assert.deepEqual(await symbols('a.php', '<?php\nclass A { function __construct() {} }\n'), ['class A', 'constructor A.__construct']);
});

test('calls are kept once a line, references once a symbol, and not beside a call of the same name', async () => {
  assert.deepEqual(await edges('a.ts', 'function f(a: Foo, b: Foo): Bar {\n  g(); g();\n  g();\n  return new Bar(a as Foo);\n}\n'), ['f reference Foo @1', 'f call g @2', 'f call g @3', 'f call Bar @4']);
});

test('an edge starts at the innermost symbol around it, or at the file', async () => {
  assert.deepEqual(await edges('a.py', 'import os\nsetup()\nclass A(Base):\n    def f(self):\n        def g():\n            h()\n        g()\n'), [
    '- import os @1', '- call setup @2', 'A extends Base @3', 'g call h @6', 'f call g @7',
  ]);
});

test('type parameters, own names and definitions are no references', async () => {
  assert.deepEqual(await edges('a.java', 'class Node<T> {\n  Node<T> next;\n  T value;\n}\n'), ['next reference Node @2']);
  assert.deepEqual(await edges('a.rs', 'struct Node { next: Box<Node> }\nimpl Node { fn new() -> Self { Node { next } } }\n'), ['next reference Box @1', 'next reference Node @1', 'new call Node @2']);
});

test('edges are unresolved: what is called is named as it is written', async () => {
  assert.deepEqual(await edges('a.ts', 'a.b.c();\nx?.y();\nnew ns.Thing();\nthis.#hidden();\nimport("./lazy.ts");\nexport * from "./all.ts";\n'), [
    '- call c @1', '- call y @2', '- call Thing @3', '- call #hidden @4', '- import ./lazy.ts @5', '- import ./all.ts @6',
  ]);
});

test('comments and docstrings are collected as terms of the file, code is not', async () => {
  const doc = await analyze('a.py', '"""Module about penguins."""\n# a walrus\ndef seal():\n    "Docs of dolphins"\n    text = "no whale"  # an otter\n');
  const animals = ['penguin', 'walru', 'walrus', 'dolphin', 'otter'].filter((word) => doc.commentTerms.has(word));
  assert.deepEqual(animals.length, 4);
  assert.ok(!doc.commentTerms.has('whale') && !doc.commentTerms.has('seal'));
});

test('nesting without end does not make names without end', async () => {
  const doc = await analyze('a.js', `${'class Quite_A_Long_Name_For_A_Class { static x = '.repeat(60)}1${' }'.repeat(60)}\n${'function outer_function() {\n'.repeat(300)}${'}\n'.repeat(300)}`);
  assert.ok(doc.symbols.length > 250);
  assert.ok(doc.symbols.every(({ qualified }) => qualified.length <= 512));
});

test('names that are data are left out', async () => {
  assert.deepEqual(await symbols('a.js', `const ${'x'.repeat(300)} = 1;\nconst y = 2;\n`), ['variable y']);
});
