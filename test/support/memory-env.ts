/**
 * An Env in memory that is stricter than a disk: it keeps the order of every operation, so that crash-states.ts can build each
 * state that a power cut could leave. It can fail any call (errno, short write), ignores the syncs it is told to ignore, and
 * counts open files. Deterministic: clock and randomness are its own.
 */
import { dirname, basename } from 'node:path';
import type { Clock, Env, EnvFile, FileStat, OpenMode } from '../../src/env/env.ts';
import { toCairnError } from '../../src/env/errno.ts';
import { CairnError } from '../../src/util/errors.ts';
import { seededRandom } from './random.ts';

export type Op =
  | { readonly kind: 'write'; readonly ino: number; readonly at: number; readonly data: Buffer }
  | { readonly kind: 'truncate'; readonly ino: number; readonly length: number }
  | { readonly kind: 'sync'; readonly ino: number }
  /** The kernel has dropped what was pending: a later sync does not bring it back. */
  | { readonly kind: 'sync-failed'; readonly ino: number }
  | { readonly kind: 'name'; readonly path: string; readonly ino: number }
  | { readonly kind: 'unname'; readonly path: string }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string; readonly ino: number }
  | { readonly kind: 'sync-dir'; readonly path: string }
  | { readonly kind: 'mark'; readonly value: unknown };

export type CallKind = 'open' | 'read' | 'readSync' | 'write' | 'truncate' | 'sync' | 'size' | 'close' | 'readFile' | 'stat' | 'readdir' | 'mkdir' | 'rename' | 'unlink' | 'rmdir' | 'link' | 'syncDir';

export interface EnvCall {
  /** Counts all calls from 1. */
  readonly n: number;
  readonly kind: CallKind;
  readonly path: string;
}

export interface Fault {
  readonly errno: string;
  /** For a write: so many bytes still get to the file. */
  readonly written?: number;
}

/** A disk: names and contents. Directories are the names with ino DIRECTORY. */
export interface Disk {
  readonly names: ReadonlyMap<string, number>;
  readonly inodes: ReadonlyMap<number, Buffer>;
}

export const DIRECTORY = 0;
export const ROOT = '/d';
export const EMPTY_DISK: Disk = { names: new Map([[ROOT, DIRECTORY]]), inodes: new Map() };

export class MemoryEnv implements Env {
  readonly ops: Op[] = [];
  readonly names: Map<string, number>;
  readonly inodes: Map<number, Buffer>;
  /** Decides which calls fail. */
  fault: ((call: EnvCall) => Fault | null) | null = null;
  calls = 0;
  openFiles = 0;
  readonly clock: Clock;
  readonly random: Env['random'];
  readonly #poisoned = new Set<number>();
  readonly #timers = new Set<() => void>();
  #nextIno: number;
  #now = 1_700_000_000_000;

  constructor(disk: Disk = EMPTY_DISK, seed = 1) {
    this.names = new Map(disk.names);
    this.inodes = new Map(disk.inodes);
    this.#nextIno = Math.max(0, ...disk.inodes.keys()) + 1;
    const random = seededRandom(seed);
    this.random = { bytes: (length) => Buffer.from(Array.from({ length }, () => Math.floor(random() * 256))) };
    this.clock = {
      now: () => (this.#now += 1),
      monotonic: () => (this.#now += 1),
      setTimer: (callback) => {
        const run = () => {
          this.#timers.delete(run);
          callback();
        };
        this.#timers.add(run);
        return { cancel: () => this.#timers.delete(run) };
      },
    };
  }

  /** What is on the (volatile) disk now; contents are shared until they change. */
  disk(): Disk {
    return { names: new Map(this.names), inodes: new Map(this.inodes) };
  }

  /** Remembered at this place of the operation log: "the caller was told". */
  mark(value: unknown): void {
    this.ops.push({ kind: 'mark', value });
  }

  /** Lets the time of all timers come. */
  runTimers(): void {
    for (const run of Array.from(this.#timers)) run();
  }

  get pendingTimers(): number {
    return this.#timers.size;
  }

  async open(path: string, mode: OpenMode): Promise<EnvFile> {
    await this.#call('open', path);
    let ino = this.names.get(path);
    if (mode === 'create') {
      if (ino !== undefined) throw errno('EEXIST', 'open', path);
      this.#requireParent(path, 'open');
      ino = this.#nextIno++;
      this.inodes.set(ino, Buffer.alloc(0));
      this.names.set(path, ino);
      this.ops.push({ kind: 'name', path, ino });
    }
    if (ino === undefined) throw errno('ENOENT', 'open', path);
    if (ino === DIRECTORY) throw errno('EISDIR', 'open', path);
    if ((mode === 'update' || mode === 'durable') && this.#poisoned.has(ino)) throw new CairnError('POISONED', `${path} is poisoned`, { path });
    this.openFiles++;
    return new MemoryFile(this, path, ino, mode);
  }

  async readFile(path: string, maxBytes: number): Promise<Buffer> {
    await this.#call('readFile', path);
    const data = this.#content(path, 'read');
    if (data.length > maxBytes) throw new CairnError('CORRUPT', `${path} has ${data.length} bytes, more than ${maxBytes}`, { path });
    return Buffer.from(data);
  }

  async stat(path: string): Promise<FileStat | null> {
    await this.#call('stat', path);
    const ino = this.names.get(path);
    if (ino === undefined) return null;
    const size = this.inodes.get(ino)?.length ?? 0;
    return { kind: ino === DIRECTORY ? 'directory' : 'file', size, mtimeMs: 0, ino: BigInt(ino), mode: ino === DIRECTORY ? 0o40700 : 0o100600 };
  }

  async readdir(path: string): Promise<string[]> {
    await this.#call('readdir', path);
    if (this.names.get(path) !== DIRECTORY) throw errno('ENOENT', 'list', path);
    return [...this.names.keys()].filter((name) => name !== path && dirname(name) === path).map((name) => basename(name));
  }

  async mkdir(path: string): Promise<void> {
    await this.#call('mkdir', path);
    if (this.names.get(path) === DIRECTORY) return;
    if (this.names.has(path)) throw errno('EEXIST', 'create directory', path);
    if (dirname(path) !== path && this.names.get(dirname(path)) !== DIRECTORY) await this.mkdir(dirname(path));
    this.names.set(path, DIRECTORY);
    this.ops.push({ kind: 'name', path, ino: DIRECTORY });
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#call('rename', from);
    const ino = this.names.get(from);
    if (ino === undefined) throw errno('ENOENT', 'rename', from);
    this.#requireParent(to, 'rename');
    if (ino === DIRECTORY) return this.#renameDirectory(from, to);
    if (this.names.get(to) === DIRECTORY) throw errno('EISDIR', 'rename', from);
    this.names.delete(from);
    this.names.set(to, ino);
    this.ops.push({ kind: 'rename', from, to, ino });
  }

  /** A directory takes its contents along; below it every name changes at once. */
  #renameDirectory(from: string, to: string): void {
    if (this.names.has(to)) throw errno('ENOTEMPTY', 'rename', from);
    for (const [path, ino] of Array.from(this.names)) {
      if (!path.startsWith(`${from}/`)) continue;
      this.names.delete(path);
      this.names.set(to + path.slice(from.length), ino);
    }
    this.names.delete(from);
    this.names.set(to, DIRECTORY);
    this.ops.push({ kind: 'rename', from, to, ino: DIRECTORY });
  }

  async unlink(path: string): Promise<void> {
    await this.#call('unlink', path);
    const ino = this.names.get(path);
    if (ino === undefined) throw errno('ENOENT', 'remove', path);
    if (ino === DIRECTORY) throw errno('EISDIR', 'remove', path);
    this.names.delete(path);
    this.ops.push({ kind: 'unname', path });
  }

  async rmdir(path: string): Promise<void> {
    await this.#call('rmdir', path);
    if (this.names.get(path) !== DIRECTORY) throw errno('ENOENT', 'remove directory', path);
    if ([...this.names.keys()].some((name) => name.startsWith(`${path}/`))) throw errno('ENOTEMPTY', 'remove directory', path);
    this.names.delete(path);
    this.ops.push({ kind: 'unname', path });
  }

  async link(existing: string, created: string): Promise<void> {
    await this.#call('link', created);
    const ino = this.names.get(existing);
    if (ino === undefined) throw errno('ENOENT', 'link', existing);
    if (this.names.has(created)) throw errno('EEXIST', 'link', created);
    this.names.set(created, ino);
    this.ops.push({ kind: 'name', path: created, ino });
  }

  async syncDir(path: string): Promise<void> {
    await this.#call('syncDir', path);
    if (this.names.get(path) !== DIRECTORY) throw errno('ENOENT', 'sync directory', path);
    this.ops.push({ kind: 'sync-dir', path });
  }

  // ---- for MemoryFile ----

  /** Changes take effect later than syncs: a write that nobody waits for is not covered by the sync called after it. */
  async enterFile(kind: CallKind, path: string): Promise<Fault | null> {
    const fault = this.#next(kind, path);
    await turns(kind === 'write' || kind === 'truncate' ? 4 : 1);
    return fault;
  }

  enterSync(kind: CallKind, path: string): Fault | null {
    return this.#next(kind, path);
  }

  content(ino: number): Buffer {
    return this.inodes.get(ino) ?? Buffer.alloc(0);
  }

  setContent(ino: number, data: Buffer, op: Op): void {
    this.inodes.set(ino, data);
    this.ops.push(op);
  }

  isPoisoned(ino: number): boolean {
    return this.#poisoned.has(ino);
  }

  poison(ino: number): void {
    this.#poisoned.add(ino);
    this.ops.push({ kind: 'sync-failed', ino });
  }

  async #call(kind: CallKind, path: string): Promise<void> {
    const fault = this.#next(kind, path);
    await turns(1);
    if (fault !== null) throw errno(fault.errno, kind, path);
  }

  #next(kind: CallKind, path: string): Fault | null {
    this.calls++;
    return this.fault?.({ n: this.calls, kind, path }) ?? null;
  }

  #requireParent(path: string, action: string): void {
    if (this.names.get(dirname(path)) !== DIRECTORY) throw errno('ENOENT', action, path);
  }

  #content(path: string, action: string): Buffer {
    const ino = this.names.get(path);
    if (ino === undefined) throw errno('ENOENT', action, path);
    if (ino === DIRECTORY) throw errno('EISDIR', action, path);
    return this.content(ino);
  }
}

/** So many turns of the microtask queue. */
async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await Promise.resolve();
}

export function errno(code: string, action: string, path: string): CairnError {
  return toCairnError(Object.assign(new Error(code), { code }), action, path);
}

class MemoryFile implements EnvFile {
  readonly path: string;
  readonly #env: MemoryEnv;
  readonly #ino: number;
  readonly #mode: OpenMode;
  #isOpen = true;

  constructor(env: MemoryEnv, path: string, ino: number, mode: OpenMode) {
    this.#env = env;
    this.path = path;
    this.#ino = ino;
    this.#mode = mode;
  }

  async read(position: number, length: number): Promise<Buffer> {
    await this.#enter('read');
    return Buffer.from(this.#env.content(this.#ino).subarray(position, position + length));
  }

  readSync(target: Uint8Array, position: number): number {
    if (!this.#isOpen) throw errno('EBADF', 'read', this.path);
    const fault = this.#env.enterSync('readSync', this.path);
    if (fault !== null) throw errno(fault.errno, 'read', this.path);
    const piece = this.#env.content(this.#ino).subarray(position, position + target.length);
    target.set(piece);
    return piece.length;
  }

  async write(data: Uint8Array | readonly Uint8Array[], position: number): Promise<void> {
    // Copied now: a caller that changes the bytes before the write is done has a bug that this double shows.
    const bytes = data instanceof Uint8Array ? Buffer.from(data) : Buffer.concat(data);
    const fault = await this.#change('write');
    const written = fault === null ? bytes : bytes.subarray(0, fault.written ?? 0);
    if (written.length > 0) this.#apply(written, position);
    if (fault !== null) {
      if (this.#mode === 'durable') this.#env.poison(this.#ino);
      throw errno(fault.errno, 'write', this.path);
    }
    // A durable write can fail, or the power go, before its bytes are in the cache or after: two calls here.
    if (this.#mode === 'durable') await this.sync();
  }

  async truncate(length: number): Promise<void> {
    const fault = await this.#change('truncate');
    if (fault !== null) throw errno(fault.errno, 'truncate', this.path);
    this.#env.setContent(this.#ino, resized(this.#env.content(this.#ino), length), { kind: 'truncate', ino: this.#ino, length });
  }

  async sync(): Promise<void> {
    const fault = await this.#change('sync');
    if (fault !== null) {
      this.#env.poison(this.#ino);
      throw errno(fault.errno, 'sync', this.path);
    }
    this.#env.ops.push({ kind: 'sync', ino: this.#ino });
  }

  datasync(): Promise<void> {
    return this.sync();
  }

  async size(): Promise<number> {
    await this.#enter('size');
    return this.#env.content(this.#ino).length;
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#env.openFiles--;
    const fault = await this.#env.enterFile('close', this.path);
    if (fault !== null) throw errno(fault.errno, 'close', this.path);
  }

  async #enter(kind: CallKind): Promise<void> {
    if (!this.#isOpen) throw errno('EBADF', kind, this.path);
    const fault = await this.#env.enterFile(kind, this.path);
    if (fault !== null) throw errno(fault.errno, kind, this.path);
  }

  async #change(kind: CallKind): Promise<Fault | null> {
    if (!this.#isOpen || this.#mode === 'read') throw errno('EBADF', kind, this.path);
    if (this.#env.isPoisoned(this.#ino)) throw new CairnError('POISONED', `${this.path} is poisoned`, { path: this.path });
    return this.#env.enterFile(kind, this.path);
  }

  #apply(bytes: Buffer, position: number): void {
    const old = this.#env.content(this.#ino);
    const data = Buffer.alloc(Math.max(old.length, position + bytes.length));
    old.copy(data);
    bytes.copy(data, position);
    this.#env.setContent(this.#ino, data, { kind: 'write', ino: this.#ino, at: position, data: bytes });
  }
}

function resized(data: Buffer, length: number): Buffer {
  const next = Buffer.alloc(length);
  data.copy(next, 0, 0, length);
  return next;
}
