/**
 * Builds an index directory from a backup and a log, beside everything that lives: segments and tombstones are linked (or
 * copied), the batches after them are logged anew under our epoch, and a manifest of our epoch follows the one of the backup.
 * metadata.json comes last. Durable when it returns; the directory must be new.
 */
import { basename, dirname, join } from 'node:path';
import { createFileDurable } from '../env/atomic-file.ts';
import { linkOrCopy } from '../env/copy-file.ts';
import type { Env } from '../env/env.ts';
import { CURRENT_FILE, manifestFile, METADATA_FILE, WAL_DIRECTORY } from '../format/file-names.ts';
import { encodeMetadata } from '../index/metadata.ts';
import type { IndexMetadata, WriterLease } from '../index/types.ts';
import { currentFor, encodeCurrent } from '../manifest/current.ts';
import { encodeManifest, filesOf, type Manifest } from '../manifest/manifest.ts';
import { requireNotCancelled } from '../util/cancel.ts';
import { asGeneration, asLsn, type Lsn } from '../util/ids.ts';
import { openWal } from '../wal/open-wal.ts';
import { replayWal } from '../wal/wal-reader.ts';
import type { WalWriter } from '../wal/wal-writer.ts';
import { makeDirectory, type Watch } from './files.ts';
import type { GatheredLog } from './log-source.ts';

export interface StagePlan {
  readonly backupDir: string;
  readonly backupId: string;
  /** Of the backup. */
  readonly manifest: Manifest;
  /** Holds every batch from `manifest.flushedLsn` + 1 to `upTo`. */
  readonly log: GatheredLog;
  readonly upTo: Lsn;
  readonly metadata: IndexMetadata;
  readonly lease: WriterLease;
  readonly logFileBytes: number;
}

/** Records, and bytes of them, that are under way to the new log at the same time. */
const IN_FLIGHT = 256;
const IN_FLIGHT_BYTES = 8 << 20;

export async function stageIndex(env: Env, target: string, plan: StagePlan, watch: Watch): Promise<void> {
  await makeDirectory(env, dirname(target), basename(target), WAL_DIRECTORY);
  for (const name of filesOf(plan.manifest)) {
    requireNotCancelled(watch.signal, 'the restore');
    await linkOrCopy(env, join(plan.backupDir, name), join(target, name));
  }
  await writeLog(env, join(target, WAL_DIRECTORY), plan, watch);
  const manifest = ownManifest(env, plan);
  const bytes = encodeManifest(manifest);
  const own = (name: string, content: Uint8Array): Promise<void> => createFileDurable(env, target, name, (file) => file.write(content, 0));
  await own(manifestFile(manifest.generation), bytes);
  await own(CURRENT_FILE, encodeCurrent(currentFor(manifest.generation, manifest.epoch, bytes)));
  await own(METADATA_FILE, encodeMetadata(plan.metadata)); // the last sync of the directory covers the links too
}

/** A later generation than any that gave its number to a tombstone file here. */
function ownManifest(env: Env, { manifest, metadata, lease, backupId }: StagePlan): Manifest {
  return {
    ...manifest,
    generation: asGeneration(manifest.generation + 1),
    parent: manifest.generation,
    epoch: lease.epoch,
    createdAt: new Date(env.clock.now()).toISOString(),
    cause: `restore of ${backupId}`,
    dropped: [],
    metadata: { ...metadata },
  };
}

async function writeLog(env: Env, dir: string, plan: StagePlan, watch: Watch): Promise<void> {
  const after = asLsn(plan.manifest.flushedLsn);
  const { writer } = await openWal(env, dir, {
    after, tag: plan.metadata.logTag ?? null, fence: plan.lease, mayCreate: true, onRecord: () => undefined,
    options: { syncMode: 'off', syncIntervalMs: 1000, maxFileBytes: plan.logFileBytes },
  });
  try {
    if (plan.upTo > after) await copyRecords(env, writer, plan, watch);
    await writer.sync();
  } finally {
    await writer.close();
  }
}

async function copyRecords(env: Env, writer: WalWriter, { log, manifest, upTo }: StagePlan, watch: Watch): Promise<void> {
  const pending: Promise<void>[] = [];
  let bytes = 0;
  let failure: unknown = null;
  const settle = async (): Promise<void> => {
    await Promise.all(pending.splice(0));
    bytes = 0;
    if (failure !== null) throw failure;
  };
  await replayWal(env, log.dir, { after: asLsn(manifest.flushedLsn), upTo, tag: log.tag }, async (record) => {
    requireNotCancelled(watch.signal, 'the restore');
    pending.push(writer.append(Buffer.from(record.payload), record.type).then(() => undefined, (error: unknown) => void (failure ??= error)));
    bytes += record.payload.length;
    if (pending.length >= IN_FLIGHT || bytes >= IN_FLIGHT_BYTES) await settle();
  }).finally(() => Promise.all(pending));
  await settle();
}
