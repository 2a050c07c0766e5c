/**
 * Asks git what belongs to a work tree. Runs git without a shell, with a fixed set of environment variables, and with the
 * settings turned off by which a repository could make git run programs of its own. No error of git is fatal here:
 * null means "no answer", and the caller walks the tree itself.
 */
import { spawn } from 'node:child_process';
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface GitListing {
  /** As git prints them: files relative to the folder, '/' separators; nested repositories end in '/'. Raw bytes. */
  readonly entries: readonly Buffer[];
  /** Directories that git could not open. */
  readonly unreadable: readonly string[];
}

export interface GitSettings {
  /** Absolute, or null where there is none. */
  readonly excludesFile: string | null;
  readonly ignoreCase: boolean;
}

/** Everything else a repository or a user may set stays out, GIT_DIR and the like above all. */
const PASSED_ON = ['PATH', 'HOME', 'XDG_CONFIG_HOME', 'SystemRoot', 'TMPDIR'];
/** fsmonitor would run a program that the repository names. */
const SAFE = ['-c', 'core.fsmonitor=false', '-c', 'core.untrackedCache=false'];
const TIMEOUT_MS = 60_000;

/** A listing that says of each entry whether it is tracked. */
export interface TaggedListing {
  readonly entries: readonly { readonly path: Buffer; readonly isTracked: boolean }[];
  readonly unreadable: readonly string[];
}

/** Tracked files and untracked ones that are not ignored. Submodules are listed as an entry without content. */
export async function listFiles(folder: string, environment: Environment, signal?: AbortSignal): Promise<TaggedListing | null> {
  const listing = await list(folder, ['ls-files', '-z', '-t', '--cached', '--others', '--exclude-standard'], environment, signal);
  // '? path' is untracked; H, S and M are kinds of tracked.
  return listing === null ? null : { ...listing, entries: listing.entries.map((entry) => ({ path: entry.subarray(2), isTracked: entry[0] !== 0x3f })) };
}

/** Tracked files that the rules would ignore; usually few or none. */
export function listTrackedIgnored(folder: string, environment: Environment, signal?: AbortSignal): Promise<GitListing | null> {
  return list(folder, ['ls-files', '-z', '--cached', '--ignored', '--exclude-standard'], environment, signal);
}

async function list(folder: string, args: readonly string[], environment: Environment, signal?: AbortSignal): Promise<GitListing | null> {
  const output = await run(folder, args, environment, signal);
  if (output === null) return null;
  const unreadable = [...output.errors.matchAll(/could not open directory '([^']*?)\/?':/g)].map((match) => match[1] as string);
  return { entries: splitZero(output.data), unreadable };
}

function splitZero(data: Buffer): Buffer[] {
  const out: Buffer[] = [];
  for (let from = 0; from < data.length; ) {
    const at = data.indexOf(0, from);
    const end = at === -1 ? data.length : at;
    out.push(data.subarray(from, end));
    from = end + 1;
  }
  return out;
}

/** core.excludesFile and core.ignorecase of the repository around `folder`; git's defaults where it has no answer or is not to be asked. */
export async function readSettings(folder: string, environment: Environment, useGit: boolean): Promise<GitSettings> {
  const output = !useGit ? null : await run(folder, ['config', '-z', '--get-regexp', '^core\\.(excludesfile|ignorecase)$'], environment);
  const values = new Map<string, string>();
  for (const entry of output === null ? [] : splitZero(output.data)) {
    const text = entry.toString('utf8');
    const feed = text.indexOf('\n');
    values.set((feed === -1 ? text : text.slice(0, feed)).toLowerCase(), feed === -1 ? 'true' : text.slice(feed + 1));
  }
  const home = environment['HOME'] ?? homedir();
  const configured = values.get('core.excludesfile');
  const standard = join(environment['XDG_CONFIG_HOME'] || join(home, '.config'), 'git', 'ignore');
  const excludesFile = configured === undefined ? standard : configured === '' ? null : expand(configured, home, folder);
  return { excludesFile, ignoreCase: /^(true|yes|on|1)$/i.test(values.get('core.ignorecase') ?? '') };
}

function expand(path: string, home: string, folder: string): string {
  if (path.startsWith('~/')) return join(home, path.slice(2));
  return isAbsolute(path) ? path : resolve(folder, path);
}

function run(folder: string, args: readonly string[], environment: Environment, signal?: AbortSignal): Promise<{ data: Buffer; errors: string } | null> {
  const env: Record<string, string> = { LC_ALL: 'C', GIT_OPTIONAL_LOCKS: '0', GIT_TERMINAL_PROMPT: '0' };
  for (const name of PASSED_ON) if (environment[name] !== undefined) env[name] = environment[name];
  return new Promise((resolveRun) => {
    const child = spawn('git', [...SAFE, ...args], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'], ...(signal === undefined ? {} : { signal }) });
    // Not the option of spawn: its timer outlives a program that could not be started.
    const timer = setTimeout(() => child.kill('SIGKILL'), TIMEOUT_MS);
    const finish = (result: { data: Buffer; errors: string } | null): void => {
      clearTimeout(timer);
      resolveRun(result);
    };
    const data: Buffer[] = [];
    const errors: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => data.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
    child.once('error', () => finish(null));
    child.once('close', (code) => finish(code === 0 ? { data: Buffer.concat(data), errors: Buffer.concat(errors).toString('utf8') } : null));
  });
}
