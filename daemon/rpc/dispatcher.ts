/**
 * One request from name and params to result or error: state, schema, handler, duration. A handler's failure is a response and
 * never ends the process (invariant 12); one that nobody expected is logged with its stack and answered as INTERNAL.
 */
import { CairnError } from '../errors.ts';
import type { MethodName, ParamsOf } from '../protocol/methods.ts';
import type { DaemonState } from '../protocol/types.ts';
import { WireFailure } from './jsonrpc.ts';
import type { Metrics } from './metrics.ts';
import { ProgressThrottle } from './progress.ts';
import { validate } from './schema.ts';
import { isMethodName, type Lane, type MethodDefinition, type MethodTable, type RequestContext, type Session } from './table.ts';
import { toWireError } from './wire-error.ts';

/** What the dispatcher tells the log; params are never among it. */
export interface RequestLog {
  bug(method: string, error: unknown): void;
  done(method: string, session: Session, ms: number, code: string | null): void;
}

export interface DispatcherOptions {
  readonly table: MethodTable;
  readonly state: () => DaemonState;
  readonly metrics: Metrics;
  readonly log: RequestLog;
}

/** A handler that does not react to its signal for so long is left behind. */
const ABORT_GRACE_MS = 500;

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #running = new Map<AbortController, Lane>();
  #idle: PromiseWithResolvers<void> | null = null;

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  /** Reads and writes that run now; control requests are not work. */
  get working(): number {
    let count = 0;
    for (const lane of this.#running.values()) if (lane !== 'control') count++;
    return count;
  }

  /** @throws WireFailure, nothing else */
  async dispatch(method: string, params: unknown, session: Session, signal: AbortSignal): Promise<unknown> {
    const started = performance.now();
    const { table, metrics, log } = this.#options;
    const name = isMethodName(table, method) ? method : null;
    try {
      if (name === null) throw unknownMethod(table, method);
      const result = await this.#run(name, table[name] as MethodDefinition, params, session, signal);
      log.done(name, session, performance.now() - started, null);
      return result;
    } catch (error) {
      const { wire, isBug } = toWireError(error);
      metrics.count(`errors.${wire.data.code}`);
      if (isBug) log.bug(name ?? '?', error);
      log.done(name ?? '?', session, performance.now() - started, wire.data.code);
      throw new WireFailure(wire);
    } finally {
      metrics.count('requests');
      if (name !== null) metrics.observe(name, performance.now() - started);
    }
  }

  /**
   * Waits up to `graceMs` for running requests, aborts what still runs, and waits a moment for the answers to that. The state is
   * 'draining' already, so that no new work begins.
   */
  async drain(graceMs: number): Promise<void> {
    await this.#untilIdle(graceMs);
    for (const controller of this.#running.keys()) controller.abort();
    await this.#untilIdle(ABORT_GRACE_MS);
    await nextTurn(); // answers are written by the promises that wait for the handlers
  }

  async #untilIdle(ms: number): Promise<void> {
    if (this.working === 0) return;
    const idle = Promise.withResolvers<void>();
    this.#idle = idle;
    const timer = setTimeout(idle.resolve, ms);
    await idle.promise;
    clearTimeout(timer);
    this.#idle = null;
  }

  async #run(name: MethodName, method: MethodDefinition, params: unknown, session: Session, signal: AbortSignal): Promise<unknown> {
    if (method.lane !== 'control') assertServing(this.#options.state());
    const checked = validate(method.params, params);
    const controller = new AbortController();
    const throttles: ProgressThrottle[] = [];
    const context: RequestContext = {
      session,
      signal: AbortSignal.any([signal, controller.signal]),
      progress: (token) => {
        if (token === undefined) return () => undefined;
        const throttle = new ProgressThrottle((value) => session.notify('$/progress', { token, value }));
        throttles.push(throttle);
        return (value) => throttle.push(value);
      },
    };
    this.#running.set(controller, method.lane);
    try {
      context.signal.throwIfAborted(); // cancelled together with its arrival
      // The schema of a method decides what its handler gets; the table's types tie the two together.
      return await method.handler(checked as unknown as ParamsOf<typeof name>, context);
    } finally {
      for (const throttle of throttles) throttle.close();
      this.#running.delete(controller);
      if (this.working === 0) this.#idle?.resolve();
    }
  }
}

function assertServing(state: DaemonState): void {
  if (state === 'serving') return;
  const starting = state === 'starting';
  throw new CairnError('NOT_SERVING', starting ? 'the daemon is starting' : 'the daemon is shutting down', {
    retryable: true, hint: starting ? 'Try again in a moment.' : 'Connect again; a new daemon will be started.',
  });
}

function unknownMethod(table: MethodTable, method: string): CairnError {
  const group = `${method.split('/')[0] ?? ''}/`;
  const near = Object.keys(table).filter((name) => name.startsWith(group));
  return new CairnError('UNKNOWN_METHOD', `there is no method ${JSON.stringify(method)}`, {
    hint: near.length > 0 ? `Known: ${near.join(', ')}.` : 'rpc/discover lists all methods.',
  });
}
