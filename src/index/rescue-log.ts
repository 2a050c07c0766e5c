/**
 * A log that is damaged before its end, or gone: what comes before the damage was replayed and stays, the rest is unreachable.
 *  1. The damaged file gets a second name in quarantine/, then is replaced by its good records (or removed if it has none).
 *  2. The files behind it move to quarantine/.
 * Interrupted at any point the log is still one that needs this, so the next opening repeats it. The loss is reported.
 */
import type { Env } from '../env/env.ts';
import { WAL_DIRECTORY } from '../format/file-names.ts';
import type { CairnError } from '../util/errors.ts';
import { keepCopyInQuarantine, quarantine } from '../manifest/quarantine.ts';
import { asLsn, type Lsn } from '../util/ids.ts';
import { encodeRecord, recordBytes, type LogTag } from '../wal/record.ts';
import { listWalFiles, type WalFileInfo } from '../wal/wal-files.ts';
import { WalFileReader } from '../wal/wal-reader.ts';
import { createWalFile, newSalt } from '../wal/wal-writer.ts';
import type { RecoveryNotes } from './recovery-notes.ts';
import type { WriterLease } from './types.ts';

export interface DamagedLog {
  readonly env: Env;
  readonly dir: string;
  readonly walDir: string;
  readonly lease: WriterLease;
  readonly tag: LogTag | null;
  readonly notes: RecoveryNotes;
  /** Last LSN that was replayed, or flushedLsn. */
  readonly lastGood: Lsn;
  readonly flushedLsn: Lsn;
}

export function logLoss(lastGood: Lsn, damage: CairnError): string {
  return `batches after LSN ${lastGood} are lost: ${damage.message}`;
}

export async function rescueLog(log: DamagedLog, damage: CairnError): Promise<void> {
  const { env, dir, walDir, lastGood, notes } = log;
  log.lease.assertHeld();
  notes.degraded.push(logLoss(lastGood, damage));
  if ((await env.stat(walDir)) === null) {
    await env.mkdir(walDir);
    await env.syncDir(dir);
  }
  const files = await listWalFiles(env, walDir);
  const damaged = files.filter((file) => file.firstLsn <= lastGood + 1).at(-1);
  const behind = files.filter((file) => file.firstLsn > lastGood + 1);
  if (damaged !== undefined) await cutAtDamage(log, damaged, damage);
  for (const file of behind) {
    await quarantine(env, dir, file.name, walDir);
    notes.quarantined.push({ file: `${WAL_DIRECTORY}/${file.name}`, reason: `unreachable: ${damage.message}` });
  }
}

async function cutAtDamage(log: DamagedLog, file: WalFileInfo, damage: CairnError): Promise<void> {
  const { env, dir, walDir, lease, tag, lastGood, flushedLsn } = log;
  log.notes.quarantined.push({ file: `${WAL_DIRECTORY}/${file.name}`, reason: damage.message });
  // Everything good in it is inside segments already, or it begins with the damage.
  if (lastGood <= flushedLsn || file.firstLsn > lastGood) {
    await quarantine(env, dir, file.name, walDir);
    return;
  }
  const salt = newSalt(env);
  const body = await goodRecords(log, file, salt);
  await keepCopyInQuarantine(env, dir, file.name, walDir);
  await createWalFile(env, walDir, { salt, epoch: lease.epoch, firstLsn: file.firstLsn, tag }, body);
}

async function goodRecords({ env, tag, lastGood }: DamagedLog, info: WalFileInfo, salt: number): Promise<readonly Uint8Array[]> {
  const file = await env.open(info.path, 'read');
  try {
    const reader = await WalFileReader.open(file, info.firstLsn, tag);
    const encoded: Buffer[] = [];
    while (reader.nextLsn <= lastGood) {
      const record = await reader.next();
      if (record === null) throw reader.damage(`the record of LSN ${reader.nextLsn} was readable a moment ago`);
      const bytes = Buffer.allocUnsafe(recordBytes(record.payload.length));
      encodeRecord(bytes, 0, record, asLsn(record.lsn - 1), salt);
      encoded.push(bytes);
    }
    return encoded;
  } finally {
    await file.close();
  }
}
