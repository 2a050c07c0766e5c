/**
 * A part together with what belongs to it: its liveness, the row counts readers may see, and a use count.
 * The part table holds one use, each read view that lists the part another; the last one out disposes of the resources.
 */
import type { IndexPart } from '../segment/part.ts';
import type { Bitset } from '../util/bitset.ts';
import type { LiveSet } from './live-set.ts';
import type { PartView } from './snapshot.ts';

/** A part that grows answers for the docs it had when a view was taken; in a complete part each key occurs once. */
export interface FindablePart extends IndexPart {
  findDocAt?(key: string, docCount: number): number;
}

export class PartHandle<P extends FindablePart = FindablePart> {
  readonly part: P;
  readonly live: LiveSet;
  readonly #dispose: () => void;
  #uses = 1;
  #docs: number;
  #chunks: number;

  /** `dispose` is called once, when nobody uses the part any more; it must not throw. */
  constructor(part: P, live: LiveSet, dispose: () => void) {
    this.part = part;
    this.live = live;
    this.#dispose = dispose;
    this.#docs = part.docCount;
    this.#chunks = part.chunkCount;
  }

  get docCount(): number {
    return this.#docs;
  }

  /** Lets readers see all rows that the part has now. */
  publishRows(): void {
    this.#docs = this.part.docCount;
    this.#chunks = this.part.chunkCount;
  }

  /** Newest doc below `docCount` with this key, or -1. */
  find(key: string, docCount: number): number {
    return this.part.findDocAt === undefined ? this.part.findDoc(key) : this.part.findDocAt(key, docCount);
  }

  view(): PartView & { readonly handle: PartHandle } {
    const { docs, chunks } = this.live.counts;
    const live: Bitset | null = this.live.areAllLive ? null : this.live.share();
    return { part: this.part, docCount: this.#docs, chunkCount: this.#chunks, live, liveDocs: docs, liveChunks: chunks, handle: this };
  }

  retain(): void {
    this.#uses++;
  }

  release(): void {
    this.#uses--;
    if (this.#uses === 0) this.#dispose();
  }
}
