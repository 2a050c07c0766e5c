import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { confirm } from '../../client/cli/confirm.ts';
import { exitCodeOf } from '../../client/cli/exit-codes.ts';
import { diskFinding } from '../../client/cli/commands/doctor.ts';
import { bytes, duration, plural, table } from '../../client/cli/format.ts';
import { renderProgress } from '../../client/cli/progress.ts';
import type { DaemonStatus, IndexStatus, IndexSummary } from '../../daemon/protocol/types.ts';
import { checkLeaks } from '../support/leaks.ts';
import { tempDir } from '../support/temp-dir.ts';
import { RUN, harness, runWith } from './cli-harness.ts';
import { WireError } from './fake-daemon.ts';

checkLeaks();

const SUMMARY: IndexSummary = { index: 'pebble', kind: 'code', root: '/w/pebble', state: 'ready', reasons: [], docs: 12, chunks: 1234, lsn: 9, durableLsn: 7, diskBytes: 5_000_000, modifiedAt: '2026-01-01T00:00:00Z' };
const INDEX: IndexStatus = {
  ...SUMMARY, syncedLsn: 9, generation: 2, symbols: 5, edges: 6, vectors: 1234, segments: 1, memtableChunks: 10, memoryBytes: 1, walBytes: 2, pendingFiles: 0,
  watcher: { state: 'watching', reason: null, lastReconcileAt: null },
  persist: { inFlight: false, dirty: true, saves: 3, failures: 1, lastError: 'disk full', lastCause: 'commit' },
  embedder: { name: 'cairn-static-256', revision: '1', dimension: 256, calls: 1, textsEmbedded: 0, cacheHits: 1234 },
  recovery: { replayedBatches: 0, tornTailBytes: 0, quarantined: [], durationMs: 1 },
  skipped: { binary: 2, secret: 1 },
};
const STATUS: DaemonStatus = {
  ok: true, state: 'serving', pid: 77, epoch: 3, version: '0.1.0', uptimeMs: 65_000, protocol: 1, startedAt: '2026-01-01T00:00:00Z', dataDir: '/d', socket: '/d/s', logFile: '/d/l', node: 'v24', connections: 1, inFlight: 1,
  memory: { rss: 104_857_600, heapUsed: 1_048_576, external: 0 }, eventLoop: { p50Ms: 0.1, p99Ms: 2.5, maxMs: 15 }, scrub: { files: 3, bytes: 2_097_152, damaged: 1, due: 2, lastError: null }, idleExitMs: null, embedder: null, indexes: [SUMMARY], failed: [], warnings: [],
};

test('[6.11] wrong usage is exit code 2, says what is wrong, and asks nothing of the daemon', async (t) => {
  const { fake, run } = await harness(t);
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['search'], /missing required argument 'query'/],
    [['search', ' '], /must not be empty/],
    [['grep', 'x', '--context', '51'], /whole number from 0 to 50/],
    [['grep', 'x', '--limit', '10001'], /whole number from 1 to 10000/],
    [['search', 'x', '--limit', 'many'], /whole number from 1 to 1000/],
    [['search', 'x', '--limit', '0'], /whole number from 1 to 1000/],
    [['search', 'x', '--limit', '1e2'], /whole number/],
    [['search', 'x', '--no-such-option'], /unknown option/],
    [['search', 'x', 'y'], /too many arguments/],
    [['search', 'x', '--color', 'pink'], /Allowed choices are auto, always, never/],
    [['frobnicate'], /unknown command/],
    [['index', '.', '--wait', '--background'], /cannot be used with/],
    [['delete'], /name the index to delete/],
    [['delete', 'pebble', '--purge'], /needs a confirmation\nAdd --yes/],
    [[], /Usage: cairn/],
    [['daemon'], /Usage: cairn daemon/],
  ];
  for (const [args, message] of cases) {
    const result = await run(args);
    assert.equal(result.code, 2, `cairn ${args.join(' ')}: ${result.stderr}`);
    assert.match(result.stderr, message);
    assert.equal(result.stdout, '');
  }
  assert.equal(fake.requests.length, 0);
});

test('[6.11] wrong usage with --json is a JSON error', async () => {
  for (const [args, message] of [[['search'], /missing required argument 'query'/], [['search', 'x', '--limt', '3'], /unknown option '--limt' \(Did you mean --limit\?\)/], [['frobnicate'], /unknown command/]] as const) {
    const result = await runWith('/nowhere', [...args, '--json']);
    assert.equal(result.code, 2);
    assert.equal(result.stderr, '');
    const { error } = JSON.parse(result.stdout) as { error: { code: string; message: string; retryable: boolean; hint: string } };
    assert.equal(error.code, 'INVALID_ARGUMENT');
    assert.match(error.message, message);
    assert.equal(error.retryable, false);
  }
});

test('help and version are no errors, and every command has help', async () => {
  const help = await runWith('/nowhere', ['--help']);
  assert.equal(help.code, 0);
  assert.match(help.stdout, /Exit codes: 0 done, 1 nothing found, 2 wrong usage, 3 damaged or degraded, 4 daemon unreachable/);
  assert.match((await runWith('/nowhere', ['--version'])).stdout, /^\d+\.\d+\.\d+\n$/);
  for (const command of ['index', 'search', 'grep', 'symbols', 'status', 'list', 'inspect', 'flush', 'verify', 'rename', 'delete', 'doctor']) {
    const { code, stdout } = await runWith('/nowhere', [command, '--help']);
    assert.equal(code, 0);
    assert.match(stdout, /--json/);
  }
});

test('[6.11] exit codes by error code', () => {
  const expected = { CANCELLED: 130, INVALID_ARGUMENT: 2, ROOT_NOT_FOUND: 2, NOT_FOUND: 2, DAEMON_UNREACHABLE: 4, TIMEOUT: 4, VERSION_SKEW: 4, CORRUPT: 3, DEGRADED: 3, DISK_FULL: 3, SOMETHING_NEW: 3 };
  assert.deepEqual(Object.fromEntries(Object.keys(expected).map((code) => [code, exitCodeOf(code)])), expected);
});

test('no daemon to reach is exit code 4', async (t) => {
  for (const args of [['list'], ['daemon', 'status'], ['search', 'x']]) {
    const result = await runWith(join(tempDir(t), 'data'), args);
    assert.equal(result.code, 4);
    assert.match(result.stderr, /^cairn: no daemon is running\nStart it with: cairn daemon start\n$/);
  }
});

test('[6.1] a daemon that is just ending refuses; the command asks the next one, but not for ever', async (t) => {
  const { fake, run } = await harness(t);
  let refusals = 2;
  fake.answer('index/open', () => {
    if (refusals-- > 0) throw new WireError('NOT_SERVING', 'the daemon is shutting down', { retryable: true });
    return RUN;
  });
  assert.equal((await run(['index'])).code, 0);
  refusals = 3;
  const refused = await run(['index']);
  assert.deepEqual([refused.code, refused.stderr.split('\n')[0]], [4, 'cairn: the daemon is shutting down']);
  fake.answer('index/verify', () => {
    throw new WireError('INTERNAL', 'a bug', { retryable: true });
  });
  const asked = fake.requests.length;
  await run(['verify', 'pebble']);
  assert.equal(fake.requests.slice(asked).filter(({ method }) => method === 'index/verify').length, 1, 'nothing else is tried again');
});

test('[6.1] a question whose daemon went away is asked again; what changes something is not', async (t) => {
  const { fake, run } = await harness(t);
  let losses = 1;
  const lose = (result: unknown) => ({ socket }: { readonly socket: { destroy(): void } }): unknown => {
    if (losses-- > 0) socket.destroy();
    return result;
  };
  fake.answer('index/list', lose({ indexes: [SUMMARY], failed: [] }));
  assert.equal((await run(['list'])).code, 0);
  losses = 1;
  fake.answer('index/delete', lose({ index: 'pebble', purged: false, keptAt: '/d/trash/pebble' }));
  assert.equal((await run(['delete', 'pebble'])).code, 4);
});

test('index prints what it did; the documented JSON', async (t) => {
  const { fake, run, dir } = await harness(t);
  fake.answer('index/open', () => RUN);
  assert.equal((await run(['index', 'sub'])).stdout, 'pebble /w/pebble: 12 files, 1,234 chunks, 1,000 embedded, 234 from the cache, 2.3 s\n');
  const { root, wait } = fake.requests.at(-1)?.params ?? {};
  assert.deepEqual({ root, wait }, { root: join(dir, 'sub'), wait: true });
  const json = JSON.parse((await run(['index', 'sub', '--wait', '--json'])).stdout) as Record<string, unknown>;
  for (const name of ['index', 'files', 'chunks', 'embedded', 'cached', 'tookMs']) assert.ok(name in json, name);
  await run(['index', '--background', '--name', 'n', '--lexical-only']);
  assert.deepEqual(fake.requests.at(-1)?.params, { root: dir, name: 'n', lexicalOnly: true });
  fake.answer('index/rebuild', () => ({ ...RUN, state: 'degraded' }));
  assert.equal((await run(['index', '--rebuild'])).code, 3);
});

test('status shows daemon and indexes; JSON has the full status of each', async (t) => {
  const { fake, run } = await harness(t);
  fake.answer('daemon/status', () => STATUS).answer('index/status', () => INDEX);
  const text = await run(['status']);
  assert.equal(text.code, 0);
  assert.equal(text.stdout, `daemon      serving pid 77, version 0.1.0, up 1 min 5 s
data        /d
memory      100 MiB resident, 1.0 MiB heap
event loop  p99 2.5 ms, max 15 ms
clients     1 connection, 1 request in flight
checked     3 segments, 2.0 MiB against their checksums since the start, 1 damaged, 2 to go

pebble  ready  /w/pebble
  content   12 files, 1,234 chunks, 4.8 MiB on disk
  log       LSN 9, synced 9, in segments 7; 1 segment, 10 chunks in memory
  saving    3 saves, 1 failure: disk full, to be saved
  watching  watching, 0 files pending
  vectors   1,234 by cairn-static-256 1; 0 texts embedded, 1,234 from the cache since start
  skipped   2 binary, 1 secret
`);
  const json = JSON.parse((await run(['status', '--json'])).stdout) as { daemon: { pid: number }; indexes: unknown[]; failed: unknown[] };
  assert.deepEqual([json.daemon.pid, json.indexes, json.failed], [77, [INDEX], []]);
});

test('status: a failed or degraded index is exit code 3; one that cannot be opened is still listed', async (t) => {
  const { fake, run } = await harness(t);
  const failed = [{ index: 'old', path: '/d/indexes/old', code: 'CORRUPT', reason: 'metadata.json is damaged', hint: 'Restore it.' }];
  fake.answer('daemon/status', () => ({ ...STATUS, failed, warnings: ['config.json: unknown key x'] }));
  fake.answer('index/status', () => {
    throw new WireError('CORRUPT', 'manifest 3 is damaged');
  });
  const { code, stdout } = await run(['status']);
  assert.equal(code, 3);
  assert.match(stdout, /warning: config\.json: unknown key x\n/);
  assert.match(stdout, /error {4}manifest 3 is damaged/);
  assert.match(stdout, /failed old: metadata\.json is damaged\n {2}Restore it\.\n/);
});

test('list prints a table', async (t) => {
  const { fake, run } = await harness(t);
  fake.answer('index/list', () => ({ indexes: [SUMMARY, { ...SUMMARY, index: 'a', root: null, docs: 100_000 }], failed: [] }));
  assert.equal((await run(['list'])).stdout, `INDEX   STATE  FILES    CHUNKS  SIZE     ROOT
pebble  ready       12   1,234  4.8 MiB  /w/pebble
a       ready  100,000   1,234  4.8 MiB  -
`);
  fake.answer('index/list', () => ({ indexes: [], failed: [] }));
  assert.match((await run(['list'])).stderr, /no indexes yet/);
});

test('a word that names an index means the index, also where a directory has that name; delete never takes the index around a directory', async (t) => {
  const { fake, run, dir } = await harness(t);
  mkdirSync(join(dir, 'pebble', 'sub'), { recursive: true });
  symlinkSync(join(dir, 'pebble'), join(dir, 'link'));
  fake.answer('index/list', () => ({ indexes: [SUMMARY, { ...SUMMARY, index: 'stone', root: realpathSync(join(dir, 'pebble')) }, { ...SUMMARY, index: 'around', root: realpathSync(dir) }], failed: [{ index: 'sub', path: '/d', code: 'CORRUPT', reason: 'bad' }] }));
  fake.answer('index/flush', () => ({ index: 'pebble', lsn: 1, durableLsn: 1, generation: 1, tookMs: 1 }));
  fake.answer('index/delete', () => ({ index: 'pebble', purged: false, keptAt: '/d/kept' }));
  const sent = async (args: readonly string[], cwd = dir): Promise<unknown> => {
    const { code, stderr } = await run(args, { cwd });
    const last = fake.requests.at(-1);
    return code === 0 && last?.method !== 'index/list' ? last?.params : stderr.split('\n')[0];
  };
  assert.deepEqual(await sent(['flush', 'pebble']), { index: 'pebble' });
  assert.deepEqual(await sent(['flush', './pebble']), { root: join(dir, 'pebble') });
  assert.deepEqual(await sent(['flush', 'link']), { root: join(dir, 'link') });
  assert.deepEqual(await sent(['delete', 'pebble']), { index: 'pebble' });
  assert.deepEqual(await sent(['delete', 'sub'], join(dir, 'pebble')), { index: 'sub' });
  assert.deepEqual(await sent(['delete', './pebble']), { index: 'stone' });
  assert.deepEqual(await sent(['delete', '--root', 'link']), { index: 'stone' });
  assert.deepEqual(await sent(['delete', '.']), { index: 'around' });
  assert.equal(await sent(['delete', './sub'], join(dir, 'pebble')), `cairn: no index has the root ${realpathSync(join(dir, 'pebble', 'sub'))}`);
  assert.equal(await sent(['delete', '--root', 'gone']), `cairn: no index has the root ${join(dir, 'gone')}`);
});

test('a question that nobody answers is a no: an input that ends, a signal', async () => {
  const ask = (write: (input: PassThrough, abort: AbortController) => void): Promise<boolean> => {
    const [input, abort] = [new PassThrough(), new AbortController()];
    const asked = confirm('Sure? ', input, new PassThrough().resume(), abort.signal);
    write(input, abort);
    return asked;
  };
  assert.equal(await ask((input) => input.write('y\n')), true);
  assert.equal(await ask((input) => input.write('Yes\n')), true);
  assert.equal(await ask((input) => input.write('no\n')), false);
  assert.equal(await ask((input) => input.end()), false);
  assert.equal(await ask((_, abort) => abort.abort()), false);
});

test('[0.25] flush, verify and delete say what they did', async (t) => {
  const { fake, run, dir } = await harness(t);
  fake.answer('index/flush', () => ({ index: 'pebble', lsn: 9, durableLsn: 9, generation: 3, tookMs: 12 }));
  assert.equal((await run(['flush', 'pebble'])).stdout, 'pebble: everything up to LSN 9 is in segments (generation 3, 12 ms)\n');
  assert.deepEqual(fake.requests.at(-1)?.params, { index: 'pebble' });
  await run(['flush', './pebble']);
  assert.deepEqual(fake.requests.at(-1)?.params, { root: join(dir, 'pebble') });
  const damages = [{ file: 'seg-1.cairn', offset: 77, what: 'checksum of the block' }];
  fake.answer('index/verify', () => ({ index: 'pebble', ok: false, filesChecked: 3, bytesChecked: 2048, damages, tookMs: 5 }));
  const verify = await run(['verify', '--deep']);
  assert.equal(verify.code, 3);
  assert.equal(verify.stdout, 'pebble: damaged, 3 files, 2.0 KiB, 5.0 ms\n  seg-1.cairn at 77: checksum of the block\nMend it with: cairn repair pebble\n');
  const lost = { file: 'seg-1.cairn', docs: 2, what: 'seg-1.cairn: 2 documents are lost', at: '2026-01-01T00:00:00.000Z' };
  const answer = { index: 'pebble', ok: true, losses: [lost], state: 'degraded', reasons: [lost.what, 'a reason'], filesChecked: 3, bytesChecked: 2048, damages: [], tookMs: 5 };
  fake.answer('index/verify', () => answer);
  const degraded = await run(['verify', 'pebble']);
  assert.equal(degraded.code, 3, 'what is recorded as lost is no good news');
  assert.match(degraded.stdout, /^pebble: degraded, no damage in what is there, 3 files, .*\n  seg-1\.cairn: 2 documents are lost\n  a reason\nPut back what is lost .*cairn repair pebble\nThe blocks .*cairn verify --deep pebble\n$/);
  assert.equal((await run(['verify', 'pebble', '--json'])).code, 3);
  fake.answer('index/verify', () => ({ ...answer, losses: [], state: 'ready', reasons: [] }));
  assert.deepEqual(await run(['verify', 'pebble']).then(({ code, stdout }) => [code, stdout]), [0, 'pebble: no damage, 3 files, 2.0 KiB, 5.0 ms\nThe blocks of its segments were not read. To check them too: cairn verify --deep pebble\n']);
  assert.equal((await run(['verify', '--deep', 'pebble'])).stdout, 'pebble: no damage, 3 files, 2.0 KiB, 5.0 ms\n');
  fake.answer('index/delete', ({ params }) => ({ index: 'pebble', purged: params['purge'] === true, keptAt: params['purge'] === true ? null : '/d/kept' }));
  assert.match((await run(['delete', 'pebble'])).stdout, /kept at \/d\/kept/);
  assert.equal((await run(['delete', 'pebble', '--purge', '--yes'])).stdout, 'pebble: deleted\n');
  fake.answer('index/delete', () => ({ index: 'pebble', purged: true, keptAt: null, copies: 2, backups: null }));
  assert.equal((await run(['delete', 'pebble', '--purge', '--yes'])).stdout, 'pebble: deleted, with 2 older copies of that name\n');
  assert.equal((await run(['delete', 'pebble', '--purge'], { tty: true, confirm: false })).code, 2);
  assert.equal((await run(['delete', 'pebble', '--purge'], { tty: true, confirm: true })).code, 0);
  fake.answer('index/delete', () => ({ index: 'pebble', purged: true, keptAt: null, backups: { count: 2, bytes: 2048, directories: ['/d/backups/pebble', '/d/archive/pebble'] } }));
  const { stdout } = await run(['delete', 'pebble', '--purge', '--yes']);
  assert.match(stdout, /2 backups and archived log \(2\.0 KiB\) are kept in \/d\/backups\/pebble and \/d\/archive\/pebble\n.*cairn delete --purge --with-backups --index pebble\n$/s);
  await run(['delete', 'pebble', '--purge', '--with-backups', '--yes']);
  assert.deepEqual(fake.requests.at(-1)?.params, { index: 'pebble', purge: true, withBackups: true });
  assert.match((await run(['delete', 'pebble', '--with-backups'])).stderr, /Add --purge/);
});

test('rename: what was renamed, by name or directory; a taken name is wrong usage', async (t) => {
  const { fake, run, dir } = await harness(t);
  fake.answer('index/rename', ({ params }) => ({ index: params['to'], from: 'pebble', tookMs: 2 }));
  const text = await run(['rename', 'pebble', 'stone']);
  assert.deepEqual([text.code, text.stdout], [0, 'pebble: renamed to stone\n']);
  assert.deepEqual(fake.requests.at(-1)?.params, { index: 'pebble', to: 'stone' });
  await run(['rename', './pebble', 'stone']);
  assert.deepEqual(fake.requests.at(-1)?.params, { root: join(dir, 'pebble'), to: 'stone' });
  assert.deepEqual(JSON.parse((await run(['rename', 'pebble', 'stone', '--json'])).stdout), { index: 'stone', from: 'pebble', tookMs: 2 });
  assert.equal((await run(['rename', 'pebble'])).code, 2);
  for (const [code, exit] of [['ALREADY_EXISTS', 2], ['NOT_FOUND', 2], ['INVALID_ARGUMENT', 2], ['DISK_FULL', 3]] as const) {
    fake.answer('index/rename', () => {
      throw new WireError(code, 'no', { retryable: false });
    });
    assert.equal((await run(['rename', 'pebble', 'stone'])).code, exit, code);
  }
});

test('daemon logs reads the file itself, structured or not, and neutralizes it', async (t) => {
  const { run, dir } = await harness(t);
  assert.equal((await run(['daemon', 'logs'])).code, 2);
  mkdirSync(join(dir, 'data', 'logs'));
  const lines = ['{"level":30,"time":0,"pid":1,"msg":"first"}', '{"level":50,"time":1000,"msg":"bad\\u001b[2J","code":"IO"}', 'plain \u001b[31m crash'];
  writeFileSync(join(dir, 'data', 'logs', 'daemon.log'), `${lines.join('\n')}\n`);
  const { code, stdout } = await run(['daemon', 'logs', '-n', '2']);
  assert.equal(code, 0);
  assert.equal(stdout, '1970-01-01T00:00:01.000Z error bad\u241b[2J code=IO\nplain \u241b[31m crash\n');
});

test('[6.13] doctor works without a daemon and names the next command', async (t) => {
  const { code, stdout } = await runWith(join(tempDir(t), 'data'), ['doctor']);
  assert.ok([0, 3].includes(code));
  assert.match(stdout, /daemon: not running\n\s+It starts by itself; or run: cairn daemon start/);
  assert.match(stdout, /data directory: .*not made yet/);
});

test('[6.13] doctor says that a data directory cannot be written', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'cairn-read-only-'));
  // root writes everywhere but on a read-only file system.
  const isMounted = process.getuid?.() === 0 && spawnSync('mount', ['-t', 'tmpfs', '-o', 'ro,mode=0700', 'tmpfs', dir]).status === 0;
  if (!isMounted) chmodSync(dir, 0o500);
  t.after(() => {
    if (isMounted) spawnSync('umount', ['-l', dir]); // also where somebody looks into it just now
    rmSync(dir, { recursive: true, force: true });
  });
  if (process.getuid?.() === 0 && !isMounted) return t.skip('needs the right to mount, or another user than root');
  const { code, stdout } = await runWith(join(dir, 'data'), ['doctor']);
  assert.equal(code, 3);
  assert.match(stdout, /data directory: .* cannot be written \((EROFS|EACCES)\)/);
});

test('[6.13] doctor finds open directories, damaged indexes and an answering daemon', async (t) => {
  const { fake, run, dir } = await harness(t);
  fake.answer('daemon/status', () => ({ ...STATUS, indexes: [{ ...SUMMARY, state: 'degraded', reasons: ['1 segment quarantined'] }] }));
  mkdirSync(join(dir, 'data'), { recursive: true });
  const { code, stdout } = await run(['doctor', '--json']);
  assert.equal(code, 3);
  const { ok, findings } = JSON.parse(stdout) as { ok: boolean; findings: { check: string; level: string; detail: string }[] };
  assert.equal(ok, false);
  assert.equal(findings.find((finding) => finding.check === 'daemon')?.level, 'ok');
  const index = findings.find((finding) => finding.check === 'index pebble');
  assert.deepEqual([index?.level, index?.detail], ['problem', 'degraded; 1 segment quarantined']);
});

test('[6.13] doctor names backups that cannot be read, and a list that cannot be had', async (t) => {
  const { fake, run, dir } = await harness(t);
  fake.answer('daemon/status', () => ({ ...STATUS, indexes: [] }));
  mkdirSync(join(dir, 'data'), { recursive: true, mode: 0o700 });
  const bad = { index: 'pebble', id: 'x', path: '/d/backups/pebble/x', code: 'CORRUPT', reason: 'backup.json is missing' };
  fake.answer('backup/list', () => ({ backups: [], unreadable: [bad], diskBytes: 0 }));
  const { code, stdout } = await run(['doctor']);
  assert.equal(code, 3);
  assert.match(stdout, /problem  backup of pebble: \/d\/backups\/pebble\/x cannot be read: CORRUPT: backup\.json is missing\n +See all with: cairn backup list/);
  fake.answer('backup/list', () => {
    throw new WireError('IO', 'the disk with them is away');
  });
  assert.match((await run(['doctor'])).stdout, /warning  backups: they cannot be listed: the disk with them is away/);
});

test('[6.13] a full disk is a problem and comes with what to do, little space a warning', () => {
  const [full, little, enough] = [0, 500 << 20, 2 ** 31].map((free) => diskFinding(free, '/d'));
  assert.deepEqual([full?.level, little?.level, enough?.level], ['problem', 'warning', 'ok']);
  assert.match(`${full?.detail}\n${full?.hint}`, /^0 B free: the disk is full\..*\nFree space on the file system of \/d;.*cairn backup prune.*cairn delete --purge/);
  assert.match(little?.hint ?? '', /cairn backup prune/);
  assert.equal(enough?.hint, undefined);
});

test('numbers as text', () => {
  assert.deepEqual([0, 1023, 1024, 1_500_000, 3e9, 5e15].map(bytes), ['0 B', '1023 B', '1.0 KiB', '1.4 MiB', '2.8 GiB', '4547 TiB']);
  assert.deepEqual([0.04, 15.4, 999, 1000, 59_900, 61_000, 3_700_000].map(duration), ['0.0 ms', '15 ms', '999 ms', '1.0 s', '59.9 s', '1 min 1 s', '1 h 1 min']);
  assert.deepEqual([plural(1, 'file'), plural(2, 'batch'), plural(1000, 'index')], ['1 file', '2 batches', '1,000 indexes']);
  assert.equal(table([['A', 'N'], ['x', '1'], ['yy', '22']]), 'A   N\nx    1\nyy  22\n');
});

test('[6.11] progress without a known total shows counts alone', () => {
  assert.equal(renderProgress({ phase: 'crawl', done: 1200, total: 0, unit: 'files' }), 'finding files  1,200 files');
  assert.equal(renderProgress({ phase: 'index', done: 5, total: 4, unit: 'files' }), `indexing [${'#'.repeat(24)}] 100 %  5/4 files`);
});
