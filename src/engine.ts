/**
 * The engine: every index below one data directory, the memory and the storage thread they share. Knows nothing of processes,
 * sockets or locks: whoever opens it proves its right to write by a lease.
 */
import { join } from 'node:path';
import { moveFile } from './env/atomic-file.ts';
import type { Env } from './env/env.ts';
import { nodeEnv } from './env/node-env.ts';
import { AuditLog } from './index/audit-log.ts';
import { createIndex, removeAbortedCreation } from './index/create.ts';
import { openIndex } from './index/open-index.ts';
import { discover } from './index/index-directory.ts';
import { newMetadata, type IndexDefinition } from './index/metadata.ts';
import { Mutex } from './index/mutex.ts';
import { indexOptions } from './index/options.ts';
import { removeTree } from './index/remove-tree.ts';
import type { StorageRunner } from './index/storage-jobs.ts';
import { WorkerRunner } from './index/worker-runner.ts';
import type { DurableIndex, IndexMetadata, IndexOptions, WriterLease } from './index/types.ts';
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

interface Slot {
  directory: string;
  metadata: IndexMetadata | null;
  error: CairnError | null;
  index: DurableIndex | null;
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
  readonly #slots = new Map<string, Slot>();
  readonly #structure = new Mutex();
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
  }

  /** Finds every index of the data directory; opens none of them. A bad one is listed as failed, the others serve. */
  static async open(init: EngineInit): Promise<Engine> {
    const engine = new Engine(init);
    init.lease.assertHeld();
    await engine.#env.mkdir(engine.#indexesDir);
    await engine.#env.syncDir(init.dataDir);
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
      const metadata = newMetadata(definition, this.#env.clock.now());
      if (this.#slots.has(metadata.name)) throw new CairnError('ALREADY_EXISTS', `there is an index '${metadata.name}' already`);
      const dir = join(this.#indexesDir, metadata.name);
      await createIndex(this.#env, dir, metadata, this.#lease);
      await this.#audit.append({ action: 'index-create', index: metadata.name });
      this.#slots.set(metadata.name, { directory: metadata.name, metadata, error: null, index: null, mutex: new Mutex() });
      return this.get(metadata.name);
    });
  }

  /** Closes the index and moves its directory to <data>/trash, or removes its bytes with `purge`. Logged to audit.log first. */
  delete(name: string, options: { readonly purge: boolean }): Promise<void> {
    return this.#structure.run(async () => {
      this.#requireOpen();
      const slot = this.#slots.get(name);
      if (slot === undefined) throw new CairnError('NOT_FOUND', `there is no index '${name}'`);
      await slot.mutex.run(async () => {
        this.#lease.assertHeld();
        await slot.index?.close();
        slot.index = null;
        const trashName = `${slot.directory}-${this.#env.clock.now()}-${this.#env.random.bytes(3).toString('hex')}`;
        await this.#audit.append({ action: options.purge ? 'index-purge' : 'index-delete', index: name, detail: `trash/${trashName}` });
        await moveFile(this.#env, join(this.#indexesDir, slot.directory), this.#trashDir, trashName);
        this.#slots.delete(name);
        if (options.purge) await removeTree(this.#env, join(this.#trashDir, trashName));
      });
    });
  }

  /** Closes one index and keeps it listed; the next `get` opens it again. */
  async release(name: string): Promise<void> {
    const slot = this.#slots.get(name);
    await slot?.mutex.run(async () => {
      await slot.index?.close();
      slot.index = null;
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

  get #trashDir(): string {
    return join(this.#dataDir, 'trash');
  }

  #requireOpen(): void {
    if (this.#isClosed) throw new CairnError('NOT_SERVING', 'the engine is closed');
  }

  async #openSlot(slot: Slot): Promise<DurableIndex> {
    try {
      const services = { lease: this.#lease, options: this.#options, arena: this.#arena, cache: this.#cache, runner: this.#runner };
      const index = await openIndex(this.#env, join(this.#indexesDir, slot.directory), services);
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
    for (const found of await discover(this.#env, this.#indexesDir)) {
      const { directory } = found;
      if (found.state === 'found') this.#slots.set(found.metadata.name, { directory, metadata: found.metadata, error: null, index: null, mutex: new Mutex() });
      else if (found.state === 'failed') this.#slots.set(this.#slots.has(directory) ? `${directory}~` : directory, { directory, metadata: null, error: found.error, index: null, mutex: new Mutex() });
      else if (!(await removeAbortedCreation(this.#env, join(this.#indexesDir, directory)))) orphans.push(directory);
    }
    this.#orphans = orphans;
  }
}

function entryOf(name: string, slot: Slot): IndexEntry {
  const state = slot.index !== null ? 'open' : slot.error !== null ? 'failed' : 'closed';
  return { name, directory: slot.directory, metadata: slot.index?.metadata ?? slot.metadata, state, error: slot.index === null ? slot.error : null };
}
