/**
 * A read view: the parts of an index with their liveness at one LSN, immutable. All snapshots between two commits share one.
 * Must never be changed after it was made; it keeps its parts (and so their files) in use until its last holder lets go.
 */
import { CairnError } from '../util/errors.ts';
import type { Generation, Lsn } from '../util/ids.ts';
import type { PartHandle } from './part-handle.ts';
import type { PartView, Snapshot } from './snapshot.ts';

type HandleView = PartView & { readonly handle: PartHandle };

export class ReadView {
  readonly lsn: Lsn;
  readonly generation: Generation;
  /** Oldest first. */
  readonly parts: readonly HandleView[];
  #holders = 1;

  constructor(lsn: Lsn, generation: Generation, handles: readonly PartHandle[]) {
    this.lsn = lsn;
    this.generation = generation;
    this.parts = handles.map((handle) => handle.view());
    for (const handle of handles) handle.retain();
  }

  find(key: string): { readonly view: PartView; readonly doc: number } | null {
    for (let i = this.parts.length - 1; i >= 0; i--) {
      const view = this.parts[i] as HandleView;
      const doc = view.handle.find(key, view.docCount);
      if (doc >= 0 && (view.live === null || view.live.has(doc))) return { view, doc };
    }
    return null;
  }

  retain(): void {
    this.#holders++;
  }

  release(): void {
    this.#holders--;
    if (this.#holders === 0) for (const view of this.parts) view.handle.release();
  }
}

/** One reader's hold on a view. Releasing twice is no error; reading after release is one. */
export class ViewSnapshot implements Snapshot {
  readonly #view: ReadView;
  readonly #onRelease: () => void;
  #isReleased = false;

  constructor(view: ReadView, onRelease: () => void) {
    this.#view = view;
    this.#onRelease = onRelease;
    view.retain();
  }

  get lsn(): Lsn {
    return this.#view.lsn;
  }

  get generation(): Generation {
    return this.#view.generation;
  }

  get parts(): readonly PartView[] {
    this.#check();
    return this.#view.parts;
  }

  find(key: string): { readonly view: PartView; readonly doc: number } | null {
    this.#check();
    return this.#view.find(key);
  }

  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#view.release();
    this.#onRelease();
  }

  #check(): void {
    if (this.#isReleased) throw new CairnError('INVALID_ARGUMENT', 'the snapshot was released');
  }
}
