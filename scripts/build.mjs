// Builds everything that a clone needs to run: the vector kernel, the compiled packages in dist/, the assets beside them,
// the one-file client, and the daemon's start in one file. Steps are skipped when there is nothing to do. Usage: node scripts/build.mjs [--kernel-only]
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = (name) => join(root, 'node_modules', '.bin', name);

function run(command, args) {
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (result.error) throw result.error;
  if (result.status !== 0) {
    console.error(`build: ${[command, ...args].join(' ')} failed with status ${result.status}`);
    process.exit(result.status ?? 1);
  }
}

run(process.execPath, [join(root, 'scripts', 'build-kernel.mjs')]);
if (process.argv.includes('--kernel-only')) process.exit(0);

for (const project of ['src', 'daemon', 'client']) run(bin('tsc'), ['-b', project]);
for (const assets of ['src/embed/model', 'src/ingest/queries']) {
  const from = join(root, assets);
  if (!existsSync(from)) continue;
  mkdirSync(join(root, 'dist', assets), { recursive: true });
  cpSync(from, join(root, 'dist', assets), { recursive: true });
}
run(bin('rolldown'), [
  'client/cli/main.ts', '--file', 'dist/cairn.cjs', '--format', 'cjs', '--platform', 'node', '--log-level', 'warn',
]);
run(process.execPath, [join(root, 'scripts', 'bundle-daemon.mjs')]);
chmodSync(join(root, 'client', 'bin', 'cairn.cjs'), 0o755);
