/** Merges one inverted field of several segments: terms by byte order, postings with new ids. */
import { FieldWriter } from './field-writer.ts';
import { DEAD, type MergePlan } from './merge-plan.ts';
import type { Field, Postings } from './part.ts';

/** Per source: new rank of each old one. Undefined content for terms that did not survive. */
export type TermMaps = readonly Uint32Array[];

export function mergeField(plan: MergePlan, field: Field): { readonly writer: FieldWriter; readonly ranks: TermMaps } {
  const writer = new FieldWriter();
  const readers = plan.segments.map((segment) => segment.field(field));
  const ranks = readers.map((reader) => new Uint32Array(reader.termCount));
  const heads = readers.map(() => 0);
  for (;;) {
    const term = smallest(readers.map((reader, s) => ((heads[s] as number) < reader.termCount ? reader.termBytes(heads[s] as number) : null)));
    if (term === null) return { writer, ranks };
    const lists: Postings[] = [];
    readers.forEach((reader, s) => {
      const rank = heads[s] as number;
      if (rank >= reader.termCount || Buffer.compare(reader.termBytes(rank), term) !== 0) return;
      (ranks[s] as Uint32Array)[rank] = writer.termCount;
      lists.push(survivors(reader.postings(rank), plan.idsOf(s, field)));
      heads[s] = rank + 1;
    });
    const merged = mergeLists(lists.filter((list) => list.count > 0));
    if (merged !== null) writer.add(term, merged);
  }
}

function smallest(terms: readonly (Buffer | null)[]): Buffer | null {
  let first: Buffer | null = null;
  for (const term of terms) if (term !== null && (first === null || Buffer.compare(term, first) < 0)) first = term;
  return first;
}

/** New ids ascend within one source, because docs keep their order. */
function survivors({ count, ids, values }: Postings, newIds: Uint32Array): Postings {
  const outIds = new Uint32Array(count);
  const outValues = new Uint32Array(count);
  let n = 0;
  for (let i = 0; i < count; i++) {
    const id = newIds[ids[i] as number] as number;
    if (id === DEAD) continue;
    outIds[n] = id;
    outValues[n++] = values[i] as number;
  }
  return { count: n, ids: outIds, values: outValues };
}

function mergeLists(lists: readonly Postings[]): Postings | null {
  if (lists.length <= 1) return lists[0] ?? null;
  const count = lists.reduce((sum, list) => sum + list.count, 0);
  const ids = new Uint32Array(count);
  const values = new Uint32Array(count);
  const heads = lists.map(() => 0);
  for (let i = 0; i < count; i++) {
    let first = -1;
    for (let s = 0; s < lists.length; s++) {
      if ((heads[s] as number) < (lists[s] as Postings).count && (first < 0 || headId(lists, heads, s) < headId(lists, heads, first))) first = s;
    }
    ids[i] = headId(lists, heads, first);
    values[i] = (lists[first] as Postings).values[heads[first] as number] as number;
    heads[first] = (heads[first] as number) + 1;
  }
  return { count, ids, values };
}

function headId(lists: readonly Postings[], heads: readonly number[], s: number): number {
  return (lists[s] as Postings).ids[heads[s] as number] as number;
}
