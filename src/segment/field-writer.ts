/**
 * Encodes one inverted field: terms in byte order, postings as delta varints. Layout in FORMAT.md, "Segment".
 * A posting is varint(delta * 2 + flag); with the flag a varint of the value follows, without it the value is 1, as it is
 * for most postings. Buffers the whole field, because its sizes come first.
 */
import type { ContainerWriter } from '../format/container-writer.ts';
import { GrowableU32 } from '../format/growable-u32.ts';
import { RecordWriter } from '../format/record-writer.ts';
import { CairnError } from '../util/errors.ts';
import { writeColumns } from './columns.ts';
import type { GrowingField } from './inverter.ts';
import { fieldTag } from './layout.ts';
import type { Field, Postings } from './part.ts';
import type { StringTable } from './string-table.ts';

const MAX_SECTION_PART = 0xffff_ffff;

export interface FieldSizes {
  readonly terms: number;
  readonly termBytes: number;
  readonly postingBytes: number;
}

export class FieldWriter {
  readonly #termEnds: GrowableU32;
  readonly #postingEnds: GrowableU32;
  readonly #counts: GrowableU32;
  readonly #terms: RecordWriter;
  readonly #postings: RecordWriter;

  /** With the sizes that are to be expected nothing is copied while it grows. */
  constructor(expected: FieldSizes = { terms: 1024, termBytes: 64 * 1024, postingBytes: 256 * 1024 }) {
    [this.#termEnds, this.#postingEnds, this.#counts] = [new GrowableU32(expected.terms), new GrowableU32(expected.terms), new GrowableU32(expected.terms)];
    this.#terms = new RecordWriter(expected.termBytes);
    this.#postings = new RecordWriter(expected.postingBytes);
  }

  get termCount(): number {
    return this.#counts.length;
  }

  /** Terms come in byte order, postings by ascending id. */
  add(term: Uint8Array, postings: Postings): void {
    this.#terms.bytes(term);
    let last = 0;
    for (let i = 0; i < postings.count; i++) {
      const id = postings.ids[i] as number;
      const value = postings.values[i] as number;
      this.#postings.varint((id - last) * 2 + (value === 1 ? 0 : 1));
      if (value !== 1) this.#postings.varint(value);
      last = id;
    }
    this.#termEnds.push(this.#terms.length);
    this.#postingEnds.push(this.#postings.length);
    this.#counts.push(postings.count);
  }

  async write(container: ContainerWriter, field: Field): Promise<void> {
    if (Math.max(this.#terms.length, this.#postings.length) > MAX_SECTION_PART) {
      throw new CairnError('INVALID_ARGUMENT', `field ${field} has more than 4 GiB of postings`, { hint: 'Compact into smaller segments.' });
    }
    await writeColumns(await container.section(fieldTag(field)), [
      Uint32Array.of(this.termCount, this.#terms.length, this.#postings.length, 0),
      this.#termEnds.view(),
      this.#postingEnds.view(),
      this.#counts.view(),
      this.#terms.view(),
      this.#postings.view(),
    ]);
  }
}

/** A grown field, and where each string id of it went: rank of the term in byte order. */
export function sortField(strings: StringTable, field: GrowingField): { readonly writer: FieldWriter; readonly rankOf: (stringId: number) => number } {
  const writer = new FieldWriter();
  const slots = Uint32Array.from({ length: field.termCount }, (_, slot) => slot);
  slots.sort((a, b) => strings.compare(field.term(a), field.term(b)));
  const ranks = new Uint32Array(field.termCount);
  slots.forEach((slot, rank) => {
    ranks[slot] = rank;
    writer.add(strings.bytesOf(field.term(slot)), field.postings(slot));
  });
  return { writer, rankOf: (id) => ranks[field.slotOf(id)] as number };
}
