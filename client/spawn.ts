/**
 * Starts the daemon of this installation, detached, with its output in the daemon's log. Owns the rule that clients
 * together do not start it twice within ten seconds unless the last start succeeded, nor while the process of the last start lives.
 */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, readSync, rmSync, statSync, statfsSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import type { Endpoint, Environment } from '../daemon/protocol/endpoint.ts';
import { makeDirectories } from '../daemon/protocol/make-directories.ts';
import { freeReserveIfScarce } from '../daemon/protocol/reserve.ts';
import { ClientError, errnoOf, unreachable } from './errors.ts';
import { isProcessAlive } from './lock-owner.ts';
import { distrustDirectory } from './trust.ts';
import { daemonEntry, daemonNode, WANTED_NODE } from './version.ts';

export const SPAWN_INTERVAL_MS = 10_000;
/** A start whose process lives is waited for so long: on a busy machine it may take more than the interval. */
export const SLOW_START_MS = 60_000;
/** No pid: the process of a start is not known yet. */
const NOBODY = 0;
/** The part of the log that an error message looks at. */
const LOG_TAIL_BYTES = 16 * 1024;

/**
 * They can only be set at the start of a process; a daemon that is started without them works the same, with more memory.
 * A young generation of 12 MB at most instead of 48 in each thread (half of that makes queries a fifth slower), threads that may collect garbage when a job is done, and
 * helpers of V8 for half of the cores: four of them on two cores spend more time on waiting than on collecting. And nobody's JSON reaches
 * the prototype of all objects.
 */
const NODE_FLAGS = ['--disable-proto=throw', '--max-semi-space-size=4', '--expose-gc', `--v8-pool-size=${Math.max(1, Math.min(4, availableParallelism() >> 1))}`];
/** For glibc: two heaps instead of one per thread, and large blocks go back to the system at once instead of being kept. */
const MALLOC = { MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '65536', MALLOC_TRIM_THRESHOLD_: '1048576' };

/**
 * What a daemon gets of the environment of the client that happens to start it. It serves everybody, for days: how it works must not
 * depend on whose shell it came from, and tokens that lie around there are none of its business.
 */
const PASSED_ON = /^(PATH|HOME|USER|LOGNAME|LANG|LC_[A-Z]+|TZ|TMPDIR|TMP|TEMP|XDG_[A-Z_]+|LD_LIBRARY_PATH|MALLOC_[A-Z_]+|ELECTRON_RUN_AS_NODE|CAIRN_[A-Z0-9_]+)$/;

export interface SpawnOptions {
  readonly endpoint: Endpoint;
  readonly env: Environment;
  /** Default: a Node that can run it (version.ts); and the entry of this installation. */
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
  /** Why it cannot start, where that is something the user can mend; else null. */
  readonly refusal: () => ClientError | null;
  /** It serves, or it has said why it cannot: others may start it again at any time from now on. */
  readonly settled: () => void;
}

/** null when another client started one just before, which is still on its way. Fails with DAEMON_UNREACHABLE. */
export function spawnDaemon(options: SpawnOptions): Started | null {
  const { endpoint, env } = options;
  const entry = options.entry ?? daemonEntry();
  if (entry === null) throw unreachable('the daemon is not part of this installation', { retryable: false, hint: 'Build it with: npm run build' });
  const node = options.execPath ?? daemonNode();
  if (node === null) throw unreachable(`the daemon needs Node.js ${WANTED_NODE.join('.')} or newer, this is ${process.versions.node}`, { retryable: false, hint: 'Install it beside this package (npm install node@24), name one with `execPath`, or start the daemon with: cairn daemon start' });
  prepare(endpoint);
  freeReserveIfScarce(endpoint.reserveFile);
  const stamp = join(endpoint.dataDir, 'run', 'started');
  if (!claim(stamp, endpoint.logFile)) return null;
  const logStart = sizeOf(endpoint.logFile);
  const log = openLog(endpoint.logFile, stamp);
  try {
    const inherited = Object.fromEntries(Object.entries(env).filter(([name]) => PASSED_ON.test(name)));
    const child = spawn(node, [...NODE_FLAGS, entry], {
      cwd: endpoint.dataDir, detached: true, stdio: ['ignore', log, log], windowsHide: true,
      env: { ...MALLOC, ...inherited, CAIRN_DATA_DIR: endpoint.dataDir },
    });
    let ended: number | string | null = null;
    child.on('error', (error) => (ended ??= errnoOf(error) ?? error.message));
    child.on('exit', (code, signal) => (ended ??= code ?? signal));
    child.unref();
    note(stamp, `${child.pid ?? 0} ${logStart}`);
    return {
      pid: child.pid ?? 0,
      ended: () => ended,
      output: () => tail(endpoint.logFile, logStart),
      refusal: () => refusalIn(newLines(endpoint.logFile, logStart)) ?? silentRefusal(endpoint.logFile, logStart),
      settled: () => rmSync(stamp, { force: true }),
    };
  } finally {
    closeSync(log);
  }
}

function openLog(path: string, stamp: string): number {
  try {
    return openSync(path, 'a', 0o600);
  } catch (cause) {
    rmSync(stamp, { force: true });
    throw cannotWrite(path, cause);
  }
}

/** Without this note (the disk is full) others wait for the start to age instead of seeing that it has ended. */
function note(stamp: string, text: string): void {
  try {
    writeFileSync(stamp, text);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
  }
}

function cannotWrite(path: string, cause: unknown): ClientError {
  if (errnoOf(cause) === 'ENOSPC' || errnoOf(cause) === 'EDQUOT') return new ClientError('DISK_FULL', `${path}: cannot be written, no space left`, { path, cause, hint: 'Free some disk space; nothing acknowledged was lost.' });
  return new ClientError('PERMISSION', `${path}: cannot be written (${errnoOf(cause) ?? String(cause)})`, { path, cause, hint: 'Set CAIRN_DATA_DIR to a directory of your own.' });
}

/** Directories are made private; the daemon verifies them before it trusts them. */
function prepare(endpoint: Endpoint): void {
  const reason = distrustDirectory(endpoint.dataDir);
  if (reason !== null) throw reason;
  try {
    for (const dir of [endpoint.dataDir, join(endpoint.dataDir, 'run'), dirname(endpoint.logFile)]) makeDirectories(dir);
  } catch (cause) {
    const errno = errnoOf(cause);
    if (errno === 'EEXIST' || errno === 'ENOTDIR') throw new ClientError('INVALID_CONFIG', `the data directory ${endpoint.dataDir} is not a directory`, { path: endpoint.dataDir, cause, hint: 'Set CAIRN_DATA_DIR to a directory of your own.' });
    if (errno === 'ENOSPC' || errno === 'EDQUOT') throw cannotWrite(endpoint.dataDir, cause);
    throw new ClientError('PERMISSION', `${endpoint.dataDir}: cannot be created (${errnoOf(cause) ?? String(cause)})`, {
      path: endpoint.dataDir, cause, hint: 'Set CAIRN_DATA_DIR to a directory of your own.',
    });
  }
}

/** Takes the right to start: one client at a time gets it. Fails when the last start has failed just now. */
function claim(stamp: string, logFile: string): boolean {
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      writeFileSync(stamp, '', { flag: 'wx', mode: 0o600 });
      return true;
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw cannotWrite(stamp, error);
    }
    const age = Date.now() - (statSync(stamp, { throwIfNoEntry: false })?.mtimeMs ?? 0);
    // A time in the future (a clock that was set back) must not block starting.
    if (age >= 0 && age < SPAWN_INTERVAL_MS) {
      assertOnItsWay(stamp, age, logFile);
      return false;
    }
    if (age >= 0 && age < SLOW_START_MS && isStarting(stamp)) return false;
    rmSync(stamp, { force: true });
  }
  return false;
}

function isStarting(stamp: string): boolean {
  const { pid } = readStamp(stamp);
  return pid !== NOBODY && isProcessAlive(pid);
}

function assertOnItsWay(stamp: string, age: number, logFile: string): void {
  const { pid, logStart } = readStamp(stamp);
  if (pid === NOBODY || isProcessAlive(pid)) return;
  const wait = Math.ceil((SPAWN_INTERVAL_MS - age) / 1000);
  const output = tail(logFile, logStart);
  throw unreachable(`the daemon that was started ${Math.round(age / 1000)} s ago has ended${output === '' ? '' : `: ${output}`}`, { hint: `See \`cairn daemon logs\`; it can be started again in ${wait} s.` });
}

function readStamp(stamp: string): { readonly pid: number; readonly logStart: number } {
  try {
    const [pid = NOBODY, logStart = 0] = readFileSync(stamp, 'utf8').split(' ').map(Number);
    return { pid: Number.isSafeInteger(pid) && pid > 0 ? pid : NOBODY, logStart };
  } catch {
    return { pid: NOBODY, logStart: 0 }; // just removed: the start succeeded
  }
}

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

/** What the process said last, after `from`; of structured lines only the message. */
function tail(path: string, from: number): string {
  const written = newLines(path, from);
  const refusal = refusalIn(written);
  if (refusal !== null) return refusal.message;
  const lines = written.map(logMessage);
  // An uncaught exception ends in its properties and the version of Node: the line with the message says more.
  const thrown = lines.findLast((line) => /^\w*Error\b.*: /.test(line));
  return thrown ?? lines.slice(-3).join('\n');
}

/** A daemon that cannot start writes `CODE: message` and, on the next line, what to do about it. */
function refusalIn(lines: readonly string[]): ClientError | null {
  const at = lines.findLastIndex((line) => /^[A-Z][A-Z_]{3,}: ./.test(line));
  const line = lines[at];
  if (line === undefined) return null;
  const colon = line.indexOf(': ');
  const next = lines[at + 1];
  return new ClientError(line.slice(0, colon), line.slice(colon + 2), { hint: next === undefined || next.startsWith('{') ? 'See: cairn daemon logs' : next });
}

/** On a full disk a daemon cannot even say why it does not start. */
function silentRefusal(logFile: string, logStart: number): ClientError | null {
  if (sizeOf(logFile) > logStart || !existsSync(dirname(logFile)) || statfsSync(dirname(logFile)).bavail > 0) return null;
  return cannotWrite(logFile, Object.assign(new Error('no space left'), { code: 'ENOSPC' }));
}

function newLines(path: string, from: number): string[] {
  const size = sizeOf(path);
  const start = Math.max(from > size ? 0 : from, size - LOG_TAIL_BYTES);
  const buffer = Buffer.alloc(Math.max(0, size - start));
  if (buffer.length === 0) return []; // also where somebody has removed the log, with the whole data directory perhaps
  const fd = openSync(path, 'r');
  try {
    readSync(fd, buffer, 0, buffer.length, start);
  } finally {
    closeSync(fd);
  }
  return buffer.toString('utf8').split('\n').filter((line) => line.trim() !== '');
}

function logMessage(line: string): string {
  try {
    const { msg, err } = JSON.parse(line) as { msg?: string; err?: { message?: string } };
    return [msg, err?.message].filter((text) => text !== undefined).join(': ') || line;
  } catch {
    return line; // plain output, for example of a crash before the log was set up
  }
}
