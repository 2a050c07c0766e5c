/**
 * A vector cache that is opened when it is first asked: opening reads the keys of everything ever embedded on this machine,
 * which a daemon that only answers queries does not need. Opened once; one that cannot be opened misses everything.
 */
import type { VectorCache } from './embedder.ts';
import type { FileVectorCache } from './vector-cache.ts';

type Openable = Pick<FileVectorCache, 'lookup' | 'store' | 'close' | 'stats'>;

export class DeferredVectorCache implements VectorCache {
  readonly #open: () => Promise<Openable | null>;
  #opening: Promise<Openable | null> | null = null;
  #opened: Openable | null = null;
  #isClosed = false;

  /** `open` never rejects: it reports why there is no cache and gives null. */
  constructor(open: () => Promise<Openable | null>) {
    this.#open = open;
  }

  /** null until it is open, and when it could not be opened. */
  get stats(): FileVectorCache['stats'] | null {
    return this.#opened?.stats ?? null;
  }

  async lookup(keys: readonly Uint8Array[]): Promise<(Float32Array | null)[]> {
    const cache = await this.#ready();
    return cache === null ? keys.map(() => null) : cache.lookup(keys);
  }

  async store(entries: Parameters<VectorCache['store']>[0]): Promise<void> {
    await (await this.#ready())?.store(entries);
  }

  /** It is not opened any more after this. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await (await this.#opening)?.close();
  }

  async #ready(): Promise<Openable | null> {
    if (this.#opening === null && this.#isClosed) return null;
    this.#opening ??= this.#open();
    this.#opened = await this.#opening;
    return this.#opened;
  }
}
