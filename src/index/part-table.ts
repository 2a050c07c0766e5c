/**
 * The mutable heart of an open index, and the only one: which parts there are, and the LSN and generation readers see.
 * Changed only in short synchronous steps (publish of a commit, installation of a flush or a compaction), so a reader
 * never sees half of one. Readers get immutable views.
 */
import { asLsn, type Generation, type Lsn } from '../util/ids.ts';
import type { Memtable } from '../memtable/memtable.ts';
import { NO_ROWS, plus, type LiveCounts } from './live-set.ts';
import type { PartHandle } from './part-handle.ts';
import { ReadView, ViewSnapshot } from './read-view.ts';
import type { SegmentHandle } from './segment-handle.ts';

export type MemtableHandle = PartHandle<Memtable>;

export interface Location {
  readonly handle: PartHandle;
  readonly doc: number;
}

export class PartTable {
  #segments: readonly SegmentHandle[];
  #frozen: MemtableHandle | null = null;
  #active: MemtableHandle;
  #lsn: Lsn = asLsn(0);
  #generation: Generation;
  #view: ReadView | null = null;
  #openSnapshots = 0;

  constructor(segments: readonly SegmentHandle[], active: MemtableHandle, generation: Generation) {
    this.#segments = segments;
    this.#active = active;
    this.#generation = generation;
  }

  get segments(): readonly SegmentHandle[] {
    return this.#segments;
  }
  get frozen(): MemtableHandle | null {
    return this.#frozen;
  }
  get active(): MemtableHandle {
    return this.#active;
  }
  get lsn(): Lsn {
    return this.#lsn;
  }
  get generation(): Generation {
    return this.#generation;
  }
  get openSnapshots(): number {
    return this.#openSnapshots;
  }

  /** All parts, oldest first. */
  get handles(): readonly PartHandle[] {
    return [...this.#segments, ...(this.#frozen === null ? [] : [this.#frozen]), this.#active];
  }

  /** Sum of the live rows of all parts. */
  counts(): LiveCounts {
    return this.handles.reduce((total, handle) => plus(total, handle.live.counts), NO_ROWS);
  }

  /** The live doc with this key. At most one part has one, so the order of search is only a matter of speed. */
  locate(key: string): Location | null {
    const active = this.#active.part.findDoc(key);
    if (active >= 0 && this.#active.live.has(active)) return { handle: this.#active, doc: active };
    const sealed = this.#frozen === null ? this.#segments : [...this.#segments, this.#frozen];
    for (let i = sealed.length - 1; i >= 0; i--) {
      const handle = sealed[i] as PartHandle;
      const doc = handle.part.findDoc(key);
      if (doc >= 0 && handle.live.has(doc)) return { handle, doc };
    }
    return null;
  }

  snapshot(): ViewSnapshot {
    this.#view ??= new ReadView(
      this.#lsn,
      this.#generation,
      this.handles.filter((handle) => handle.live.counts.docs > 0),
    );
    this.#openSnapshots++;
    return new ViewSnapshot(this.#view, () => this.#openSnapshots--);
  }

  /** A commit: `change` flips liveness; readers see it together with `lsn`. */
  publish(lsn: Lsn, change: () => void): void {
    change();
    this.#active.publishRows();
    this.#lsn = lsn;
    this.#dropView();
  }

  freeze(next: MemtableHandle): void {
    this.#frozen = this.#active;
    this.#active = next;
    this.#dropView();
  }

  /** Replaces parts by what a flush or a compaction made of them. The logical content is the same before and after. */
  install(generation: Generation, segments: readonly SegmentHandle[], isFrozenFlushed: boolean): void {
    const gone = this.#segments.filter((handle) => !segments.includes(handle));
    const frozen = isFrozenFlushed ? this.#frozen : null;
    this.#segments = segments;
    if (isFrozenFlushed) this.#frozen = null;
    this.#generation = generation;
    this.#dropView();
    for (const handle of gone) handle.release();
    frozen?.release();
  }

  /** Lets go of everything; what a snapshot still holds stays usable until it is released. */
  close(): void {
    this.#dropView();
    for (const handle of this.handles) handle.release();
  }

  #dropView(): void {
    this.#view?.release();
    this.#view = null;
  }
}
