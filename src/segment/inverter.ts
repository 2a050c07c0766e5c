/**
 * Inverts documents into the eight fields of an IndexPart while they come in: growing postings over one string table.
 * Used by the memtable (which answers queries from it) and by the segment writer (which encodes it at the end).
 * Postings of one term are a chain of slices in a paged pool: 2, 4, 8 … 512 words, so that a term that occurs once costs two
 * words and a frequent one wastes little. Ids only ascend.
 */
import type { Counted, FlatDoc } from '../format/flat-doc.ts';
import { FIELDS, type Field, type Postings, type PostingsPool } from './part.ts';
import { StringTable } from './string-table.ts';

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
    const ids = this.#intern(flat);
    for (let i = 0; i < flat.chunkCount; i++) addCounted(this.field('body'), flat.chunkTerms(i), ids, bases.chunk + i);
    addCounted(this.field('path'), flat.pathTerms, ids, bases.doc);
    addCounted(this.field('comment'), flat.commentTerms, ids, bases.doc);
    for (const pair of flat.pairs) this.field('pair').add(ids[pair] as number, bases.doc, 1);
    if (flat.stem >= 0) this.field('stem').add(ids[flat.stem] as number, bases.doc, 1);
    for (let i = 0; i < flat.symbolCount; i++) this.#addSymbol(flat, i, ids, bases.symbol + i);
    for (let i = 0; i < flat.edgeCount; i++) this.field('target').add(ids[flat.edgeTargets[i] as number] as number, bases.edge + i, 1);
    return ids;
  }

  #intern(flat: FlatDoc): Uint32Array {
    const ids = new Uint32Array(flat.stringCount);
    const { stringBytes, stringEnds } = flat;
    let start = 0;
    for (let i = 0; i < ids.length; i++) {
      const end = stringEnds[i] as number;
      ids[i] = this.strings.idOf(stringBytes, start, end);
      start = end;
    }
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

/** Words of a slot, together in one cache line. */
const SLOT_WORDS = 8;
const TERM = 0;
const COUNT = 1;
const LAST_ID = 2;
const FIRST = 3;
/** Next word to write, and the link word that ends the current slice. */
const NEXT = 4;
const LINK = 5;

/** One field while it grows. Slots are numbered in the order in which their terms first came. */
export class GrowingField {
  readonly #pool: WordPool;
  /** string id → slot + 1 */
  #slotOf = new Uint32Array(256);
  #slots = new Uint32Array(64 * SLOT_WORDS);
  #count = 0;

  constructor(pool: WordPool) {
    this.#pool = pool;
  }

  get termCount(): number {
    return this.#count;
  }

  get memoryBytes(): number {
    return this.#slotOf.byteLength + this.#slots.byteLength;
  }

  /** String id of a slot. */
  term(slot: number): number {
    return this.#slots[slot * SLOT_WORDS + TERM] as number;
  }

  count(slot: number): number {
    return this.#slots[slot * SLOT_WORDS + COUNT] as number;
  }

  /** Slot of a string id, or -1. */
  slotOf(term: number): number {
    return (this.#slotOf[term] ?? 0) - 1;
  }

  /** `id` is not below the last one of the term; the same id again changes nothing (a name that equals its qualified name). */
  add(term: number, id: number, value: number): void {
    let slot = this.slotOf(term);
    if (slot < 0) slot = this.#addSlot(term);
    const at = slot * SLOT_WORDS;
    const slots = this.#slots;
    if (slots[at + LAST_ID] === id) return;
    slots[at + LAST_ID] = id;
    slots[at + COUNT] = (slots[at + COUNT] as number) + 1;
    // As on disk: the lowest bit says that a value other than 1 follows.
    if (value === 1) this.#write(at, id * 2);
    else {
      this.#write(at, id * 2 + 1);
      this.#write(at, value);
    }
  }

  postings(slot: number, pool?: PostingsPool): Postings {
    const count = this.count(slot);
    const ids = pool === undefined ? new Uint32Array(count) : pool.lend(count);
    const values = pool === undefined ? new Uint32Array(count) : pool.lend(count);
    const reader = new SliceReader(this.#pool, this.#slots[slot * SLOT_WORDS + FIRST] as number);
    for (let i = 0; i < count; i++) {
      const word = reader.read();
      ids[i] = word >>> 1;
      values[i] = (word & 1) === 0 ? 1 : reader.read();
    }
    return { count, ids, values };
  }

  #addSlot(term: number): number {
    if (term >= this.#slotOf.length) this.#slotOf = grown(this.#slotOf, term + 1);
    const slot = this.#count++;
    const at = slot * SLOT_WORDS;
    if (at === this.#slots.length) this.#slots = grown(this.#slots, at + SLOT_WORDS);
    this.#slotOf[term] = slot + 1;
    const slice = this.#pool.alloc(sliceWords(0));
    this.#slots[at + TERM] = term;
    this.#slots[at + LAST_ID] = 0xffff_ffff;
    this.#slots[at + FIRST] = slice;
    this.#slots[at + NEXT] = slice;
    this.#slots[at + LINK] = slice + sliceWords(0) - 1;
    return slot;
  }

  #write(at: number, word: number): void {
    const slots = this.#slots;
    const next = slots[at + NEXT] as number;
    if (next !== slots[at + LINK]) {
      this.#pool.set(next, word);
      slots[at + NEXT] = next + 1;
      return;
    }
    // The link word of an unfinished slice holds its level.
    const level = this.#pool.get(next) + 1;
    const slice = this.#pool.alloc(sliceWords(level));
    const link = slice + sliceWords(level) - 1;
    this.#pool.set(next, slice);
    this.#pool.set(slice, word);
    this.#pool.set(link, level);
    slots[at + NEXT] = slice + 1;
    slots[at + LINK] = link;
  }
}

function grown(old: Uint32Array, atLeast: number): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(Math.max(atLeast, old.length * 2));
  larger.set(old);
  return larger;
}

/** Words of a slice, its link word included. */
function sliceWords(level: number): number {
  return 2 << Math.min(level, 8);
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

/** 32-bit words in pages that never move; a slice lies in one page. */
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
}
