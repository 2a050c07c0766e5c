/**
 * All indexes of this daemon: which are known, which are open, and who owns each. Opens on demand, once; closes what was not used
 * for long when too many are open. Never opens an index twice and never closes one that is being used.
 */
import { join } from 'node:path';
import type { Deleted, DurableIndex, Metric, RepairAction } from '../../src/api.ts';
import { CairnError, isCairnError, messageOf } from '../errors.ts';
import type { IndexOwner, IndexOwners, KnownIndex } from '../handlers/services.ts';
import type { FailedIndex, OrphanDirectory } from '../protocol/types.ts';
import { abortable } from './abortable.ts';
import type { Timer } from './clock.ts';
import { CodeIndexOwner, type OwnerServices } from './index-owner.ts';
import type { EngineEntry, EnginePort } from './ports.ts';
import { canonical, checkRoot, nameFor, nearestEnclosing } from './root-path.ts';

export interface OwnersOptions {
  /** Open indexes beyond this are closed when idle, least recently used first. */
  readonly maxOpen: number;
  /** An index that was used more recently is never closed for room. */
  readonly minIdleMs: number;
  readonly sweepMs: number;
}

export const OWNERS_DEFAULTS: OwnersOptions = { maxOpen: 16, minIdleMs: 600_000, sweepMs: 60_000 };

interface OpenIndex {
  readonly owner: Promise<CodeIndexOwner>;
  /** Set when `owner` is resolved. */
  opened: CodeIndexOwner | null;
  usedAt: number;
}

export class OpenIndexes implements IndexOwners {
  readonly #engine: EnginePort;
  readonly #services: OwnerServices;
  readonly #options: OwnersOptions;
  readonly #open = new Map<string, OpenIndex>();
  readonly #failures = new Map<string, unknown>();
  /** Source roots whose index is being made: the engine lists it only afterwards. */
  readonly #making = new Map<string, Promise<unknown>>();
  /** Names that are being closed or removed: opening waits for it. */
  readonly #leaving = new Map<string, Promise<unknown>>();
  #sweepTimer: Timer | null = null;
  #warming: Promise<void> | null = null;
  #isClosing = false;

  constructor(engine: EnginePort, services: OwnerServices, options: Partial<OwnersOptions> = {}) {
    this.#engine = engine;
    this.#services = services;
    this.#options = { ...OWNERS_DEFAULTS, ...options };
    this.#armSweep();
  }

  list(): readonly KnownIndex[] {
    return this.#engine.list().flatMap((entry) => {
      if (entry.metadata === null) return [];
      const owner = this.#open.get(entry.name)?.opened ?? null;
      return [{ name: entry.name, root: entry.metadata.sourceRoot, kind: entry.metadata.kind, directory: this.#directoryOf(entry), owner }];
    });
  }

  failed(): readonly FailedIndex[] {
    return this.#engine.list().flatMap((entry) => {
      const error = entry.error ?? this.#failures.get(entry.name) ?? null;
      if (error === null || this.#open.get(entry.name)?.opened != null) return [];
      const hint = isCairnError(error) ? error.hint : undefined;
      return [{ index: entry.name, path: this.#directoryOf(entry), code: isCairnError(error) ? error.code : 'INTERNAL', reason: messageOf(error), ...(hint === undefined ? {} : { hint }) }];
    });
  }

  async orphans(): Promise<readonly OrphanDirectory[]> {
    const { dataDir, orphans } = this.#engine;
    const kept = await this.#engine.keptAside();
    return [
      ...orphans.map((name): OrphanDirectory => ({ path: join(dataDir, 'indexes', name), what: 'no-metadata' })),
      ...kept.map((path): OrphanDirectory => ({ path, what: 'deleted' })),
    ];
  }

  async resolve(ref: { readonly index?: string; readonly root?: string }, signal?: AbortSignal): Promise<IndexOwner> {
    const { index, root } = ref;
    const owner = index !== undefined ? this.#owner(index) : this.#named(async () => (root === undefined ? this.#onlyIndex() : this.#nameByRoot(root)));
    return signal === undefined ? owner : abortable(owner, signal);
  }

  async find(root: string): Promise<IndexOwner | null> {
    const path = await canonical(root);
    for (;;) {
      const name = this.#engine.list().find(({ metadata }) => metadata?.sourceRoot === path)?.name;
      if (name === undefined) return null;
      const owner = await this.#ownerUnlessGone(name);
      if (owner !== null) return owner;
    }
  }

  async create(options: { readonly root: string; readonly name?: string; readonly lexicalOnly?: boolean }): Promise<IndexOwner> {
    this.#requireServing();
    const root = await checkRoot(options.root);
    for (let rival = this.#making.get(root); rival !== undefined; rival = this.#making.get(root)) await rival.catch(() => undefined); // its client hears of that
    this.#requireServing();
    const entries = this.#engine.list();
    const same = entries.find(({ metadata }) => metadata?.sourceRoot === root);
    if (same !== undefined) throw new CairnError('ALREADY_EXISTS', `${root} is indexed already, as '${same.name}'`, { path: root, hint: `Use index '${same.name}'.` });
    const names = new Set(entries.map(({ name }) => name));
    if (options.name !== undefined) this.#requireFree(options.name);
    const name = options.name ?? nameFor(root, (candidate) => names.has(candidate) || this.#open.has(candidate) || this.#leaving.has(candidate));
    const { embedder: available, contentVersions } = this.#services.ingest;
    const embedder = options.lexicalOnly === true ? null : available;
    const owner = this.#track(name, () => this.#engine.create({ name, kind: 'code', dimension: embedder?.dimension ?? 0, embedder, sourceRoot: root, contentVersions }));
    this.#making.set(root, owner);
    try {
      return await owner;
    } finally {
      this.#making.delete(root);
    }
  }

  async createVectors({ name, dimension, metric }: { readonly name: string; readonly dimension: number; readonly metric: Metric }): Promise<IndexOwner> {
    this.#requireServing();
    const { contentVersions } = this.#services.ingest;
    this.#requireFree(name);
    const created = this.#engine.create({ name, kind: 'vector', dimension, distanceMetric: metric, embedder: null, sourceRoot: null, contentVersions });
    return this.#track(name, () => created);
  }

  async remove(name: string, options: { readonly purge: boolean }): Promise<Deleted> {
    this.#requireServing();
    this.#requireKnown(name);
    return this.#leave(name, async () => {
      await this.#closeOwner(name, false);
      const deleted = await this.#engine.delete(name, options);
      this.#failures.delete(name);
      return deleted;
    });
  }

  purgeCopies(name: string): Promise<number> {
    this.#requireServing();
    return this.#engine.purgeCopies(name);
  }

  async rename(name: string, to: string): Promise<IndexOwner> {
    await this.#owner(name);
    this.#requireFree(to);
    // Nobody opens, makes or removes an index of either name meanwhile. Whoever has the owner already goes on with it.
    await this.#engine.rename(name, to, (step) => this.#leave(name, () => this.#leave(to, async () => {
      const open = this.#open.get(name);
      const owner = (await open?.owner.catch(() => null)) ?? null;
      await step();
      this.#failures.delete(name);
      if (open === undefined || owner === null) return;
      this.#open.delete(name);
      this.#open.set(to, open);
      owner.rename(to);
    })));
    return this.#owner(to);
  }

  async restoreMetadata(name: string, options: { readonly dryRun: boolean }): Promise<RepairAction | null> {
    this.#requireServing();
    const action = await this.#engine.restoreMetadata(name, options);
    if (action?.done === true) this.#failures.delete(name);
    return action;
  }

  async reopen(name: string): Promise<IndexOwner> {
    await this.#leave(name, () => this.#closeOwner(name, false));
    return this.#owner(name);
  }

  async replace<T>(name: string, work: () => Promise<T>): Promise<T> {
    this.#requireServing();
    const wasKnown = this.#isKnown(name);
    try {
      return await this.#leave(name, async () => {
        await this.#closeOwner(name, false);
        const result = await work();
        this.#failures.delete(name);
        return result;
      });
    } finally {
      if (wasKnown) this.#owner(name).catch(() => undefined); // its failure is recorded; the caller learns it when it asks
    }
  }

  warmUp(): void {
    this.#warming ??= this.#warm();
  }

  isBusy(): boolean {
    for (const { opened } of this.#open.values()) if (opened === null || opened.isBusy) return true;
    return this.#leaving.size > 0;
  }

  async close(options: { readonly persist: boolean; readonly deadlineMs: number }): Promise<void> {
    this.#isClosing = true;
    this.#sweepTimer?.cancel();
    this.#sweepTimer = null;
    const { clock, log } = this.#services;
    let timer: Timer | null = null;
    const deadline = new Promise<'late'>((resolve) => {
      timer = clock.setTimer(() => resolve('late'), options.deadlineMs);
    });
    const all = this.#closeAll(options.persist).then(() => 'done' as const);
    const result = await Promise.race([all, deadline]);
    (timer as Timer | null)?.cancel();
    if (result === 'late') log.warn('owners.close-late', { open: [...this.#open.keys()], deadlineMs: options.deadlineMs });
  }

  // ---- opening

  async #owner(name: string): Promise<CodeIndexOwner> {
    for (let leaving = this.#leaving.get(name); leaving !== undefined; leaving = this.#leaving.get(name)) await leaving.catch(() => undefined);
    this.#requireServing();
    const open = this.#open.get(name);
    if (open !== undefined) {
      open.usedAt = this.#services.clock.monotonic();
      return open.owner;
    }
    this.#requireKnown(name);
    return this.#track(name, () => this.#engine.get(name));
  }

  /** For whoever does not care for the name: one that is gone is looked up again. */
  async #named(nameOf: () => Promise<string>): Promise<CodeIndexOwner> {
    for (;;) {
      const owner = await this.#ownerUnlessGone(await nameOf());
      if (owner !== null) return owner;
    }
  }

  /** null when nothing has this name any more when its turn comes: the index was renamed or deleted. */
  async #ownerUnlessGone(name: string): Promise<CodeIndexOwner | null> {
    try {
      return await this.#owner(name);
    } catch (error) {
      if (!isCairnError(error, 'NOT_FOUND') || this.#isKnown(name)) throw error;
      return null;
    }
  }

  /** Everyone who asks while it opens waits for the same opening. */
  #track(name: string, open: () => Promise<DurableIndex>): Promise<CodeIndexOwner> {
    const owner = this.#start(name, open);
    const entry: OpenIndex = { owner, opened: null, usedAt: this.#services.clock.monotonic() };
    this.#open.set(name, entry);
    owner.then(
      (opened) => {
        entry.opened = opened;
        this.#failures.delete(name);
      },
      (error: unknown) => {
        this.#open.delete(name);
        this.#failures.set(name, error);
        this.#services.log.warn('index.open-failed', { index: name, error });
      },
    );
    return owner;
  }

  async #start(name: string, open: () => Promise<DurableIndex>): Promise<CodeIndexOwner> {
    const index = await open();
    if (this.#isClosing) {
      await this.#engine.release(name);
      throw notServing();
    }
    const owner = new CodeIndexOwner(name, index, this.#services);
    owner.start();
    return owner;
  }

  async #warm(): Promise<void> {
    const entries = this.#engine.list().filter(({ metadata, state }) => metadata !== null && state === 'closed');
    entries.sort((a, b) => (b.metadata?.modifiedAt ?? '').localeCompare(a.metadata?.modifiedAt ?? ''));
    for (const { name } of entries.slice(0, this.#options.maxOpen)) {
      if (this.#isClosing) return;
      await this.#owner(name).catch(() => undefined); // recorded by #track; the others open
    }
  }

  // ---- names

  #onlyIndex(): string {
    const names = this.#engine.list().map(({ name }) => name);
    if (names.length === 1 && names[0] !== undefined) return names[0];
    if (names.length === 0) throw new CairnError('NOT_FOUND', 'there is no index yet', { hint: 'Make one: cairn index DIR' });
    throw new CairnError('INVALID_ARGUMENT', 'which index? Name one by `index` or by a path in its tree (`root`)', { hint: `Known indexes: ${names.slice(0, 10).join(', ')}` });
  }

  async #nameByRoot(path: string): Promise<string> {
    const byRoot = new Map(this.#engine.list().flatMap(({ name, metadata }) => (metadata?.sourceRoot == null ? [] : [[metadata.sourceRoot, name] as const])));
    // Named as the index has it: no question to the file system, which may be busy with another tree.
    const named = byRoot.get(path);
    if (named !== undefined) return named;
    const wanted = await canonical(path);
    const root = nearestEnclosing(wanted, byRoot.keys());
    const name = root === null ? undefined : byRoot.get(root);
    if (name === undefined) throw new CairnError('NOT_FOUND', `no index covers ${wanted}`, { path: wanted, hint: 'Index it first: cairn index DIR' });
    return name;
  }

  #isKnown(name: string): boolean {
    return this.#engine.list().some((entry) => entry.name === name);
  }

  #requireKnown(name: string): void {
    if (!this.#isKnown(name)) throw new CairnError('NOT_FOUND', `there is no index '${name}'`, { hint: 'cairn list shows all indexes.' });
  }

  /** Also of an index that is being made, and of one that is getting or losing the name. */
  #requireFree(name: string): void {
    if (!this.#open.has(name) && !this.#leaving.has(name) && !this.#isKnown(name)) return;
    throw new CairnError('ALREADY_EXISTS', `there is an index '${name}' already`, { hint: 'Choose another name.' });
  }

  #directoryOf(entry: EngineEntry): string {
    return join(this.#engine.dataDir, 'indexes', entry.directory);
  }

  // ---- closing

  #requireServing(): void {
    if (this.#isClosing) throw notServing();
  }

  /** Closes the owner and its index; the index stays known. */
  async #closeOwner(name: string, persist: boolean): Promise<void> {
    const open = this.#open.get(name);
    if (open === undefined) return;
    const owner = await open.owner.catch(() => null);
    try {
      await owner?.close({ persist });
    } catch (error) {
      this.#services.log.warn('index.close-unsaved', { index: name, error });
    } finally {
      this.#open.delete(name);
      await this.#engine.release(name);
    }
  }

  #leave<T>(name: string, work: () => Promise<T>): Promise<T> {
    const before = this.#leaving.get(name) ?? Promise.resolve();
    const leaving = before.catch(() => undefined).then(work).finally(() => {
      if (this.#leaving.get(name) === leaving) this.#leaving.delete(name);
    });
    this.#leaving.set(name, leaving);
    return leaving;
  }

  async #closeAll(persist: boolean): Promise<void> {
    await this.#warming;
    await Promise.allSettled(this.#leaving.values());
    const closed = await Promise.allSettled([...this.#open.keys()].map((name) => this.#closeOwner(name, persist)));
    for (const result of closed) if (result.status === 'rejected') this.#services.log.warn('index.close-failed', { error: result.reason as unknown });
  }

  #armSweep(): void {
    this.#sweepTimer = this.#services.clock.setTimer(() => {
      this.#armSweep();
      this.#sweep();
    }, this.#options.sweepMs);
  }

  /** Residency: closes idle indexes beyond `maxOpen`, saved; the next use opens them again. [6.14] */
  #sweep(): void {
    const { clock, log } = this.#services;
    const idle = [...this.#open].filter(([, { opened, usedAt }]) => opened !== null && !opened.isBusy && clock.monotonic() - usedAt >= this.#options.minIdleMs);
    idle.sort(([, a], [, b]) => a.usedAt - b.usedAt);
    for (const [name] of idle.slice(0, Math.max(0, this.#open.size - this.#options.maxOpen))) {
      log.info('index.unloaded', { index: name });
      this.#leave(name, () => this.#closeOwner(name, true)).catch((error: unknown) => log.warn('index.close-failed', { index: name, error }));
    }
  }
}

function notServing(): CairnError {
  return new CairnError('NOT_SERVING', 'the daemon is stopping', { retryable: true, hint: 'Try again; a new daemon starts by itself.' });
}
