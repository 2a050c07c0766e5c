/**
 * Env on the real file system. Owns every call of node:fs that the storage engine makes; decides nothing about formats or
 * order. Never follows a symbolic link, never writes through a file whose sync failed: the kernel marks pages clean after a
 * failed fsync, so a second one would report success for bytes that are not on the disk.
 */
import { randomBytes } from 'node:crypto';
import { constants, fstatSync, readSync, type Stats } from 'node:fs';
import * as fs from 'node:fs/promises';
import { dirname } from 'node:path';
import { CairnError } from '../util/errors.ts';
import type { Clock, Env, EnvFile, FileStat, OpenMode } from './env.ts';
import { errnoOf, toCairnError } from './errno.ts';

/** libuv sets O_CLOEXEC on every descriptor it opens. Without O_NONBLOCK a named pipe in the place of a file would be waited for without end. */
const OPEN_FLAGS: Readonly<Record<Exclude<OpenMode, 'durable'>, number>> = {
  read: constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
  create: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
  update: constants.O_RDWR | constants.O_NOFOLLOW,
};
/** The system takes at most 2 GiB in one call, and Node refuses more. */
const MAX_CALL_BYTES = 1 << 30;
const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

/**
 * How the bytes of a durable write get to the disk. `flag` is for Linux, where O_DSYNC means what fdatasync does; elsewhere it can
 * leave them in the cache of the drive, which the call behind fdatasync (F_FULLFSYNC on macOS) empties.
 */
export type DurableWrites = 'flag' | 'call';

export function nodeEnv(durableWrites: DurableWrites = process.platform === 'linux' ? 'flag' : 'call'): Env {
  const poisoned = new Set<string>();
  return {
    open: (path, mode) => openFile(path, mode, durableWrites, poisoned),
    readFile,
    stat,
    readdir: (path) => guard('list', path, () => fs.readdir(path)),
    mkdir: (path) => guard('create directory', path, () => makeDirectories(path)),
    rename: (from, to) =>
      guard('rename', from, async () => {
        await fs.rename(from, to);
        if (poisoned.delete(from)) poisoned.add(to);
        else poisoned.delete(to);
      }),
    unlink: (path) =>
      guard('remove', path, async () => {
        await fs.unlink(path);
        poisoned.delete(path);
      }),
    rmdir: (path) => guard('remove directory', path, () => fs.rmdir(path)),
    link: (existing, created) => guard('link', created, () => fs.link(existing, created)),
    syncDir,
    clock: nodeClock,
    random: { bytes: (length) => randomBytes(length) },
  };
}

const nodeClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer: (callback, delayMs) => {
    const timer = setTimeout(callback, delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
};

async function guard<T>(action: string, path: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw toCairnError(error, action, path);
  }
}

/** Not `recursive`: that never returns where the kernel answers ENOENT below a directory that is there (/proc). */
async function makeDirectories(path: string, attempt: 1 | 2 = 1): Promise<void> {
  try {
    await fs.mkdir(path, { mode: DIRECTORY_MODE });
  } catch (error) {
    const code = errnoOf(error);
    if ((code === 'EEXIST' || code === 'EROFS') && (await isDirectory(path))) return;
    if (code !== 'ENOENT' || attempt === 2 || dirname(path) === path) throw error;
    await makeDirectories(dirname(path));
    await makeDirectories(path, 2);
  }
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await fs.stat(path)).isDirectory();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

async function openFile(path: string, mode: OpenMode, durableWrites: DurableWrites, poisoned: Set<string>): Promise<EnvFile> {
  // Reopening would hide the failed sync: only a new file under this name (rename, or unlink and create) clears it.
  if ((mode === 'update' || mode === 'durable') && poisoned.has(path)) throw poisonedError(path, undefined);
  const flags = mode !== 'durable' ? OPEN_FLAGS[mode] : durableWrites === 'flag' ? OPEN_FLAGS.update | constants.O_DSYNC : OPEN_FLAGS.update;
  const handle = await guard('open', path, () => fs.open(path, flags, FILE_MODE));
  try {
    if (mode === 'create') poisoned.delete(path);
    else requireFile(fstatSync(handle.fd), path);
  } catch (error) {
    await handle.close();
    throw toCairnError(error, 'look at', path);
  }
  return new NodeFile(path, handle, mode === 'durable' ? durableWrites : null, () => poisoned.add(path));
}

function requireFile(stat: Stats, path: string): void {
  const kind = stat.isDirectory() ? 'directory' : stat.isFIFO() ? 'pipe' : null;
  if (kind !== null) throw new CairnError('CORRUPT', `${path} is a ${kind}, not a file`, { path, offset: 0 });
}

async function readFile(path: string, maxBytes: number): Promise<Buffer> {
  const handle = await guard('open', path, () => fs.open(path, OPEN_FLAGS.read));
  try {
    const stat = await guard('read', path, () => handle.stat());
    requireFile(stat, path);
    const { size } = stat;
    if (size > maxBytes) throw new CairnError('CORRUPT', `${path} has ${size} bytes, more than the ${maxBytes} that such a file can have`, { path, offset: maxBytes });
    return await guard('read', path, () => readFully(handle, 0, size));
  } finally {
    await handle.close();
  }
}

async function readFully(handle: fs.FileHandle, position: number, length: number): Promise<Buffer> {
  const target = Buffer.allocUnsafe(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await handle.read(target, done, Math.min(length - done, MAX_CALL_BYTES), position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return target.subarray(0, done);
}

async function stat(path: string): Promise<FileStat | null> {
  try {
    const found = await fs.lstat(path, { bigint: true });
    const kind = found.isFile() ? 'file' : found.isDirectory() ? 'directory' : found.isSymbolicLink() ? 'symlink' : 'other';
    return { kind, size: Number(found.size), mtimeMs: Number(found.mtimeNs) / 1e6, ino: found.ino, mode: Number(found.mode) };
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw toCairnError(error, 'look at', path);
  }
}

async function syncDir(path: string): Promise<void> {
  const handle = await guard('open directory', path, () => fs.open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW));
  try {
    await guard('sync directory', path, () => handle.sync());
  } finally {
    await handle.close();
  }
}

function poisonedError(path: string, cause: unknown): CairnError {
  return new CairnError('POISONED', `${path}: an earlier sync failed, the file takes no more writes`, {
    path,
    cause,
    hint: 'The engine goes on in a new file; check the disk if this repeats.',
  });
}

class NodeFile implements EnvFile {
  readonly path: string;
  readonly #handle: fs.FileHandle;
  /** null: writes need a sync. */
  readonly #durableWrites: DurableWrites | null;
  readonly #onPoison: () => void;
  #failure: CairnError | null = null;

  constructor(path: string, handle: fs.FileHandle, durableWrites: DurableWrites | null, onPoison: () => void) {
    this.path = path;
    this.#handle = handle;
    this.#durableWrites = durableWrites;
    this.#onPoison = onPoison;
  }

  read(position: number, length: number): Promise<Buffer> {
    return guard('read', this.path, () => readFully(this.#handle, position, length));
  }

  readSync(target: Uint8Array, position: number): number {
    try {
      let done = 0;
      while (done < target.length) {
        const count = readSync(this.#handle.fd, target, done, Math.min(target.length - done, MAX_CALL_BYTES), position + done);
        if (count === 0) break;
        done += count;
      }
      return done;
    } catch (error) {
      throw toCairnError(error, 'read', this.path);
    }
  }

  write(data: Uint8Array | readonly Uint8Array[], position: number): Promise<void> {
    const write = (): Promise<void> => (data instanceof Uint8Array ? this.#writeFully(data, position) : this.#writeParts(data, position));
    if (this.#durableWrites === null) return this.#change('write', write);
    return this.#makeDurable('write', async () => {
      await write();
      if (this.#durableWrites === 'call') await this.#handle.datasync();
    });
  }

  async #writeParts(parts: readonly Uint8Array[], position: number): Promise<void> {
    const [first] = parts;
    if (parts.length === 1 && first !== undefined) return this.#writeFully(first, position);
    const bytes = parts.reduce((sum, part) => sum + part.length, 0);
    const { bytesWritten } = await this.#handle.writev([...parts], position);
    if (bytesWritten < bytes) await this.#writeFully(Buffer.concat(parts).subarray(bytesWritten), position + bytesWritten);
  }

  /** A full disk shows as a short write without an error: only the next call fails. */
  async #writeFully(data: Uint8Array, position: number): Promise<void> {
    for (let done = 0; done < data.length; ) {
      const { bytesWritten } = await this.#handle.write(data, done, Math.min(data.length - done, MAX_CALL_BYTES), position + done);
      if (bytesWritten === 0) throw new CairnError('IO', `cannot write ${this.path}: the system took 0 of ${data.length - done} bytes`, { path: this.path });
      done += bytesWritten;
    }
  }

  truncate(length: number): Promise<void> {
    return this.#change('truncate', () => this.#handle.truncate(length));
  }

  sync(): Promise<void> {
    return this.#makeDurable('sync', () => this.#handle.sync());
  }

  datasync(): Promise<void> {
    return this.#makeDurable('sync', () => this.#handle.datasync());
  }

  async size(): Promise<number> {
    return (await guard('look at', this.path, () => this.#handle.stat())).size;
  }

  close(): Promise<void> {
    return guard('close', this.path, () => this.#handle.close());
  }

  async #change(action: string, call: () => Promise<void>): Promise<void> {
    if (this.#failure !== null) throw poisonedError(this.path, this.#failure);
    await guard(action, this.path, call);
  }

  /** A failure poisons the file. */
  async #makeDurable(action: 'write' | 'sync', call: () => Promise<void>): Promise<void> {
    try {
      await this.#change(action, call);
    } catch (error) {
      this.#failure ??= toCairnError(error, action, this.path);
      this.#onPoison();
      throw error;
    }
  }
}
