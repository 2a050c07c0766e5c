/**
 * Backups of all indexes of a data directory: create, list, verify, restore, prune. One act that changes something at a time.
 * Knows nothing of owners, sockets or schedules.
 */
import { join } from 'node:path';
import { WAL_DIRECTORY } from '../format/file-names.ts';
import { readMetadata } from '../index/index-directory.ts';
import { timelineOf } from '../index/metadata.ts';
import { Mutex } from '../index/mutex.ts';
import type { DurableIndex } from '../index/types.ts';
import { requireNotCancelled } from '../util/cancel.ts';
import { CairnError, isCairnError } from '../util/errors.ts';
import { listWalFiles } from '../wal/wal-files.ts';
import type { BackupCause, BackupRecord } from './backup-record.ts';
import { checkBackup, totalBytes, type BackupCheck } from './check.ts';
import { bytesToRead, createBackup } from './create.ts';
import { discard, makeDirectory, type Watch } from './files.ts';
import { locateBackup } from './foreign.ts';
import type { BackupHost } from './host.ts';
import { candidates, InodeSizes, newestGood, requireRules, type RetentionRules } from './prune.ts';
import { Restoration, type RestoreRequest, type RestoreResult } from './restoration.ts';
import { prepareRestore } from './restore.ts';
import { keptOf, removeKept, type KeptBackups } from './kept.ts';
import { readShelf, removeBackup, shelvedIndexes, sweepShelf, type ShelvedBackup, type UnreadableBackup } from './shelf.ts';
import { newJob } from './swap.ts';

export interface BackupProgress {
  readonly phase: 'backup' | 'verify' | 'restore';
  readonly done: number;
  /** 0 while unknown. */
  readonly total: number;
}

export interface BackupWatch {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: BackupProgress) => void) | undefined;
}

export interface BackupInfo {
  readonly record: BackupRecord;
  readonly dir: string;
  /** Length of all its files. */
  readonly bytes: number;
}

export interface BackupList {
  /** Oldest first, index by index. */
  readonly backups: readonly BackupInfo[];
  readonly unreadable: readonly UnreadableBackup[];
  /** What all of them take on the disk; a file that several share counts once. */
  readonly diskBytes: number;
}

export interface PruneResult {
  readonly removed: readonly BackupInfo[];
  readonly kept: number;
  readonly freedBytes: number;
  /** The newest backup that is right to the last byte; looked for only when something was to go. */
  readonly lastGood: string | null;
}

export class Backups {
  readonly #host: BackupHost;
  readonly #turn = new Mutex();

  constructor(host: BackupHost) {
    this.#host = host;
  }

  get root(): string {
    return this.#host.root;
  }

  /** Removes what interrupted backups have left. Run at start. */
  sweep(): Promise<string[]> {
    return this.#turn.run(async () => {
      const swept: string[] = [];
      for (const name of await shelvedIndexes(this.#host.env, this.#host.root)) swept.push(...(await sweepShelf(this.#host.env, this.#host.root, name)));
      return swept;
    });
  }

  /** Runs `work` while none of these acts is under way. */
  exclusively<T>(work: () => Promise<T>): Promise<T> {
    return this.#turn.run(work);
  }

  /** Of the index as it is when it comes to its turn, while commits go on. CORRUPT when a file of the index is damaged. */
  create(name: string, cause: BackupCause, watch: BackupWatch = {}): Promise<BackupInfo> {
    return this.#act(name, async () => {
      const index = await this.#host.get(name);
      return this.#create(index, cause, watch);
    });
  }

  /** null when nothing was committed or rearranged since the newest backup, which is complete. */
  createIfChanged(name: string, cause: BackupCause, watch: BackupWatch = {}): Promise<BackupInfo | null> {
    return this.#act(name, async () => {
      const index = await this.#host.get(name);
      const newest = (await this.#shelf(name)).at(-1);
      const { version, generation } = index.stats();
      const isSame = newest !== undefined && newest.record.timeline === timelineOf(index.metadata) && newest.record.lsn === version && newest.record.generation === generation;
      if (isSame) return null;
      return this.#create(index, cause, watch);
    });
  }

  /** Of one index (known or not), or of all. */
  async list(name?: string): Promise<BackupList> {
    const { env, root } = this.#host;
    const names = name === undefined ? await shelvedIndexes(env, root) : [name];
    const shelves = await Promise.all(names.map((one) => readShelf(env, root, one)));
    const backups = shelves.flatMap((shelf) => shelf.backups);
    const sizes = await InodeSizes.read(env, backups);
    return { backups: backups.map(infoOf), unreadable: shelves.flatMap((shelf) => shelf.unreadable), diskBytes: sizes.total(backups) };
  }

  /** Every byte of every file; then, when that is right, opens it in a scratch directory and checks every row. Default: the newest. */
  verify(name: string, id: string | null, watch: BackupWatch = {}): Promise<BackupCheck & { readonly info: BackupInfo }> {
    return this.#act(name, async () => {
      const { env, root } = this.#host;
      const backup = await locateBackup(env, root, { index: name, id });
      const progress = meter('verify', totalBytes(backup.record), watch);
      const check = await checkBackup(env, backup.dir, backup.record, progress);
      if (check.damages.length > 0) return { ...check, info: infoOf(backup) };
      const problem = await this.#tryOpening(backup, progress);
      const damages = problem === null ? [] : [{ file: problem.path ?? backup.dir, offset: problem.offset ?? null, what: problem.message }];
      return { ...check, damages, info: infoOf(backup) };
    });
  }

  /**
   * Everything is checked and staged while the index serves. `around` wraps the last step, in which it is closed and swapped: the
   * daemon stops its owner there. A backup that is bad in any way leaves the index as it is.
   */
  restore(request: RestoreRequest, watch: BackupWatch = {}, around: <T>(step: () => Promise<T>) => Promise<T> = (step) => step()): Promise<RestoreResult> {
    return this.#act(request.index, async () => {
      const restoration = new Restoration(this.#host, request, (index) => this.#create(index, 'pre-restore', { signal: watch.signal }));
      return restoration.run((total) => meter('restore', total, watch), around);
    });
  }

  /** With `isDryRun` removes nothing and says what would go. */
  prune(name: string, rules: RetentionRules, isDryRun: boolean, watch: BackupWatch = {}): Promise<PruneResult> {
    requireRules(rules);
    return this.#act(name, async () => {
      const { env, lease, audit, root } = this.#host;
      const { backups, unreadable } = await readShelf(env, root, name);
      const isKnown = backups.length + unreadable.length > 0 || this.#host.list().some((entry) => entry.name === name);
      if (!isKnown) throw new CairnError('NOT_FOUND', `there is no index '${name}', and no backup of one`, { hint: 'cairn backup list shows all backups.' });
      const wanted = await candidates(env, backups, rules);
      const newest = backups.at(-1);
      if (wanted.length === 0 || newest === undefined) {
        if (!isDryRun) await this.#trimArchive(name, backups, unreadable);
        return { removed: [], kept: backups.length, freedBytes: 0, lastGood: null };
      }
      const good = await newestGood(env, backups, meter('verify', totalBytes(newest.record), watch));
      const going = good === null ? [] : wanted.filter((backup) => backup !== good);
      const sizes = await InodeSizes.read(env, backups);
      const staying = backups.filter((backup) => !going.includes(backup));
      if (!isDryRun) {
        for (const { record, dir } of going) {
          requireNotCancelled(watch.signal, 'pruning');
          lease.assertHeld();
          await audit({ action: 'backup-prune', index: name, detail: record.id });
          await removeBackup(env, dir);
        }
        if (going.length > 0) await env.syncDir(join(root, name));
        await this.#trimArchive(name, staying, unreadable);
      }
      return { removed: going.map(infoOf), kept: staying.length, freedBytes: sizes.total(backups) - sizes.total(staying), lastGood: good?.record.id ?? null };
    });
  }

  /** What is kept of an index beside its own directory; null when there is nothing. */
  kept(name: string): Promise<KeptBackups | null> {
    return keptOf(this.#host, name);
  }

  /** Removes every backup and the archived log of an index that is not there any more (ALREADY_EXISTS otherwise). */
  removeAll(name: string): Promise<void> {
    return this.#act(name, async () => {
      if (this.#host.list().some((entry) => entry.name === name)) throw new CairnError('ALREADY_EXISTS', `the index '${name}' is there: its backups go only after it`);
      if ((await keptOf(this.#host, name)) === null) return;
      await this.#host.audit({ action: 'backup-purge', index: name });
      await removeKept(this.#host, name);
    });
  }

  /** One at a time, and never on a name whose directories may lie under another one. */
  #act<T>(name: string, work: () => Promise<T>): Promise<T> {
    return this.#turn.run(async () => {
      await this.#host.settle(name);
      return work();
    });
  }

  async #shelf(name: string): Promise<readonly ShelvedBackup[]> {
    return (await readShelf(this.#host.env, this.#host.root, name)).backups;
  }

  async #create(index: DurableIndex, cause: BackupCause, watch: BackupWatch): Promise<BackupInfo> {
    const { env, root, lease, audit } = this.#host;
    const { name } = index.metadata;
    await makeRoot(this.#host);
    await this.#sweepLeftovers(name);
    const parent = (await this.#shelf(name)).at(-1) ?? null;
    requireNotCancelled(watch.signal, 'the backup');
    // Before the pin: what is logged after that moment leads on from the backup.
    if (this.#host.options.archive) await this.#host.archive.begin(name);
    const pin = await index.pin();
    try {
      const created = await createBackup(env, { root, pin, lease, cause, parent, watch: meter('backup', bytesToRead(pin), watch) });
      await audit({ action: 'backup-create', index: name, detail: created.record.id });
      return infoOf(created);
    } finally {
      pin.release();
    }
  }

  /** Those that cannot be removed cost space; they must not cost the backup. The sweep at the start says so. */
  async #sweepLeftovers(name: string): Promise<void> {
    try {
      await sweepShelf(this.#host.env, this.#host.root, name);
    } catch (error) {
      if (!isCairnError(error)) throw error;
    }
  }

  /** Builds an index from it as a restore would, opens it, checks it, and throws it away. */
  async #tryOpening(backup: ShelvedBackup, watch: Watch): Promise<CairnError | null> {
    const { env, dataDir, lease, options, openScratch } = this.#host;
    const job = await newJob(env, dataDir);
    try {
      const silent = { advance: () => undefined, signal: watch.signal };
      await prepareRestore(env, job, { backup, point: null, logs: () => listWalFiles(env, join(backup.dir, WAL_DIRECTORY)), logTag: (await readMetadata(env, backup.dir)).logTag ?? null, change: {}, lease, logFileBytes: options.walFileMaxBytes, openScratch }, silent);
      return null;
    } catch (error) {
      if (isCairnError(error, 'CORRUPT', 'TRUNCATED', 'COUNT_MISMATCH')) return error;
      throw error;
    } finally {
      await discard(env, job.dir);
    }
  }

  /** Without any backup, or beside one that cannot be read, nobody knows what the log is needed for: the disk with them may be away. */
  async #trimArchive(name: string, staying: readonly ShelvedBackup[], unreadable: readonly UnreadableBackup[]): Promise<void> {
    if (staying.length === 0 || unreadable.length > 0) return;
    const metadata = this.#host.list().find((entry) => entry.name === name)?.metadata ?? null;
    const current = metadata === null ? null : { timeline: timelineOf(metadata), origin: metadata.restoredFrom ?? null };
    await this.#host.archive.trim(name, staying.map(({ record }) => record), current);
  }
}

export function infoOf({ record, dir }: ShelvedBackup): BackupInfo {
  return { record, dir, bytes: totalBytes(record) };
}

function meter(phase: BackupProgress['phase'], total: number, { signal, onProgress }: BackupWatch): Watch {
  let done = 0;
  onProgress?.({ phase, done, total });
  return {
    signal,
    advance: (bytes) => {
      done += bytes;
      onProgress?.({ phase, done: Math.min(done, total), total });
    },
  };
}

async function makeRoot({ env, dataDir, root }: BackupHost): Promise<void> {
  if (root === join(dataDir, 'backups')) await makeDirectory(env, dataDir, 'backups');
  else if ((await env.stat(root))?.kind !== 'directory') throw new CairnError('NOT_FOUND', `the directory for backups ${root} is not there`, { path: root, hint: 'Make it, or change backup.directory.' });
}
