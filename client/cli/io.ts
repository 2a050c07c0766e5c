/** Everything a command sees of the world; tests pass their own. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Environment } from '../../daemon/protocol/endpoint.ts';
import type { CairnClient } from '../cairn-client.ts';
import type { ConnectOptions } from '../connect-or-spawn.ts';
import { isClientError } from '../errors.ts';

export interface Output {
  write(text: string): void;
  readonly isTTY: boolean;
  readonly columns: number;
}

export interface Io {
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Environment;
  readonly cwd: string;
  /** Aborted by the first SIGINT. */
  readonly signal: AbortSignal;
  readonly connect: (options: ConnectOptions) => Promise<CairnClient>;
  /** Asks a yes-or-no question; only called when both ends are a terminal. */
  readonly confirm: (question: string) => Promise<boolean>;
}

/** Options that every command has. */
export interface CommonOptions {
  readonly json?: boolean | undefined;
  readonly color?: 'auto' | 'always' | 'never' | undefined;
  readonly dataDir?: string | undefined;
}

export interface Visit extends ConnectOptions {
  /** Asking twice does what asking once does: then also an answer that was lost with its daemon is asked for again. */
  readonly isRepeatable?: boolean | undefined;
}

const MAX_ATTEMPTS = 3;
const RETRY_PAUSE_MS = 100;

/** Connects, runs `use`, closes whatever happens. `use` runs again when a daemon that is just ending has refused, and see `isRepeatable`. */
export async function withClient<T>(io: Io, options: CommonOptions, use: (client: CairnClient) => Promise<T>, { isRepeatable = false, ...connect }: Visit = {}): Promise<T> {
  const onStart = (): void => {
    if (io.stderr.isTTY && options.json !== true) io.stderr.write('starting the daemon …\n');
  };
  for (let attempt = 1; ; attempt++) {
    const client = await io.connect({ env: io.env, dataDir: options.dataDir, clientName: 'cairn-cli', signal: io.signal, onStart, ...connect });
    try {
      return await use(client);
    } catch (error) {
      const isLost = isRepeatable && isClientError(error, 'DAEMON_UNREACHABLE');
      if (!(isLost || isClientError(error, 'NOT_SERVING')) || connect.spawn === 'never' || attempt === MAX_ATTEMPTS || io.signal.aborted) throw error;
    } finally {
      client.close();
    }
    await sleep(attempt * RETRY_PAUSE_MS);
  }
}

/** `value` as indented JSON on stdout. Characters that could steer a terminal are escaped, which JSON allows everywhere they occur. */
export function writeJson(io: Io, value: unknown): void {
  const text = JSON.stringify(value, null, 2).replace(/[\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
  io.stdout.write(`${text}\n`);
}
