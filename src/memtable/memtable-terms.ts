/** Terms of one field of a memtable. Nothing is kept sorted: a lookup is a hash, a prefix a scan over the field's terms. */
import type { GrowingField, StringTable } from '../segment/inverter.ts';
import type { Postings, TermReader } from '../segment/part.ts';
import { compareUtf8 } from '../segment/utf8-order.ts';

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

  lookup(term: string): Postings | null {
    const id = this.#strings.find(term);
    const slot = id < 0 ? -1 : this.#field.slotOf(id);
    return slot < 0 ? null : this.#field.postings(slot);
  }

  /** Scans all terms of the field (about 1 ms for 50,000) and sorts only what matches. */
  withPrefix(prefix: string, limit: number): string[] {
    const found: string[] = [];
    for (let slot = 0; slot < this.#field.termCount; slot++) {
      const term = this.#strings.text(this.#field.term(slot));
      if (term.startsWith(prefix)) found.push(term);
    }
    return found.sort(compareUtf8).slice(0, Math.max(0, limit));
  }

  /** Sorts on each call; for dumps and tests, not for queries. */
  terms(): Iterable<string> {
    return this.#all().sort(compareUtf8);
  }

  #all(): string[] {
    return Array.from({ length: this.#field.termCount }, (_, slot) => this.#strings.text(this.#field.term(slot)));
  }
}
