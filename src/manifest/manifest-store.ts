/**
 * Loads, publishes and collects the generations of one index directory. The publish procedure:
 *  1. The lease is asserted; CURRENT on disk must be the one this store knows (a larger epoch there: FENCED).
 *  2. The draft is checked against the current generation: no segment vanishes without a reason, empty never replaces
 *     populated without a logged delete, flushedLsn never falls.
 *  3. Every file that is new in the draft is there, with the right length and footer (invariant 7).
 *  4. manifest-<gen> is written: temp, fsync, rename, fsync directory.
 *  5. The lease is asserted again, CURRENT is replaced the same way. That is the commit point.
 *  6. Only after that may collectGarbage delete. When step 5 fails its outcome is unknown: nothing is deleted before a later
 *     publish succeeded (invariant 8).
 */
import { join } from 'node:path';
import { writeFileAtomic } from '../env/atomic-file.ts';
import type { Env } from '../env/env.ts';
import { MAX_MANIFEST_BYTES } from '../format/constants.ts';
import { CURRENT_FILE, manifestFile, parseFileName } from '../format/file-names.ts';
import type { WriterLease } from '../index/types.ts';
import { CairnError, isCairnError } from '../util/errors.ts';
import { asGeneration, asLsn, type Generation, type Lsn } from '../util/ids.ts';
import { checkSegmentFile, checkTombstones } from './check-files.ts';
import { currentFor, decodeCurrent, encodeCurrent } from './current.ts';
import { collectGarbage, type GarbageReport } from './garbage.ts';
import { loadGenerations, type FileCheck, type LoadReport } from './load.ts';
import { encodeManifest, filesOf, liveDocs, problemOf, type Manifest, type ManifestDraft } from './manifest.ts';

/** Generations whose files are kept: the current one and the one to fall back to. */
export const KEPT_GENERATIONS = 2;

export class ManifestStore {
  readonly #env: Env;
  readonly #dir: string;
  /** Newest first; empty before the first publish. */
  #kept: readonly Manifest[];
  /** Contents of CURRENT that are ours: as loaded or published, and as attempted by publishes of unknown outcome. */
  #known: (Buffer | null)[];
  #highestGeneration: number;
  /** Published with unknown outcome since the last success. */
  readonly #uncertain = new Set<Generation>();
  /** False while a publish of unknown outcome, or a damaged newer generation, forbids deleting. */
  #mayDelete: boolean;
  #bytesWritten = 0;

  private constructor(env: Env, dir: string, kept: readonly Manifest[], current: Buffer | null, highest: number, mayDelete: boolean) {
    this.#env = env;
    this.#dir = dir;
    this.#kept = kept;
    this.#known = [current];
    this.#highestGeneration = highest;
    this.#mayDelete = mayDelete;
  }

  /** A directory that never held an index: no manifest, and no segment but those of the draft. ALREADY_EXISTS otherwise. */
  static async create(env: Env, dir: string, draft: ManifestDraft, lease: WriterLease): Promise<ManifestStore> {
    const own = new Set(filesOf(draft));
    const found = (await env.readdir(dir)).find((name) => !own.has(name) && ['current', 'manifest', 'segment'].includes(parseFileName(name)?.kind ?? ''));
    if (found !== undefined) throw new CairnError('ALREADY_EXISTS', `${dir} already holds ${found}`, { path: join(dir, found) });
    const store = new ManifestStore(env, dir, [], null, 0, true);
    await store.publish(draft, lease);
    return store;
  }

  /**
   * The current generation, or the newest older one that is whole; `report.skipped` says what was passed over and why.
   * NOT_FOUND when there is no manifest at all, the error of the newest one when none is whole. Changes nothing on disk.
   */
  static async load(env: Env, dir: string, files: FileCheck = 'required'): Promise<{ readonly store: ManifestStore; readonly report: LoadReport }> {
    // Without the check of files an older generation is no better than the newest, and none is fit to fall back to.
    const loaded = await loadGenerations(env, dir, files === 'required' ? KEPT_GENERATIONS : 1, files);
    const { kept, currentBytes, highestGeneration, report } = loaded;
    return { store: new ManifestStore(env, dir, kept, currentBytes, highestGeneration, report.skipped.length === 0), report };
  }

  get current(): Manifest {
    const [current] = this.#kept;
    if (current === undefined) throw new CairnError('INTERNAL', `${this.#dir}: nothing was published yet`, { path: this.#dir });
    return current;
  }

  /** The generation that the next publish will have; part of the names of its tombstone files. */
  get nextGeneration(): Generation {
    return asGeneration(this.#highestGeneration + 1);
  }

  /** The WAL is needed above this LSN, so that the oldest kept generation can be opened with it. */
  get walNeededAfter(): Lsn {
    return asLsn(Math.min(...this.#kept.map((manifest) => manifest.flushedLsn)));
  }

  /** Files that the kept generations name. */
  get keptFiles(): ReadonlySet<string> {
    return new Set(this.#kept.flatMap((manifest) => [manifestFile(manifest.generation), ...filesOf(manifest)]));
  }

  get bytesWritten(): number {
    return this.#bytesWritten;
  }

  /** False after a publish of unknown outcome, until a later one succeeds: `collectGarbage` deletes nothing then. */
  get mayDelete(): boolean {
    return this.#mayDelete;
  }

  /** CURRENT may lead there: the generation in use, or one whose publish failed when all of it was written. */
  mayLeadTo(generation: Generation): boolean {
    return generation === this.current.generation || this.#uncertain.has(generation);
  }

  /** One at a time. After an error the index goes on with the generation before; publishing again is safe. */
  async publish(draft: ManifestDraft, lease: WriterLease): Promise<Manifest> {
    lease.assertHeld();
    await this.#requireUnchanged(lease);
    const manifest = this.#complete(draft, lease);
    this.#requireLawful(manifest);
    await this.#requireFiles(manifest);
    const bytes = encodeManifest(manifest);
    this.#highestGeneration = manifest.generation;
    await writeFileAtomic(this.#env, this.#dir, manifestFile(manifest.generation), bytes);
    lease.assertHeld();
    const current = encodeCurrent(currentFor(manifest.generation, manifest.epoch, bytes));
    this.#known.push(current);
    this.#mayDelete = false;
    this.#uncertain.add(manifest.generation);
    await writeFileAtomic(this.#env, this.#dir, CURRENT_FILE, current);
    this.#known = [current];
    this.#mayDelete = true;
    this.#uncertain.clear();
    this.#kept = [manifest, ...this.#kept].slice(0, KEPT_GENERATIONS);
    this.#bytesWritten += bytes.length + current.length;
    return manifest;
  }

  /**
   * Deletes what no kept generation names. `inUse`: files of live snapshots and of running flushes and compactions.
   * Deletes nothing while the outcome of a publish is unknown, and nothing whose name it does not recognise.
   */
  async collectGarbage(inUse: ReadonlySet<string>, lease: WriterLease): Promise<GarbageReport> {
    lease.assertHeld();
    if (!this.#mayDelete) return { removed: [], bytes: 0, failed: [] };
    return collectGarbage(this.#env, this.#dir, new Set([...this.keptFiles, ...inUse]));
  }

  /**
   * For repair: CURRENT was damaged or removed under the open index. Its bytes count as known from now on, so that the next
   * publish replaces them. FENCED when they are whole and somebody else's.
   */
  async forgetDamagedCurrent(): Promise<void> {
    const path = join(this.#dir, CURRENT_FILE);
    const found = await readOrNull(this.#env, path);
    if (this.#isKnown(found)) return;
    if (found !== null && !this.#isOlder(found, path)) throw new CairnError('FENCED', `${path} was changed by somebody else`, { path });
    this.#known.push(found);
  }

  /** Damaged, or what we published once. */
  #isOlder(found: Buffer, path: string): boolean {
    try {
      const { epoch, generation } = decodeCurrent(found, path);
      return epoch <= this.current.epoch && generation < this.current.generation;
    } catch (error) {
      if (isCairnError(error, 'CORRUPT', 'TRUNCATED')) return true;
      throw error;
    }
  }

  #isKnown(found: Buffer | null): boolean {
    return this.#known.some((known) => (known === null ? found === null : found !== null && known.equals(found)));
  }

  #complete(draft: ManifestDraft, lease: WriterLease): Manifest {
    const manifest: Manifest = {
      generation: this.nextGeneration,
      parent: this.#kept[0]?.generation ?? asGeneration(0),
      epoch: lease.epoch,
      createdAt: new Date(this.#env.clock.now()).toISOString(),
      cause: draft.cause,
      flushedLsn: draft.flushedLsn,
      segments: draft.segments,
      dropped: draft.dropped,
      contentVersions: draft.contentVersions,
      embedder: draft.embedder,
      emptiedBy: draft.emptiedBy,
      metadata: draft.metadata ?? this.#kept[0]?.metadata ?? null,
      losses: draft.losses ?? this.#kept[0]?.losses ?? [],
    };
    const problem = problemOf(manifest);
    if (problem !== null) throw new CairnError('INVALID_ARGUMENT', `this manifest contradicts itself: ${problem}`, { path: this.#dir });
    return manifest;
  }

  #requireLawful(next: Manifest): void {
    const [parent] = this.#kept;
    if (parent === undefined) return;
    const refuse = (what: string) => new CairnError('INVALID_ARGUMENT', `generation ${next.generation} is refused: ${what}`, { path: this.#dir });
    if (next.flushedLsn < parent.flushedLsn) throw refuse(`flushedLsn would fall from ${parent.flushedLsn} to ${next.flushedLsn}`);
    if (next.epoch < parent.epoch) throw fenced(this.#dir, parent.epoch, next.epoch);
    const there = new Map(next.segments.map((segment) => [segment.id, segment]));
    const reasons = new Set(next.dropped.map((dropped) => dropped.id));
    for (const segment of parent.segments) {
      const same = there.get(segment.id);
      if (same === undefined && !reasons.has(segment.id)) throw refuse(`segment ${segment.id} would vanish without a reason`);
      if (same !== undefined && same.checksum !== segment.checksum) throw refuse(`segment ${segment.id} would change, segments are immutable`);
    }
    if (liveDocs(parent) > 0 && liveDocs(next) === 0 && next.emptiedBy === null) {
      throw new CairnError('EMPTY_OVER_POPULATED', `generation ${next.generation} would replace ${liveDocs(parent)} docs by nothing, and no delete was logged`, { path: this.#dir });
    }
  }

  async #requireFiles(next: Manifest): Promise<void> {
    const verified = new Set(this.#kept.slice(0, 1).flatMap(filesOf));
    for (const segment of next.segments) {
      if (!verified.has(segment.file)) await checkSegmentFile(this.#env, this.#dir, segment);
      if (segment.tombstones !== null && !verified.has(segment.tombstones.file)) await checkTombstones(this.#env, this.#dir, segment);
    }
  }

  async #requireUnchanged(lease: WriterLease): Promise<void> {
    const path = join(this.#dir, CURRENT_FILE);
    const found = await readOrNull(this.#env, path);
    if (this.#isKnown(found)) return;
    const epoch = found === null ? null : decodeCurrent(found, path).epoch;
    // A predecessor that was frozen between its last look at the lock and its rename, and woke up: its lease is lost and ours is
    // held, so this publish, which states everything, takes its place. What it left behind is garbage.
    if (epoch !== null && epoch < lease.epoch) return;
    throw epoch !== null && epoch > lease.epoch
      ? fenced(path, epoch, lease.epoch)
      : new CairnError('FENCED', `${path} was changed by somebody else`, { path, hint: 'Another process writes to this index; open it again.' });
  }
}

function fenced(path: string, theirs: number, ours: number): CairnError {
  return new CairnError('FENCED', `${path} was published under epoch ${theirs}, ours is ${ours}`, { path, hint: 'Another daemon has taken over this data directory.' });
}

/** Also of a file that damage made longer than any CURRENT. */
async function readOrNull(env: Env, path: string): Promise<Buffer | null> {
  try {
    return await env.readFile(path, MAX_MANIFEST_BYTES);
  } catch (error) {
    if (isCairnError(error, 'NOT_FOUND')) return null;
    throw error;
  }
}
