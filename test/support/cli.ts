/**
 * Runs the built `cairn` command as a user would: its own process, its own data directory, the daemon it starts itself.
 * `Sandbox.close()` stops the daemon and removes everything.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export const projectRoot = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const entry = join(projectRoot, 'client', 'bin', 'cairn.cjs');

export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class Sandbox {
  readonly dir: string;
  readonly dataDir: string;
  readonly env: NodeJS.ProcessEnv;

  constructor(extraEnv: NodeJS.ProcessEnv = {}) {
    this.dir = realpathSync(mkdtempSync(join(tmpdir(), 'cairn-e2e-')));
    this.dataDir = join(this.dir, 'data');
    this.env = { ...ownEnvironment(), CAIRN_DATA_DIR: this.dataDir, NO_COLOR: '1', ...extraEnv };
  }

  path(...parts: readonly string[]): string {
    return join(this.dir, ...parts);
  }

  /** Runs `cairn ...args`; never throws on an exit code. */
  run(args: readonly string[], options: { readonly cwd?: string; readonly input?: string } = {}): Promise<CliResult> {
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [entry, ...args], { cwd: options.cwd ?? this.dir, env: this.env, stdio: ['pipe', 'pipe', 'pipe'] });
      let stdout = '';
      let stderr = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
      child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
      child.on('error', reject);
      child.on('close', (code) => resolve({ code: code ?? -1, stdout, stderr }));
      child.stdin.end(options.input ?? '');
    });
  }

  /** Runs with --json and returns the parsed output; fails when the command fails. */
  async json<T>(args: readonly string[], options: { readonly cwd?: string } = {}): Promise<T> {
    const result = await this.run([...args, '--json'], options);
    assert.equal(result.code, 0, `cairn ${args.join(' ')} exited with ${result.code}\n${result.stdout}\n${result.stderr}`);
    return JSON.parse(result.stdout) as T;
  }

  /** Pid of the running daemon, or null. */
  daemonPid(): number | null {
    let registration: string;
    try {
      registration = readFileSync(join(this.dataDir, 'daemon.json'), 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      return null; // never started, or just ended
    }
    const { pid } = JSON.parse(registration) as { pid: number };
    return isAlive(pid) ? pid : null;
  }

  async killDaemon(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const pid = this.daemonPid();
    assert.ok(pid !== null, 'a daemon is running');
    send(pid, signal);
    await until(() => !isAlive(pid), 'the daemon is gone');
  }

  async close(): Promise<void> {
    const pid = this.daemonPid();
    if (pid !== null) {
      send(pid, 'SIGTERM');
      // A drain takes 10 s at most, on a machine that lets it run.
      await until(() => !isAlive(pid), 'the daemon has stopped', 30_000).catch(() => send(pid, 'SIGKILL'));
      await until(() => !isAlive(pid), 'the daemon is gone');
    }
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** The environment of the tests without what would lead elsewhere, or is a setting of the person who runs them. */
export function ownEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('CAIRN_') && !['XDG_RUNTIME_DIR', 'NODE_TEST_CONTEXT'].includes(name)));
}

/** One that ended by itself just now is no failure. */
function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    // A killed child of this process stays as a zombie until it is reaped: dead for our purposes.
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return !/\) [ZX] /.test(stat);
  } catch {
    return process.platform !== 'linux';
  }
}

/** Far beyond what anything here takes, also on a machine with other things to do: only a test that fails waits for it. */
export const PATIENCE_MS = 180_000;

/** Polls until `condition` holds; fails with `what` after `limitMs`. */
export async function until(condition: () => boolean | Promise<boolean>, what: string, limitMs = PATIENCE_MS): Promise<void> {
  const end = performance.now() + limitMs;
  for (;;) {
    if (await condition()) return;
    assert.ok(performance.now() < end, `timed out waiting: ${what}`);
    await sleep(50);
  }
}
