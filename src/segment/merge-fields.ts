/** Merges one inverted field of several segments: terms by byte order, postings with new ids. */
import type { FieldReader } from './field-reader.ts';
import { FieldWriter } from './field-writer.ts';
import { DEAD, rowKindOf, type MergePlan } from './merge-plan.ts';
import type { MovedTerms } from './merge-rows.ts';
import type { Field, Postings } from './part.ts';
import { PostingsPool } from './postings-pool.ts';

/** Arrays for the longest postings of a large field, for some sources and the result. */
const POOL_BYTES = 8 << 20;

export async function mergeField(plan: MergePlan, field: Field): Promise<{ readonly writer: FieldWriter; readonly terms: MovedTerms }> {
  const readers: FieldReader[] = [];
  for (const segment of plan.segments) readers.push(await segment.readField(field));
  const merge = new FieldMerge(readers, plan.newIds(rowKindOf(field)));
  merge.run();
  return { writer: merge.writer, terms: { counts: readers.map(({ termCount }) => termCount), ranks: merge.ranks } };
}

class FieldMerge {
  readonly writer: FieldWriter;
  /** Per source: new rank of each old one. Undefined content for terms that did not survive. */
  readonly ranks: readonly Uint32Array[];
  readonly #readers: readonly FieldReader[];
  readonly #newIds: readonly Uint32Array[];
  readonly #pool = new PostingsPool(POOL_BYTES);
  /** Rank of the next term of each source, and the term; null at the end. */
  readonly #heads: number[];
  readonly #terms: (Buffer | null)[];

  constructor(readers: readonly FieldReader[], newIds: readonly Uint32Array[]) {
    const sum = (size: (reader: FieldReader) => number): number => readers.reduce((total, reader) => total + size(reader), 0);
    // The most that the result can have, but for a delta that takes one byte more.
    this.writer = new FieldWriter({ terms: sum((r) => r.termCount), termBytes: sum((r) => r.termBytesTotal), postingBytes: sum((r) => r.postingBytesTotal) });
    this.ranks = readers.map((reader) => new Uint32Array(reader.termCount));
    this.#readers = readers;
    this.#newIds = newIds;
    this.#heads = readers.map(() => 0);
    this.#terms = readers.map((reader) => (reader.termCount > 0 ? reader.termBytes(0) : null));
  }

  run(): void {
    const lists: Postings[] = [];
    for (let term = this.#smallest(); term !== null; term = this.#smallest()) {
      lists.length = 0;
      for (let s = 0; s < this.#readers.length; s++) {
        const head = this.#terms[s];
        if (head === null || head === undefined || Buffer.compare(head, term) !== 0) continue;
        const list = this.#take(s);
        if (list.count > 0) lists.push(list);
      }
      const merged = lists.length <= 1 ? lists[0] : this.#mergeLists(lists);
      if (merged !== undefined) this.writer.add(term, merged);
      this.#pool.takeBack();
    }
  }

  #smallest(): Buffer | null {
    let first: Buffer | null = null;
    for (const term of this.#terms) if (term !== null && (first === null || Buffer.compare(term, first) < 0)) first = term;
    return first;
  }

  /** Surviving postings of the next term of a source, which is the one that is being written. */
  #take(source: number): Postings {
    const reader = this.#readers[source] as FieldReader;
    const rank = this.#heads[source] as number;
    (this.ranks[source] as Uint32Array)[rank] = this.writer.termCount;
    this.#heads[source] = rank + 1;
    this.#terms[source] = rank + 1 < reader.termCount ? reader.termBytes(rank + 1) : null;
    return survivors(reader.postings(rank, this.#pool), this.#newIds[source] as Uint32Array);
  }

  #mergeLists(lists: readonly Postings[]): Postings {
    const count = lists.reduce((sum, list) => sum + list.count, 0);
    const ids = this.#pool.lend(count);
    const values = this.#pool.lend(count);
    const heads = lists.map(() => 0);
    for (let i = 0; i < count; i++) {
      let first = -1;
      let least = 0;
      for (let s = 0; s < lists.length; s++) {
        const head = heads[s] as number;
        const list = lists[s] as Postings;
        if (head >= list.count) continue;
        const id = list.ids[head] as number;
        if (first < 0 || id < least) [first, least] = [s, id];
      }
      const head = heads[first] as number;
      ids[i] = least;
      values[i] = (lists[first] as Postings).values[head] as number;
      heads[first] = head + 1;
    }
    return { count, ids, values };
  }
}

/** In place. New ids ascend within one source, because docs keep their order. */
function survivors({ count, ids, values }: Postings, newIds: Uint32Array): Postings {
  let n = 0;
  for (let i = 0; i < count; i++) {
    const id = newIds[ids[i] as number] as number;
    if (id === DEAD) continue;
    ids[n] = id;
    values[n++] = values[i] as number;
  }
  return { count: n, ids, values };
}
