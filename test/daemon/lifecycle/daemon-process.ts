// Starts daemon-worker.ts in a data directory of its own and talks to it.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { readRegistration, resolveEndpoint, type Endpoint } from '../../../daemon/protocol/endpoint.ts';
import { ownEnvironment, PATIENCE_MS } from '../../support/cli.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { RawClient } from '../rpc/harness.ts';

const WORKER = fileURLToPath(new URL('./daemon-worker.ts', import.meta.url));

/** After this long without an answer another attempt is made. */
const HELLO_MS = 5_000;

export interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
}

export class DaemonProcess {
  readonly child: ChildProcess;
  /** Its output is whole then. */
  readonly exited: Promise<Exit>;
  output = '';

  constructor(child: ChildProcess) {
    this.child = child;
    this.exited = once(child, 'close').then(([code, signal]) => ({ code: code as number | null, signal: signal as string | null }));
    child.stdout?.on('data', (data: Buffer) => { this.output += data.toString(); });
    child.stderr?.on('data', (data: Buffer) => { this.output += data.toString(); });
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  async end(signal: NodeJS.Signals): Promise<Exit> {
    this.child.kill(signal);
    return this.exited;
  }
}

export class DaemonBox {
  readonly endpoint: Endpoint;
  readonly dataDir: string;
  readonly #processes: DaemonProcess[] = [];
  readonly #clients: RawClient[] = [];

  constructor(t: TestContext, name = 'data', around?: string) {
    // Hooks run in the order they were registered: a daemon that lives would make again what is being removed.
    t.after(async () => {
      for (const client of this.#clients) client.destroy();
      for (const { child, exited } of this.#processes) {
        if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
        await exited;
      }
    });
    this.dataDir = join(around ?? tempDir(t), name);
    this.endpoint = resolveEndpoint({ CAIRN_DATA_DIR: this.dataDir });
  }

  spawn(args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): DaemonProcess {
    const child = spawn(process.execPath, [WORKER, ...args], { env: { ...ownEnvironment(), CAIRN_DATA_DIR: this.dataDir, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    const daemon = new DaemonProcess(child);
    this.#processes.push(daemon);
    return daemon;
  }

  /** A client of whoever serves now; with `pid`, of that process. */
  async connect(pid?: number): Promise<RawClient> {
    const deadline = performance.now() + PATIENCE_MS;
    while (performance.now() < deadline) {
      const registration = readRegistration(this.endpoint);
      if (registration !== null && (pid === undefined || registration.pid === pid) && existsSync(registration.tokenFile)) {
        const client = new RawClient(registration.socket);
        this.#clients.push(client);
        try {
          // A successor is registered before its socket takes the name: until then a frozen predecessor listens there, and never answers.
          const hello = await Promise.race([client.hello({ token: readFileSync(registration.tokenFile, 'utf8') }), sleep(HELLO_MS, null, { ref: false })]);
          if (hello?.result !== undefined && (pid === undefined || (hello.result as { pid: number }).pid === pid)) return client;
        } catch {
          // nobody listens yet, or the token is just being replaced
        }
        client.destroy();
      }
      await sleep(10);
    }
    throw new Error(`no daemon; output: ${this.#processes.map(({ output }) => output).join('|')}; log: ${this.log()}`);
  }

  async start(args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Promise<{ daemon: DaemonProcess; client: RawClient }> {
    const daemon = this.spawn(args, env);
    return { daemon, client: await this.connect(daemon.pid) };
  }

  log(): string {
    return existsSync(this.endpoint.logFile) ? readFileSync(this.endpoint.logFile, 'utf8') : '';
  }

  closings(): string[] {
    const file = join(this.dataDir, 'closed');
    return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
  }
}
