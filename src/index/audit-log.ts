/**
 * <data>/audit.log: one JSON line for each act that destroys or replaces data, durable before the act is acknowledged. [1.74]
 * Append-only; a torn last line (crash while appending) is closed with a newline by the next append, never removed.
 */
import { join } from 'node:path';
import { writeFileAtomic } from '../env/atomic-file.ts';
import type { Env, EnvFile } from '../env/env.ts';
import { isCairnError } from '../util/errors.ts';
import { Mutex } from './mutex.ts';

export interface AuditEntry {
  readonly action: 'index-create' | 'index-import' | 'index-rename' | 'index-delete' | 'index-purge' | 'backup-create' | 'backup-prune' | 'backup-purge' | 'backup-restore';
  readonly index: string;
  readonly detail?: string;
}

const FILE = 'audit.log';
const NEWLINE = 0x0a;
const MAX_BYTES = 1 << 30;

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
    if ((await this.#env.stat(path)) !== null) return this.#existing(path);
    const file = await this.#env.open(path, 'create');
    await this.#env.syncDir(this.#dir);
    return file;
  }

  /** A file whose sync failed takes no more writes: what it holds goes into a new one. */
  async #existing(path: string): Promise<EnvFile> {
    try {
      return await this.#env.open(path, 'update');
    } catch (error) {
      if (!isCairnError(error, 'POISONED')) throw error;
      await writeFileAtomic(this.#env, this.#dir, FILE, await this.#env.readFile(path, MAX_BYTES));
      return this.#env.open(path, 'update');
    }
  }
}
