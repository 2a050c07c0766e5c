// cairn import and cairn migrate: what they ask of the daemon, what they print, and their exit codes.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import type { IndexImportResult, IndexMigrateResult } from '../../daemon/protocol/types.ts';
import { checkLeaks } from '../support/leaks.ts';
import { harness } from './cli-harness.ts';
import { WireError } from './fake-daemon.ts';

checkLeaks();

const WHOLE: IndexImportResult = { index: 'notes', kind: 'vector', from: 'dvecdb', documents: 2, taken: 2, refused: [], warnings: [], embedded: 0, cached: 0, tookMs: 12 };
const PARTLY: IndexImportResult = {
  ...WHOLE, kind: 'code', from: 'trusty', documents: 3, taken: 40, embedded: 30, cached: 10,
  refused: [{ reason: 'chunk without an id', count: 2, examples: ['chunk 4 at offset 99', 'chunk 9 at offset 120'] }],
  warnings: [{ code: 'UNSUPPORTED', message: 'entities of 7 files are not imported', found: 7 }],
};

test('[3.13] import passes paths absolute and options as given; exit code 3 when something was refused', async (t) => {
  const { fake, run, dir } = await harness(t);
  const asked: unknown[] = [];
  let answer = WHOLE;
  fake.answer('index/import', ({ params }) => {
    asked.push(params);
    return answer;
  });
  const whole = await run(['import', 'some/dir', '--from', 'dvecdb', '--name', 'notes', '--dimension', '3', '--metric', 'euclidean']);
  assert.deepEqual([whole.code, whole.stdout], [0, 'notes: 2 records from dvecdb, 12 ms\n']);
  const [{ progressToken: _, ...params }] = asked as [Record<string, unknown>];
  assert.deepEqual(params, { path: join(dir, 'some/dir'), from: 'dvecdb', name: 'notes', dimension: 3, metric: 'euclidean' });
  answer = PARTLY;
  const partly = await run(['import', '/x.json', '--from', 'trusty', '--root', '.']);
  assert.equal(partly.code, 3);
  assert.equal((asked[1] as { root: string }).root, dir);
  assert.match(partly.stdout, /notes: 3 files, 40 chunks \(30 embedded, 10 known\) from trusty/);
  assert.match(partly.stdout, /warning entities of 7 files[\s\S]*refused 2: chunk without an id\n\s+chunk 4 at offset 99/);
  const json = await run(['import', '/x.json', '--from', 'trusty', '--json']);
  assert.deepEqual([json.code, JSON.parse(json.stdout)], [3, PARTLY]);
  fake.answer('index/import', () => {
    throw new WireError('CORRUPT', 'x.json: it has no version 1');
  });
  const refused = await run(['import', '/x.json', '--from', 'trusty']);
  assert.deepEqual([refused.code, refused.stderr.includes('no version 1')], [3, true]);
  for (const wrong of [['import'], ['import', 'x', '--from', 'sqlite'], ['import', 'x', '--dimension', '-1'], ['import', 'x', '--metric', 'manhattan']]) assert.equal((await run(wrong)).code, 2, wrong.join(' '));
});

test('[3.28] migrate says what it did or would do, and fails when something cannot be migrated', async (t) => {
  const { fake, run } = await harness(t);
  const one = { index: 'old', path: '/d/old', from: 0, to: 1, steps: ['completed'], backup: '/d/old/metadata.json.schema-0', metadata: {} };
  const asked: unknown[] = [];
  let answer: IndexMigrateResult = { dryRun: true, migrated: [{ ...one, backup: null }], failed: [] };
  fake.answer('index/migrate', ({ params }) => {
    asked.push(params);
    return answer;
  });
  const dry = await run(['migrate', '--dry-run']);
  assert.deepEqual([dry.code, dry.stdout], [0, 'old: schema 0 would become 1\n  completed\n']);
  answer = { dryRun: false, migrated: [one], failed: [{ path: '/d/bad', code: 'NEWER_FORMAT', reason: 'schemaVersion 9' }] };
  const done = await run(['migrate', 'old']);
  assert.equal(done.code, 3);
  assert.match(done.stdout, /became 1; the old metadata\.json is kept at \/d\/old\/metadata\.json\.schema-0[\s\S]*failed \/d\/bad: NEWER_FORMAT/);
  answer = { dryRun: false, migrated: [], failed: [] };
  assert.equal((await run(['migrate'])).stdout, 'nothing to migrate\n');
  assert.deepEqual(asked, [{ dryRun: true }, { index: 'old', dryRun: false }, { dryRun: false }]);
});
