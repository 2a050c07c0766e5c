/**
 * The open index: puts the pieces together and answers the questions about it. The work is done elsewhere: commits in
 * committer.ts, persist and compaction in maintenance.ts, opening in open-index.ts, checks in verify.ts.
 */
import { writeFileAtomic } from '../env/atomic-file.ts';
import { CairnError, isCairnError } from '../util/errors.ts';
import type { Lsn } from '../util/ids.ts';
import type { Loss } from '../manifest/manifest.ts';
import { checkBatch } from './check-batch.ts';
import { describeLoss, isDamage, listQuarantine } from './damage.ts';
import type { IndexContext } from './index-context.ts';
import type { Maintenance } from './maintenance.ts';
import { checkMetadata, encodeMetadata, METADATA_FILE } from './metadata.ts';
import type { Snapshot } from './snapshot.ts';
import { pinIndex, type IndexPin } from './pin.ts';
import { publishCopy } from './publisher.ts';
import { repairIndex } from './repair.ts';
import { scrubStep } from './scrub.ts';
import { isSameContent, staleKeys } from './stale.ts';
import { statsOf } from './stats.ts';
import type { Batch, CommitResult, DurableIndex, IndexMetadata, IndexStats, MetadataChange, PersistResult, QuarantinedFile, RecoveryReport, RepairReport, ScrubPosition, ScrubStep, VerifyReport } from './types.ts';
import { verifyIndex } from './verify.ts';

export class OpenIndex implements DurableIndex {
  readonly recovery: RecoveryReport;
  readonly #context: IndexContext;
  readonly #maintenance: Maintenance;
  #isClosed = false;

  /** Made by openIndex. */
  constructor(context: IndexContext, maintenance: Maintenance, recovery: RecoveryReport) {
    this.#context = context;
    this.#maintenance = maintenance;
    this.recovery = recovery;
  }

  get metadata(): IndexMetadata {
    return this.#context.metadata;
  }

  get version(): Lsn {
    return this.#context.table.lsn;
  }

  get durableVersion(): Lsn {
    return this.#context.store.current.flushedLsn;
  }

  get losses(): readonly Loss[] {
    return this.#context.store.current.losses;
  }

  get wantsPersist(): boolean {
    const { active } = this.#context.table;
    const { memtableMaxBytes, memtableMaxChunks } = this.#context.options;
    return active.part.chunkCount >= memtableMaxChunks || active.part.memoryBytes >= memtableMaxBytes;
  }

  async commit(batch: Batch): Promise<CommitResult> {
    this.#requireOpen();
    this.#requireWhole();
    return this.#context.committer.commit(batch.puts.length + batch.deletes.length, () => checkBatch(batch, this.#context.metadata.dimension));
  }

  snapshot(): Snapshot {
    this.#requireOpen();
    return this.#context.table.snapshot();
  }

  async persist(cause: string): Promise<PersistResult> {
    this.#requireOpen();
    return this.#maintenance.persist(cause);
  }

  async compact(): Promise<PersistResult | null> {
    this.#requireOpen();
    return this.#maintenance.compact();
  }

  async sync(): Promise<void> {
    this.#requireOpen();
    await this.#context.committer.sync();
  }

  async verify(options: { readonly deep: boolean; readonly signal?: AbortSignal }): Promise<VerifyReport> {
    this.#requireOpen();
    return verifyIndex(this.#context, this.#maintenance, options);
  }

  async scrub(position: ScrubPosition, maxBytes: number): Promise<ScrubStep> {
    this.#requireOpen();
    return scrubStep(this.#context, position, maxBytes);
  }

  async pin(): Promise<IndexPin> {
    this.#requireOpen();
    return pinIndex(this.#context, this.#maintenance);
  }

  async quarantine(damage: CairnError): Promise<boolean> {
    this.#requireOpen();
    return isDamage(damage) && this.#maintenance.quarantine(damage);
  }

  async settleLosses(cause: string): Promise<boolean> {
    this.#requireOpen();
    return this.#maintenance.settleLosses(cause);
  }

  async repair(options: { readonly dryRun: boolean; readonly signal?: AbortSignal }): Promise<RepairReport> {
    this.#requireOpen();
    return repairIndex(this.#context, this.#maintenance, options);
  }

  async listQuarantine(): Promise<readonly QuarantinedFile[]> {
    return listQuarantine(this.#context.env, this.#context.dir);
  }

  async staleKeys(current: IndexMetadata['contentVersions']): Promise<readonly string[]> {
    this.#requireOpen();
    return staleKeys(this.#context, current);
  }

  stats(): IndexStats {
    return statsOf(this.#context, this.#maintenance);
  }

  async updateMetadata(change: MetadataChange, around: (write: () => Promise<void>) => Promise<void> = (write) => write()): Promise<void> {
    this.#requireOpen();
    // Rows so far are of the old versions: they get their stamp before new rows can come.
    if (change.contentVersions !== undefined && !isSameContent(change.contentVersions, this.metadata.contentVersions)) await this.#maintenance.persist('content versions');
    await this.#maintenance.exclusive(async () => {
      const { env, dir, lease } = this.#context;
      const metadata: IndexMetadata = { ...this.#context.metadata, ...change, modifiedAt: new Date(env.clock.now()).toISOString() };
      checkMetadata(metadata);
      lease.assertHeld();
      // The mirror, from which metadata.json is restored, must not bring a former name back.
      if (change.name !== undefined) await publishCopy({ ...this.#context, metadata }, 'rename');
      await around(async () => {
        lease.assertHeld();
        await writeFileAtomic(env, dir, METADATA_FILE, encodeMetadata(metadata));
        this.#context.metadata = metadata;
      });
    });
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { committer, wal, table, opener } = this.#context;
    await this.#maintenance.stop();
    await committer.drain();
    try {
      await wal.close();
    } catch (error) {
      // Without the lease there is nothing left to do for us: the new owner has recovered what was acknowledged.
      if (!isCairnError(error, 'FENCED')) throw error;
    } finally {
      table.close();
      await opener.settled();
    }
  }

  /** What is missing of an index without a source tree is known to its users only: they decide before anything is added. [4.7] */
  #requireWhole(): void {
    const [loss] = this.losses;
    if (loss === undefined || this.metadata.kind !== 'vector') return;
    throw new CairnError('DEGRADED', `index '${this.metadata.name}' takes no changes: ${describeLoss(loss)}`, { path: loss.file, hint: `Put the documents back from a backup, or give them up: cairn repair ${this.metadata.name}` });
  }

  #requireOpen(): void {
    if (this.#isClosed) throw new CairnError('NOT_SERVING', `index '${this.metadata.name}' is closed`);
  }
}
