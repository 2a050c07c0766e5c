/**
 * The life of the daemon process, from the lock to the exit code. Owns the order of things; what is served comes from `compose`.
 *
 * Start: directories → settings → lock → log → registration → compose (discover, metadata only) → listen → serving → warm up.
 * Stop (LIFECYCLE.md): draining → no new clients → running requests end or are cancelled → owners persist and close →
 * connections close → socket and registration go (only while the lock is ours) → lock released → stopped.
 */
import { dirname } from 'node:path';
import { loadConfig, type Config } from '../config/config.ts';
import { isCairnError, messageOf } from '../errors.ts';
import { openLog, type FileLog, type Log } from '../log/log.ts';
import { readRegistration, resolveEndpoint, type Endpoint, type Environment, type Registration } from '../protocol/endpoint.ts';
import type { NotificationName, Notifications } from '../protocol/methods.ts';
import { freeReserveIfScarce, keepReserve } from '../protocol/reserve.ts';
import { PROTOCOL_MIN, PROTOCOL_VERSION } from '../protocol/types.ts';
import { Dispatcher } from '../rpc/dispatcher.ts';
import { Metrics } from '../rpc/metrics.ts';
import { RpcServer } from '../rpc/server.ts';
import type { MethodTable } from '../rpc/table.ts';
import type { DaemonArguments } from './arguments.ts';
import { highestPublishedEpoch } from './epoch-floor.ts';
import { acquireLock, type GenerationLock, type LockOwner } from './generation-lock.ts';
import { IdleWatch } from './idle.ts';
import { watchLoopDelay } from './loop-delay.ts';
import { Phase } from './phase.ts';
import { ensurePrivateDirectory } from './private-directory.ts';
import { EXIT_BUG, guardProcess } from './process-guard.ts';
import { PublishedNames } from './published-names.ts';
import { startSelfCheck } from './self-check.ts';

/** What `compose` gets of the process it lives in. */
export interface DaemonCore {
  readonly version: string;
  readonly endpoint: Endpoint;
  readonly config: Config;
  readonly log: Log;
  readonly lock: GenerationLock;
  readonly metrics: Metrics;
  readonly startedAt: Date;
  readonly phase: Phase;
  /** Something that a user should know, shown in daemon/status. */
  warn(message: string): void;
  warnings(): readonly string[];
  connections(): number;
  inFlight(): number;
  loopDelay(): { readonly p50Ms: number; readonly p99Ms: number; readonly maxMs: number };
  broadcast<N extends NotificationName>(method: N, params: Notifications[N]): void;
  requestStop(reason: string): void;
}

/** What the daemon serves. */
export interface Composition {
  readonly table: MethodTable;
  warmUp(): void;
  isBusy(): boolean;
  /** Ends all work and closes all files; with `persist` everything committed goes to segments first, as far as time allows. */
  close(options: { readonly persist: boolean; readonly deadlineMs: number }): Promise<void>;
}

export interface RunOptions {
  readonly arguments: DaemonArguments;
  readonly environment: Environment;
  readonly version: string;
  /** File that was started; goes into the registration. */
  readonly entry: string;
  readonly compose: (core: DaemonCore) => Promise<Composition>;
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  readonly selfCheckMs?: number;
}

export const EXIT = { ok: 0, failed: 1, usage: 2, fenced: 3, bug: EXIT_BUG } as const;

/** Whole drain; systemd and users wait about this long. */
const DRAIN_MS = 10_000;
/** Requests that run when the drain begins. */
const REQUEST_GRACE_MS = 1_500;
/** After a second signal. */
const HURRY_MS = 1_000;
/** After a bug: files are closed, nothing is persisted (the log has every acknowledged batch). */
const BUG_DRAIN_MS = 3_000;

/** Resolves with the exit code when the process may end; the caller ends it. */
export async function runDaemon(options: RunOptions): Promise<number> {
  try {
    const started = performance.now();
    const endpoint = resolveEndpoint(options.environment, options.arguments.dataDir);
    prepareDirectories(endpoint);
    freeReserveIfScarce(endpoint.reserveFile);
    const config = loadConfig({ file: endpoint.configFile, environment: options.environment, flags: options.arguments.settings });
    const lock = await lockOrYield(endpoint, options);
    return lock === null ? EXIT.ok : await new Daemon(options, endpoint, config, lock, started).run();
  } catch (error) {
    options.stderr(`${describeFailure(error)}\n`);
    return EXIT.failed;
  }
}

function prepareDirectories(endpoint: Endpoint): void {
  ensurePrivateDirectory(endpoint.dataDir, { tighten: true });
  for (const dir of new Set([dirname(endpoint.logFile), dirname(endpoint.tokenFile), endpoint.lockDir, endpoint.runDir])) ensurePrivateDirectory(dir);
}

/** null: another daemon serves this data directory, and that is fine. */
async function lockOrYield(endpoint: Endpoint, options: RunOptions): Promise<GenerationLock | null> {
  const floor = (): number => Math.max(readRegistration(endpoint)?.epoch ?? 0, highestPublishedEpoch(endpoint.dataDir));
  const result = await acquireLock(endpoint.lockDir, { version: options.version, force: options.arguments.takeOver, floor });
  if (result.held) return result.lock;
  options.stdout(`${describeOwner(result.owner, result.liveness)}\n`);
  return null;
}

function describeOwner(owner: LockOwner | null, liveness: string): string {
  if (owner === null) return 'another daemon holds the lock of this data directory';
  const where = liveness === 'alive' ? '' : ` on ${owner.host}`;
  return `a daemon is running already: pid ${owner.pid}${where}, version ${owner.version}`;
}

function describeFailure(error: unknown): string {
  if (!isCairnError(error)) return error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `${error.code}: ${error.message}${error.path === undefined || error.message.includes(error.path) ? '' : ` (${error.path})`}${error.hint === undefined ? '' : `\n${error.hint}`}`;
}

interface StopOrder {
  readonly reason: string;
  readonly exitCode: number;
  readonly persist: boolean;
  readonly deadlineMs: number;
}

class Daemon {
  readonly #options: RunOptions;
  readonly #endpoint: Endpoint;
  readonly #config: Config;
  readonly #lock: GenerationLock;
  readonly #started: number;
  readonly #startedAt = new Date();
  readonly #log: FileLog;
  readonly #phase = new Phase();
  readonly #metrics = new Metrics();
  readonly #warnings: string[];
  readonly #loopDelay = watchLoopDelay();
  readonly #stop = Promise.withResolvers<StopOrder>();
  /** What must end at the stop, newest last. */
  readonly #cleanups: (() => void)[] = [];
  #server: RpcServer | null = null;
  #dispatcher: Dispatcher | null = null;
  #composition: Composition | null = null;
  #names: PublishedNames | null = null;
  #idle: IdleWatch | null = null;

  constructor(options: RunOptions, endpoint: Endpoint, config: Config, lock: GenerationLock, started: number) {
    this.#options = options;
    this.#endpoint = endpoint;
    this.#config = config;
    this.#lock = lock;
    this.#started = started;
    this.#warnings = [...config.warnings];
    const { 'log.level': level, 'log.maxBytes': maxBytes, 'log.keep': keep } = config.values;
    this.#log = openLog({ path: endpoint.logFile, level, maxBytes, keep, base: { pid: process.pid, epoch: lock.epoch } });
  }

  async run(): Promise<number> {
    this.#cleanups.push(guardProcess({
      onSignal: (signal, count) => (count === 1 ? this.#order({ reason: signal, exitCode: EXIT.ok, persist: true, deadlineMs: DRAIN_MS }) : this.#hurry(signal)),
      onBug: (error, kind) => this.#bug(error, kind),
    }));
    void this.#lock.lost.then((reason) => this.#order({ reason: reason.message, exitCode: EXIT.fenced, persist: false, deadlineMs: BUG_DRAIN_MS }));
    try {
      await this.#start();
    } catch (error) {
      this.#log.fatal('daemon.start-failed', { err: error });
      this.#options.stderr(`${describeFailure(error)}\n`);
      this.#order({ reason: `start failed: ${messageOf(error)}`, exitCode: EXIT.failed, persist: false, deadlineMs: BUG_DRAIN_MS });
    }
    return this.#drain(await this.#stop.promise);
  }

  async #start(): Promise<void> {
    const { version } = this.#options;
    this.#log.info('daemon.starting', { version, node: process.version, dataDir: this.#endpoint.dataDir });
    const names = (this.#names = new PublishedNames(this.#endpoint, this.#registration()));
    this.#composition = await this.#options.compose(this.#core());
    this.#dispatcher = new Dispatcher({ table: this.#composition.table, state: () => this.#phase.state, metrics: this.#metrics, log: requestLog(this.#log) });
    const server = (this.#server = new RpcServer({
      dispatcher: this.#dispatcher, token: names.token, metrics: this.#metrics,
      onEvent: (event, connection, detail) => this.#connectionEvent(event, connection, detail),
    }));
    await names.listen(() => server.freshServer());
    this.#lock.assertHeld();
    if (!this.#phase.advance('serving')) return; // a signal came first
    this.#log.info('daemon.serving', { socket: this.#endpoint.socket, startMs: Math.round(performance.now() - this.#started) });
    this.#watchOverItself(names);
    keepReserve(this.#endpoint.reserveFile);
    this.#composition.warmUp();
  }

  #registration(): Registration {
    return {
      pid: process.pid, epoch: this.#lock.epoch, version: this.#options.version, protocol: { min: PROTOCOL_MIN, max: PROTOCOL_VERSION },
      socket: this.#endpoint.socket, tokenFile: this.#endpoint.tokenFile, startedAt: this.#startedAt.toISOString(),
      execPath: process.execPath, entry: this.#options.entry,
    };
  }

  #core(): DaemonCore {
    return {
      version: this.#options.version, endpoint: this.#endpoint, config: this.#config, log: this.#log, lock: this.#lock, metrics: this.#metrics,
      startedAt: this.#startedAt, phase: this.#phase,
      warn: (message) => { if (!this.#warnings.includes(message)) this.#warnings.push(message); },
      warnings: () => this.#warnings,
      connections: () => this.#server?.connections ?? 0,
      inFlight: () => this.#server?.inFlight ?? 0,
      loopDelay: () => this.#loopDelay.read(),
      broadcast: (method, params) => this.#server?.broadcast(method, params),
      // After the current turn, so that the answer to the request that asks for it is written first.
      requestStop: (reason) => void setImmediate(() => this.#order({ reason, exitCode: EXIT.ok, persist: true, deadlineMs: DRAIN_MS })),
    };
  }

  #watchOverItself(names: PublishedNames): void {
    this.#cleanups.push(startSelfCheck({
      lock: this.#lock, names, onRestored: (restored) => this.#log.warn('daemon.names-restored', { restored }),
      onFailed: (error) => this.#log.warn('daemon.names-missing', { err: error }),
      ...(this.#options.selfCheckMs === undefined ? {} : { everyMs: this.#options.selfCheckMs }),
      // FENCED is reported through `lock.lost`; without clients, but with a lock that is ours, it may persist.
      onDisplaced: (reason) => this.#order({ reason: reason.message, exitCode: EXIT.fenced, persist: reason.code !== 'FENCED', deadlineMs: DRAIN_MS }),
    }));
    const minutes = this.#config.values['daemon.idleExitMinutes'];
    this.#idle = new IdleWatch({
      idleMs: minutes === 0 ? null : minutes * 60_000,
      busy: () => (this.#server?.connections ?? 0) > 0 || (this.#dispatcher?.working ?? 0) > 0 || (this.#composition?.isBusy() ?? false),
      onIdle: () => this.#order({ reason: `idle for ${minutes} minutes`, exitCode: EXIT.ok, persist: true, deadlineMs: DRAIN_MS }),
    });
    this.#idle.start();
    this.#cleanups.push(() => this.#idle?.stop());
  }

  #connectionEvent(event: string, connection: number, detail: string): void {
    this.#idle?.touch();
    if (event === 'violation' || event === 'refused') this.#log.warn(`rpc.${event}`, { connection, detail });
    else this.#log.debug(`rpc.${event}`, { connection, client: detail });
  }

  /** The first order counts. */
  #order(order: StopOrder): void {
    if (this.#phase.state === 'draining' || this.#phase.state === 'stopped') return;
    this.#phase.advance('draining');
    this.#log.info('daemon.draining', { reason: order.reason, persist: order.persist });
    this.#stop.resolve(order);
  }

  #hurry(signal: string): void {
    this.#log.warn('daemon.hurry', { signal });
    setTimeout(() => this.#giveUp(EXIT.failed), HURRY_MS).unref();
  }

  #bug(error: unknown, kind: string): void {
    this.#log.fatal(`daemon.${kind}`, { err: error });
    this.#order({ reason: `${kind}: ${messageOf(error)}`, exitCode: EXIT.bug, persist: false, deadlineMs: BUG_DRAIN_MS });
  }

  async #drain(order: StopOrder): Promise<number> {
    const started = performance.now();
    const hard = setTimeout(() => this.#giveUp(order.exitCode === EXIT.ok ? EXIT.failed : order.exitCode), order.deadlineMs);
    await this.#names?.finish();
    this.#server?.stopAccepting();
    let failed = false;
    const step = async (name: string, work: () => Promise<unknown> | unknown): Promise<void> => {
      try {
        await work();
      } catch (error) {
        failed = true;
        this.#log.error('daemon.drain-step-failed', { step: name, err: error });
      }
    };
    await step('requests', () => this.#dispatcher?.drain(Math.min(REQUEST_GRACE_MS, order.deadlineMs / 4)));
    await step('composition', () => this.#composition?.close({ persist: order.persist && this.#lock.isHeld(), deadlineMs: order.deadlineMs - (performance.now() - started) - 500 }));
    await step('connections', () => this.#server?.close());
    await step('endpoint', () => this.#withdraw());
    await step('lock', () => this.#lock.release());
    for (const cleanup of this.#cleanups.reverse()) await step('cleanup', cleanup);
    this.#loopDelay.stop();
    clearTimeout(hard);
    this.#phase.advance('stopped');
    this.#log.info('daemon.stopped', { exitCode: order.exitCode, drainMs: Math.round(performance.now() - started), failed });
    this.#log.close();
    return failed && order.exitCode === EXIT.ok ? EXIT.failed : order.exitCode;
  }

  /** The names belong to whoever holds the lock. */
  #withdraw(): void {
    if (this.#lock.isHeld()) this.#names?.withdraw();
  }

  /** What was acknowledged is in the write-ahead logs; ending here loses time, not data. */
  #giveUp(exitCode: number): never {
    this.#log.error('daemon.gave-up', { exitCode });
    process.exit(exitCode);
  }
}

function requestLog(log: Log): { bug(method: string, error: unknown): void; done(method: string, session: { readonly id: number }, ms: number, code: string | null): void } {
  return {
    bug: (method, error) => log.error('rpc.bug', { method, err: error }),
    done: (method, session, ms, code) => log.debug('rpc.done', { method, connection: session.id, ms: Math.round(ms * 100) / 100, ...(code === null ? {} : { code }) }),
  };
}

