/**
 * The vector arena: one shared WebAssembly.Memory that holds the int8 rows of every open segment and memtable, so that the
 * kernel scans them in place. Owns allocation inside that memory; knows nothing of what the bytes mean.
 * WebAssembly memory never shrinks: freed ranges are reused, and `usage` tells used from committed bytes.
 * Scans use one scratch page: an arena is scanned by one thread (the one that made it).
 */
import { CairnError } from '../util/errors.ts';
import { loadKernel, type Kernel, type KernelName } from './kernel.ts';
import { webAssembly, type SharedMemory } from './webassembly.ts';

const PAGE = 65_536;
/** Start of every allocation, so that rows never straddle a cache line more than they must. */
const ALIGNMENT = 64;
/** Grow by at least 1 MiB: each growth makes a new buffer object. */
const MIN_GROWTH_PAGES = 16;
const MAX_PAGES = 65_536;
/** 4 GiB, 1 GiB, 256 MiB: without a wish, the largest that the machine allows. `maxBytes` tells which. */
const DEFAULT_MAXIMA = [MAX_PAGES, 16_384, 4096];
/** First page: query codes, room for the kernel to widen them to 16 bits, then results. Address 0 is therefore never an allocation. */
const SCRATCH_QUERY = 0;
const SCRATCH_QUERY_BYTES = 16_384;
const SCRATCH_WIDE = SCRATCH_QUERY_BYTES;
const SCRATCH_OUT = 3 * SCRATCH_QUERY_BYTES;
/** Rows per kernel call, limited by the results in the scratch page. */
export const SCRATCH_ROWS = (PAGE - SCRATCH_OUT) / 4;

export interface ArenaOptions {
  /** Most bytes the arena may take, 64 KiB to 4 GiB. */
  readonly maxBytes?: number;
  readonly kernel?: KernelName;
}

export interface ArenaUsage {
  /** In allocations that were not freed. */
  readonly usedBytes: number;
  /** Committed and free for reuse. */
  readonly freeBytes: number;
  readonly committedBytes: number;
  readonly maxBytes: number;
  /** Largest `usedBytes` so far. */
  readonly peakBytes: number;
}

interface Range {
  start: number;
  end: number;
}

export class VectorArena {
  readonly memory: SharedMemory;
  readonly maxBytes: number;
  readonly #kernel: Kernel;
  /** Views of the scratch page. They outlive growth: what was shared stays shared. */
  readonly #query: Int8Array;
  readonly #sums: Int32Array;
  /** Free ranges by address; neighbours are always merged. */
  readonly #free: Range[] = [];
  readonly #sizes = new Map<number, number>();
  #end = PAGE;
  #used = 0;
  #peak = 0;

  constructor(options: ArenaOptions = {}) {
    const wanted = options.maxBytes === undefined ? DEFAULT_MAXIMA : [Math.min(MAX_PAGES, Math.max(1, Math.floor(options.maxBytes / PAGE)))];
    [this.memory, this.maxBytes] = reserve(wanted);
    this.#kernel = loadKernel(this.memory, options.kernel);
    this.#query = new Int8Array(this.memory.buffer, SCRATCH_QUERY, SCRATCH_QUERY_BYTES);
    this.#sums = new Int32Array(this.memory.buffer, SCRATCH_OUT, SCRATCH_ROWS);
    // A function is compiled when it first runs, and can be optimized later if optimizing was allowed then (ingest forbids it).
    this.scan(0, 1, new Int8Array(32));
  }

  /** Which kernel scans this arena; 'reference' means that the platform has no WebAssembly SIMD. */
  get kernel(): KernelName {
    return this.#kernel.name;
  }

  get usage(): ArenaUsage {
    const committedBytes = this.memory.buffer.byteLength;
    return { usedBytes: this.#used, freeBytes: committedBytes - PAGE - this.#used, committedBytes, maxBytes: this.maxBytes, peakBytes: this.#peak };
  }

  /** Address of `bytes` zeroed bytes, a multiple of 64. OVERLOADED when the arena's limit is reached. */
  alloc(bytes: number): number {
    const size = Math.max(ALIGNMENT, Math.ceil(bytes / ALIGNMENT) * ALIGNMENT);
    const start = this.#reuse(size) ?? this.#extend(size);
    this.#sizes.set(start, size);
    this.#used += size;
    this.#peak = Math.max(this.#peak, this.#used);
    return start;
  }

  free(address: number): void {
    const size = this.#sizes.get(address);
    if (size === undefined) throw new CairnError('INTERNAL', `arena address ${address} is not allocated`);
    this.#sizes.delete(address);
    this.#used -= size;
    this.#giveBack({ start: address, end: address + size });
  }

  /** A view of allocated memory; valid for as long as the allocation, also after the arena has grown. */
  view(address: number, bytes: number): Int8Array {
    return new Int8Array(this.memory.buffer, address, bytes);
  }

  /** Integer dot products of `count` rows (at most SCRATCH_ROWS), the first entries of the result; valid until the next call. */
  scan(rows: number, count: number, query: Int8Array): Int32Array {
    const stride = query.length;
    if (stride === 0 || stride % 32 !== 0 || stride > SCRATCH_QUERY_BYTES || count > SCRATCH_ROWS) {
      throw new CairnError('INTERNAL', `scan of ${count} rows of ${stride} bytes`);
    }
    this.#query.set(query);
    this.#kernel.dotRows(rows, count, stride, SCRATCH_QUERY, SCRATCH_WIDE, SCRATCH_OUT);
    return this.#sums;
  }

  /** First fit: allocations are few and large. */
  #reuse(size: number): number | null {
    const at = this.#free.findIndex((range) => range.end - range.start >= size);
    const range = this.#free[at];
    if (range === undefined) return null;
    const { start } = range;
    range.start += size;
    if (range.start === range.end) this.#free.splice(at, 1);
    new Uint8Array(this.memory.buffer, start, size).fill(0);
    return start;
  }

  #extend(size: number): number {
    const last = this.#free.at(-1);
    const start = last !== undefined && last.end === this.#end ? last.start : this.#end;
    const missing = start + size - this.memory.buffer.byteLength;
    if (missing > 0) this.#grow(Math.ceil(missing / PAGE), size);
    if (start < this.#end) {
      this.#free.pop();
      new Uint8Array(this.memory.buffer, start, this.#end - start).fill(0);
    }
    this.#end = start + size;
    return start;
  }

  #grow(needed: number, size: number): void {
    const pages = this.memory.buffer.byteLength / PAGE;
    const room = this.maxBytes / PAGE - pages;
    const wanted = Math.min(room, Math.max(needed, MIN_GROWTH_PAGES, pages >>> 3));
    try {
      if (needed > room) throw new RangeError('limit of the arena');
      this.memory.grow(wanted);
    } catch (cause) {
      throw new CairnError('OVERLOADED', `no room for ${size} bytes of vector codes: ${this.#used} of ${this.maxBytes} bytes in use`, {
        cause,
        hint: 'Close indexes that are not needed, or raise the memory budget.',
      });
    }
  }

  #giveBack(range: Range): void {
    const at = this.#free.findIndex((other) => other.start > range.start);
    const index = at < 0 ? this.#free.length : at;
    const before = this.#free[index - 1];
    const after = this.#free[index];
    if (before?.end === range.start && after?.start === range.end) {
      before.end = after.end;
      this.#free.splice(index, 1);
    } else if (before?.end === range.start) before.end = range.end;
    else if (after?.start === range.end) after.start = range.start;
    else this.#free.splice(index, 0, range);
  }
}

/** Shared memory reserves its maximum as address space: takes the first of `maxima` (in pages) that the machine has room for. */
function reserve(maxima: readonly number[]): [memory: SharedMemory, maxBytes: number] {
  let cause: unknown;
  for (const maximum of maxima) {
    try {
      return [new webAssembly.Memory({ initial: 1, maximum, shared: true }), maximum * PAGE];
    } catch (error) {
      cause = error;
    }
  }
  const bytes = (maxima.at(-1) ?? 0) * PAGE;
  throw new CairnError('OVERLOADED', `cannot reserve ${bytes} bytes of address space for vector codes`, { cause, hint: 'Raise the limit on address space (ulimit -v).' });
}
