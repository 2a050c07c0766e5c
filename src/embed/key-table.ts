/**
 * Which record holds which key: open addressing in typed arrays, 12 bytes a slot, 16 to 32 bytes an entry. Keys are
 * uniformly distributed hashes, so their first 8 bytes serve as they are; the full key is compared by whoever reads the record.
 * Split into 16 tables so that growing one never takes more than a few milliseconds of a million entries.
 */

const TABLES = 16;
const FIRST_SLOTS = 256;
/** Location of an entry that must not be used any more (damaged record). */
const DEAD = 0xffff_ffff;
/** Largest location that can be stored; +1 must stay below DEAD. */
export const MAX_LOCATION = DEAD - 2;

export class KeyTable {
  readonly #tables: readonly Table[];

  /** `isLive` says whether a location can still be read; entries that cannot are dropped when a table grows. */
  constructor(isLive: (location: number) => boolean) {
    this.#tables = Array.from({ length: TABLES }, () => new Table(isLive));
  }

  /** Location of the record, or -1. The location may be dead by now: the caller checks its file. */
  find(key: Uint8Array): number {
    return this.#table(key).find(word(key, 0), word(key, 4));
  }

  /** Adds the key or moves it to `location`. */
  set(key: Uint8Array, location: number): void {
    this.#table(key).set(word(key, 0), word(key, 4), location);
  }

  /** Forgets the record at `location`, if the key still points there. */
  kill(key: Uint8Array, location: number): void {
    const table = this.#table(key);
    if (table.find(word(key, 0), word(key, 4)) === location) table.set(word(key, 0), word(key, 4), DEAD - 1);
  }

  /** Bytes of memory. */
  get bytes(): number {
    return this.#tables.reduce((sum, table) => sum + table.bytes, 0);
  }

  #table(key: Uint8Array): Table {
    return this.#tables[(key[8] as number) % TABLES] as Table;
  }
}

class Table {
  readonly #isLive: (location: number) => boolean;
  /** Three words a slot: first and second word of the key, location + 1 (0: free). */
  #words = new Uint32Array(FIRST_SLOTS * 3);
  #mask = FIRST_SLOTS - 1;
  #used = 0;

  constructor(isLive: (location: number) => boolean) {
    this.#isLive = isLive;
  }

  get bytes(): number {
    return this.#words.byteLength;
  }

  find(first: number, second: number): number {
    const stored = this.#words[this.#slot(first, second) * 3 + 2] as number;
    return stored === 0 || stored === DEAD ? -1 : stored - 1;
  }

  set(first: number, second: number, location: number): void {
    if ((this.#used + 1) * 4 > (this.#mask + 1) * 3) this.#grow();
    const at = this.#slot(first, second) * 3;
    if (this.#words[at + 2] === 0) this.#used++;
    this.#words[at] = first;
    this.#words[at + 1] = second;
    this.#words[at + 2] = location + 1;
  }

  /** The slot of the key, or the free one where it would go. */
  #slot(first: number, second: number): number {
    const words = this.#words;
    for (let slot = first & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const at = slot * 3;
      if (words[at + 2] === 0 || (words[at] === first && words[at + 1] === second)) return slot;
    }
  }

  /** Doubles the table, unless dropping dead entries makes enough room. */
  #grow(): void {
    const old = this.#words;
    let live = 0;
    for (let at = 2; at < old.length; at += 3) if (this.#keep(old[at] as number)) live++;
    const slots = live * 2 > this.#mask ? (this.#mask + 1) * 2 : this.#mask + 1;
    this.#words = new Uint32Array(slots * 3);
    this.#mask = slots - 1;
    this.#used = live;
    for (let at = 0; at < old.length; at += 3) {
      if (!this.#keep(old[at + 2] as number)) continue;
      const target = this.#slot(old[at] as number, old[at + 1] as number) * 3;
      this.#words.set(old.subarray(at, at + 3), target);
    }
  }

  #keep(stored: number): boolean {
    return stored !== 0 && stored !== DEAD && this.#isLive(stored - 1);
  }
}

function word(key: Uint8Array, at: number): number {
  return ((key[at] as number) | ((key[at + 1] as number) << 8) | ((key[at + 2] as number) << 16) | ((key[at + 3] as number) << 24)) >>> 0;
}
