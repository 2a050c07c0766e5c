/**
 * The only door of the storage engine to files, clock and randomness. Storage code never imports node:fs.
 * Every method fails with a CairnError (IO, DISK_FULL, TOO_MANY_FILES, PERMISSION, NOT_FOUND, ALREADY_EXISTS, READ_ONLY).
 * The test double (test/support) is stricter than a disk: it forgets what was not synced.
 */

/** An open file. Positions are bytes from the start; there is no file cursor. */
export interface EnvFile {
  readonly path: string;
  /** Reads up to `length` bytes at `position`; a short result means end of file. */
  read(position: number, length: number): Promise<Buffer>;
  /** Fills `target` from `position`, synchronously (page-cache reads of a few KB on the query path); returns bytes read. */
  readSync(target: Uint8Array, position: number): number;
  /**
   * Writes all of `data` (loops over short writes); several parts go one behind the other, in one call to the system. `data` must
   * not change before the promise settles. On a file that was opened `durable` the bytes and the size are on the disk when it
   * resolves, and a failure poisons the file as one of sync() does: which of the bytes the disk has is not known.
   */
  write(data: Uint8Array | readonly Uint8Array[], position: number): Promise<void>;
  truncate(length: number): Promise<void>;
  /** fsync; after a failure the file is poisoned: every later write or sync fails with POISONED. */
  sync(): Promise<void>;
  /** fdatasync, same rule. */
  datasync(): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}

export type OpenMode =
  /** Existing file, read only. */
  | 'read'
  /** New file, read and write, fails with ALREADY_EXISTS; created 0600. */
  | 'create'
  /** Existing file, read and write. */
  | 'update'
  /** The same, and every write is synced before it returns: one call to the system instead of two. */
  | 'durable';

export interface FileStat {
  readonly kind: 'file' | 'directory' | 'symlink' | 'other';
  readonly size: number;
  readonly mtimeMs: number;
  readonly ino: bigint;
  readonly mode: number;
}

export interface Env {
  open(path: string, mode: OpenMode): Promise<EnvFile>;
  /** Whole file; refuses files larger than `maxBytes` with CORRUPT (no unbounded allocation from a damaged directory). */
  readFile(path: string, maxBytes: number): Promise<Buffer>;
  /** null when nothing is there. Does not follow a symlink. */
  stat(path: string): Promise<FileStat | null>;
  readdir(path: string): Promise<string[]>;
  /** Creates with mode 0700; `recursive` semantics; fsync of the parent is the caller's business. */
  mkdir(path: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  rmdir(path: string): Promise<void>;
  link(existing: string, created: string): Promise<void>;
  syncDir(path: string): Promise<void>;
  readonly clock: Clock;
  readonly random: Random;
}

export interface Clock {
  /** Wall clock, milliseconds since 1970; only for display and metadata, never for order. */
  now(): number;
  /** Monotonic milliseconds. */
  monotonic(): number;
  setTimer(callback: () => void, delayMs: number): { cancel(): void };
}

export interface Random {
  bytes(length: number): Buffer;
}
