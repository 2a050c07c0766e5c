// The test command: builds, lints, type-checks the tests, then runs every test file with node:test.
// Usage: node scripts/test.mjs [--under CONDITION] [file or folder ...]   (with files: only those, no lint, no build)
// CONDITION is a file of scripts/conditions: the same tests on a machine that is slower, faster or less steady. A test that fails there
// depends on time or order, and will fail elsewhere one day.
import { spawnSync } from 'node:child_process';
import { globSync, realpathSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = (name) => join(root, 'node_modules', '.bin', name);

function run(title, command, args, env = {}) {
  const started = Date.now();
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, FORCE_COLOR: '0', ...env } });
  if (result.error) throw result.error;
  console.error(`${title}: ${((Date.now() - started) / 1000).toFixed(1)} s, status ${result.status}`);
  if (result.status !== 0) process.exit(result.status ?? 1);
}

const { values: { under }, positionals: named } = parseArgs({ options: { under: { type: 'string' } }, allowPositionals: true });
const condition = under === undefined ? {} : { NODE_OPTIONS: `--import=${pathToFileURL(realpathSync(join(root, 'scripts', 'conditions', `${under}.mjs`))).href}` };
const expand = (path) => (statSync(join(root, path)).isDirectory() ? globSync(`${path}/**/*.test.ts`, { cwd: root }) : [path]);
const files = (named.length > 0 ? named.flatMap(expand) : globSync('test/**/*.test.ts', { cwd: root })).sort();

if (named.length === 0) {
  run('build', process.execPath, ['scripts/build.mjs']);
  run('types', bin('tsc'), ['-b', 'test']);
  run('lint', bin('oxlint'), ['--deny-warnings', 'src', 'daemon', 'client', 'test', 'scripts']);
} else {
  run('kernel', process.execPath, ['scripts/build.mjs', '--kernel-only']);
}
run('tests', process.execPath, ['--test', '--test-concurrency=2', '--test-reporter=spec', ...files], condition);
