/** Terms of one field of a memtable. Nothing is kept sorted: a lookup is a hash, a prefix a scan over the field's terms. */
import type { GrowingField } from '../segment/inverter.ts';
import type { Postings, PostingsPool, TermReader } from '../segment/part.ts';
import type { StringTable } from '../segment/string-table.ts';

export class MemtableTerms implements TermReader {
  readonly #strings: StringTable;
  readonly #field: GrowingField;

  constructor(strings: StringTable, field: GrowingField) {
    this.#strings = strings;
    this.#field = field;
  }

  get termCount(): number {
    return this.#field.termCount;
  }

  lookup(term: string, pool?: PostingsPool): Postings | null {
    const id = this.#strings.find(term);
    const slot = id < 0 ? -1 : this.#field.slotOf(id);
    return slot < 0 ? null : this.#field.postings(slot, pool);
  }

  /** Scans all terms of the field (about 1 ms for 50,000) and sorts only what matches. */
  withPrefix(prefix: string, limit: number): string[] {
    const bytes = Buffer.from(prefix, 'utf8');
    const found = this.#ids().filter((id) => this.#strings.startsWith(id, bytes));
    return this.#sortedTexts(found).slice(0, Math.max(0, limit));
  }

  /** Sorts on each call; for dumps and tests, not for queries. */
  terms(): Iterable<string> {
    return this.#sortedTexts(this.#ids());
  }

  #ids(): Uint32Array {
    const ids = new Uint32Array(this.#field.termCount);
    for (let slot = 0; slot < ids.length; slot++) ids[slot] = this.#field.term(slot);
    return ids;
  }

  #sortedTexts(ids: Uint32Array): string[] {
    return Array.from(ids.sort((a, b) => this.#strings.compare(a, b)), (id) => this.#strings.text(id));
  }
}
