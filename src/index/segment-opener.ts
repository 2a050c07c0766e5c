/**
 * Opens segments of one index as handles. Owns the list of files in use and what happens when the last reader of a segment is
 * gone: its descriptor and memory go, and its file too if no manifest names it any more.
 */
import { join } from 'node:path';
import type { Env } from '../env/env.ts';
import type { SegmentEntry } from '../manifest/manifest.ts';
import type { VectorArena } from '../quantize/arena.ts';
import type { BlockCache } from '../segment/block-cache.ts';
import { openSegment } from '../segment/reader.ts';
import type { Segment } from '../segment/segment.ts';
import type { Bitset } from '../util/bitset.ts';
import { isCairnError, type CairnError } from '../util/errors.ts';
import { complementOf, SegmentHandle } from './segment-handle.ts';
import type { FileUse } from './file-use.ts';

export class SegmentOpener {
  readonly #env: Env;
  readonly #dir: string;
  readonly #arena: VectorArena;
  readonly #dimension: number;
  readonly #cache: BlockCache;
  readonly #files: FileUse;
  readonly #closing = new Set<Promise<void>>();
  #closeFailure: CairnError | null = null;
  /** Called after a segment was closed, when its file may have become garbage. */
  onClosed: () => void = () => undefined;

  constructor(env: Env, dir: string, memory: { readonly arena: VectorArena; readonly cache: BlockCache }, dimension: number, files: FileUse) {
    this.#env = env;
    this.#dir = dir;
    this.#arena = memory.arena;
    this.#cache = memory.cache;
    this.#dimension = dimension;
    this.#files = files;
  }

  /** Error of the last descriptor that could not be closed; nothing depends on it but status. */
  get closeFailure(): CairnError | null {
    return this.#closeFailure;
  }

  /** `dead` as read from the tombstone file, null = none. Fails with the damage, naming file and offset. */
  async open(entry: SegmentEntry, dead: Bitset | null): Promise<SegmentHandle> {
    const path = join(this.#dir, entry.file);
    const segment = await openSegment(this.#env, path, this.#arena, { ...entry, dimension: this.#dimension }, { cache: this.#cache });
    const release = this.#files.hold(entry.file);
    const published = dead === null ? null : complementOf(dead, entry.docs);
    return new SegmentHandle(segment, entry, published, () => this.#close(segment, release));
  }

  /** Resolves when every segment that nobody uses is closed. */
  async settled(): Promise<void> {
    while (this.#closing.size > 0) await Promise.all(this.#closing);
  }

  #close(segment: Segment, release: () => void): void {
    const closing = segment
      .close()
      .catch((error: unknown) => {
        if (!isCairnError(error)) throw error;
        this.#closeFailure = error;
      })
      .finally(() => {
        release();
        this.#closing.delete(closing);
        this.onClosed();
      });
    this.#closing.add(closing);
  }
}
