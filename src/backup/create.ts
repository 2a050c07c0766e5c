/**
 * Makes a backup of a pinned state. Order:
 *  1. <backups>/<index>/<id>.new/ is made and synced into its parents.
 *  2. Segments and tombstones: linked from the parent backup or the index, copied where links cannot be made. Every byte is read
 *     and must have the checksum of the manifest: damage is never backed up as if it were data.
 *  3. Log files: linked when they were closed in order (nobody writes to them again), else their good part is copied.
 *  4. Manifest, CURRENT and metadata.json of its own; all directories are synced.
 *  5. backup.json; then the directory takes its name, by one rename: only now it is a backup. A crash before leaves one that is swept.
 */
import { dirname, join } from 'node:path';
import { createFileDurable, moveFile, writeFileAtomic } from '../env/atomic-file.ts';
import { linkOrCopy } from '../env/copy-file.ts';
import type { Env } from '../env/env.ts';
import { WAL_HEADER_BYTES } from '../format/constants.ts';
import { readExactly } from '../format/container.ts';
import { CURRENT_FILE, manifestFile, METADATA_FILE, WAL_DIRECTORY } from '../format/file-names.ts';
import { encodeMetadata, timelineOf, timeName } from '../index/metadata.ts';
import type { IndexPin } from '../index/pin.ts';
import type { WriterLease } from '../index/types.ts';
import { currentFor, encodeCurrent } from '../manifest/current.ts';
import { encodeManifest } from '../manifest/manifest.ts';
import { checksumHex, crc32 } from '../util/crc32.ts';
import { CairnError, isCairnError } from '../util/errors.ts';
import { WalFileReader } from '../wal/wal-reader.ts';
import { createWalFile } from '../wal/wal-writer.ts';
import type { WalFileInfo } from '../wal/wal-files.ts';
import { BACKUP_FILE, backupId, encodeBackupRecord, type BackupCause, type BackupFile, type BackupRecord } from './backup-record.ts';
import { discard, makeDirectory, sumFile, type FileSum, type Watch } from './files.ts';
import { nameWhileMade } from './shelf.ts';

export interface CreateRequest {
  /** Directory of all backups; it exists. */
  readonly root: string;
  readonly pin: IndexPin;
  readonly lease: WriterLease;
  readonly cause: BackupCause;
  /** The newest backup of the index, to share files with. */
  readonly parent: { readonly record: BackupRecord; readonly dir: string } | null;
  readonly watch: Watch;
}

export interface CreatedBackup {
  readonly record: BackupRecord;
  readonly dir: string;
}

export async function createBackup(env: Env, request: CreateRequest): Promise<CreatedBackup> {
  return new Creation(env, request).run();
}

/** Bytes that making it will read. */
export function bytesToRead(pin: IndexPin): number {
  return pin.manifest.segments.reduce((sum, segment) => sum + segment.bytes + (segment.tombstones?.bytes ?? 0), 0);
}

class Creation {
  readonly #env: Env;
  readonly #request: CreateRequest;
  readonly #files: BackupFile[] = [];
  #dir = '';
  #bytesWritten = 0;

  constructor(env: Env, request: CreateRequest) {
    this.#env = env;
    this.#request = request;
  }

  async run(): Promise<CreatedBackup> {
    const { pin, root } = this.#request;
    const name = pin.metadata.name;
    const shelf = await makeDirectory(this.#env, root, name);
    const { id, createdAt } = await this.#freeId(shelf);
    this.#dir = join(shelf, nameWhileMade(id));
    try {
      await makeDirectory(this.#env, shelf, nameWhileMade(id), WAL_DIRECTORY);
      await this.#segments();
      for (const [i, log] of pin.logs.entries()) await this.#log(log, pin.logs[i + 1]?.firstLsn ?? pin.lsn + 1);
      await this.#ownFiles();
      await this.#env.syncDir(join(this.#dir, WAL_DIRECTORY));
      await this.#env.syncDir(this.#dir);
      return await this.#finish(id, createdAt);
    } catch (error) {
      await discard(this.#env, this.#dir);
      throw error;
    }
  }

  async #freeId(shelf: string): Promise<{ readonly id: string; readonly createdAt: string }> {
    for (let time = Math.floor(this.#env.clock.now()); ; time++) {
      const id = backupId(timeName(time), this.#request.pin.lsn);
      if ((await this.#env.stat(join(shelf, id))) === null) return { id, createdAt: new Date(time).toISOString() };
    }
  }

  async #segments(): Promise<void> {
    for (const segment of this.#request.pin.manifest.segments) {
      await this.#immutable(segment.file, (sum) => sum.bytes === segment.bytes && sum.bodyChecksum === segment.checksum);
      const { tombstones } = segment;
      if (tombstones !== null) await this.#immutable(tombstones.file, (sum) => sum.bytes === tombstones.bytes && sum.checksum === tombstones.checksum);
    }
  }

  /** A file of the parent backup whose bytes have rotted is not passed on: the index's own is taken. */
  async #immutable(name: string, isRight: (sum: FileSum) => boolean): Promise<void> {
    const { pin, parent } = this.#request;
    const earlier = parent?.record.files.some((file) => file.name === name) === true ? join(parent.dir, name) : null;
    if (earlier !== null && (await this.#place(earlier, name, isRight)) === 'taken') return;
    const source = join(pin.dir, name);
    if ((await this.#place(source, name, isRight)) === 'taken') return;
    throw new CairnError('CORRUPT', `${source} is damaged: it is not what the manifest says, so no backup was made`, { path: source, offset: 0, hint: `See what is wrong: cairn verify --deep --index ${pin.metadata.name}. Earlier backups stay as they are.` });
  }

  async #place(source: string, name: string, isRight: (sum: FileSum) => boolean): Promise<'taken' | 'wrong'> {
    const target = join(this.#dir, name);
    try {
      const made = await linkOrCopy(this.#env, source, target);
      const sum = await sumFile(this.#env, target, this.#request.watch);
      if (isRight(sum)) {
        this.#add({ name, bytes: sum.bytes, checksum: sum.checksum, made });
        return 'taken';
      }
      await this.#env.unlink(target);
    } catch (error) {
      if (!isCairnError(error, 'NOT_FOUND', 'TRUNCATED')) throw error;
      if ((await this.#env.stat(target)) !== null) await this.#env.unlink(target);
    }
    return 'wrong';
  }

  /** The records of `log` below `endLsn`, which are all in it. */
  async #log(log: WalFileInfo, endLsn: number): Promise<void> {
    const name = `${WAL_DIRECTORY}/${log.name}`;
    const target = join(this.#dir, name);
    const good = await this.#readLog(log, endLsn);
    const made = good.isClosed ? await linkOrCopy(this.#env, log.path, target) : 'copy';
    if (!good.isClosed) {
      await createWalFile(this.#env, join(this.#dir, WAL_DIRECTORY), good.header, [good.body]);
    }
    const { bytes, checksum } = await sumFile(this.#env, target, { advance: () => undefined, signal: this.#request.watch.signal });
    this.#add({ name, bytes, checksum, made });
  }

  /** Reads every record; CORRUPT names the file and offset of one that is not whole. `body` is empty for a file that was closed in order. */
  async #readLog(log: WalFileInfo, endLsn: number) {
    const file = await this.#env.open(log.path, 'read');
    try {
      const reader = await WalFileReader.open(file, log.firstLsn, this.#request.pin.metadata.logTag ?? null);
      while (reader.nextLsn < endLsn) {
        if ((await reader.next()) === null) throw reader.damage(`the record of LSN ${reader.nextLsn} is damaged or missing`);
      }
      const end = reader.position;
      const isClosed = (await reader.next()) !== null && reader.sealed && reader.atEnd;
      const body = isClosed ? Buffer.alloc(0) : await readExactly(file, WAL_HEADER_BYTES, end - WAL_HEADER_BYTES);
      return { isClosed, body, header: reader.header };
    } finally {
      await file.close();
    }
  }

  async #ownFiles(): Promise<void> {
    const { manifest, metadata } = this.#request.pin;
    const bytes = encodeManifest(manifest);
    await this.#own(manifestFile(manifest.generation), bytes);
    await this.#own(CURRENT_FILE, encodeCurrent(currentFor(manifest.generation, manifest.epoch, bytes)));
    await this.#own(METADATA_FILE, encodeMetadata(metadata));
  }

  async #own(name: string, bytes: Uint8Array): Promise<void> {
    await createFileDurable(this.#env, this.#dir, name, (file) => file.write(bytes, 0));
    this.#add({ name, bytes: bytes.length, checksum: checksumHex(crc32(bytes)), made: 'copy' });
  }

  #add(file: BackupFile): void {
    this.#files.push(file);
    if (file.made === 'copy') this.#bytesWritten += file.bytes;
  }

  async #finish(id: string, createdAt: string): Promise<CreatedBackup> {
    const { pin, lease, cause, parent } = this.#request;
    const { docs, chunks, vectors } = pin.counts;
    const record: BackupRecord = {
      id, index: pin.metadata.name, kind: pin.metadata.kind, cause, createdAt, sequence: (parent?.record.sequence ?? 0) + 1, timeline: timelineOf(pin.metadata),
      lsn: pin.lsn, flushedLsn: pin.manifest.flushedLsn, generation: pin.manifest.generation, docs, chunks, vectors,
      files: this.#files, parent: parent?.record.id ?? null, bytesWritten: this.#bytesWritten, complete: true,
    };
    lease.assertHeld();
    await writeFileAtomic(this.#env, this.#dir, BACKUP_FILE, encodeBackupRecord(record));
    lease.assertHeld();
    const shelf = dirname(this.#dir);
    await moveFile(this.#env, this.#dir, shelf, id);
    return { record, dir: join(shelf, id) };
  }
}
