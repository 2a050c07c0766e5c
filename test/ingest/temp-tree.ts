/** Source trees made for one test. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';

/** Settings of the person who runs the tests must not matter; nor may a repository around the temp folder. */
export const TEST_ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: process.env['PATH'] ?? '', HOME: '/nonexistent', XDG_CONFIG_HOME: '/nonexistent', GIT_CONFIG_NOSYSTEM: '1',
};

export type Files = Readonly<Record<string, string | Uint8Array>>;

/** Canonical path of a new folder with `files`, removed when the test ends. */
export function makeTree(t: TestContext, files: Files = {}): string {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'cairn-tree-')));
  t.after(() => rmSync(root, { recursive: true, force: true, maxRetries: 10 }));
  writeFiles(root, files);
  return root;
}

export function writeFiles(root: string, files: Files): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
}

export function git(folder: string, ...args: readonly string[]): string {
  // Maintenance would go on in the background, in a tree that is being removed.
  const settings = ['user.name=t', 'user.email=t@localhost', 'init.defaultBranch=main', 'protocol.file.allow=always', 'commit.gpgsign=false', 'gc.auto=0', 'maintenance.auto=false'];
  return execFileSync('git', [...settings.flatMap((setting) => ['-c', setting]), ...args], { cwd: folder, env: TEST_ENVIRONMENT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}
