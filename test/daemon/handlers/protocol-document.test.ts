// PROTOCOL.md is the contract: one section per method, and every param of its schema in it, no other.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { methodTable } from '../../../daemon/handlers/table.ts';
import type { Services } from '../../../daemon/handlers/services.ts';
import { METHOD_NAMES } from '../../../daemon/protocol/methods.ts';
import * as limits from '../../../daemon/protocol/limits.ts';
import { ERROR_NUMBERS } from '../../../daemon/protocol/errors.ts';

const text = readFileSync(new URL('../../../daemon/protocol/PROTOCOL.md', import.meta.url), 'utf8');
const sections = new Map(text.slice(text.indexOf('# Methods')).split(/^## /m).slice(1).map((section) => {
  const [name = '', ...body] = section.split('\n');
  return [name.trim(), body.join('\n')] as const;
}));
// Schemas do not depend on the services.
const table = methodTable({ info: {}, config: {}, metrics: {}, owners: {}, embedder: {} } as unknown as Services);

test('[2.18] PROTOCOL.md has exactly one section for each method', () => {
  assert.deepEqual([...sections.keys()].sort(), [...METHOD_NAMES].sort());
});

for (const name of METHOD_NAMES) {
  test(`[2.18] PROTOCOL.md names the params of ${name}, and which may be left out`, () => {
    const paragraph = /^Params: ([\s\S]*?)(?=^(?:Result|Errors): |$(?![\s\S]))/m.exec(sections.get(name) ?? '')?.[1] ?? '';
    const documented = [...paragraph.replace(/\([^)]*\)/g, '').matchAll(/`([A-Za-z]+)(\?)?`/g)].map(([, param, optional]) => `${param}${optional ?? ''}`);
    const schema = table[name].params.shape as Readonly<Record<string, { isOptional(): boolean }>>;
    const expected = Object.entries(schema).map(([param, field]) => `${param}${field.isOptional() ? '?' : ''}`);
    const values = name === 'shutdown' ? ['user', 'handover'] : [];
    assert.deepEqual(documented.filter((param) => !values.includes(param)).sort(), expected.sort());
  });
}

test('PROTOCOL.md states the limits and the error numbers of the code', () => {
  assert.match(text, new RegExp(`${limits.MAX_HEADER_BYTES / 1024} KiB, 8 lines`));
  assert.match(text, new RegExp(`${limits.MAX_BODY_BYTES / 2 ** 20} MiB \\(64 KiB`));
  assert.match(text, new RegExp(`${limits.FRAME_TIMEOUT_MS / 1000} s from its first byte`));
  assert.match(text, new RegExp(`nesting of JSON \\| ${limits.MAX_JSON_DEPTH} `));
  assert.match(text, new RegExp(`one connection \\| ${limits.MAX_IN_FLIGHT} `));
  assert.match(text, new RegExp(`connections \\| ${limits.MAX_CONNECTIONS} `));
  for (const [code, number] of Object.entries(ERROR_NUMBERS)) if (code !== 'PARSE') assert.ok(text.includes(`${number} \`${code}\``), code);
});
