/**
 * <data>/audit.log: one JSON line for each act that destroys or replaces data, durable before the act is acknowledged. [1.74]
 * Append-only; a torn last line (crash while appending) is closed with a newline by the next append, never removed.
 */
import { join } from 'node:path';
import type { Env, EnvFile } from '../env/env.ts';
import { Mutex } from './mutex.ts';

export interface AuditEntry {
  readonly action: 'index-create' | 'index-import' | 'index-delete' | 'index-purge' | 'backup-create' | 'backup-prune' | 'backup-restore';
  readonly index: string;
  readonly detail?: string;
}

const FILE = 'audit.log';
const NEWLINE = 0x0a;

export class AuditLog {
  readonly #env: Env;
  readonly #dir: string;
  readonly #mutex = new Mutex();

  constructor(env: Env, dir: string) {
    this.#env = env;
    this.#dir = dir;
  }

  append(entry: AuditEntry): Promise<void> {
    return this.#mutex.run(async () => {
      const line = `${JSON.stringify({ at: new Date(this.#env.clock.now()).toISOString(), ...entry })}\n`;
      const file = await this.#open();
      try {
        const size = await file.size();
        const last = size === 0 ? null : (await file.read(size - 1, 1))[0];
        await file.write(Buffer.from(last === null || last === NEWLINE ? line : `\n${line}`, 'utf8'), size);
        await file.sync();
      } finally {
        await file.close();
      }
    });
  }

  async #open(): Promise<EnvFile> {
    const path = join(this.#dir, FILE);
    if ((await this.#env.stat(path)) !== null) return this.#env.open(path, 'update');
    const file = await this.#env.open(path, 'create');
    await this.#env.syncDir(this.#dir);
    return file;
  }
}
