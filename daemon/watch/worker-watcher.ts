/**
 * Watcher in a worker thread: the main-thread side. Owns the worker and starts it again when it dies; every root then hears
 * that events may have been lost. Never blocks: what it sends is a message.
 */
import { Worker } from 'node:worker_threads';
import { endThread, startWatchdog } from '../../src/api.ts';
import type { FromWorker, ToWorker, WorkerData } from './messages.ts';
import type { RootWatchOptions } from './root-watch.ts';
import type { WatchEvent, WatchHandle, WatchListener, Watcher } from './watcher.ts';

export interface WorkerWatcherOptions extends Partial<RootWatchOptions> {
  /** Pause before the worker is started again; doubles with each crash in a row, up to 64 times. */
  readonly restartMs?: number;
  /** Told of every crash. */
  readonly onCrash?: (error: unknown) => void;
  /** Absolute paths that are never watched. */
  readonly excluded?: readonly string[];
  /** A worker that has not begun after so long is ended and started again; default 30 s. */
  readonly startTimeoutMs?: number;
  /** Another worker entry, for tests that need one that hangs. */
  readonly workerEntry?: URL;
}

interface Watched {
  readonly id: number;
  readonly root: string;
  readonly listener: WatchListener;
  onClosed: (() => void) | null;
}

/** 100,000 files in 10,000 directories need between 192 and 512 MB for a moment. */
const HEAP_MB = 512;
/** For a worker that is told to end. */
const CLOSE_MS = 3_000;
/** For a worker that is told to leave a root alone. */
const UNWATCH_MS = 2_000;
/** Short-lived garbage of events; the default of 48 MB would be filled before it is looked at. */
const YOUNG_MB = 4;

const ENTRY = new URL(`./watch-worker${import.meta.url.slice(-3)}`, import.meta.url);

export class WorkerWatcher implements Watcher {
  readonly #options: WorkerWatcherOptions;
  readonly #watched = new Map<number, Watched>();
  #worker: Worker | null = null;
  #restartTimer: NodeJS.Timeout | null = null;
  #stopWatchdog: () => void = () => undefined;
  #crashes = 0;
  #nextId = 1;
  #closing: Promise<void> | null = null;

  constructor(options: WorkerWatcherOptions = {}) {
    this.#options = options;
  }

  watch(root: string, listener: WatchListener): WatchHandle {
    const watched: Watched = { id: this.#nextId++, root, listener, onClosed: null };
    this.#watched.set(watched.id, watched);
    if (this.#worker === null && this.#restartTimer === null) this.#start();
    else this.#send({ op: 'watch', id: watched.id, root });
    return { close: () => this.#unwatch(watched) };
  }

  close(): Promise<void> {
    this.#closing ??= this.#shutDown();
    return this.#closing;
  }

  /** The worker's thread, for tests that kill it. */
  get worker(): Worker | null {
    return this.#worker;
  }

  #start(): void {
    this.#restartTimer = null;
    const { restartMs: _restartMs, onCrash: _onCrash, excluded = [], startTimeoutMs = 30_000, workerEntry = ENTRY, ...options } = this.#options;
    const worker = new Worker(workerEntry, {
      workerData: { options, excluded } satisfies WorkerData,
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB, maxYoungGenerationSizeMb: YOUNG_MB },
      env: workerEnvironment(),
      name: 'cairn-watch',
    });
    this.#worker = worker;
    let reason: unknown = new Error('the watch worker ended');
    worker.on('message', (message: FromWorker) => this.#receive(message));
    worker.on('error', (error) => {
      reason = error;
    });
    worker.on('exit', () => this.#exited(worker, reason));
    // Threads that never begin, because they wait for each other in the runtime, have been seen.
    this.#stopWatchdog = startWatchdog(startTimeoutMs, () => {
      reason = new Error(`the watch worker has not begun after ${startTimeoutMs} ms`);
      // It owns no data: also when it cannot be ended, nothing is lost.
      void endThread(worker).then(() => this.#exited(worker, reason));
    });
    for (const { id, root } of this.#watched.values()) this.#send({ op: 'watch', id, root });
  }

  #exited(worker: Worker, reason: unknown): void {
    if (this.#worker !== worker) return;
    this.#worker = null;
    this.#stopWatchdog();
    for (const watched of this.#watched.values()) watched.onClosed?.();
    if (this.#closing !== null) return;
    this.#crashes++;
    this.#options.onCrash?.(reason);
    const detail = `the watch worker crashed: ${reason instanceof Error ? reason.message : String(reason)}`;
    this.#tellAll({ type: 'degraded', reason: detail });
    const delay = (this.#options.restartMs ?? 1_000) * 2 ** Math.min(6, this.#crashes - 1);
    this.#restartTimer = setTimeout(() => {
      this.#start();
      this.#tellAll({ type: 'degraded', reason: null });
      this.#tellAll({ type: 'lost', reason: 'restart', detail });
    }, delay);
  }

  #receive(message: FromWorker): void {
    this.#stopWatchdog();
    if (message.op === 'begun') return;
    const watched = this.#watched.get(message.id);
    if (watched === undefined) return;
    if (message.op === 'unwatched') watched.onClosed?.();
    else if (watched.onClosed === null) {
      if (message.event.type === 'ready') this.#crashes = 0;
      watched.listener(message.event);
    }
  }

  #tellAll(event: WatchEvent): void {
    for (const watched of this.#watched.values()) if (watched.onClosed === null) watched.listener(event);
  }

  #unwatch(watched: Watched): Promise<void> {
    if (!this.#watched.has(watched.id)) return Promise.resolve();
    return new Promise((resolve) => {
      // A worker that hangs must not keep an index from being closed; it says nothing to a listener that is gone.
      const late = setTimeout(() => watched.onClosed?.(), UNWATCH_MS);
      watched.onClosed = (): void => {
        clearTimeout(late);
        this.#watched.delete(watched.id);
        resolve();
      };
      if (this.#worker === null) watched.onClosed();
      else this.#send({ op: 'unwatch', id: watched.id });
    });
  }

  async #shutDown(): Promise<void> {
    if (this.#restartTimer !== null) clearTimeout(this.#restartTimer);
    const worker = this.#worker;
    if (worker !== null) {
      await new Promise<void>((resolve) => {
        const force = setTimeout(() => void endThread(worker).then(resolve), CLOSE_MS);
        worker.once('exit', () => {
          clearTimeout(force);
          resolve();
        });
        this.#send({ op: 'close' });
      });
    }
    this.#stopWatchdog();
    this.#watched.clear();
  }

  #send(message: ToWorker): void {
    this.#worker?.postMessage(message);
  }
}

/** chokidar lets environment variables override its options; a user's setting for another tool must not make us poll. */
function workerEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('CHOKIDAR_')));
}
