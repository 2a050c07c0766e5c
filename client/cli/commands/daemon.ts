/** cairn daemon start|stop|restart|status|logs. */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Endpoint } from '../../../daemon/protocol/endpoint.ts';
import { endpointOf, waitForExit } from '../../connect-or-spawn.ts';
import { ClientError, isClientError, unreachable } from '../../errors.ts';
import { isOwnerAlive, readLockOwner } from '../../lock-owner.ts';
import { EXIT } from '../exit-codes.ts';
import type { ExitCode } from '../exit-codes.ts';
import { withClient, writeJson } from '../io.ts';
import type { CommonOptions, Io } from '../io.ts';
import { oneLine, styleFor } from '../style.ts';
import type { Style } from '../style.ts';
import { renderStatus } from './status.ts';

/** The daemon drains and saves before it ends. */
const STOP_TIMEOUT_MS = 60_000;
const KILL_TIMEOUT_MS = 5_000;

const endpointFor = (io: Io, options: CommonOptions): Endpoint => endpointOf({ env: io.env, dataDir: options.dataDir });

export async function startCommand(io: Io, options: CommonOptions): Promise<ExitCode> {
  let started = false;
  return withClient(io, options, async (client) => {
    const { pid, daemonVersion: version, dataDir } = client.daemon;
    if (options.json === true) writeJson(io, { pid, version, dataDir, started });
    else io.stdout.write(`the daemon ${started ? 'was started' : 'is already running'} (pid ${pid}, version ${oneLine(version)})\n`);
    return EXIT.ok;
  }, { onStart: () => (started = true) });
}

/** Returns when the process is gone. No daemon is no error: the wished state is reached. */
export async function stopCommand(io: Io, options: CommonOptions & { readonly force?: boolean | undefined }): Promise<ExitCode> {
  const pid = await stopDaemon(io, options);
  if (options.json === true) writeJson(io, { stopped: pid !== null, pid });
  else io.stdout.write(pid === null ? 'no daemon is running\n' : `the daemon (pid ${pid}) has stopped\n`);
  return EXIT.ok;
}

export async function restartCommand(io: Io, options: CommonOptions & { readonly force?: boolean | undefined }): Promise<ExitCode> {
  await stopDaemon(io, options);
  return startCommand(io, options);
}

async function stopDaemon(io: Io, options: CommonOptions & { readonly force?: boolean | undefined }): Promise<number | null> {
  const endpoint = endpointFor(io, options);
  try {
    const { pid } = await withClient(io, options, (client) => client.shutdown({ reason: 'user' }, { signal: io.signal }), { spawn: 'never' });
    if (await waitForExit(pid, options.force === true ? KILL_TIMEOUT_MS : STOP_TIMEOUT_MS)) return pid;
  } catch (error) {
    // A daemon that ends while it is asked to has done what was wanted.
    if (!isClientError(error, 'DAEMON_UNREACHABLE', 'NOT_SERVING', 'TIMEOUT', 'UNAUTHORIZED')) throw error;
  }
  return endOwner(endpoint, options);
}

/** Nobody answers: what the lock says decides. Only a verified owner is ever killed, and only on request. */
async function endOwner(endpoint: Endpoint, options: { readonly force?: boolean | undefined }): Promise<number | null> {
  const owner = readLockOwner(endpoint.lockDir);
  if (!isOwnerAlive(owner)) return null;
  if (options.force === true) {
    process.kill(owner.pid, 'SIGKILL');
    if (await waitForExit(owner.pid, KILL_TIMEOUT_MS)) return owner.pid;
  } else if (await waitForExit(owner.pid, KILL_TIMEOUT_MS)) return owner.pid;
  throw unreachable(`the daemon (pid ${owner.pid}) does not end`, { hint: options.force === true ? 'It cannot be killed by this user.' : 'End it with: cairn daemon stop --force' });
}

export async function daemonStatusCommand(io: Io, options: CommonOptions): Promise<ExitCode> {
  return withClient(io, options, async (client) => {
    const status = await client.status({ signal: io.signal });
    if (options.json === true) writeJson(io, status);
    else io.stdout.write(renderStatus(status, [], styleFor(io, options)));
    return EXIT.ok;
  }, { spawn: 'never' });
}

export interface LogOptions extends CommonOptions {
  readonly lines?: number | undefined;
  readonly follow?: boolean | undefined;
}

const DEFAULT_LOG_LINES = 50;
const TAIL_BYTES = 1 << 20;
const FOLLOW_MS = 250;

/** Reads the log file itself: it must work when the daemon does not. */
export async function logsCommand(io: Io, options: LogOptions): Promise<ExitCode> {
  const { logFile } = endpointFor(io, options);
  let size = statSync(logFile, { throwIfNoEntry: false })?.size;
  if (size === undefined) throw new ClientError('NOT_FOUND', `${logFile}: there is no log yet`, { path: logFile, hint: 'Start the daemon with: cairn daemon start' });
  const style = styleFor(io, options);
  const show = (lines: readonly string[]): void => io.stdout.write(lines.map((line) => (options.json === true ? `${oneLine(line)}\n` : renderLogLine(line, style))).join(''));
  show(completeLines(readRange(logFile, Math.max(0, size - TAIL_BYTES), size)).slice(-(options.lines ?? DEFAULT_LOG_LINES)));
  while (options.follow === true && !io.signal.aborted) {
    await sleep(FOLLOW_MS, undefined, { signal: io.signal }).catch(() => undefined); // aborted: the loop ends
    const now = statSync(logFile, { throwIfNoEntry: false })?.size ?? 0;
    if (now < size) size = 0; // rotated: a new file begins
    const text = readRange(logFile, size, now);
    const end = text.lastIndexOf('\n') + 1;
    show(completeLines(text.slice(0, end)));
    size += Buffer.byteLength(text.slice(0, end));
  }
  return EXIT.ok;
}

const completeLines = (text: string): string[] => text.split('\n').filter((line) => line !== '');

function readRange(path: string, from: number, to: number): string {
  if (to <= from) return '';
  const buffer = Buffer.alloc(Math.min(to - from, TAIL_BYTES));
  const fd = openSync(path, 'r');
  try {
    return buffer.toString('utf8', 0, readSync(fd, buffer, 0, buffer.length, from));
  } finally {
    closeSync(fd);
  }
}

/** pino's levels. */
const LEVELS: Readonly<Record<number, string>> = { 10: 'trace', 20: 'debug', 30: 'info', 40: 'warn', 50: 'error', 60: 'fatal' };

export function renderLogLine(line: string, style: Style): string {
  let entry: Record<string, unknown>;
  try {
    entry = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return `${oneLine(line)}\n`; // plain output, for example of a crash
  }
  const { time, level, msg, pid: _pid, hostname: _host, v: _v, ...rest } = entry;
  const name = typeof level === 'number' ? (LEVELS[level] ?? String(level)) : String(level ?? '');
  const paint = name === 'error' || name === 'fatal' ? style.bad : name === 'warn' ? style.warn : style.dim;
  const when = typeof time === 'number' ? new Date(time).toISOString() : String(time ?? '');
  const details = Object.entries(rest).map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`).join(' ');
  return `${style.dim(oneLine(when))} ${paint(oneLine(name).padEnd(5))} ${oneLine(String(msg ?? ''))}${details === '' ? '' : ` ${style.dim(oneLine(details))}`}\n`;
}
