/**
 * Applies batches in two steps: `put` and `delete` look up what they replace and add rows that no reader can see yet (may be
 * done in slices), `publish` flips all liveness bits in one synchronous step. Runs in LSN order, one group at a time.
 */
import type { FlatDoc } from '../format/flat-doc.ts';
import type { Lsn } from '../util/ids.ts';
import type { PartHandle } from './part-handle.ts';
import type { PartTable } from './part-table.ts';

const DELETED = -1;

export class Staging {
  readonly #table: PartTable;
  readonly #kills: { readonly handle: PartHandle; readonly doc: number }[] = [];
  /** Rows added by this group: doc → still the newest of its key. */
  readonly #added = new Map<number, boolean>();
  /** What this group made of a key: the doc it added last, or DELETED. */
  readonly #newest = new Map<string, number>();

  constructor(table: PartTable) {
    this.#table = table;
  }

  put(record: FlatDoc, lsn: Lsn): void {
    this.#supersede(record.key);
    const doc = this.#table.active.part.add(record, lsn, true);
    this.#added.set(doc, true);
    this.#newest.set(record.key, doc);
  }

  delete(key: string): void {
    this.#supersede(key);
    this.#newest.set(key, DELETED);
  }

  publish(lsn: Lsn): void {
    const { active } = this.#table;
    this.#table.publish(lsn, () => {
      for (const { handle, doc } of this.#kills) handle.live.kill(doc);
      for (const [doc, isNewest] of this.#added) active.live.add(doc, isNewest);
    });
  }

  #supersede(key: string): void {
    const own = this.#newest.get(key);
    if (own !== undefined) {
      if (own !== DELETED) this.#added.set(own, false);
      return;
    }
    const location = this.#table.locate(key);
    if (location !== null) this.#kills.push(location);
  }
}
