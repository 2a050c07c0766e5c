/**
 * The engine: every index below one data directory, the memory and the storage thread they share. Knows nothing of processes,
 * sockets or locks: whoever opens it proves its right to write by a lease.
 */
import { join } from 'node:path';
import { WalArchive } from './backup/archive.ts';
import { Backups } from './backup/backups.ts';
import { finishRenames, Renaming, type RenamePlaces, type UnsettledRename } from './backup/rename.ts';
import { finishRestores, resumeRestores, sweepJobs, type UnfinishedRestore } from './backup/swap.ts';
import { moveFile } from './env/atomic-file.ts';
import type { Env } from './env/env.ts';
import { nodeEnv } from './env/node-env.ts';
import { AuditLog } from './index/audit-log.ts';
import { createIndex, removeAbortedCreation } from './index/create.ts';
import { openIndex } from './index/open-index.ts';
import { adopt, type AdoptReport, type AdoptRequest } from './import/adopt.ts';
import { buildIndex, type BuildRequest } from './import/build.ts';
import type { ImportHost } from './import/host.ts';
import { migrateMetadata, type MigrationReport } from './import/migrate.ts';
import { sweepStaging } from './import/staging.ts';
import { discover, readMetadata } from './index/index-directory.ts';
import { checkMetadata, newMetadata, type IndexDefinition } from './index/metadata.ts';
import { Mutex } from './index/mutex.ts';
import { indexOptions } from './index/options.ts';
import { finishPurges, keptInTrash, listTrash, markPurged, moveToBePurged, moveToTrash, nameInTrash, pathInTrash, removePurged } from './index/trash.ts';
import type { StorageRunner } from './index/storage-jobs.ts';
import { WorkerRunner } from './index/worker-runner.ts';
import { restoreMetadata } from './index/restore-metadata.ts';
import type { DurableIndex, IndexMetadata, IndexOptions, RepairAction, WriterLease } from './index/types.ts';
import { VectorArena } from './quantize/arena.ts';
import { BlockCache } from './segment/block-cache.ts';
import { CairnError, isCairnError } from './util/errors.ts';

export interface EngineInit {
  readonly dataDir: string;
  readonly lease: WriterLease;
  readonly options?: Partial<IndexOptions>;
  /** Real file system by default. */
  readonly env?: Env;
  /** A worker thread by default; an Env that is not the real file system needs one that works on it (inlineRunner). */
  readonly runner?: StorageRunner;
  /** Most bytes of quantized vectors of all open indexes together. */
  readonly maxVectorBytes?: number;
  /** Most bytes of decompressed texts kept for all indexes together. [1.62] */
  readonly textCacheBytes?: number;
  /** Where backups are kept; <data>/backups by default. */
  readonly backupDir?: string;
}

const TEXT_CACHE_BYTES = 16 << 20;

export interface IndexEntry {
  readonly name: string;
  /** Name of its directory below <data>/indexes. */
  readonly directory: string;
  /** null when metadata.json cannot be used. */
  readonly metadata: IndexMetadata | null;
  readonly state: 'closed' | 'open' | 'failed';
  /** Why it is 'failed' (its bytes are untouched). */
  readonly error: CairnError | null;
}

export interface EngineMemory {
  /** Sum over open indexes: typed arrays and buffers of parts, their share of the arena included. */
  readonly indexBytes: number;
  readonly arenaUsedBytes: number;
  readonly arenaCommittedBytes: number;
  /** Decompressed texts. */
  readonly textCacheBytes: number;
}

export interface Deleted {
  /** Where its directory is now; null when it was purged. */
  readonly keptAt: string | null;
  /** Older copies that were purged with it. */
  readonly copies: number;
}

interface Slot {
  directory: string;
  metadata: IndexMetadata | null;
  error: CairnError | null;
  index: DurableIndex | null;
  /** A restore is committed and not carried through. */
  isSwapping?: boolean;
  readonly mutex: Mutex;
}

export class Engine {
  readonly #env: Env;
  readonly #dataDir: string;
  readonly #lease: WriterLease;
  readonly #options: IndexOptions;
  readonly #runner: StorageRunner;
  readonly #arena: VectorArena;
  readonly #cache: BlockCache;
  readonly #audit: AuditLog;
  readonly #archive: WalArchive;
  readonly #places: RenamePlaces;
  readonly backups: Backups;
  readonly #slots = new Map<string, Slot>();
  readonly #structure = new Mutex();
  #unsettled: readonly UnsettledRename[] = [];
  #unfinished: readonly UnfinishedRestore[] = [];
  #unpurged: readonly string[] = [];
  #orphans: readonly string[] = [];
  #isClosed = false;

  private constructor(init: EngineInit) {
    this.#env = init.env ?? nodeEnv();
    this.#dataDir = init.dataDir;
    this.#lease = init.lease;
    this.#options = indexOptions(init.options);
    this.#runner = init.runner ?? new WorkerRunner();
    this.#arena = new VectorArena(init.maxVectorBytes === undefined ? {} : { maxBytes: init.maxVectorBytes });
    this.#cache = new BlockCache(init.textCacheBytes ?? TEXT_CACHE_BYTES);
    this.#audit = new AuditLog(this.#env, init.dataDir);
    this.#places = { env: this.#env, dataDir: init.dataDir, root: init.backupDir ?? join(init.dataDir, 'backups'), lease: init.lease };
    this.#archive = new WalArchive(this.#env, init.dataDir, this.#places.root);
    this.backups = this.#makeBackups(this.#places.root);
  }

  /** Finds every index of the data directory; opens none of them. A bad one is listed as failed, the others serve. */
  static async open(init: EngineInit): Promise<Engine> {
    const engine = new Engine(init);
    init.lease.assertHeld();
    await engine.#env.mkdir(engine.#indexesDir);
    await engine.#env.syncDir(init.dataDir);
    engine.#unfinished = await resumeRestores(engine.#env, init.dataDir, init.lease);
    engine.#unsettled = await finishRenames(engine.#places);
    await sweepJobs(engine.#env, init.dataDir);
    await sweepStaging(engine.#env, init.dataDir);
    engine.#unpurged = await finishPurges(engine.#env, init.dataDir);
    await engine.#discover();
    return engine;
  }

  get dataDir(): string {
    return this.#dataDir;
  }

  /** Directories below <data>/indexes without metadata.json; reported, never touched. */
  get orphans(): readonly string[] {
    return this.#orphans;
  }

  /** Renamings and restores that are neither done nor undone, and purges that are not done, with the reason. */
  get unsettled(): readonly string[] {
    return [...[...this.#unsettled, ...this.#unfinished].map(({ what }) => what), ...this.#unpurged];
  }

  get arena(): VectorArena {
    return this.#arena;
  }

  list(): IndexEntry[] {
    return [...this.#slots].map(([name, slot]) => entryOf(name, slot)).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  entry(name: string): IndexEntry | null {
    const slot = this.#slots.get(name);
    return slot === undefined ? null : entryOf(name, slot);
  }

  /** The open index of this name, opened if need be. NOT_FOUND, or the reason why it cannot be opened (tried again at each call). */
  async get(name: string): Promise<DurableIndex> {
    this.#requireOpen();
    const slot = this.#slots.get(name);
    if (slot === undefined) throw new CairnError('NOT_FOUND', `there is no index '${name}'`);
    return slot.mutex.run(async () => {
      this.#requireOpen();
      slot.index ??= await this.#openSlot(slot);
      return slot.index;
    });
  }

  /** Acknowledged only when metadata.json and the first manifest are durable. ALREADY_EXISTS, EMPTY_OVER_POPULATED. [3.2] */
  create(definition: IndexDefinition): Promise<DurableIndex> {
    return this.#structure.run(async () => {
      this.#requireOpen();
      const wanted = newMetadata(definition, this.#env.clock.now());
      this.#requireFree(wanted.name);
      await this.#settle(wanted.name);
      const directory = this.#directoryFor(wanted.name);
      const metadata = await createIndex(this.#env, join(this.#indexesDir, directory), wanted, this.#lease);
      await this.#audit.append({ action: 'index-create', index: metadata.name });
      this.#slots.set(metadata.name, { directory, metadata, error: null, index: null, mutex: new Mutex() });
      return this.get(metadata.name);
    });
  }

  /**
   * Closes the index and moves its directory to <data>/trash. With `purge` removes its bytes and every older copy of that name in the
   * trash. Cut off, a purge is finished at the next start. Logged to audit.log first.
   */
  delete(name: string, options: { readonly purge: boolean }): Promise<Deleted> {
    return this.#structure.run(async () => {
      this.#requireOpen();
      const slot = this.#slots.get(name);
      if (slot === undefined) throw new CairnError('NOT_FOUND', `there is no index '${name}'`);
      await this.#settle(name);
      return slot.mutex.run(async () => {
        this.#lease.assertHeld();
        await closeSlot(slot);
        const copies = options.purge ? await keptInTrash(this.#env, this.#dataDir, name) : [];
        const trashName = nameInTrash(this.#env, slot.directory);
        await this.#audit.append({ action: options.purge ? 'index-purge' : 'index-delete', index: name, detail: inTrash([trashName, ...copies]) });
        // First the copies: an index that is gone takes nothing else with it.
        await markPurged(this.#env, this.#dataDir, copies);
        const move = options.purge ? moveToBePurged : moveToTrash;
        await move(this.#env, this.#dataDir, join(this.#indexesDir, slot.directory), trashName);
        this.#slots.delete(name);
        if (!options.purge) return { keptAt: pathInTrash(this.#dataDir, trashName), copies: 0 };
        await removePurged(this.#env, this.#dataDir, [trashName, ...copies]);
        return { keptAt: null, copies: copies.length };
      });
    });
  }

  /** Removes what deleted indexes of this name have left in the trash; returns how many. */
  purgeCopies(name: string): Promise<number> {
    return this.#structure.run(async () => {
      this.#requireOpen();
      this.#lease.assertHeld();
      const copies = await keptInTrash(this.#env, this.#dataDir, name);
      if (copies.length === 0) return 0;
      await this.#audit.append({ action: 'index-purge', index: name, detail: inTrash(copies) });
      await markPurged(this.#env, this.#dataDir, copies);
      await removePurged(this.#env, this.#dataDir, copies);
      return copies.length;
    });
  }

  /** Paths of what is kept of indexes that were deleted or replaced. */
  keptAside(): Promise<readonly string[]> {
    return listTrash(this.#env, this.#dataDir);
  }

  /**
   * Gives an index another name; its backups and archived log follow. It stays open, and so do snapshots. Durable when it returns;
   * when it fails the index has its old name, or (after a crash in it) one of the two. NOT_FOUND, ALREADY_EXISTS, INVALID_ARGUMENT.
   * `around` wraps the renaming itself, after its turn has come: no backup or restore is under way then.
   */
  rename(name: string, to: string, around: (step: () => Promise<void>) => Promise<void> = (step) => step()): Promise<void> {
    return this.backups.exclusively(() => around(() => this.#structure.run(() => this.#rename(name, to))));
  }

  /**
   * Mends the metadata.json of an index that cannot be opened because of it, or of a directory that has none (`name` is then the
   * directory's). null when there is nothing to mend. NOT_FOUND, ALREADY_EXISTS when the mended name is taken.
   */
  restoreMetadata(name: string, options: { readonly dryRun: boolean }): Promise<RepairAction | null> {
    return this.#structure.run(async () => {
      this.#requireOpen();
      const slot = this.#slots.get(name);
      if (slot === undefined && !this.#orphans.includes(name)) throw new CairnError('NOT_FOUND', `there is no index '${name}'`);
      if (slot?.index != null) return null;
      const directory = slot?.directory ?? name;
      const repaired = await restoreMetadata(this.#env, join(this.#indexesDir, directory), this.#lease, options.dryRun);
      if (repaired === null || options.dryRun) return repaired?.action ?? null;
      const { metadata, action } = repaired;
      this.#orphans = this.#orphans.filter((orphan) => orphan !== directory);
      const refused = this.#relist(name, directory, metadata);
      if (refused !== null) throw refused;
      return action;
    });
  }

  /** Takes in an index directory that is not listed, from anywhere, after a full verification. See import/adopt.ts. */
  adopt(request: AdoptRequest): Promise<AdoptReport> {
    this.#requireOpen();
    return adopt(this.#importHost(), request);
  }

  /** A new index that appears only when `fill` has put everything in. See import/build.ts. */
  build(request: BuildRequest): Promise<void> {
    this.#requireOpen();
    return buildIndex(this.#importHost(), request);
  }

  /**
   * Brings metadata.json of an index that cannot be used because of its old schema to the present one. `name`: only this one (that
   * of its directory). What fails is in `failed`, unchanged; indexes of the present schema are in neither list.
   */
  migrate(options: { readonly name?: string | undefined; readonly dryRun: boolean }): Promise<{ readonly migrated: readonly MigrationReport[]; readonly failed: readonly CairnError[] }> {
    return this.#structure.run(async () => {
      this.#requireOpen();
      const migrated: MigrationReport[] = [];
      const failed: CairnError[] = [];
      const listed = [...this.#slots]; // a migrated one is listed anew
      for (const [name, slot] of listed) {
        if (slot.metadata !== null || (options.name !== undefined && options.name !== name)) continue;
        try {
          const report = await migrateMetadata(this.#env, join(this.#indexesDir, slot.directory), { lease: this.#lease, dryRun: options.dryRun });
          if (report === null) continue;
          migrated.push(report);
          if (report.changed) this.#relist(name, slot.directory, report.metadata);
        } catch (error) {
          if (!isCairnError(error)) throw error;
          failed.push(error);
        }
      }
      return { migrated, failed };
    });
  }

  /** Closes one index and keeps it listed; the next `get` opens it again. */
  async release(name: string): Promise<void> {
    const slot = this.#slots.get(name);
    await slot?.mutex.run(async () => {
      await closeSlot(slot);
    });
  }

  memory(): EngineMemory {
    const { usedBytes, committedBytes } = this.#arena.usage;
    const open = [...this.#slots.values()].flatMap((slot) => slot.index ?? []);
    return {
      indexBytes: open.reduce((total, index) => total + index.stats().memoryBytes, 0),
      arenaUsedBytes: usedBytes,
      arenaCommittedBytes: committedBytes,
      textCacheBytes: this.#cache.memoryBytes,
    };
  }

  /** Closes all indexes and ends the storage thread. Persists nothing by itself: what was acknowledged is in the logs. */
  async close(): Promise<void> {
    await this.#structure.run(async () => {
      if (this.#isClosed) return;
      this.#isClosed = true;
      const closed = await Promise.allSettled([...this.#slots.values()].map((slot) => slot.mutex.run(async () => slot.index?.close())));
      await this.#runner.close();
      for (const result of closed) if (result.status === 'rejected') throw result.reason;
    });
  }

  get #indexesDir(): string {
    return join(this.#dataDir, 'indexes');
  }

  #requireOpen(): void {
    if (this.#isClosed) throw new CairnError('NOT_SERVING', 'the engine is closed');
  }

  #openDirectory(dir: string): Promise<DurableIndex> {
    const archive = this.#options.archive ? { keep: this.#keep } : null;
    return openIndex(this.#env, dir, { lease: this.#lease, options: this.#options, arena: this.#arena, cache: this.#cache, runner: this.#runner, archive });
  }

  #makeBackups(root: string): Backups {
    return new Backups({
      env: this.#env, dataDir: this.#dataDir, root, lease: this.#lease, options: this.#options, archive: this.#archive,
      audit: (entry) => this.#audit.append(entry),
      get: (name) => this.get(name),
      list: () => this.list(),
      settle: async (name) => (this.#isUnsettled(name) ? this.#structure.run(() => this.#settle(name)) : undefined),
      openScratch: (dir) => openIndex(this.#env, dir, { lease: this.#lease, options: { ...this.#options, archive: false }, arena: this.#arena, cache: this.#cache, runner: this.#runner }),
      exchange: (name, swap) => this.#exchange(name, swap),
    });
  }

  async #rename(name: string, to: string): Promise<void> {
    this.#requireOpen();
    const slot = this.#slots.get(name);
    if (slot === undefined) throw new CairnError('NOT_FOUND', `there is no index '${name}'`);
    this.#requireFree(to);
    for (const one of [name, to]) await this.#settle(one);
    const renaming = new Renaming(this.#places, { directory: slot.directory, from: name, to });
    const opened = (): Promise<DurableIndex> => slot.mutex.run(async () => (slot.index ??= await this.#openSlot(slot)));
    const index = await opened();
    checkMetadata({ ...index.metadata, name: to });
    await renaming.check();
    await this.#audit.append({ action: 'index-rename', index: name, detail: to });
    const unsettled = { names: [name, to], what: `the renaming of '${name}' to '${to}' is not settled`, retry: async () => renaming.revert(await opened()) };
    try {
      await index.updateMetadata({ name: to }, (write) => {
        this.#unsettled = [...this.#unsettled, unsettled];
        return renaming.commit(write);
      });
    } catch (error) {
      if (!renaming.isBegun) this.#unsettled = this.#unsettled.filter((one) => one !== unsettled);
      await this.#trySettling(name);
      throw error;
    }
    this.#slots.delete(name);
    this.#slots.set(to, slot);
    slot.metadata = index.metadata;
    this.#unsettled = this.#unsettled.map((one) => (one === unsettled ? { ...unsettled, retry: () => renaming.end() } : one));
    await this.#trySettling(to);
  }

  #isUnsettled(name: string): boolean {
    return this.#unsettled.some(({ names }) => names.includes(name));
  }

  /** Nothing is made, moved or removed under a name while a renaming with it is neither done nor undone. */
  async #settle(name: string): Promise<void> {
    for (const one of this.#unsettled.filter(({ names }) => names.includes(name))) {
      await one.retry();
      this.#unsettled = this.#unsettled.filter((other) => other !== one);
    }
  }

  /** A disk that fails now may not later: whoever needs the name tries again, and hears why it does not work. */
  async #trySettling(name: string): Promise<void> {
    await this.#settle(name).catch((error: unknown) => {
      if (!isCairnError(error)) throw error;
    });
  }

  /** Into the directory of the name that the index has. A file that cannot be kept now stays in the log. */
  readonly #keep: WalArchive['keep'] = async (metadata, file) => {
    if (this.#isUnsettled(metadata.name)) throw new CairnError('IO', `the renaming of '${metadata.name}' is not settled: its log is archived afterwards`, { retryable: true });
    await this.#archive.keep(metadata, file);
  };

  #requireFree(name: string): void {
    if (this.#slots.has(name)) throw new CairnError('ALREADY_EXISTS', `there is an index '${name}' already`);
  }

  /** That of its name, unless it belongs to an index that was renamed. */
  #directoryFor(name: string): string {
    const isTaken = [...this.#slots.values()].some(({ directory }) => directory === name);
    return isTaken ? `${name}-${this.#env.random.bytes(3).toString('hex')}` : name;
  }

  /** Closes the index, lets `swap` put another one into its directory (or make it), and lists what is there then. */
  #exchange(name: string, swap: (directory: string) => Promise<'done' | 'pending'>): Promise<void> {
    return this.#structure.run(async () => {
      this.#requireOpen();
      this.#lease.assertHeld();
      await this.#settle(name);
      const slot = this.#slots.get(name) ?? { directory: this.#directoryFor(name), metadata: null, error: null, index: null, mutex: new Mutex() };
      await slot.mutex.run(async () => {
        await closeSlot(slot);
        slot.isSwapping = (await swap(slot.directory)) === 'pending';
        this.#slots.set(name, slot); // there is something new in its place, readable or not
        try {
          await this.#finishSwap(slot);
          slot.metadata = await readMetadata(this.#env, join(this.#indexesDir, slot.directory));
          slot.error = null;
        } catch (error) {
          if (isCairnError(error)) slot.error = error;
          throw error;
        }
      });
    });
  }

  /** A swap that a failing disk has cut off is carried through before the index is used again. */
  async #finishSwap(slot: Slot): Promise<void> {
    if (slot.isSwapping !== true) return;
    await finishRestores(this.#env, this.#dataDir, slot.directory, this.#lease);
    this.#unfinished = this.#unfinished.filter(({ directory }) => directory !== slot.directory);
    slot.isSwapping = false;
  }

  /** A directory got a metadata.json that can be used. Returns why it still cannot serve: its name is another one's. */
  #relist(oldName: string, directory: string, metadata: IndexMetadata): CairnError | null {
    this.#slots.delete(oldName);
    const taken = this.#slots.get(metadata.name);
    const error = taken === undefined ? null : new CairnError('ALREADY_EXISTS', `${directory}: its metadata.json says '${metadata.name}', the name of the index in ${taken.directory}`, { path: directory });
    const name = error === null ? metadata.name : this.#keyOfFailed(directory);
    this.#slots.set(name, { directory, metadata: error === null ? metadata : null, error, index: null, mutex: new Mutex() });
    return error;
  }

  /** A directory that cannot serve is listed by its own name, unless an index is called so. */
  #keyOfFailed(directory: string): string {
    return this.#slots.has(directory) ? `${directory}~` : directory;
  }

  #importHost(): ImportHost {
    return {
      env: this.#env, dataDir: this.#dataDir, lease: this.#lease,
      openScratch: (dir) => openIndex(this.#env, dir, { lease: this.#lease, options: { ...this.#options, archive: false }, arena: this.#arena, cache: this.#cache, runner: this.#runner }),
      directoryOf: (name) => this.#slots.get(name)?.directory ?? null,
      isServed: (directory) => [...this.#slots.values()].some((slot) => slot.directory === directory && slot.metadata !== null),
      publish: (staged, metadata, { detail, replaces }) => this.#publishImport(staged, metadata, detail, replaces),
    };
  }

  #publishImport(staged: string, metadata: IndexMetadata, detail: string, replaces: string | null): Promise<void> {
    return this.#structure.run(async () => {
      this.#requireOpen();
      this.#lease.assertHeld();
      const taken = this.#slots.get(metadata.name);
      if (taken !== undefined && taken.directory !== replaces) throw new CairnError('ALREADY_EXISTS', `there is an index '${metadata.name}' already`);
      const isFree = (await this.#env.stat(join(this.#indexesDir, metadata.name))) === null;
      const directory = isFree ? metadata.name : `${metadata.name}-${this.#env.random.bytes(3).toString('hex')}`;
      await this.#settle(metadata.name);
      await this.#audit.append({ action: 'index-import', index: metadata.name, detail });
      await moveFile(this.#env, staged, this.#indexesDir, directory);
      if (replaces !== null) {
        for (const [name, slot] of this.#slots) if (slot.directory === replaces) this.#slots.delete(name);
        await moveToTrash(this.#env, this.#dataDir, join(this.#indexesDir, replaces), nameInTrash(this.#env, replaces));
        this.#orphans = this.#orphans.filter((orphan) => orphan !== replaces);
      }
      this.#slots.set(metadata.name, { directory, metadata, error: null, index: null, mutex: new Mutex() });
    });
  }

  async #openSlot(slot: Slot): Promise<DurableIndex> {
    try {
      await this.#finishSwap(slot);
      const index = await this.#openDirectory(join(this.#indexesDir, slot.directory));
      slot.metadata = index.metadata;
      slot.error = null;
      return index;
    } catch (error) {
      if (isCairnError(error)) slot.error = error;
      throw error;
    }
  }

  async #discover(): Promise<void> {
    const orphans: string[] = [];
    const all = await discover(this.#env, this.#indexesDir);
    // A name goes to the index that has it before a directory that has only that name.
    for (const found of [...all.filter(({ state }) => state === 'found'), ...all.filter(({ state }) => state !== 'found')]) {
      const { directory } = found;
      if (found.state === 'found') this.#slots.set(found.metadata.name, { directory, metadata: found.metadata, error: null, index: null, mutex: new Mutex() });
      else if (found.state === 'failed') this.#slots.set(this.#keyOfFailed(directory), { directory, metadata: null, error: found.error, index: null, mutex: new Mutex() });
      else if (!(await removeAbortedCreation(this.#env, join(this.#indexesDir, directory)))) orphans.push(directory);
    }
    this.#orphans = orphans;
    for (const one of this.#unfinished) this.#blockUntilRestored(one);
  }

  /** Its directory may be half-way between the old index and the new one: listed, and opened only after the swap. */
  #blockUntilRestored({ directory, name, error }: UnfinishedRestore): void {
    if (directory === null) return;
    const known = [...this.#slots.values()].find((slot) => slot.directory === directory);
    const slot = known ?? { directory, metadata: null, error, index: null, mutex: new Mutex() };
    slot.error = error;
    slot.isSwapping = true;
    if (known === undefined) this.#slots.set(name !== null && !this.#slots.has(name) ? name : this.#keyOfFailed(directory), slot);
  }
}

/** For the audit log. */
const inTrash = (names: readonly string[]): string => names.map((name) => `trash/${name}`).join(', ');

/** An index whose closing fails is closed all the same: the next one who asks opens it anew. */
async function closeSlot(slot: Slot): Promise<void> {
  const { index } = slot;
  slot.index = null;
  await index?.close();
}

function entryOf(name: string, slot: Slot): IndexEntry {
  const state = slot.index !== null ? 'open' : slot.error !== null ? 'failed' : 'closed';
  return { name, directory: slot.directory, metadata: slot.index?.metadata ?? slot.metadata, state, error: slot.index === null ? slot.error : null };
}
