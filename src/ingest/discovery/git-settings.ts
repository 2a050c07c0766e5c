/**
 * The settings of git that decide what is ignored, asked once and then only when a file that may hold them changes. Asking costs a
 * new process, which stops all threads of a large one for tens of milliseconds.
 */
import { lstatSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { readSettings, type Environment, type GitSettings } from './git.ts';
import { commonDirOf } from './repository.ts';

/** Some installations keep the settings of the system elsewhere: so late is a change there noticed. */
const MAX_AGE_MS = 300_000;

export class GitSettingsCache {
  readonly #root: string;
  readonly #environment: Environment;
  readonly #useGit: boolean;
  #known: { readonly settings: GitSettings; readonly fingerprint: string; readonly at: number } | null = null;

  constructor(root: string, environment: Environment, useGit: boolean) {
    this.#root = root;
    this.#environment = environment;
    this.#useGit = useGit;
  }

  async read(workTree: string | null): Promise<GitSettings> {
    const files = configFiles(workTree, this.#environment);
    const fingerprint = files.map(fingerprintOf).join();
    const known = this.#known;
    if (known !== null && known.fingerprint === fingerprint && performance.now() - known.at < MAX_AGE_MS) return known.settings;
    const settings = await readSettings(this.#root, this.#environment, this.#useGit);
    // What is included may lie anywhere.
    this.#known = files.some(mayInclude) ? null : { settings, fingerprint, at: performance.now() };
    return settings;
  }
}

function configFiles(workTree: string | null, environment: Environment): string[] {
  const home = environment['HOME'] ?? homedir();
  const files = ['/etc/gitconfig', join(environment['XDG_CONFIG_HOME'] || join(home, '.config'), 'git', 'config'), join(home, '.gitconfig')];
  const commonDir = workTree === null ? null : commonDirOf(workTree);
  return commonDir === null ? files : [...files, join(commonDir, 'config'), join(commonDir, 'config.worktree')];
}

function fingerprintOf(file: string): string {
  try {
    const { ino, size, mtimeNs, ctimeNs } = statSync(file, { bigint: true });
    return `${ino}:${size}:${mtimeNs}:${ctimeNs}`;
  } catch {
    return ''; // not there, or not readable: git could not use it either
  }
}

/** Also settings of one work tree of several, which lie where only git knows. */
function mayInclude(file: string): boolean {
  try {
    return lstatSync(file).isSymbolicLink() || /include|worktreeconfig/i.test(readFileSync(file, 'utf8'));
  } catch {
    return false;
  }
}
