/**
 * Restores in two steps, so that the living index serves until the last moment:
 *   prepareRestore   finds the backup and the point, checks every byte, stages the index beside and checks it by opening it.
 *                    Touches nothing that lives.
 *   (swap.ts)        saves the current state, commits, swaps.
 */
import type { Env } from '../env/env.ts';
import { readMetadata } from '../index/index-directory.ts';
import { momentAfter, newLogTag, timeName, timelineOf } from '../index/metadata.ts';
import type { DurableIndex, IndexMetadata, WriterLease } from '../index/types.ts';
import { CairnError, isCairnError } from '../util/errors.ts';
import type { Lsn } from '../util/ids.ts';
import type { LogTag } from '../wal/record.ts';
import type { WalFileInfo } from '../wal/wal-files.ts';
import { checkBackup, readManifest } from './check.ts';
import type { Watch } from './files.ts';
import { endOfLog, gatherLogs, lsnAtTime, type GatheredLog } from './log-source.ts';
import type { ShelvedBackup } from './shelf.ts';
import { stageIndex } from './stage.ts';
import type { RestoreJob } from './swap.ts';

/** The state to restore; null: that of the backup. */
export type RestorePoint = { readonly lsn: number } | { readonly time: number } | null;

export interface RestorePlan {
  readonly backup: ShelvedBackup;
  readonly point: RestorePoint;
  /** Lists the log files that hold every batch from the backup's `flushedLsn` to the point. */
  readonly logs: () => Promise<readonly WalFileInfo[]>;
  /** What those files must be tagged with; null: anything. */
  readonly logTag: LogTag | null;
  /** Changes to the metadata of the backup: another name, no source root. */
  readonly change: Partial<Pick<IndexMetadata, 'name' | 'sourceRoot'>>;
  readonly lease: WriterLease;
  readonly logFileBytes: number;
  readonly openScratch: (dir: string) => Promise<DurableIndex>;
}

export interface PreparedRestore {
  readonly lsn: Lsn;
  readonly metadata: IndexMetadata;
  readonly generation: number;
  readonly docs: number;
  readonly chunks: number;
  readonly vectors: number;
}

export async function prepareRestore(env: Env, job: RestoreJob, plan: RestorePlan, watch: Watch): Promise<PreparedRestore> {
  const { backup } = plan;
  await requireWhole(env, backup, watch);
  const manifest = await readManifest(env, backup.dir, backup.record);
  await gatherLogs(env, job.logDir, plan.logs, backup.record.flushedLsn);
  const log = { dir: job.logDir, tag: plan.logTag };
  const upTo = await resolvePoint(env, log, plan, watch.signal);
  const metadata = await newMetadata(env, plan);
  const { lease, logFileBytes } = plan;
  await stageIndex(env, job.indexDir, { backupDir: backup.dir, backupId: backup.record.id, manifest, log, upTo, metadata, lease, logFileBytes }, watch);
  return { lsn: upTo, metadata, ...(await checkStaged(job, plan, { lsn: upTo, losses: manifest.losses.length }, watch)) };
}

async function requireWhole(env: Env, { record, dir }: ShelvedBackup, watch: Watch): Promise<void> {
  const { damages } = await checkBackup(env, dir, record, watch);
  const [first] = damages;
  if (first === undefined) return;
  const more = damages.length === 1 ? '' : ` (and ${damages.length - 1} more)`;
  throw new CairnError('CORRUPT', `backup ${record.id} is damaged: ${first.what}${more}`, {
    path: first.file, offset: first.offset ?? undefined, hint: 'Nothing was changed. Restore an earlier backup: cairn backup list',
  });
}

async function resolvePoint(env: Env, log: GatheredLog, plan: RestorePlan, signal: AbortSignal | undefined): Promise<Lsn> {
  const { id, lsn } = plan.backup.record;
  if (plan.point === null) return lsn;
  try {
    return await findPoint(env, log, plan, signal);
  } catch (error) {
    if (!isCairnError(error, 'CORRUPT', 'TRUNCATED')) throw error;
    throw new CairnError(error.code, `the log behind backup ${id} is not whole: ${error.message}`, {
      path: error.path, offset: error.offset, cause: error, hint: 'Nothing was changed. Restore a backup as it is, or a point from another one (--backup).',
    });
  }
}

async function findPoint(env: Env, log: GatheredLog, { backup: { record }, point }: RestorePlan, signal: AbortSignal | undefined): Promise<Lsn> {
  if (point === null) return record.lsn;
  if ('time' in point) return lsnAtTime(env, log, record, point.time, signal);
  const end = await endOfLog(env, log, record.flushedLsn, signal);
  if (point.lsn <= end) return point.lsn as Lsn;
  throw new CairnError('NOT_FOUND', `LSN ${point.lsn} cannot be restored: from backup ${record.id} the log reaches to ${end}`, { hint: 'Log files beyond the backups are kept while storage.archive is on.' });
}

/** A restored index begins a history of its own: its next LSNs are not those that were given before. */
async function newMetadata(env: Env, { backup, change }: RestorePlan): Promise<IndexMetadata> {
  const metadata = await readMetadata(env, backup.dir);
  const began = momentAfter(timelineOf(metadata), env.clock.now());
  return { ...metadata, ...change, modifiedAt: new Date(env.clock.now()).toISOString(), timeline: timeName(began), logTag: newLogTag(env), restoredFrom: backup.record.id };
}

/** Opens what was staged as any index is opened, and checks every row and every byte. */
async function checkStaged(job: RestoreJob, plan: RestorePlan, { lsn, losses }: { readonly lsn: Lsn; readonly losses: number }, watch: Watch): Promise<Omit<PreparedRestore, 'lsn' | 'metadata'>> {
  const { record } = plan.backup;
  const index = await plan.openScratch(job.indexDir);
  try {
    const refuse = (what: string): CairnError => new CairnError('CORRUPT', `what backup ${record.id} gives cannot be used: ${what}`, { path: plan.backup.dir, hint: 'Nothing was changed. Restore an earlier backup: cairn backup list' });
    const [degraded] = index.recovery.degraded;
    // Losses that the backup was made with are part of its state.
    if (degraded !== undefined && losses === 0) throw refuse(degraded);
    const { damages } = await index.verify({ deep: true, ...(watch.signal === undefined ? {} : { signal: watch.signal }) });
    if (damages[0] !== undefined) throw refuse(damages[0].what);
    const { version, generation, docs, chunks, vectors } = index.stats();
    if (version !== lsn) throw refuse(`it ends at LSN ${version}, not ${lsn}`);
    if (lsn === record.lsn && (docs !== record.docs || chunks !== record.chunks || vectors !== record.vectors)) {
      throw refuse(`${docs} documents, ${chunks} chunks and ${vectors} vectors instead of ${record.docs}, ${record.chunks} and ${record.vectors}`);
    }
    return { generation, docs, chunks, vectors };
  } finally {
    await index.close();
  }
}
