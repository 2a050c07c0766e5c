// The whole composition in this process, without a socket: real engine, ingest workers, owners, method table, dispatcher.
import { mkdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { compose } from '../../../daemon/compose.ts';
import { loadConfig } from '../../../daemon/config/config.ts';
import { acquireLock } from '../../../daemon/lifecycle/generation-lock.ts';
import { Phase } from '../../../daemon/lifecycle/phase.ts';
import type { Composition, DaemonCore } from '../../../daemon/lifecycle/run-daemon.ts';
import { resolveEndpoint } from '../../../daemon/protocol/endpoint.ts';
import type { WireError } from '../../../daemon/protocol/errors.ts';
import type { MethodName, NotificationName, ParamsOf, ResultOf } from '../../../daemon/protocol/methods.ts';
import { Dispatcher } from '../../../daemon/rpc/dispatcher.ts';
import { WireFailure } from '../../../daemon/rpc/jsonrpc.ts';
import { Metrics } from '../../../daemon/rpc/metrics.ts';
import type { MethodTable, Session } from '../../../daemon/rpc/table.ts';
import { PATIENCE_MS } from '../../support/cli.ts';

export const TREE: Readonly<Record<string, string>> = {
  'src/wal/log-writer.ts': `import { crc32 } from './checksum';\n\n/** Frames a record of the write-ahead log: length, checksum, payload. */\nexport function frameRecord(payload: Uint8Array): Uint8Array {\n  return concat(crc32(payload), payload);\n}\n\nexport class LogWriter {\n  append(payload: Uint8Array): void {\n    this.write(frameRecord(payload));\n  }\n}\n`,
  'src/wal/checksum.ts': `/** Cyclic redundancy check. */\nexport function crc32(data: Uint8Array): number {\n  let crc = 0;\n  for (const byte of data) crc ^= byte;\n  return crc;\n}\n`,
  'src/net/server.py': `class Server:\n    """Accepts clients."""\n    def accept(self):\n        return self.handshake()\n\n    def handshake(self):\n        return True\n\ndef append(items, x):\n    items.append(x)\n`,
  'README.md': '# Pebble\n\nA small store. Records are framed by length and checksum.\n',
};

export class Composed {
  readonly dir: string;
  readonly root: string;
  readonly core: DaemonCore;
  readonly composition: Composition;
  readonly stops: string[] = [];
  readonly notes: { readonly method: string; readonly params: unknown }[] = [];
  readonly bugs: unknown[];
  readonly #dispatcher: Dispatcher;
  readonly #close: () => Promise<void>;

  private constructor(dir: string, core: DaemonCore, composition: Composition, bugs: unknown[], stops: string[], close: () => Promise<void>) {
    this.dir = dir;
    this.root = join(dir, 'pebble');
    this.core = core;
    this.composition = composition;
    this.bugs = bugs;
    this.stops = stops;
    this.#close = close;
    this.#dispatcher = new Dispatcher({
      table: composition.table,
      state: () => 'serving',
      metrics: core.metrics,
      log: { bug: (_method, error) => bugs.push(error), done: () => undefined },
    });
  }

  static async start(settings: readonly string[] = []): Promise<Composed> {
    const dir = await realpath(await mkdtemp(join(tmpdir(), 'cairn-handlers-')));
    const endpoint = resolveEndpoint({}, join(dir, 'data'));
    mkdirSync(endpoint.dataDir, { mode: 0o700 });
    const lock = await acquireLock(endpoint.lockDir, { version: '0' });
    if (!lock.held) throw new Error('locked');
    const bugs: unknown[] = [];
    const stops: string[] = [];
    const nothing = (): void => undefined;
    const phase = new Phase();
    phase.advance('serving');
    const warnings: string[] = [];
    const core: DaemonCore = {
      version: '1.2.3',
      endpoint,
      lock: lock.lock,
      phase,
      metrics: new Metrics(),
      startedAt: new Date(),
      config: loadConfig({
        file: endpoint.configFile,
        environment: {},
        flags: ['ingest.workers=1', ...settings],
      }),
      log: {
        debug: nothing,
        info: nothing,
        warn: nothing,
        error: nothing,
        fatal: nothing,
      },
      warn: (message) => warnings.push(message),
      warnings: () => warnings,
      connections: () => 1,
      inFlight: () => 0,
      loopDelay: () => ({ p50Ms: 0, p99Ms: 0, maxMs: 0 }),
      broadcast: nothing,
      requestStop: (reason) => stops.push(reason),
    };
    const composition = await compose(core);
    const composed = new Composed(dir, core, composition, bugs, stops, async () => {
      await composition.close({ persist: true, deadlineMs: PATIENCE_MS });
      await lock.lock.release();
      await rm(dir, { recursive: true, force: true });
    });
    composed.write(TREE);
    return composed;
  }

  write(tree: Readonly<Record<string, string>>, root = this.root): void {
    for (const [path, text] of Object.entries(tree)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
  }

  async call<M extends MethodName>(method: M, params: ParamsOf<M>, clientVersion = '1.0.0', signal: AbortSignal = new AbortController().signal): Promise<ResultOf<M>> {
    return (await this.#dispatcher.dispatch(method, params, this.#session(clientVersion), signal)) as ResultOf<M>;
  }

  /** The error that a call gives; fails when it succeeds. Params are unchecked, so that wrong ones can be sent. */
  async error(method: string, params: unknown, clientVersion?: string): Promise<WireError> {
    try {
      await this.#dispatcher.dispatch(method, params, this.#session(clientVersion ?? '1.0.0'), new AbortController().signal);
    } catch (error) {
      if (error instanceof WireFailure) return error.wire;
      throw error;
    }
    throw new Error(`${method} should have failed`);
  }

  get table(): MethodTable {
    return this.composition.table;
  }

  close(): Promise<void> {
    return this.#close();
  }

  #session(clientVersion: string): Session {
    return {
      id: 1,
      clientName: 'test',
      clientVersion,
      notify: (method: NotificationName, params: unknown) => void this.notes.push({ method, params }),
    };
  }
}
