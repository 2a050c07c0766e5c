// Peak memory of a process that parses: the optimizing compiler of V8 would take gigabytes over some grammars.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import test from 'node:test';
import { fileURLToPath } from 'node:url';

const PARSE_FOR_A_WHILE = `
  const { readFileSync } = await import('node:fs');
  const { analyze } = await import(process.argv[1]);
  const text = readFileSync(process.argv[2], 'utf8').repeat(20);
  for (let i = 0; i < 12; i++) {
    await analyze('Session.swift', text);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await new Promise((resolve) => setTimeout(resolve, 500));
  process.stdout.write(String(process.resourceUsage().maxRSS / 1024));
`;

test('parsing swift for a while stays far below a gigabyte', () => {
  const helper = new URL('./describe.ts', import.meta.url).href;
  const fixture = fileURLToPath(new URL('../../fixtures/polyglot/swift/Session.swift', import.meta.url));
  const peak = Number(execFileSync(process.execPath, ['--input-type=module', '-e', PARSE_FOR_A_WHILE, helper, fixture], { encoding: 'utf8' }));
  // 140 MB, and 1600 or more with that compiler.
  assert.ok(peak > 0 && peak < 800, `${peak} MB`);
});
