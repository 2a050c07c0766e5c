/**
 * The writing end of the log: one file at a time, one write and one sync at a time, group commit.
 * Everything that waits while a sync is under way is written together and shares the next one.
 *
 * An ack means (invariant 5):
 *   always    the record was synced: it survives power loss. Its file is opened `durable`, so a group is one call to the system
 *   interval  the record was handed to the system; it is synced at most `intervalMs` later
 *   off       the record was handed to the system; it is synced by rotate(), sync(), close(), or when UNSYNCED_LIMIT is reached
 *
 * After a failed write or sync the writer is poisoned: it never writes to that file again. Waiting appends are rejected (their
 * outcome after a crash is open, in this process they did not happen), what was acknowledged is kept in memory until `heal()`
 * has put it into a new file.
 */
import { join } from 'node:path';
import { createFileAtomic } from '../env/atomic-file.ts';
import type { Env, EnvFile } from '../env/env.ts';
import { WAL_HEADER_BYTES, WAL_OPTIONAL_FROM, WAL_TYPE_BATCH, WAL_TYPE_SEAL, WAL_TYPE_TIME } from '../format/constants.ts';
import { walFile } from '../format/file-names.ts';
import { CairnError } from '../util/errors.ts';
import { asLsn, type Epoch, type Lsn } from '../util/ids.ts';
import { FrameBuffer } from './frames.ts';
import { decodeWalHeader, encodeTime, encodeWalHeader, recordBytes, requirePayloadLimit, type LogTag, type RecordToWrite, type WalHeader } from './record.ts';

export type WalSyncMode = 'always' | 'interval' | 'off';

/** Structurally the writer lease: asserted after a sync before anyone is told, and before a file is created. */
export interface WalFence {
  readonly epoch: Epoch;
  assertHeld(): void;
}

export interface WalOptions {
  readonly syncMode: WalSyncMode;
  readonly syncIntervalMs: number;
  /** A file is rotated once it is at least this large. */
  readonly maxFileBytes: number;
  /** Writes the wall time before each group of records, for logs that are archived. Default: false. */
  readonly stampTimes?: boolean;
}

export interface AppendResult {
  readonly lsn: Lsn;
  /** True when the record was synced before this result was given. */
  readonly durable: boolean;
}

export interface RotateResult {
  /** Name of the file that was closed; null when it held no records and stays in use. */
  readonly closed: string | null;
  /** Every record up to this LSN is in closed, synced files. */
  readonly lastLsn: Lsn;
}

export interface WalCounters {
  readonly bytesWritten: number;
  readonly records: number;
  /** Writes to the file: records / groups is how well group commit works. */
  readonly groups: number;
  readonly syncs: number;
  readonly filesCreated: number;
}

/** Where an opened log goes on. */
export interface WalPosition {
  readonly file: EnvFile;
  readonly firstLsn: Lsn;
  readonly bytes: number;
  readonly salt: number;
  readonly nextLsn: Lsn;
  /** Of the newest time that the log has; 0 when it has none. */
  readonly lastStamp: number;
}

/** Most bytes that are written (and synced) together, unless a single record is larger. */
const GROUP_BYTES = 4 * 1024 * 1024;
/** Acknowledged but unsynced payload that is held in memory for `heal()`; more forces a sync. */
const UNSYNCED_LIMIT = 16 * 1024 * 1024;

interface Append {
  readonly kind: 'append';
  readonly lsn: Lsn;
  readonly type: number;
  readonly payload: Uint8Array;
  readonly resolve: (result: AppendResult) => void;
  readonly reject: (error: unknown) => void;
}

interface Control {
  readonly kind: 'control';
  readonly run: () => Promise<void>;
  readonly reject: (error: unknown) => void;
}

export class WalWriter {
  readonly #env: Env;
  readonly #dir: string;
  readonly #fence: WalFence;
  readonly #options: WalOptions & { readonly tag: LogTag | null };
  readonly #queue: (Append | Control)[] = [];
  readonly #frames = new FrameBuffer();
  #file: EnvFile | null;
  #firstLsn: Lsn;
  #position: number;
  #salt: number;
  #nextLsn: number;
  #ackedLsn: number;
  #writtenLsn: number;
  #syncedLsn: number;
  /** Acknowledged, not yet synced, in LSN order. */
  #retained: RecordToWrite[] = [];
  #retainedBytes = 0;
  #lastStamp: number;
  #timer: { cancel(): void } | null = null;
  #running: Promise<void> | null = null;
  #healing: Promise<void> | null = null;
  #failure: CairnError | null = null;
  #closed = false;
  readonly #counters = { bytesWritten: 0, records: 0, groups: 0, syncs: 0, filesCreated: 0 };

  /** Made by openWal: everything up to `at.nextLsn - 1` is synced. */
  constructor(env: Env, dir: string, fence: WalFence, options: WalOptions & { readonly tag: LogTag | null }, at: WalPosition) {
    this.#env = env;
    this.#dir = dir;
    this.#fence = fence;
    this.#options = options;
    this.#file = at.file;
    this.#firstLsn = at.firstLsn;
    this.#position = at.bytes;
    this.#salt = at.salt;
    this.#nextLsn = at.nextLsn;
    this.#lastStamp = at.lastStamp;
    this.#ackedLsn = this.#writtenLsn = this.#syncedLsn = at.nextLsn - 1;
  }

  /** LSN of the last record that was acknowledged / synced. */
  get ackedLsn(): Lsn {
    return asLsn(this.#ackedLsn);
  }

  get syncedLsn(): Lsn {
    return asLsn(this.#syncedLsn);
  }

  /** Why the writer takes no appends until `heal()`; null when it is well. */
  get failure(): CairnError | null {
    return this.#failure;
  }

  /** Bytes of the file in use. */
  get fileBytes(): number {
    return this.#position;
  }

  counters(): WalCounters {
    return { ...this.#counters };
  }

  /**
   * Appends one record. LSNs are given in call order and results settle in LSN order. The payload must not change before that
   * (and not before the next sync in the modes `interval` and `off`). Rejects with the error of the disk, or POISONED when an
   * earlier call met one.
   */
  append(payload: Uint8Array, type: number = WAL_TYPE_BATCH): Promise<AppendResult> {
    return new Promise((resolve, reject) => {
      this.#requireUsable();
      requirePayloadLimit(payload.length);
      if (type < 1 || type >= WAL_OPTIONAL_FROM) throw new CairnError('INVALID_ARGUMENT', `record type ${type} takes no LSN`);
      const lsn = asLsn(this.#nextLsn++);
      this.#queue.push({ kind: 'append', lsn, type, payload, resolve, reject });
      this.#pump();
    });
  }

  /** Returns when everything appended before is synced. */
  sync(): Promise<void> {
    return this.#control(() => this.#sync());
  }

  /** Closes the file in use (sealed and synced) and goes on in a new one. A no-op when it holds no records. */
  async rotate(): Promise<RotateResult> {
    let closed: string | null = null;
    await this.#control(async () => {
      closed = await this.#rotate();
    });
    return { closed, lastLsn: asLsn(this.#firstLsn - 1) };
  }

  /**
   * After a failure: puts what was acknowledged but not synced into a new file and takes appends again. Throws and stays
   * poisoned when that fails too; may be called again. A no-op on a writer that is well.
   */
  heal(): Promise<void> {
    this.#healing ??= this.#heal().finally(() => {
      this.#healing = null;
    });
    return this.#healing;
  }

  async #heal(): Promise<void> {
    await this.#running;
    if (this.#failure === null) return;
    if (this.#closed) throw closedError(this.#dir);
    await this.#closeFile();
    await this.#startFile(asLsn(this.#syncedLsn + 1), this.#retained);
    this.#ackedLsn = this.#writtenLsn = this.#nextLsn - 1;
    this.#noteSynced();
    this.#failure = null;
  }

  /** Seals, syncs and closes. Rejects when something acknowledged could not be made durable; the file is closed anyway. */
  async close(): Promise<void> {
    if (this.#closed) return;
    try {
      if (this.#failure !== null && this.#retained.length > 0) await this.heal();
    } finally {
      const sealed = this.#failure === null ? this.#control(() => this.#seal()) : Promise.resolve();
      this.#closed = true;
      this.#stopTimer();
      await sealed.finally(() => this.#closeFile());
    }
  }

  #requireUsable(): void {
    if (this.#closed) throw closedError(this.#dir);
    if (this.#failure !== null) {
      throw new CairnError('POISONED', `the log ${this.#dir} takes no writes since: ${this.#failure.message}`, {
        path: this.#failure.path,
        cause: this.#failure,
        hint: this.#failure.hint,
        retryable: this.#failure.retryable,
      });
    }
  }

  #control(run: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#requireUsable();
      this.#queue.push({ kind: 'control', run: () => run().then(resolve), reject });
      this.#pump();
    });
  }

  #pump(): void {
    this.#running ??= this.#drain().finally(() => {
      this.#running = null;
      if (this.#queue.length > 0) this.#pump();
    });
  }

  async #drain(): Promise<void> {
    // One turn of the event loop first, so that appends made in the same tick share the first write.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const group = this.#takeGroup();
      try {
        await this.#turn(group);
      } catch (error) {
        this.#fail(error, group);
      }
    }
  }

  /** Either one control operation or the longest run of appends that fits one write. */
  #takeGroup(): (Append | Control)[] {
    let bytes = 0;
    let count = 0;
    for (const entry of this.#queue) {
      if (entry.kind === 'control' && count > 0) break;
      bytes += entry.kind === 'append' ? recordBytes(entry.payload.length) : 0;
      if (count > 0 && bytes > GROUP_BYTES) break;
      count++;
      if (entry.kind === 'control') break;
    }
    return this.#queue.splice(0, count);
  }

  async #turn(group: readonly (Append | Control)[]): Promise<void> {
    const [first] = group;
    if (first?.kind === 'control') {
      await first.run();
      return;
    }
    const appends = group as readonly Append[];
    const records = this.#stamped(appends);
    await this.#write(records);
    this.#counters.records += appends.length;
    const durable = this.#syncsWrites;
    if (!durable) this.#retain(records);
    this.#ackedLsn = this.#writtenLsn;
    for (const append of appends) append.resolve({ lsn: append.lsn, durable });
    await this.#housekeeping();
  }

  /** What the group itself does not wait for; a failure here poisons the writer but rejects nobody of the group. */
  async #housekeeping(): Promise<void> {
    try {
      if (this.#retainedBytes > UNSYNCED_LIMIT) await this.#sync();
      if (this.#position >= this.#options.maxFileBytes) await this.#rotate();
    } catch (error) {
      this.#fail(error, []);
    }
  }

  get #syncsWrites(): boolean {
    return this.#options.syncMode === 'always';
  }

  /** In the mode `always` the records are synced afterwards. */
  async #write(records: readonly RecordToWrite[]): Promise<void> {
    const { parts, bytes } = this.#frames.frame(records, asLsn(this.#syncedLsn), this.#salt);
    await this.#usableFile().write(parts, this.#position);
    this.#position += bytes;
    this.#counters.bytesWritten += bytes;
    this.#counters.groups++;
    const last = records.at(-1);
    if (last !== undefined && last.type !== WAL_TYPE_SEAL) this.#writtenLsn = last.lsn;
    if (!this.#syncsWrites) return;
    this.#afterSync();
    this.#noteSynced();
  }

  /** Times never fall, so that "up to this time" is one place in the log. */
  #stamped(appends: readonly Append[]): readonly RecordToWrite[] {
    const [first] = appends;
    if (this.#options.stampTimes !== true || first === undefined) return appends;
    this.#lastStamp = Math.max(this.#lastStamp, this.#env.clock.now());
    return [{ lsn: first.lsn, type: WAL_TYPE_TIME, payload: encodeTime(this.#lastStamp, appends.length) }, ...appends];
  }

  #retain(records: readonly RecordToWrite[]): void {
    for (const { lsn, type, payload } of records) {
      this.#retained.push({ lsn, type, payload });
      this.#retainedBytes += payload.length;
    }
    if (this.#options.syncMode === 'interval') {
      this.#timer ??= this.#env.clock.setTimer(() => {
        this.#timer = null;
        // A failure is kept in `failure` and meets the next append; there is nobody here to tell.
        if (!this.#closed && this.#failure === null) this.sync().catch(() => undefined);
      }, this.#options.syncIntervalMs);
    }
  }

  async #sync(): Promise<void> {
    if (this.#syncedLsn === this.#writtenLsn) return;
    await this.#syncFile();
    this.#noteSynced();
  }

  async #syncFile(): Promise<void> {
    await this.#usableFile().datasync();
    this.#afterSync();
  }

  #afterSync(): void {
    this.#counters.syncs++;
    // After the sync and before the ack: had a rival taken the log before, it would not have read these bytes.
    this.#fence.assertHeld();
  }

  #noteSynced(): void {
    this.#syncedLsn = this.#writtenLsn;
    this.#retained = [];
    this.#retainedBytes = 0;
    this.#stopTimer();
  }

  #stopTimer(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  async #rotate(): Promise<string | null> {
    if (this.#nextUnwritten() === this.#firstLsn) return null;
    const closed = walFile(this.#firstLsn);
    await this.#seal();
    await this.#closeFile();
    await this.#startFile(asLsn(this.#nextUnwritten()), []);
    return closed;
  }

  #nextUnwritten(): number {
    return this.#writtenLsn + 1;
  }

  /** The mark that the file is complete; what comes after a crash without it is rewritten by recovery. */
  async #seal(): Promise<void> {
    await this.#sync();
    await this.#write([{ lsn: asLsn(this.#nextUnwritten()), type: WAL_TYPE_SEAL, payload: new Uint8Array(0) }]);
    if (!this.#syncsWrites) await this.#syncFile();
  }

  async #startFile(firstLsn: Lsn, records: readonly RecordToWrite[]): Promise<void> {
    this.#fence.assertHeld();
    this.#salt = newSalt(this.#env);
    const body = this.#frames.frame(withLastStamp(records, firstLsn, this.#lastStamp), asLsn(firstLsn - 1), this.#salt);
    const header = await createWalFile(this.#env, this.#dir, { salt: this.#salt, epoch: this.#fence.epoch, firstLsn, tag: this.#options.tag }, body.parts);
    this.#firstLsn = firstLsn;
    this.#position = header.baseLength;
    this.#counters.bytesWritten += header.baseLength;
    this.#counters.filesCreated++;
    this.#file = await openOwnFile(this.#env, this.#dir, header, this.#options.syncMode);
  }

  #usableFile(): EnvFile {
    if (this.#file === null) throw new CairnError('POISONED', `the log ${this.#dir} has no file in use`, { path: this.#dir });
    return this.#file;
  }

  async #closeFile(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    await file?.close();
  }

  #fail(error: unknown, group: readonly (Append | Control)[]): void {
    const failure = error instanceof CairnError ? error : new CairnError('INTERNAL', `the log writer failed: ${String(error)}`, { path: this.#dir, cause: error });
    this.#failure ??= failure;
    this.#stopTimer();
    for (const entry of [...group, ...this.#queue.splice(0)]) entry.reject(failure);
    // Their LSNs were never acknowledged: the next file begins below them and supersedes what got to the disk.
    this.#nextLsn = this.#ackedLsn + 1;
  }
}

/** A new file begins with the time that was written last: those before it may be gone when the next writer looks for it. */
export function withLastStamp(records: readonly RecordToWrite[], firstLsn: Lsn, lastStamp: number): readonly RecordToWrite[] {
  if (lastStamp === 0 || records[0]?.type === WAL_TYPE_TIME) return records;
  return [{ lsn: firstLsn, type: WAL_TYPE_TIME, payload: encodeTime(lastStamp, 0) }, ...records];
}

export function newSalt(env: Env): number {
  return env.random.bytes(4).readUInt32LE(0);
}

/**
 * Creates (or replaces, when nothing in it was synced) a WAL file with `body` as its synced base. A file that a later epoch began
 * is left alone: FENCED, whatever this process still believes of its lease.
 */
export async function createWalFile(env: Env, dir: string, header: Omit<WalHeader, 'baseLength'>, body: readonly Uint8Array[]): Promise<WalHeader> {
  const whole = { ...header, baseLength: body.reduce((sum, part) => sum + part.length, WAL_HEADER_BYTES) };
  const fill = (file: EnvFile): Promise<void> => file.write([encodeWalHeader(whole), ...body], 0);
  await createFileAtomic(env, dir, walFile(header.firstLsn), fill, async (path) => {
    const file = await env.open(path, 'read');
    const { epoch } = await file.read(0, WAL_HEADER_BYTES).then((bytes) => decodeWalHeader(bytes, path)).finally(() => file.close());
    if (epoch > header.epoch) throw takenOver(path, epoch, header.epoch);
  });
  return whole;
}

/**
 * Opens a file for appending by its name, which a successor may have given to a file of its own since: the header must be ours.
 * From then on it is the file and not the name that is written to.
 */
export async function openOwnFile(env: Env, dir: string, header: WalHeader, syncMode: WalSyncMode): Promise<EnvFile> {
  const path = join(dir, walFile(header.firstLsn));
  const file = await env.open(path, syncMode === 'always' ? 'durable' : 'update');
  try {
    const bytes = await file.read(0, WAL_HEADER_BYTES);
    if (!bytes.equals(encodeWalHeader(header))) throw takenOver(path, decodeWalHeader(bytes, path).epoch, header.epoch);
    return file;
  } catch (error) {
    await file.close().catch(() => undefined); // the first error is the one that matters
    throw error;
  }
}

export function takenOver(path: string, epoch: Epoch, ours: Epoch): CairnError {
  return new CairnError('FENCED', `${path} was written under epoch ${epoch}, ours is ${ours}`, { path, hint: 'Another daemon has taken over this data directory.' });
}

function closedError(dir: string): CairnError {
  return new CairnError('NOT_SERVING', `the log ${dir} is closed`, { path: dir });
}
