/**
 * Inverts documents into the eight fields of an IndexPart while they come in: growing postings over one string table.
 * Used by the memtable (which answers queries from it) and by the segment writer (which encodes it at the end).
 * Postings of one term are a chain of slices in a paged pool: 2, 4, 8 … 512 words, so that a term that occurs once costs two
 * words and a frequent one wastes little. Ids only ascend.
 */
import { GrowableU32 } from '../format/growable-u32.ts';
import type { Counted, FlatDoc } from '../format/flat-doc.ts';
import { FIELDS, type Field, type Postings } from './part.ts';

/** Ids that the rows of a document start at. */
export interface RowBases {
  readonly doc: number;
  readonly chunk: number;
  readonly symbol: number;
  readonly edge: number;
}

export const NAME_PART = 1;
export const WHOLE_NAME = 2;

export class Inverter {
  readonly strings = new StringTable();
  readonly #pool = new WordPool();
  readonly #fields = new Map<Field, GrowingField>(FIELDS.map((name) => [name, new GrowingField(this.#pool)]));

  field(name: Field): GrowingField {
    return this.#fields.get(name) as GrowingField;
  }

  get memoryBytes(): number {
    return [...this.#fields.values()].reduce((sum, field) => sum + field.memoryBytes, this.strings.memoryBytes + this.#pool.memoryBytes);
  }

  /** Adds all postings of a document; returns the string ids of the document's own string table. */
  add(flat: FlatDoc, bases: RowBases): Uint32Array {
    const ids = Uint32Array.from(flat.strings(), (text) => this.strings.idOf(text));
    for (let i = 0; i < flat.chunkCount; i++) addCounted(this.field('body'), flat.chunkTerms(i), ids, bases.chunk + i);
    addCounted(this.field('path'), flat.pathTerms, ids, bases.doc);
    addCounted(this.field('comment'), flat.commentTerms, ids, bases.doc);
    for (const pair of flat.pairs) this.field('pair').add(ids[pair] as number, bases.doc, 1);
    if (flat.stem >= 0) this.field('stem').add(ids[flat.stem] as number, bases.doc, 1);
    for (let i = 0; i < flat.symbolCount; i++) this.#addSymbol(flat, i, ids, bases.symbol + i);
    for (let i = 0; i < flat.edgeCount; i++) this.field('target').add(ids[flat.edgeTargets[i] as number] as number, bases.edge + i, 1);
    return ids;
  }

  #addSymbol(flat: FlatDoc, i: number, ids: Uint32Array, symbol: number): void {
    const start = flat.symbolTermStarts[i] as number;
    const end = flat.symbolTermStarts[i + 1] as number;
    for (let t = start; t < end; t++) {
      const isWhole = t === start && end - start > 1;
      this.field('definition').add(ids[flat.symbolTermIds[t] as number] as number, symbol, isWhole ? WHOLE_NAME : NAME_PART);
    }
    const name = this.field('name');
    name.add(ids[flat.symbolNames[i] as number] as number, symbol, 1);
    name.add(ids[flat.symbolQualified[i] as number] as number, symbol, 1);
  }
}

function addCounted(field: GrowingField, terms: Counted, ids: Uint32Array, id: number): void {
  for (let i = terms.start; i < terms.end; i++) field.add(ids[terms.ids[i] as number] as number, id, terms.counts[i] as number);
}

/** Strings numbered in the order in which they first came. */
export class StringTable {
  readonly #ids = new Map<string, number>();
  readonly #strings: string[] = [];
  #memoryBytes = 0;

  get memoryBytes(): number {
    return this.#memoryBytes;
  }

  idOf(text: string): number {
    const known = this.#ids.get(text);
    if (known !== undefined) return known;
    const id = this.#strings.length;
    this.#strings.push(text);
    this.#ids.set(text, id);
    // Header, map entry and array slot of V8, measured at about 50 bytes beside the characters.
    this.#memoryBytes += 50 + text.length;
    return id;
  }

  /** -1 when the string is not there. */
  find(text: string): number {
    return this.#ids.get(text) ?? -1;
  }

  text(id: number): string {
    return this.#strings[id] as string;
  }
}

/** One field while it grows. Slots are numbered in the order in which their terms first came. */
export class GrowingField {
  readonly #pool: WordPool;
  /** string id → slot + 1 */
  #slots = new Uint32Array(256);
  readonly #terms = new GrowableU32();
  readonly #counts = new GrowableU32();
  readonly #lastIds = new GrowableU32();
  readonly #first = new GrowableU32();
  /** Next word to write, and the link word that ends the current slice. */
  readonly #next = new GrowableU32();
  readonly #link = new GrowableU32();

  constructor(pool: WordPool) {
    this.#pool = pool;
  }

  get termCount(): number {
    return this.#terms.length;
  }

  get memoryBytes(): number {
    const columns = [this.#terms, this.#counts, this.#lastIds, this.#first, this.#next, this.#link];
    return columns.reduce((sum, column) => sum + column.memoryBytes, this.#slots.byteLength);
  }

  /** String id of a slot. */
  term(slot: number): number {
    return this.#terms.at(slot);
  }

  count(slot: number): number {
    return this.#counts.at(slot);
  }

  /** Slot of a string id, or -1. */
  slotOf(term: number): number {
    return (this.#slots[term] ?? 0) - 1;
  }

  /** `id` is not below the last one of the term; the same id again changes nothing (a name that equals its qualified name). */
  add(term: number, id: number, value: number): void {
    let slot = this.slotOf(term);
    if (slot < 0) slot = this.#addSlot(term);
    else if (this.#lastIds.at(slot) === id) return;
    this.#lastIds.set(slot, id);
    this.#counts.set(slot, this.#counts.at(slot) + 1);
    // As on disk: the lowest bit says that a value other than 1 follows.
    if (value === 1) this.#write(slot, id * 2);
    else {
      this.#write(slot, id * 2 + 1);
      this.#write(slot, value);
    }
  }

  postings(slot: number): Postings {
    const count = this.#counts.at(slot);
    const ids = new Uint32Array(count);
    const values = new Uint32Array(count);
    const reader = new SliceReader(this.#pool, this.#first.at(slot));
    for (let i = 0; i < count; i++) {
      const word = reader.read();
      ids[i] = word >>> 1;
      values[i] = (word & 1) === 0 ? 1 : reader.read();
    }
    return { count, ids, values };
  }

  #addSlot(term: number): number {
    if (term >= this.#slots.length) {
      const larger = new Uint32Array(Math.max(term + 1, this.#slots.length * 2));
      larger.set(this.#slots);
      this.#slots = larger;
    }
    const slot = this.#terms.length;
    this.#slots[term] = slot + 1;
    const slice = this.#pool.alloc(sliceWords(0));
    this.#terms.push(term);
    this.#counts.push(0);
    this.#lastIds.push(0xffff_ffff);
    this.#first.push(slice);
    this.#next.push(slice);
    this.#link.push(slice + sliceWords(0) - 1);
    return slot;
  }

  #write(slot: number, word: number): void {
    const at = this.#next.at(slot);
    if (at !== this.#link.at(slot)) {
      this.#pool.set(at, word);
      this.#next.set(slot, at + 1);
      return;
    }
    const level = this.#pool.level(at);
    const slice = this.#pool.alloc(sliceWords(level + 1));
    this.#pool.set(at, slice);
    this.#pool.set(slice, word);
    this.#next.set(slot, slice + 1);
    const link = slice + sliceWords(level + 1) - 1;
    this.#link.set(slot, link);
    this.#pool.set(link, level + 1);
  }
}

/** Words of a slice, its link word included. */
function sliceWords(level: number): number {
  return 2 ** Math.min(level + 1, 9);
}

class SliceReader {
  readonly #pool: WordPool;
  #at: number;
  #link: number;
  #level = 0;

  constructor(pool: WordPool, first: number) {
    this.#pool = pool;
    this.#at = first;
    this.#link = first + sliceWords(0) - 1;
  }

  read(): number {
    if (this.#at === this.#link) {
      this.#at = this.#pool.get(this.#at);
      this.#level += 1;
      this.#link = this.#at + sliceWords(this.#level) - 1;
    }
    return this.#pool.get(this.#at++);
  }
}

const PAGE_WORDS = 1 << 15;

/** 32-bit words in pages that never move; a slice lies in one page. The link word of an unfinished slice holds its level. */
class WordPool {
  readonly #pages: Uint32Array[] = [];
  #end = 0;

  get memoryBytes(): number {
    return this.#pages.length * PAGE_WORDS * 4;
  }

  alloc(words: number): number {
    const room = this.#pages.length * PAGE_WORDS - this.#end;
    if (words > room) {
      this.#end = this.#pages.length * PAGE_WORDS;
      this.#pages.push(new Uint32Array(PAGE_WORDS));
    }
    this.#end += words;
    return this.#end - words;
  }

  get(at: number): number {
    return (this.#pages[at >>> 15] as Uint32Array)[at & (PAGE_WORDS - 1)] as number;
  }

  set(at: number, word: number): void {
    (this.#pages[at >>> 15] as Uint32Array)[at & (PAGE_WORDS - 1)] = word;
  }

  /** Level of the slice that ends at a link word that was not yet used. */
  level(link: number): number {
    return this.get(link);
  }
}
