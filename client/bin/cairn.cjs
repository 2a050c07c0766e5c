#!/usr/bin/env node
'use strict';
// Starts the bundled command line with a Node that can run it. Plain CommonJS that Node 20 (and older) can parse.
const { existsSync } = require('node:fs');
const { dirname, join } = require('node:path');

const WANTED = [22, 22];
const root = dirname(dirname(__dirname));
const bundle = join(root, 'dist', 'cairn.cjs');

// A clone has a Node among its development tools; an installed package has not.
const REMEDY = existsSync(join(root, 'package-lock.json')) ? `Run \`npm ci\` in ${root}, or install a newer Node.js.` : 'Install a newer Node.js, or run `npm install node@24` beside this package.';

const isNewEnough = () => {
  const [major, minor] = process.versions.node.split('.').map(Number);
  return major > WANTED[0] || (major === WANTED[0] && minor >= WANTED[1]);
};

/** The Node that came with `npm ci`, beside this package or above it. */
const pinnedNode = () => {
  for (let dir = root; ; dir = dirname(dir)) {
    for (const path of [join(dir, 'node_modules', 'node', 'bin', 'node'), join(dir, 'node_modules', 'node', 'bin', 'node.exe')]) {
      if (existsSync(path)) return path;
    }
    if (dir === dirname(dir)) return null;
  }
};

const runWith = (node) => {
  const { spawn } = require('node:child_process');
  const child = spawn(node, [__filename, ...process.argv.slice(2)], { stdio: 'inherit', env: { ...process.env, CAIRN_REEXECUTED: '1' } });
  // Ctrl-C reaches both processes from the terminal; other signals only this one. The child decides how to end.
  process.on('SIGINT', () => process.stdin.isTTY || child.kill('SIGINT'));
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => fail(`cannot run ${node}: ${error.message}`));
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
};

const fail = (message) => {
  process.stderr.write(`cairn: ${message}\n`);
  process.exitCode = 2;
};

if (!isNewEnough()) {
  const node = process.env.CAIRN_REEXECUTED === '1' ? null : pinnedNode();
  if (node === null) fail(`Node.js ${WANTED.join('.')} or newer is needed, this is ${process.versions.node}. ${REMEDY}`);
  else runWith(node);
} else if (!existsSync(bundle)) {
  fail(`${bundle} is missing. Build it with \`npm run build\` in ${root}.`);
} else {
  delete process.env.CAIRN_REEXECUTED;
  require(bundle);
}
