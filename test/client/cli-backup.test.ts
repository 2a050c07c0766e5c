import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { renderProgress } from '../../client/cli/progress.ts';
import type { BackupRestoreResult, BackupVerifyResult, BackupWire } from '../../daemon/protocol/types.ts';
import { checkLeaks } from '../support/leaks.ts';
import { harness } from './cli-harness.ts';
import { WireError, type FakeDaemon } from './fake-daemon.ts';

checkLeaks();

const ID = '20260131T183000000Z-42';
const BACKUP: BackupWire = {
  id: ID, index: 'pebble', kind: 'code', cause: 'manual', createdAt: '2026-01-31T18:30:00.000Z', timeline: '20260101T000000000Z', lsn: 42, generation: 3,
  docs: 12, chunks: 1234, vectors: 1234, files: 7, bytes: 5_000_000, bytesWritten: 2048, parent: null, path: `/d/backups/pebble/${ID}`,
};
const RESTORED: BackupRestoreResult = { index: 'pebble', backup: ID, lsn: 42, generation: 4, docs: 12, chunks: 1234, vectors: 1234, savedAs: '20260201T000000000Z-50', keptAt: null, tookMs: 12 };
const VERIFIED: BackupVerifyResult = { index: 'pebble', backup: ID, ok: true, filesChecked: 7, bytesChecked: 5_000_000, damages: [], tookMs: 9 };

/** Of the last request; the token of its progress is the connection's business. */
function paramsOf(fake: FakeDaemon): Readonly<Record<string, unknown>> {
  const { progressToken: _token, ...params } = fake.requests.at(-1)?.params ?? {};
  return params;
}

test('[1.25] backup create and list: what was made and what it cost; nothing found is 1', async (t) => {
  const { fake, run, dir } = await harness(t);
  fake.answer('backup/create', () => ({ backup: BACKUP, tookMs: 30 }));
  const made = await run(['backup', 'create', 'pebble']);
  assert.deepEqual([made.code, made.stdout], [0, `pebble: backup ${ID} of 12 files, 1,234 chunks; 4.8 MiB, 2.0 KiB of it written, 30 ms\n`]);
  assert.deepEqual(JSON.parse((await run(['backup', 'create', '--json'])).stdout), { backup: BACKUP, tookMs: 30 });
  assert.deepEqual(fake.requests.filter(({ method }) => method === 'backup/create').map(({ params }) => [params['index'], params['root']]), [['pebble', undefined], [undefined, dir]]);
  fake.answer('backup/list', () => ({ backups: [BACKUP], unreadable: [], diskBytes: 5_000_000 }));
  const listed = await run(['backup', 'list', 'pebble']);
  assert.equal(listed.code, 0);
  assert.match(listed.stdout, new RegExp(`^INDEX .*\\npebble +${ID} +manual +12 +1,234 +4.8 MiB +2.0 KiB\\n4.8 MiB on disk\\n$`));
  assert.deepEqual(paramsOf(fake), { index: 'pebble' });
  fake.answer('backup/list', () => ({ backups: [], unreadable: [], diskBytes: 0 }));
  assert.deepEqual(await run(['backup', 'list']), { code: 1, stdout: 'no backups\n', stderr: '' });
  fake.answer('backup/list', () => ({ backups: [], unreadable: [{ index: 'pebble', id: ID, path: '/d/\u001b[31mx', code: 'CORRUPT', reason: 'bad' }], diskBytes: 0 }));
  const broken = await run(['backup', 'list']);
  assert.equal(broken.code, 3);
  assert.ok(broken.stdout.includes('unreadable /d/\u241b[31mx: bad') && !broken.stdout.includes('\u001b'));
});

test('[1.28] backup verify: exit code 3 and the place of each damage', async (t) => {
  const { fake, run } = await harness(t);
  fake.answer('backup/verify', () => VERIFIED);
  assert.deepEqual(await run(['backup', 'verify', 'pebble', '--backup', ID]), { code: 0, stdout: `pebble: backup ${ID}: no damage, 7 files, 4.8 MiB, 9.0 ms\n`, stderr: '' });
  assert.deepEqual(paramsOf(fake), { index: 'pebble', backup: ID });
  fake.answer('backup/verify', () => ({ ...VERIFIED, ok: false, damages: [{ file: '/d/seg.cairn', offset: 4096, what: 'section 3 fails its checksum' }, { file: '/d/seg.cairn', offset: 64, what: '/d/seg.cairn: section 4 fails its checksum at offset 64' }] }));
  const damaged = await run(['backup', 'verify', 'pebble']);
  assert.equal(damaged.code, 3);
  assert.match(damaged.stdout, /damaged, .*\n {2}\/d\/seg\.cairn at 4096: section 3 fails its checksum\n {2}\/d\/seg\.cairn: section 4 fails its checksum at offset 64\n/);
});

test('[1.30] backup restore asks before it replaces, and passes every option on', async (t) => {
  const { fake, run, dir } = await harness(t);
  fake.answer('backup/restore', () => RESTORED);
  const unasked = await run(['backup', 'restore', 'pebble']);
  assert.deepEqual([unasked.code, /needs a confirmation\nAdd --yes/.test(unasked.stderr)], [2, true]);
  assert.equal((await run(['backup', 'restore', 'pebble'], { tty: true, confirm: false })).code, 2);
  assert.equal(fake.requests.filter(({ method }) => method === 'backup/restore').length, 0);
  assert.equal((await run(['backup', 'restore', 'pebble'], { tty: true, confirm: true })).code, 0);
  const done = await run(['backup', 'restore', 'pebble', '--yes']);
  assert.deepEqual([done.code, done.stdout], [0, `pebble: restored from backup ${ID} at LSN 42: 12 files, 1,234 chunks, 12 ms\nThe state before is backup 20260201T000000000Z-50\n`]);
  await run(['backup', 'restore', 'pebble', '--as', 'then', '--backup', ID, '--from', 'b/one', '--json']);
  assert.deepEqual(paramsOf(fake), { index: 'pebble', backup: ID, as: 'then', from: join(dir, 'b', 'one') });
  await run(['backup', 'restore', 'pebble', '-y', '--to-lsn', '41']);
  assert.deepEqual(paramsOf(fake), { index: 'pebble', toLsn: 41 });
  await run(['backup', 'restore', 'pebble', '-y', '--to-time', '2026-01-31T18:30:00Z']);
  assert.deepEqual(paramsOf(fake), { index: 'pebble', toTime: '2026-01-31T18:30:00Z' });
  fake.answer('backup/restore', () => {
    throw new WireError('CORRUPT', 'backup x is damaged');
  });
  assert.equal((await run(['backup', 'restore', 'pebble', '-y'])).code, 3);
  for (const wrong of [['--to-lsn', '-1'], ['--to-lsn', 'x'], ['--backup', ' ']]) assert.equal((await run(['backup', 'restore', 'pebble', '-y', ...wrong])).code, 2, wrong.join(' '));
});

test('[1.28] backup prune wants a rule and says what goes', async (t) => {
  const { fake, run } = await harness(t);
  fake.answer('backup/prune', ({ params }) => ({ index: 'pebble', dryRun: params['dryRun'] === true, removed: [ID], kept: 2, freedBytes: 2048, lastGood: 'x', tookMs: 3 }));
  assert.equal((await run(['backup', 'prune', 'pebble'])).code, 2);
  assert.equal((await run(['backup', 'prune', 'pebble', '--keep', '0'])).code, 2);
  assert.deepEqual(await run(['backup', 'prune', 'pebble', '--keep', '2', '--max-age-days', '30', '--max-bytes', '1000000']), { code: 0, stdout: `removed ${ID}\npebble: 1 backup removed (2.0 KiB), 2 kept\n`, stderr: '' });
  assert.deepEqual(paramsOf(fake), { index: 'pebble', keep: 2, maxAgeDays: 30, maxBytes: 1_000_000 });
  assert.match((await run(['backup', 'prune', 'pebble', '--keep', '2', '--dry-run'])).stdout, /^would remove .*\npebble: 1 backup would go/);
});

test('progress of backups and restores', () => {
  assert.match(renderProgress({ phase: 'backup', done: 1, total: 4, unit: 'bytes' }), /^backing up \[######-+\] {2}25 % {2}1\/4 bytes$/);
  assert.match(renderProgress({ phase: 'restore', done: 0, total: 0, unit: 'bytes' }), /^restoring {2}0 bytes$/);
});
