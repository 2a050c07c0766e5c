/**
 * A process that plays the daemon for spawn tests. CAIRN_FAKE_MODE: 'serve', 'crash' (writes to its log and exits 3), 'refuse' (writes
 * CAIRN_FAKE_REFUSAL and a hint as the daemon does, exits 1), 'vanish' (removes the data directory, exits 1), 'lose' (exits
 * 0 at once, as one that finds another daemon). Each start appends a line to <data>/starts, and its environment to <data>/environments.
 */
import { appendFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FakeDaemon } from './fake-daemon.ts';

const dataDir = process.env['CAIRN_DATA_DIR'] as string;
appendFileSync(join(dataDir, 'environments'), `${JSON.stringify({ ...process.env, execPath: process.execPath })}\n`);
appendFileSync(join(dataDir, 'starts'), `${process.pid}\n`);
if (process.env['CAIRN_FAKE_MODE'] === 'crash') {
  console.error('cannot open the lock: disk on fire');
  process.exit(3);
}
if (process.env['CAIRN_FAKE_MODE'] === 'refuse') {
  console.error(`${process.env['CAIRN_FAKE_REFUSAL']}\nDid you mean log.level?\n{"level":30,"msg":"daemon.stopped"}`);
  process.exit(1);
}
if (process.env['CAIRN_FAKE_MODE'] === 'vanish') {
  rmSync(dataDir, { recursive: true });
  process.exit(1);
}
if (process.env['CAIRN_FAKE_MODE'] === 'lose') process.exit(0);
const daemon = await FakeDaemon.start(dataDir);
daemon.version = process.env['CAIRN_FAKE_VERSION'] ?? daemon.version;
daemon.answer('shutdown', () => {
  setTimeout(() => process.exit(0), 20);
  return { pid: process.pid };
});
daemon.answer('daemon/health', () => ({ ok: true, pid: process.pid }));
writeFileSync(join(dataDir, 'pid'), String(process.pid));
