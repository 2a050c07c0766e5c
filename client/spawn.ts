/**
 * Starts the daemon of this installation, detached, with its output in the daemon's log. Owns the rule that clients
 * together do not start it twice within ten seconds unless the last start succeeded.
 */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, readSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Endpoint, Environment } from '../daemon/protocol/endpoint.ts';
import { ClientError, errnoOf, unreachable } from './errors.ts';
import { isProcessAlive } from './lock-owner.ts';
import { daemonEntry } from './version.ts';

export const SPAWN_INTERVAL_MS = 10_000;
/** The part of the log that an error message looks at. */
const LOG_TAIL_BYTES = 16 * 1024;

export interface SpawnOptions {
  readonly endpoint: Endpoint;
  readonly env: Environment;
  /** Default: this Node; and the entry of this installation. */
  readonly execPath?: string | undefined;
  readonly entry?: string | undefined;
}

/** A daemon process that was started here. */
export interface Started {
  readonly pid: number;
  /** Exit code once it has ended, or the signal's name; null while it runs. */
  readonly ended: () => number | string | null;
  /** The last lines it wrote to the log. */
  readonly output: () => string;
  /** It serves: others may start it again at any time from now on, and this process no longer waits for it. */
  readonly succeeded: () => void;
}

/** null when another client started one less than ten seconds ago, which is still on its way. Fails with DAEMON_UNREACHABLE. */
export function spawnDaemon(options: SpawnOptions): Started | null {
  const { endpoint, env } = options;
  const entry = options.entry ?? daemonEntry();
  if (entry === null) throw unreachable('the daemon is not part of this installation', { retryable: false, hint: 'Build it with: npm run build' });
  prepare(endpoint);
  const stamp = join(endpoint.dataDir, 'run', 'started');
  if (!claim(stamp)) return null;
  const logStart = sizeOf(endpoint.logFile);
  const log = openSync(endpoint.logFile, 'a', 0o600);
  try {
    // Options and test hooks of this Node are not meant for the daemon.
    const { NODE_OPTIONS: _options, NODE_TEST_CONTEXT: _test, NODE_CHANNEL_FD: _channel, ...inherited } = env;
    const child = spawn(options.execPath ?? process.execPath, [entry], {
      cwd: endpoint.dataDir, detached: true, stdio: ['ignore', log, log], windowsHide: true,
      env: { ...inherited, CAIRN_DATA_DIR: endpoint.dataDir },
    });
    let ended: number | string | null = null;
    child.on('error', (error) => (ended ??= errnoOf(error) ?? error.message));
    child.on('exit', (code, signal) => (ended ??= code ?? signal));
    child.unref();
    writeFileSync(stamp, String(child.pid ?? 0));
    return {
      pid: child.pid ?? 0,
      ended: () => ended,
      output: () => tail(endpoint.logFile, logStart),
      succeeded: () => rmSync(stamp, { force: true }),
    };
  } finally {
    closeSync(log);
  }
}

/** Directories are made private; the daemon verifies them before it trusts them. */
function prepare(endpoint: Endpoint): void {
  try {
    for (const dir of [endpoint.dataDir, join(endpoint.dataDir, 'run'), dirname(endpoint.logFile)]) mkdirSync(dir, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new ClientError('PERMISSION', `${endpoint.dataDir}: cannot be created (${errnoOf(cause) ?? String(cause)})`, {
      path: endpoint.dataDir, cause, hint: 'Set CAIRN_DATA_DIR to a directory of your own.',
    });
  }
}

/** Takes the right to start: one client at a time gets it. Fails when the last start has failed just now. */
function claim(stamp: string): boolean {
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      writeFileSync(stamp, '', { flag: 'wx', mode: 0o600 });
      return true;
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw unreachable(`${stamp}: cannot be written (${errnoOf(error)})`, { cause: error, path: stamp });
    }
    const age = Date.now() - (statSync(stamp, { throwIfNoEntry: false })?.mtimeMs ?? 0);
    // A time in the future (a clock that was set back) must not block starting.
    if (age >= 0 && age < SPAWN_INTERVAL_MS) {
      assertOnItsWay(stamp, age);
      return false;
    }
    rmSync(stamp, { force: true });
  }
  return false;
}

function assertOnItsWay(stamp: string, age: number): void {
  const pid = Number(readStamp(stamp));
  if (!Number.isSafeInteger(pid) || pid <= 0 || isProcessAlive(pid)) return;
  const wait = Math.ceil((SPAWN_INTERVAL_MS - age) / 1000);
  throw unreachable(`the daemon that was started ${Math.round(age / 1000)} s ago has ended`, { hint: `See \`cairn daemon logs\`; it can be started again in ${wait} s.` });
}

function readStamp(stamp: string): string {
  try {
    return readFileSync(stamp, 'utf8');
  } catch {
    return ''; // just removed: the start succeeded
  }
}

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

/** What the process said last, after `from`; of structured lines only the message. */
function tail(path: string, from: number): string {
  const size = sizeOf(path);
  const start = Math.max(from > size ? 0 : from, size - LOG_TAIL_BYTES);
  const buffer = Buffer.alloc(Math.max(0, size - start));
  const fd = openSync(path, 'r');
  try {
    readSync(fd, buffer, 0, buffer.length, start);
  } finally {
    closeSync(fd);
  }
  const lines = buffer.toString('utf8').split('\n').filter((line) => line.trim() !== '').map(logMessage);
  // An uncaught exception ends in its properties and the version of Node: the line with the message says more.
  const thrown = lines.findLast((line) => /^\w*Error\b.*: /.test(line));
  return thrown ?? lines.slice(-3).join('\n');
}

function logMessage(line: string): string {
  try {
    const { msg, err } = JSON.parse(line) as { msg?: string; err?: { message?: string } };
    return [msg, err?.message].filter((text) => text !== undefined).join(': ') || line;
  } catch {
    return line; // plain output, for example of a crash before the log was set up
  }
}
