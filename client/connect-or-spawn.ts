/**
 * Finds the daemon of a data directory, starts it if nobody serves, and shakes hands. Rules: a slow daemon is not a dead one
 * (reported, never replaced); an older client uses a newer daemon and never stops it; a newer client asks an older daemon once
 * to drain and hand over; starting is bounded in time and number.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { EndpointError, liveEndpoint, resolveEndpoint } from '../daemon/protocol/endpoint.ts';
import type { Endpoint, Environment } from '../daemon/protocol/endpoint.ts';
import { PROTOCOL_MIN, PROTOCOL_VERSION } from '../daemon/protocol/types.ts';
import type { InitializeResult } from '../daemon/protocol/types.ts';
import { compareVersions } from '../daemon/protocol/versions.ts';
import { Connection } from './connection.ts';
import { ClientError, errnoOf, isClientError, unreachable } from './errors.ts';
import { isOwnerAlive, isProcessAlive, isStopped, readLockOwner } from './lock-owner.ts';
import { SLOW_START_MS, spawnDaemon } from './spawn.ts';
import type { Started } from './spawn.ts';
import { distrust } from './trust.ts';
import { clientVersion } from './version.ts';

export interface ConnectOptions {
  /** Default: CAIRN_DATA_DIR, else the platform's user data directory. */
  readonly dataDir?: string | undefined;
  readonly env?: Environment | undefined;
  /** 'if-needed' (default) starts the daemon when nobody serves; 'never' only connects. */
  readonly spawn?: 'if-needed' | 'never' | undefined;
  /** Longest wait for a daemon that is starting or busy, milliseconds. */
  readonly startTimeoutMs?: number | undefined;
  /** Shown in the daemon's log and status. */
  readonly clientName?: string | undefined;
  readonly clientVersion?: string | undefined;
  readonly notifications?: readonly string[] | undefined;
  /** Called when the daemon is being started. */
  readonly onStart?: (() => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Another Node or daemon than this installation's; for editors (their own executable is no Node) and tests. */
  readonly execPath?: string | undefined;
  readonly entry?: string | undefined;
}

export interface Session {
  readonly connection: Connection;
  readonly hello: InitializeResult;
  readonly endpoint: Endpoint;
}

const START_TIMEOUT_MS = 20_000;
/** Without the right to start one, there is only a hand-over or a start by somebody else to wait for. */
const NO_SPAWN_TIMEOUT_MS = 2_000;
const HELLO_TIMEOUT_MS = 5_000;
/** A daemon that was started here and ended: time for the one that won to show up. */
const LOST_RACE_MS = 2_000;
const HANDOVER_MS = 30_000;
/** Failures to start that the user mends and then tries again at once. */
const START_REFUSALS = ['INVALID_CONFIG', 'PERMISSION', 'DISK_FULL'];
const FIRST_PAUSE_MS = 5;
const LONGEST_PAUSE_MS = 150;
/** While the daemon that was started here is expected any moment: a look costs 0.1 ms, a pause is time that a person waits. */
const STARTING_PAUSE_MS = 15;
const STARTING_MS = 2_000;

/**
 * Fails with DAEMON_UNREACHABLE, PERMISSION, DISK_FULL, VERSION_SKEW, UNAUTHORIZED, PROTOCOL, INVALID_CONFIG or CANCELLED; each
 * says what to do next.
 */
export async function connectOrSpawn(options: ConnectOptions = {}): Promise<Session> {
  const endpoint = endpointOf(options);
  const session = await new Starter(endpoint, options).run();
  if (compareVersions(versionOf(options), session.hello.daemonVersion) <= 0 || options.spawn === 'never') return session;
  return (await handOver(session)) ? new Starter(endpoint, options).run() : session;
}

/** Where the daemon of these options is, without connecting. */
export function endpointOf(options: Pick<ConnectOptions, 'env' | 'dataDir'>): Endpoint {
  try {
    return resolveEndpoint(options.env ?? process.env, options.dataDir);
  } catch (cause) {
    if (cause instanceof EndpointError) throw new ClientError(cause.code, cause.message, { path: cause.path, hint: cause.hint, cause });
    throw cause;
  }
}

/** Resolves true when the process has ended. */
export async function waitForExit(pid: number, timeoutMs: number): Promise<boolean> {
  const end = performance.now() + timeoutMs;
  for (let pause = FIRST_PAUSE_MS; isProcessAlive(pid); pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    if (performance.now() > end) return false;
    await sleep(pause);
  }
  return true;
}

const versionOf = (options: ConnectOptions): string => options.clientVersion ?? clientVersion();

class Starter {
  readonly #endpoint: Endpoint;
  readonly #options: ConnectOptions;
  readonly #deadline: number;
  #started: Started | null = null;
  /** At the last look somebody else's start was on its way. */
  #isElsewhere = false;
  /** When our own daemon was first seen to have ended. */
  #endedAt = 0;

  constructor(endpoint: Endpoint, options: ConnectOptions) {
    this.#endpoint = endpoint;
    this.#options = options;
    this.#deadline = performance.now() + (options.startTimeoutMs ?? (options.spawn === 'never' ? NO_SPAWN_TIMEOUT_MS : START_TIMEOUT_MS));
  }

  async run(): Promise<Session> {
    const since = performance.now();
    const longest = (): number => (this.#started !== null && performance.now() - since < STARTING_MS ? STARTING_PAUSE_MS : LONGEST_PAUSE_MS);
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 1.5, longest())) {
      if (this.#options.signal?.aborted === true) throw new ClientError('CANCELLED', 'connecting was cancelled');
      const outcome = await attempt(this.#endpoint, this.#options);
      if ('session' in outcome) {
        this.#started?.settled();
        return outcome.session;
      }
      this.#check(outcome);
      // Clients that wait together must not ask together.
      await sleep(pause * (0.75 + Math.random() / 2));
    }
  }

  /** Decides what a failed attempt means: start the daemon, wait, or give up. */
  #check({ kind, error }: Failure): void {
    if (kind === 'fatal') throw error;
    const owner = readLockOwner(this.#endpoint.lockDir);
    const alive = isOwnerAlive(owner);
    if (kind === 'absent' && !alive) {
      if (this.#options.spawn === 'never') throw unreachable('no daemon is running', { cause: error, hint: 'Start it with: cairn daemon start' });
      if (this.#started === null) this.#start();
      else this.#checkStarted(this.#started);
    }
    if (alive && error.code === 'TIMEOUT' && isStopped(owner.pid)) {
      throw unreachable(`the daemon (pid ${owner.pid}) is stopped by a signal or a debugger and answers nobody`, { cause: error, hint: `Let it go on with: kill -CONT ${owner.pid}` });
    }
    if (performance.now() < this.#deadline || this.#isStillStarting()) return;
    if (error.code === 'UNAUTHORIZED') throw error;
    if (alive) throw unreachable(`daemon hung (pid ${owner.pid}): it holds the lock but does not answer`, { cause: error, hint: 'See `cairn daemon logs`; end it with: cairn daemon stop --force' });
    throw unreachable(`the daemon did not start in time: ${error.message}`, { cause: error, hint: 'See: cairn daemon logs' });
  }

  /** A machine with other things to do takes its time: what was started, here or by another client, and lives is not given up at the usual deadline. */
  #isStillStarting(): boolean {
    const isStarting = this.#started === null ? this.#isElsewhere : this.#started.ended() === null;
    return this.#options.startTimeoutMs === undefined && isStarting && performance.now() < this.#deadline - START_TIMEOUT_MS + SLOW_START_MS;
  }

  #start(): void {
    const { env = process.env, execPath, entry } = this.#options;
    this.#started = spawnDaemon({ endpoint: this.#endpoint, env, execPath, entry });
    this.#isElsewhere = this.#started === null;
    if (this.#started !== null) this.#options.onStart?.();
  }

  /** It may have ended because another one was first; that one answers soon. */
  #checkStarted(started: Started): void {
    const ended = started.ended();
    if (ended === null) return;
    this.#endedAt ||= performance.now();
    if (performance.now() - this.#endedAt < (ended === 0 ? LOST_RACE_MS : LOST_RACE_MS / 4)) return;
    const refusal = started.refusal();
    if (refusal !== null && START_REFUSALS.includes(refusal.code)) {
      started.settled();
      throw refusal;
    }
    const output = refusal?.message ?? started.output();
    throw unreachable(`the daemon ended while starting (${typeof ended === 'number' ? `exit code ${ended}` : ended})${output === '' ? '' : `: ${output}`}`, { hint: refusal?.hint ?? 'See: cairn daemon logs' });
  }
}

interface Failure {
  /** absent: nobody listens; busy: somebody does, but cannot serve now; fatal: waiting does not help. */
  readonly kind: 'absent' | 'busy' | 'fatal';
  readonly error: ClientError;
}

async function attempt(endpoint: Endpoint, options: ConnectOptions): Promise<{ readonly session: Session } | Failure> {
  const { socket, tokenFile } = liveEndpoint(endpoint);
  const reason = distrust(socket, endpoint.dataDir);
  if (reason !== null) return { kind: 'fatal', error: reason };
  let connection: Connection;
  try {
    connection = await Connection.open(socket);
  } catch (error) {
    return classifyConnect(error as ClientError);
  }
  try {
    const hello = await connection.request('initialize', {
      clientName: options.clientName ?? 'cairn-client',
      clientVersion: versionOf(options),
      protocol: { min: PROTOCOL_MIN, max: PROTOCOL_VERSION },
      token: readToken(tokenFile),
      ...(options.notifications === undefined ? {} : { notifications: options.notifications }),
    }, { timeoutMs: Math.min(HELLO_TIMEOUT_MS, options.startTimeoutMs ?? HELLO_TIMEOUT_MS), signal: options.signal });
    return { session: { connection, hello, endpoint } };
  } catch (error) {
    connection.close();
    return classifyHello(error as ClientError);
  }
}

/** Only a refused or missing socket proves that nobody serves. */
function classifyConnect(error: ClientError): Failure {
  if (error.code === 'PERMISSION') return { kind: 'fatal', error };
  const errno = errnoOf(error.cause);
  return { kind: errno === 'ENOENT' || errno === 'ECONNREFUSED' || errno === 'ENOTDIR' ? 'absent' : 'busy', error };
}

function classifyHello(error: unknown): Failure {
  if (!(error instanceof ClientError)) throw error;
  if (error.code === 'VERSION_SKEW') {
    const hint = error.hint ?? 'Update the older of the two, or stop the daemon with: cairn daemon stop';
    return { kind: 'fatal', error: new ClientError(error.code, error.message, { hint, cause: error }) };
  }
  // The token is new with every daemon: between reading it and using it the daemon may have been replaced.
  const transient = error.retryable || isClientError(error, 'UNAUTHORIZED', 'NOT_SERVING', 'OVERLOADED', 'TIMEOUT');
  return { kind: transient ? 'busy' : 'fatal', error };
}

function readToken(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (cause) {
    throw new ClientError(errnoOf(cause) === 'EACCES' ? 'PERMISSION' : 'UNAUTHORIZED', `${path}: cannot be read (${errnoOf(cause) ?? String(cause)})`, { path, cause });
  }
}

/** Asks an older daemon to drain. False when it refuses: the session goes on with it. */
async function handOver(session: Session): Promise<boolean> {
  const { connection, hello } = session;
  try {
    await connection.request('shutdown', { reason: 'handover' }, { timeoutMs: HELLO_TIMEOUT_MS });
  } catch (error) {
    if (!isClientError(error)) throw error;
    if (connection.isOpen) return false;
  }
  connection.close();
  if (await waitForExit(hello.pid, HANDOVER_MS)) return true;
  throw unreachable(`the daemon (pid ${hello.pid}, version ${hello.daemonVersion}) did not end after ${HANDOVER_MS / 1000} s`, { hint: 'End it with: cairn daemon stop --force' });
}
