// The system's limit of watches, for real: a user namespace has a limit of its own, so the test runs itself again inside one.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { never, RealDaemon, tableOf, until } from './real-owners.ts';

const LOWER = 'echo 10 > /proc/sys/user/max_inotify_watches';
const FOLDERS = 30;

function inNamespace(command: readonly string[]): { readonly status: number | null; readonly output: string } {
  const { NODE_TEST_CONTEXT: _context, ...env } = process.env;
  const child = spawnSync('unshare', ['-Ur', 'sh', '-c', `${LOWER} && exec "$@"`, 'sh', ...command], { encoding: 'utf8', timeout: 600_000, env: { ...env, CAIRN_TEST_LIMITED: '1' } });
  return { status: child.status, output: `${child.stdout}${child.stderr}` };
}

const isInside = process.env['CAIRN_TEST_LIMITED'] === '1';

test('past the limit of watches', { skip: isInside || (process.platform === 'linux' && inNamespace(['true']).status === 0) ? false : 'needs user namespaces of Linux' }, async (t) => {
  if (!isInside) {
    const { status, output } = inNamespace([process.execPath, '--test', fileURLToPath(import.meta.url)]);
    assert.equal(status, 0, output);
    return;
  }
  const daemon = new RealDaemon(t);
  for (let i = 0; i < FOLDERS; i++) daemon.write(`d${i}/f.ts`);
  // The pauses between walks grow with the time that a walk takes: not here, where a machine may stand still during one.
  const { owners } = await daemon.start({ tuning: { follower: { maxPeriodMs: 1_000 } } });
  const owner = await owners.create({ root: daemon.root });
  await owner.settled({ signal: never() });
  // On a busy machine the first walk ends before the watcher has looked at all directories.
  const said = /^2\d directories are not watched: the limit of inotify watches is reached; raise it with: sudo sysctl fs\.inotify\.max_user_watches=/;
  await until('the watcher to say what it lacks', () => said.test(owner.status().watcher.reason ?? ''));
  const { watcher, reasons } = owner.status();
  assert.equal(watcher.state, 'degraded');
  assert.ok(reasons.some((reason) => reason.startsWith('watching is limited: ')), JSON.stringify(reasons));
  // Whichever directories are watched: the periodic walk finds what happens in the others.
  for (let i = 0; i < FOLDERS; i++) daemon.write(`d${i}/f.ts`, `export const edited${i} = 1\n`);
  daemon.write('later/new.ts');
  await until('the walk that finds the edits', async () => {
    const [table, disk] = [await tableOf(owner), daemon.disk()];
    return table.size === disk.size && [...disk].every(([path, stamp]) => table.get(path) === stamp);
  });
});
