/**
 * Opens an index: the recovery procedure (numbered in ARCHITECTURE.md).
 *  1. metadata.json is read; the lease is asserted.
 *  2. Temp files of interrupted writes are swept.
 *  3. The newest whole generation is loaded (load-state.ts); a larger epoch on disk refuses with FENCED.
 *  4. Its segments are opened; a damaged one is left out.
 *  5. The log above flushedLsn is replayed into a memtable and its torn tail cut; a log damaged in the middle is rescued (rescue-log.ts).
 *  6. If 3 fell back or 4 left something out, the state is published as a new generation (a logged edit that drops the damaged
 *     segments); then the damaged files move to quarantine/.
 *  7. Files that no kept generation names are removed.
 * Nothing is deleted before 7; each step can be interrupted and repeated; running it twice gives the same state.
 */
import { join } from 'node:path';
import { sweepTempFiles } from '../env/atomic-file.ts';
import type { Env } from '../env/env.ts';
import { METADATA_FILE, WAL_DIRECTORY } from '../format/file-names.ts';
import type { Loss, Manifest } from '../manifest/manifest.ts';
import type { ManifestStore } from '../manifest/manifest-store.ts';
import { CairnError, isCairnError } from '../util/errors.ts';
import { asLsn, type Lsn } from '../util/ids.ts';
import type { WalRecord } from '../wal/record.ts';
import { openWal, type OpenedWal } from '../wal/open-wal.ts';
import { decodeBatch } from './batch-codec.ts';
import { checkDoc } from './check-batch.ts';
import { applyGroup, Committer } from './committer.ts';
import { lossOfSegment, moveToQuarantine, withLosses } from './damage.ts';
import { OpenIndex } from './durable-index.ts';
import { FileUse } from './file-use.ts';
import type { IndexContext, IndexServices } from './index-context.ts';
import { readMetadataFile } from './index-directory.ts';
import { loadState, openSegments, type DamagedSegment } from './load-state.ts';
import { Maintenance } from './maintenance.ts';
import { requireSameIdentity, withLogTag } from './metadata.ts';
import { newMemtable } from './memtables.ts';
import { PartTable } from './part-table.ts';
import { publishCopy, publishGeneration } from './publisher.ts';
import { RecoveryNotes } from './recovery-notes.ts';
import { logLoss, rescueLog } from './rescue-log.ts';
import { SegmentOpener } from './segment-opener.ts';
import type { DurableIndex, IndexMetadata } from './types.ts';

export async function openIndex(env: Env, dir: string, services: IndexServices): Promise<DurableIndex> {
  return new Recovery(env, dir, services).run();
}

class Recovery {
  readonly #env: Env;
  readonly #dir: string;
  readonly #walDir: string;
  readonly #services: IndexServices;
  readonly #notes = new RecoveryNotes();
  /** Found by this opening. */
  readonly #losses: Loss[] = [];

  constructor(env: Env, dir: string, services: IndexServices) {
    this.#env = env;
    this.#dir = dir;
    this.#walDir = join(dir, WAL_DIRECTORY);
    this.#services = services;
  }

  async run(): Promise<DurableIndex> {
    const { lease } = this.#services;
    const started = this.#env.clock.monotonic();
    const { metadata: found, hasChecksum } = await readMetadataFile(this.#env, this.#dir);
    if (!hasChecksum) this.#notes.warnings.push(`${METADATA_FILE} has no checksum: damage of its values cannot be noticed`);
    lease.assertHeld();
    this.#notes.orphansRemoved.push(...(await sweepTempFiles(this.#env, this.#dir)));
    const { store, isFallback } = await loadState(this.#env, this.#dir, this.#notes);
    requireSameIdentity(found, store.current.metadata, join(this.#dir, METADATA_FILE));
    const metadata = withLogTag(found, store.current.metadata);
    requireEpoch(store.current, lease.epoch, this.#dir);
    const files = new FileUse();
    const opener = new SegmentOpener(this.#env, this.#dir, this.#services, metadata.dimension, files);
    const { handles, damaged } = await openSegments(this.#env, this.#dir, store.current, opener, this.#notes);
    for (const { entry, error } of damaged) this.#losses.push(lossOfSegment(this.#env, entry, error));
    const table = new PartTable(handles, newMemtable({ arena: this.#services.arena, metadata }), store.current.generation);
    let opened: OpenedWal | null = null;
    let maintenance: Maintenance | null = null;
    try {
      opened = await this.#openLog(metadata, table, store);
      const committer = new Committer(opened.writer, table, this.#services.options.syncMode, this.#env.clock);
      const context: IndexContext = { ...this.#services, env: this.#env, dir: this.#dir, walDir: this.#walDir, metadata, store, table, wal: opened.writer, committer, files, opener };
      if (this.#losses.length > 0 || isFallback) await this.#publishRecovered(context, damaged);
      maintenance = new Maintenance(context);
      this.#notes.orphansRemoved.push(...(await maintenance.start()));
      const index = new OpenIndex(context, maintenance, this.#notes.report(store.current.generation, this.#env.clock.monotonic() - started));
      if (!hasChecksum) await this.#adopt(index);
      return index;
    } catch (error) {
      // Closing segments asks for a collection of garbage; none may run beside the next opening.
      await maintenance?.stop();
      await opened?.writer.close().catch(() => undefined); // the first error is the one that matters
      table.close();
      await opener.settled();
      throw error;
    }
  }

  /** metadata.json was written by hand: it becomes ours when everything beside it is right. Until then each opening checks again. [3.12] */
  async #adopt(index: DurableIndex): Promise<void> {
    const { damages } = await index.verify({ deep: true });
    if (damages.length === 0) return index.updateMetadata({});
    this.#notes.degraded.push(...damages.map(({ file, what }) => `${METADATA_FILE} was written by hand and does not fit: ${file}: ${what}`));
  }

  async #openLog(metadata: IndexMetadata, table: PartTable, store: ManifestStore): Promise<OpenedWal> {
    const { lease, options } = this.#services;
    const after = store.current.flushedLsn;
    const tag = metadata.logTag ?? null;
    table.publish(after, () => undefined);
    const onRecord = (record: WalRecord): Promise<void> => this.#replay(record, metadata.dimension, table);
    const walOptions = { syncMode: options.syncMode, syncIntervalMs: options.syncIntervalMs, maxFileBytes: options.walFileMaxBytes, stampTimes: options.archive };
    const open = (mayCreate: boolean): Promise<OpenedWal> => openWal(this.#env, this.#walDir, { after: table.lsn, tag, fence: lease, options: walOptions, mayCreate, onRecord });
    const opened = await open(false).catch(async (error: unknown) => {
      if (!isLogDamage(error)) throw error;
      await this.#noteLogLoss(store, table.lsn, error);
      await rescueLog({ env: this.#env, dir: this.#dir, walDir: this.#walDir, lease, tag, notes: this.#notes, lastGood: table.lsn, flushedLsn: after }, error);
      return open(true);
    });
    this.#notes.tornTailBytes = opened.tornTailBytes;
    this.#notes.orphansRemoved.push(...opened.tempFilesRemoved.map((name) => `${WAL_DIRECTORY}/${name}`));
    return opened;
  }

  async #replay(record: WalRecord, dimension: number, table: PartTable): Promise<void> {
    const where = `${this.#walDir} at LSN ${record.lsn}`;
    const { puts, deletes } = decodeBatch(record.payload, where, 0);
    await applyGroup(table, [{ lsn: asLsn(record.lsn), batch: { docs: puts.map((doc) => checkDoc(doc, dimension, where)), deletes } }]);
    this.#notes.replayedBatches++;
  }

  /** Before the log is touched: a crash after that must not make the loss forgotten. */
  async #noteLogLoss(store: ManifestStore, lastGood: Lsn, error: CairnError): Promise<void> {
    const at = new Date(this.#env.clock.now()).toISOString();
    this.#losses.push({ file: WAL_DIRECTORY, reason: logLoss(lastGood, error), docs: null, at });
    const { current } = store;
    await store.publish({ ...current, dropped: [], cause: 'damage of the log', losses: withLosses(current.losses, this.#losses) }, this.#services.lease);
  }

  /** The logged edit: a new generation says which segments are quarantined, then their files move. */
  async #publishRecovered(context: IndexContext, damaged: readonly DamagedSegment[]): Promise<void> {
    const { table, store } = context;
    const kept = table.segments.map((handle) => ({ handle, live: handle.published }));
    const dropped = damaged.map(({ entry }) => ({ id: entry.id, reason: 'quarantined' as const }));
    const cause = damaged.length > 0 ? `quarantine of ${damaged.map(({ entry }) => entry.file).join(', ')}` : this.#losses.length > 0 ? 'damage of the log' : 'fallback';
    const losses = withLosses(store.current.losses, this.#losses);
    const { manifest } = await publishGeneration(context, { cause, flushedLsn: store.current.flushedLsn, kept, added: null, dropped, losses });
    table.install(manifest.generation, table.segments, false);
    await moveToQuarantine(context, damaged.flatMap(({ entry, file }) => [entry.file, file]));
    await publishCopy(context, cause);
  }
}

function requireEpoch(manifest: Manifest, epoch: number, dir: string): void {
  if (manifest.epoch <= epoch) return;
  throw new CairnError('FENCED', `${dir} was published under epoch ${manifest.epoch}, ours is ${epoch}`, { path: dir, hint: 'Another daemon has taken over this data directory.' });
}

/** Damage of the log's content, and a log that is gone. Anything else (an unreadable disk, a newer format) must not be "mended". */
function isLogDamage(error: unknown): error is CairnError {
  return isCairnError(error, 'CORRUPT', 'TRUNCATED', 'NOT_FOUND');
}
