// What other users of the machine can do to a daemon: nothing. Numbers in C are the security rules (daemon/LIFECYCLE.md, Security).
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { checkLeaks } from '../../support/leaks.ts';
import { readLiveTree } from '../../support/live-tree.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { RawClient } from '../rpc/harness.ts';
import { DaemonBox } from './daemon-process.ts';

checkLeaks();

const NOBODY = 65_534;
const notRoot = process.getuid?.() !== 0 && 'needs root to be another user';
const notLinux = process.platform !== 'linux' && 'needs /proc';

/** What another user gets from connecting: an error code. '' where this Node cannot be run by others. */
function connectAs(uid: number, socket: string): string {
  const script = 'require("net").connect(process.argv[1]).on("connect",()=>{console.log("CONNECTED");process.exit()}).on("error",(e)=>console.log(e.code))';
  const { stdout } = spawnSync(process.execPath, ['-e', script, socket], { uid, gid: uid, env: {}, cwd: '/', encoding: 'utf8' });
  return (stdout ?? '').trim();
}

test('[3.16] [C.1] [C.12] another user cannot connect, under any umask: neither through the directory nor, were that open, to the socket', { skip: notRoot }, async (t) => {
  const before = process.umask(0);
  t.after(() => process.umask(before));
  const box = new DaemonBox(t);
  const { client } = await box.start();
  chmodSync(dirname(box.dataDir), 0o755); // what the test has made around it
  const outcome = connectAs(NOBODY, box.endpoint.socket);
  if (outcome === '') return t.skip(`${process.execPath} cannot be run by other users`);
  assert.equal(outcome, 'EACCES');
  for (const dir of [box.dataDir, join(box.dataDir, 'run')]) chmodSync(dir, 0o755);
  assert.equal(connectAs(NOBODY, box.endpoint.socket), 'EACCES', 'the socket has its own mode');
  assert.equal(connectAs(0, box.endpoint.socket), 'CONNECTED', 'the way to ask is right');
  for (const [name, mode] of readLiveTree(box.dataDir, (_, stats) => stats.mode & 0o077)) if (name !== 'run') assert.equal(mode, 0, name);
  assert.ok((await client.request('daemon/health')).result);
});

test('[C.2] a directory for the socket that another user has made in a shared place is refused, and nothing is put there', { skip: notRoot }, async (t) => {
  const shared = tempDir(t);
  chmodSync(shared, 0o1777);
  const squatted = join(shared, `cairn-${process.getuid?.()}`);
  const box = new DaemonBox(t, 'd'.repeat(100)); // too long for a socket of its own
  const start = async (): Promise<string> => {
    const daemon = box.spawn([], { TMPDIR: shared });
    assert.equal((await daemon.exited).code, 1, daemon.output);
    return daemon.output;
  };
  mkdirSync(squatted, { mode: 0o777 });
  chownSync(squatted, NOBODY, NOBODY);
  assert.match(await start(), /PERMISSION: .*belongs to user 65534/);
  chownSync(squatted, 0, 0);
  chmodSync(squatted, 0o777);
  assert.match(await start(), /PERMISSION: .*may be written by others/);
  assert.deepEqual([readdirSync(squatted), lstatSync(squatted).mode & 0o777], [[], 0o777], 'neither used nor repaired');
  chmodSync(shared, 0o777);
  chmodSync(squatted, 0o700);
  assert.match(await start(), /PERMISSION: .*may be written by everybody/);
});

test('[C.2] a link in the place of the directory for the socket is refused', async (t) => {
  const shared = tempDir(t);
  chmodSync(shared, 0o1777);
  mkdirSync(join(shared, 'target'), { mode: 0o700 });
  symlinkSync(join(shared, 'target'), join(shared, `cairn-${process.getuid?.()}`));
  const box = new DaemonBox(t, 'd'.repeat(100));
  const daemon = box.spawn([], { TMPDIR: shared });
  assert.equal((await daemon.exited).code, 1);
  assert.match(daemon.output, /PERMISSION: .*symbolic link/);
  assert.deepEqual(readdirSync(join(shared, 'target')), []);
});

test('[C.3] it listens at one path in the file system: no abstract socket, no port', { skip: notLinux }, async (t) => {
  const box = new DaemonBox(t);
  const { daemon } = await box.start();
  const inodes = new Set(readdirSync(`/proc/${daemon.pid}/fd`).flatMap((fd) => {
    try {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${daemon.pid}/fd/${fd}`))?.[1] ?? [];
    } catch {
      return []; // closed between the two calls
    }
  }));
  const rows = (file: string): string[][] => readFileSync(`/proc/${daemon.pid}/net/${file}`, 'utf8').trim().split('\n').slice(1).map((line) => line.trim().split(/\s+/));
  const paths = rows('unix').filter((row) => inodes.has(row[6] ?? '')).map((row) => row[7] ?? '');
  assert.ok(inodes.size > 0 && paths.some((path) => path.startsWith(`${box.endpoint.socket}.`)), `bound under the temporary name: ${paths.join()}`);
  assert.deepEqual(paths.filter((path) => path.startsWith('@')), []);
  // Where there is no IPv6 there is no file of it.
  for (const file of ['tcp', 'tcp6', 'udp', 'udp6'].filter((name) => existsSync(`/proc/${daemon.pid}/net/${name}`))) assert.deepEqual(rows(file).filter((row) => inodes.has(row[9] ?? '')), [], file);
});

test('[C.4] the token of an earlier daemon opens nothing', async (t) => {
  const box = new DaemonBox(t);
  const first = await box.start();
  const old = readFileSync(box.endpoint.tokenFile, 'utf8');
  await first.daemon.end('SIGKILL');
  await box.start();
  const replay = new RawClient(box.endpoint.socket);
  t.after(() => replay.destroy());
  const reply = await replay.hello({ token: old });
  assert.deepEqual([reply.error?.data.code, reply.result], ['UNAUTHORIZED', undefined]);
  await replay.gone();
});
