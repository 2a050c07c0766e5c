// What must not be stored, sent or logged: secrets of the sources, what people search for, tokens. And who may read what is stored.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Sandbox } from '../support/cli.ts';
import { checkLeaks } from '../support/leaks.ts';
import { readLiveTree } from '../support/live-tree.ts';

checkLeaks();

/** 24 letters and digits without a pattern, others for each number; made here so that no scanner takes this file for a leak. */
const body = (n: number): string => createHash('sha512').update(`secret ${n}`).digest('base64').replace(/[^A-Za-z0-9]/g, '').slice(0, 24);

/** A line of a file that holds the secret, by kind. */
const KINDS: readonly ((secret: string) => string)[] = [
  (s) => `password = "${s}"`, (s) => `api_key: "${s}"`, (s) => `const clientSecret = '${s}';`, (s) => `"access_token": "${s}",`, (s) => `AUTH_TOKEN="${s}"`, (s) => `postgres://app:${s}@db.internal/app`,
  (s) => `private_key => '${s}'`, (s) => `<password>${s}</password>`,
];
const FORMATS: readonly ((n: number) => readonly [secret: string, line: string])[] = [
  (n) => wrap(['AK', 'IA', body(n).toUpperCase().slice(0, 16)]), (n) => wrap(['gh', 'p_', body(n), body(n + 500).slice(0, 12)]), (n) => wrap(['glp', 'at-', body(n).slice(0, 20)]),
  (n) => wrap(['np', 'm_', body(n), body(n + 500).slice(0, 12)]), (n) => wrap(['sk_', 'live_', body(n)]), (n) => wrap(['AI', 'za', body(n), body(n + 500).slice(0, 11)]),
];
const wrap = (parts: readonly string[]): readonly [string, string] => [parts.join(''), `use(${parts.join('')})`];
const FILES = ['src/app.ts', 'conf/site.yaml', 'docs/notes.md', 'tools/run.py', 'Main.java'];
const DENIED = ['.env', 'deploy/.env.production', 'id_rsa', 'certs/server.key', '.npmrc', 'aws/credentials', '.netrc', 'kubeconfig'];

describe('secrets', () => {
  const sandbox = new Sandbox({ CAIRN_LOG_LEVEL: 'trace', CAIRN_STORAGE_ARCHIVE: 'true' });
  const root = sandbox.path('tree');
  const secrets: string[] = [];
  let token = '';

  before(() => {
    const write = (path: string, text: string): void => {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    };
    let n = 0;
    for (const path of FILES) {
      const lines = ['marker one: keepThisLine'];
      for (const kind of KINDS) {
        const secret = body(++n);
        secrets.push(secret);
        lines.push(kind(secret));
      }
      for (const format of FORMATS) {
        const [secret, line] = format(++n);
        secrets.push(secret);
        lines.push(line);
      }
      write(path, `${lines.join('\n')}\n`);
    }
    for (const path of DENIED) {
      const secret = `${body(++n)}`;
      secrets.push(secret);
      write(path, `VALUE ${secret}\n`);
    }
  });
  after(() => sandbox.close());

  /** Every file below the data directory, with its bytes. */
  const stored = (): readonly (readonly [string, Buffer])[] =>
    readLiveTree(sandbox.dataDir, (path, stats) => (stats.isFile() ? readFileSync(path) : Buffer.alloc(0)));
  const findings = (needles: readonly string[], where: readonly (readonly [string, Buffer])[]): string[] =>
    where.flatMap(([name, bytes]) => needles.filter((needle) => bytes.includes(needle) || bytes.includes(needle.toLowerCase())).map((needle) => `${name}: ${needle}`));

  test('[6.12] [C.11] planted secrets are in no answer and in no file, neither of the index, its log, archive and backups nor of the cache', async () => {
    assert.ok(secrets.length >= 60, `${secrets.length} planted`);
    await sandbox.json(['index', root, '--wait', '--name', 'tree']);
    token = readFileSync(join(sandbox.dataDir, 'run', 'token'), 'utf8');
    // Once in the log, then in segments, then changed, so that all kinds of files have seen them.
    assert.deepEqual(findings(secrets, stored()), []);
    await sandbox.json(['flush', 'tree']);
    writeFileSync(join(root, 'src/late.ts'), `export const dbPassword = "${secrets[0]}";\n`);
    assert.equal((await sandbox.run(['search', 'dbPassword', '--root', root, '--fresh', '--json'])).code, 0);
    await sandbox.json(['backup', 'create', 'tree']);
    assert.deepEqual(findings(secrets, stored()), []);
    const all = await sandbox.run(['grep', '--regex', secrets.join('|'), '--root', root, '--json']);
    assert.deepEqual([all.code, (JSON.parse(all.stdout) as { matches: unknown[] }).matches], [1, []]);
    const kept = await sandbox.json<{ matches: readonly unknown[] }>(['grep', 'keepThisLine', '--root', root, '--limit', '100']);
    assert.equal(kept.matches.length, FILES.length, 'the files themselves are indexed');
    const blanked = await sandbox.json<{ matches: readonly unknown[] }>(['grep', '[redacted]', '--root', root, '--limit', '200']);
    assert.equal(blanked.matches.length, FILES.length * (KINDS.length + FORMATS.length) + 1);
  });

  test('[C.13] the log at its most talkative holds no secret, no question, no source text and no token', async () => {
    for (const args of [['search', 'whereIsTheZebra'], ['grep', 'giraffeInTheLog'], ['symbols', 'okapiSymbol'], ['search', 'lemurFilter', '--path', 'okapi/**']]) await sandbox.run([...args, '--root', root, '--json']);
    const log = stored().filter(([name]) => name.startsWith('logs/'));
    assert.match(log.map(([, bytes]) => bytes.toString()).join(''), /search\/query.*rpc\.done/);
    assert.deepEqual(findings([...secrets, 'whereIsTheZebra', 'giraffeInTheLog', 'okapiSymbol', 'lemurFilter', 'okapi/', 'keepThisLine', token], log), []);
  });

  test('[C.9] the daemon runs without the door to the prototype of all objects', { skip: process.platform !== 'linux' && 'needs /proc' }, () => {
    assert.ok(readFileSync(`/proc/${sandbox.daemonPid()}/cmdline`, 'utf8').split('\0').includes('--disable-proto=throw'));
  });

  test('[3.16] [C.12] after all of that every file is 0600 and every directory 0700, in use and at rest', async () => {
    const open = (): string[] => readLiveTree(sandbox.dataDir, (_, stats) => stats.mode & 0o077).flatMap(([name, mode]) => (mode === 0 ? [] : [name]));
    assert.deepEqual(open(), []);
    assert.equal((await sandbox.run(['daemon', 'stop'])).code, 0);
    assert.deepEqual(open(), []);
    assert.equal(lstatSync(sandbox.dataDir).mode & 0o777, 0o700);
  });

  test('[C.11] a file that turns out to be secret leaves the index at once, and with a purge everything of that name but backups', async () => {
    const path = join(root, 'src/private-notes.txt');
    writeFileSync(path, 'the walrus word is tusktusk\n');
    await sandbox.json(['index', root, '--wait']);
    assert.equal((await sandbox.run(['grep', 'tusktusk', '--root', root, '--json'])).code, 0);
    // What was kept aside under that name holds it too.
    await sandbox.json(['delete', 'tree']);
    assert.notDeepEqual(findings(['tusktusk'], stored()), []);
    await sandbox.json(['index', root, '--wait', '--name', 'tree']);
    writeFileSync(join(root, '.cairnignore'), 'private-notes.txt\n');
    await sandbox.run(['search', 'walrus', '--root', root, '--fresh', '--json']);
    assert.equal((await sandbox.run(['grep', 'tusktusk', '--root', root, '--json'])).code, 1);
    rmSync(path);
    await sandbox.json(['delete', 'tree', '--purge', '--yes']);
    assert.deepEqual(findings(['tusktusk'], stored()), []);
  });
});
