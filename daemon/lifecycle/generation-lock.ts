/**
 * The writer lock: `<lock>/g<10 digits>/owner.json`, one directory per generation; the highest generation is the lock and its
 * number is the epoch, the fencing token of every publish. A clean release leaves `released` in it.
 *
 * Invariants:
 *  1. A generation is taken by one rename of a prepared, non-empty directory; the file system lets exactly one racer win.
 *  2. Nobody removes the highest generation, so the number never goes back and a living owner cannot lose its directory.
 *  3. A living owner on this host is never robbed, however long it is frozen, unless the caller says `force`; then the old
 *     owner's epoch is smaller than the highest and `assertHeld` refuses all it wants to publish.
 *  4. The winner looks again after it won: if a later generation exists, its judgement of the old owner was out of date.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CairnError, errnoOf, messageOf } from '../errors.ts';
import { makeDirectories } from '../protocol/make-directories.ts';
import { livenessOf, selfIdentity, type ProcessIdentity } from './liveness.ts';
import { takeAndHeartbeat } from './proper-lockfile.ts';

export interface LockOwner extends ProcessIdentity {
  readonly epoch: number;
  readonly nonce: string;
  /** Device and inode of the lock directory: a copy of a data directory is not owned by the daemon of the original. */
  readonly directory: string;
  readonly version: string;
  readonly startedAt: string;
}

export interface LockOptions {
  readonly version: string;
  /** Takes the lock even from a living owner. */
  readonly force?: boolean;
  /** Epoch that the data directory is known to have seen; read anew before each attempt. Guards a lost lock directory. */
  readonly floor?: () => number;
  /** An owner that cannot be judged (other host or pid namespace) is stale when its heartbeat stands still this long. */
  readonly foreignStaleMs?: number;
  readonly heartbeatMs?: number;
}

export type LockResult =
  | { readonly held: true; readonly lock: GenerationLock }
  | { readonly held: false; readonly owner: LockOwner | null; readonly liveness: 'alive' | 'unknown' };

const HEARTBEAT_MS = 2_000;
const FOREIGN_STALE_MS = 15_000;
/** Losing a race means that somebody else made progress; this many losses in a row mean that something else is wrong. */
const MAX_ATTEMPTS = 1_000;
/** A prepared directory this old belongs to a process that died between preparing and renaming. */
const ABANDONED_MS = 60_000;

/**
 * @throws CairnError IO or PERMISSION when the directory cannot be used, LOCKED when the lock changed hands too often
 */
export async function acquireLock(dir: string, options: LockOptions): Promise<LockResult> {
  ensureDirectory(dir);
  const nonce = randomUUID();
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    // The floor is read before the directory: read after it, two racers could aim at different numbers and both win.
    const floor = options.floor?.() ?? 0;
    const highest = highestGeneration(dir);
    const refusal = highest > 0 ? await judge(dir, highest, options) : null;
    if (refusal === 'look again') continue;
    if (refusal !== null) return refusal;
    const lock = await take(dir, Math.max(highest, floor) + 1, `${nonce}-${attempt}`, options);
    if (lock !== null) return { held: true, lock };
    await sleep(Math.random() * 4);
  }
  throw new CairnError('LOCKED', `the writer lock changed hands ${MAX_ATTEMPTS} times while it was being taken`, { path: dir, retryable: true });
}

/** Highest generation in the directory; 0 when there is none. */
export function highestGeneration(dir: string): number {
  let highest = 0;
  for (const name of readdirSync(dir)) highest = Math.max(highest, generationOf(name));
  return highest;
}

/** The present owner, without taking anything; null when the lock is free. For status and doctor. */
export function inspectLock(dir: string): { readonly owner: LockOwner | null; readonly liveness: 'alive' | 'dead' | 'unknown'; readonly epoch: number } | null {
  const highest = existsSync(dir) ? highestGeneration(dir) : 0;
  if (highest === 0 || isReleased(dir, highest)) return null;
  const owner = readOwner(dir, highest);
  return { owner, liveness: livenessOf(owner), epoch: highest };
}

/** A held lock. Implements the WriterLease of the engine (epoch, assertHeld). */
export class GenerationLock {
  readonly epoch: number;
  readonly owner: LockOwner;
  readonly #dir: string;
  readonly #lost: PromiseWithResolvers<CairnError>;
  #stopHeartbeat: (() => Promise<void>) | null = null;
  #state: 'held' | 'lost' | 'released' = 'held';

  constructor(dir: string, owner: LockOwner) {
    this.#dir = dir;
    this.owner = owner;
    this.epoch = owner.epoch;
    this.#lost = Promise.withResolvers();
  }

  /** Resolves when the lock turns out to be somebody else's; never rejects. */
  get lost(): Promise<CairnError> {
    return this.#lost.promise;
  }

  /**
   * Looks at the directory: one readdir, one small read. 'unknown' when it cannot be read now (no descriptors left, say):
   * that is no proof of a loss, but nothing may be published meanwhile.
   */
  check(): 'held' | 'lost' | 'unknown' {
    if (this.#state !== 'held') return 'lost';
    try {
      if (highestGeneration(this.#dir) !== this.epoch) return 'lost';
    } catch (error) {
      return errnoOf(error) === 'ENOENT' ? 'lost' : 'unknown';
    }
    const owner = readOwner(this.#dir, this.epoch);
    return owner === null ? 'unknown' : owner.nonce === this.owner.nonce ? 'held' : 'lost';
  }

  isHeld(): boolean {
    return this.check() === 'held';
  }

  assertHeld(): void {
    const state = this.check();
    if (state === 'held') return;
    if (state === 'unknown') {
      throw new CairnError('IO', 'the writer lock cannot be read, so nothing is published', { path: this.#dir, retryable: true });
    }
    const error = new CairnError('FENCED', `the writer lock of epoch ${this.epoch} is not held any more`, {
      path: this.#dir,
      hint: 'Another daemon has taken over; this one stops.',
    });
    this.markLost(error);
    throw error;
  }

  /** For the heartbeat and the self-check. Idempotent; never throws. */
  markLost(reason: CairnError): void {
    if (this.#state !== 'held') return;
    this.#state = 'lost';
    this.#lost.resolve(reason);
  }

  attachHeartbeat(stop: () => Promise<void>): void {
    this.#stopHeartbeat = stop;
    if (this.#state === 'released') void stop(); // released while the heartbeat was starting again
  }

  /** Leaves the generation in place with the mark `released`, so that the next starter need not judge us. */
  async release(): Promise<void> {
    if (this.#state === 'released') return;
    const wasHeld = this.isHeld();
    this.#state = 'released';
    await this.#stopHeartbeat?.();
    if (wasHeld) writeFileSync(join(this.#dir, generationName(this.epoch), 'released'), '', { mode: 0o600 });
  }
}

/**
 * True when a process of this host wrote the file into another directory: then this one is a copy of a data directory (made while
 * its daemon ran). Says nothing across hosts and namespaces, where the same directory may have another device number.
 */
function isOfACopy(owner: LockOwner | null, dir: string): boolean {
  return owner !== null && livenessOf(owner) === 'alive' && typeof owner.directory === 'string' && owner.directory !== identityOf(dir);
}

function identityOf(dir: string): string {
  const { dev, ino } = statSync(dir, { bigint: true });
  return `${dev}:${ino}`;
}

/** null: the way is free. */
async function judge(dir: string, generation: number, options: LockOptions): Promise<null | 'look again' | Extract<LockResult, { held: false }>> {
  if (isReleased(dir, generation) || options.force === true) return null;
  const owner = readOwner(dir, generation);
  if (owner === null && highestGeneration(dir) !== generation) return 'look again';
  const liveness = livenessOf(owner);
  if (liveness === 'dead' || isOfACopy(owner, dir)) return null;
  if (liveness === 'alive') return { held: false, owner, liveness };
  const still = await standsStill(join(dir, generationName(generation)), options.foreignStaleMs ?? FOREIGN_STALE_MS);
  if (highestGeneration(dir) !== generation) return 'look again';
  return still ? null : { held: false, owner, liveness };
}

/** Watches a heartbeat by our own clock only: the other host's clock may be ahead or behind. */
async function standsStill(path: string, forMs: number): Promise<boolean> {
  const first = mtimeOf(path);
  const step = Math.min(500, forMs);
  for (let waited = 0; waited < forMs; waited += step) {
    await sleep(step);
    if (mtimeOf(path) !== first) return false;
  }
  return true;
}

async function take(dir: string, epoch: number, unique: string, options: LockOptions): Promise<GenerationLock | null> {
  const owner: LockOwner = { ...selfIdentity(), epoch, nonce: unique, directory: identityOf(dir), version: options.version, startedAt: new Date().toISOString() };
  const prepared = join(dir, `.t-${unique}`);
  const target = join(dir, generationName(epoch));
  const lock = new GenerationLock(dir, owner);
  try {
    mkdirSync(prepared, { mode: 0o700 });
    writeFileSync(join(prepared, 'owner.json'), `${JSON.stringify(owner)}\n`, { mode: 0o600 });
    const intervalMs = options.heartbeatMs ?? HEARTBEAT_MS;
    const onCompromised = (error: Error): void => heartbeatFailed(lock, dir, intervalMs, error);
    const stop = await takeAndHeartbeat({ lockDir: dir, prepared, target, intervalMs, onCompromised });
    if (stop === null) return null;
    if (highestGeneration(dir) !== epoch) {
      await stop();
      rmSync(target, { recursive: true, force: true });
      return null;
    }
    lock.attachHeartbeat(stop);
  } catch (error) {
    throw usable(error, dir);
  } finally {
    rmSync(prepared, { recursive: true, force: true });
  }
  sweep(dir, epoch);
  return lock;
}

/**
 * The library reports a compromise also when somebody merely touched the directory (a backup tool that resets times). Only the
 * directory itself decides: while it is ours the heartbeat starts again.
 */
function heartbeatFailed(lock: GenerationLock, dir: string, intervalMs: number, error: Error): void {
  if (lock.check() === 'lost') {
    lock.markLost(new CairnError('FENCED', `the writer lock was taken over: ${error.message}`, { path: dir, cause: error }));
    return;
  }
  const target = join(dir, generationName(lock.epoch));
  const onCompromised = (again: Error): void => heartbeatFailed(lock, dir, intervalMs, again);
  takeAndHeartbeat({ lockDir: dir, prepared: null, target, intervalMs, onCompromised }).then(
    (stop) => {
      if (stop === null) heartbeatFailed(lock, dir, intervalMs, error);
      else lock.attachHeartbeat(stop);
    },
    (again: unknown) => lock.markLost(new CairnError('FENCED', `the heartbeat of the writer lock cannot be kept: ${messageOf(again)}`, { path: dir, cause: again })),
  );
}

/** Removes older generations and what dead racers left. Failures are harmless: the next winner sweeps again. */
function sweep(dir: string, epoch: number): void {
  for (const name of readdirSync(dir)) {
    const generation = generationOf(name);
    const path = join(dir, name);
    const old = generation > 0 && generation < epoch;
    const abandoned = name.startsWith('.t-') && Date.now() - (mtimeOf(path) ?? Date.now()) > ABANDONED_MS;
    if (old || abandoned) rmSync(path, { recursive: true, force: true });
  }
}

function ensureDirectory(dir: string): void {
  try {
    makeDirectories(dir);
  } catch (error) {
    throw usable(error, dir);
  }
}

function usable(error: unknown, dir: string): unknown {
  const code = errnoOf(error);
  if (code === null) return error;
  const kind = code === 'EACCES' || code === 'EPERM' || code === 'EROFS' ? 'PERMISSION' : code === 'ENOSPC' ? 'DISK_FULL' : 'IO';
  return new CairnError(kind, `the writer lock cannot be taken: ${messageOf(error)}`, {
    path: dir, cause: error,
    hint: kind === 'DISK_FULL' ? 'Free some disk space; nothing acknowledged was lost.' : 'The data directory must be writable; CAIRN_DATA_DIR chooses another.',
  });
}

const generationName = (generation: number): string => `g${String(generation).padStart(10, '0')}`;
const generationOf = (name: string): number => (/^g\d{10}$/.test(name) ? Number(name.slice(1)) : 0);
const isReleased = (dir: string, generation: number): boolean => existsSync(join(dir, generationName(generation), 'released'));

function readOwner(dir: string, generation: number): LockOwner | null {
  try {
    const value = JSON.parse(readFileSync(join(dir, generationName(generation), 'owner.json'), 'utf8')) as LockOwner;
    return typeof value === 'object' && value !== null && Number.isInteger(value.pid) && typeof value.host === 'string' ? value : null;
  } catch {
    return null; // removed by a later generation, or emptied by a power cut: 'unknown', never 'dead'
  }
}

function mtimeOf(path: string): number | null {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? null;
}
