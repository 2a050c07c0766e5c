/**
 * Terms of one field of a segment, read in place: a lookup is a binary search over the term bytes and one pass over the
 * postings of the term. No strings, maps or objects per term.
 */
import { CairnError } from '../util/errors.ts';
import { ColumnReader } from './columns.ts';
import type { Postings, PostingsPool, TermReader } from './part.ts';
import { compareBytes } from './utf8-order.ts';

const HEADER_NUMBERS = 4;

export class FieldReader implements TermReader {
  readonly termCount: number;
  readonly termBytesTotal: number;
  readonly postingBytesTotal: number;
  readonly #path: string;
  readonly #offset: number;
  /** Ids of the field's postings are below this. */
  readonly #idLimit: number;
  readonly #termEnds: Uint32Array;
  readonly #postingEnds: Uint32Array;
  readonly #counts: Uint32Array;
  readonly #terms: Buffer;
  readonly #postings: Buffer;

  /** `offset`: position of the section in the file, for errors. */
  constructor(section: Buffer, path: string, offset: number, idLimit: number) {
    const columns = new ColumnReader(section, path, offset);
    const header = columns.u32(HEADER_NUMBERS);
    const [termCount, termBytes, postingBytes] = [header[0] as number, header[1] as number, header[2] as number];
    this.termCount = termCount;
    this.termBytesTotal = termBytes;
    this.postingBytesTotal = postingBytes;
    this.#path = path;
    this.#offset = offset;
    this.#idLimit = idLimit;
    this.#termEnds = columns.ends(termCount, termBytes);
    this.#postingEnds = columns.ends(termCount, postingBytes);
    this.#counts = columns.u32(termCount);
    this.#terms = columns.bytes(termBytes);
    this.#postings = columns.bytes(postingBytes);
    columns.end();
  }

  lookup(term: string, pool?: PostingsPool): Postings | null {
    const key = Buffer.from(term, 'utf8');
    const rank = this.#lowerBound(key);
    return rank < this.termCount && this.#compare(rank, key) === 0 ? this.postings(rank, pool) : null;
  }

  withPrefix(prefix: string, limit: number): string[] {
    const key = Buffer.from(prefix, 'utf8');
    const found: string[] = [];
    for (let rank = this.#lowerBound(key); rank < this.termCount && found.length < limit; rank++) {
      const term = this.termBytes(rank);
      if (term.length < key.length || compareBytes(term, 0, key.length, key) !== 0) break;
      found.push(term.toString('utf8'));
    }
    return found;
  }

  *terms(): Generator<string> {
    for (let rank = 0; rank < this.termCount; rank++) yield this.term(rank);
  }

  /** The term at this rank in byte order. */
  term(rank: number): string {
    return this.#terms.toString('utf8', this.#termStart(rank), this.#termEnds[rank]);
  }

  /** A view. */
  termBytes(rank: number): Buffer {
    return this.#terms.subarray(this.#termStart(rank), this.#termEnds[rank]);
  }

  /** Number of postings of the term at this rank. */
  count(rank: number): number {
    return this.#counts[rank] as number;
  }

  postings(rank: number, pool?: PostingsPool): Postings {
    const count = this.#counts[rank] as number;
    let at = rank === 0 ? 0 : (this.#postingEnds[rank - 1] as number);
    const end = this.#postingEnds[rank] as number;
    // A posting takes at least one byte: a damaged count cannot ask for more than that.
    if (count > end - at) throw this.#corrupt(rank, `${count} postings in ${end - at} bytes`);
    const bytes = this.#postings;
    const ids = pool === undefined ? new Uint32Array(count) : pool.lend(count);
    const values = pool === undefined ? new Uint32Array(count) : pool.lend(count);
    let id = 0;
    for (let i = 0; i < count; i++) {
      // Decoded in line: this loop is what a query spends its time on. Past the end a byte reads as 0, which `at` gives away.
      let byte = bytes[at++] as number;
      let word = byte & 127;
      for (let shift = 7; byte > 127; shift += 7) {
        byte = bytes[at++] as number;
        word |= (byte & 127) << shift;
      }
      id += word >>> 1;
      let value = 1;
      if ((word & 1) === 1) {
        byte = bytes[at++] as number;
        value = byte & 127;
        for (let shift = 7; byte > 127; shift += 7) {
          byte = bytes[at++] as number;
          value |= (byte & 127) << shift;
        }
      }
      ids[i] = id;
      values[i] = value;
    }
    if (at !== end || (count > 0 && id >= this.#idLimit)) throw this.#corrupt(rank, 'damaged postings');
    return { count, ids, values };
  }

  /** Every term in order and every posting ascending and in range; for verify. CORRUPT otherwise. */
  check(): void {
    for (let rank = 0; rank < this.termCount; rank++) {
      if (rank > 0 && compareBytes(this.#terms, this.#termStart(rank - 1), this.#termStart(rank), this.termBytes(rank)) >= 0) throw this.#corrupt(rank, 'terms are not in order');
      const { ids, values, count } = this.postings(rank);
      if (count === 0) throw this.#corrupt(rank, 'term without postings');
      for (let i = 0; i < count; i++) {
        if ((i > 0 && (ids[i] as number) <= (ids[i - 1] as number)) || values[i] === 0) throw this.#corrupt(rank, 'postings are not in order');
      }
    }
  }

  #termStart(rank: number): number {
    return rank === 0 ? 0 : (this.#termEnds[rank - 1] as number);
  }

  #compare(rank: number, key: Uint8Array): number {
    return compareBytes(this.#terms, this.#termStart(rank), this.#termEnds[rank] as number, key);
  }

  /** Rank of the first term that is not below `key`. */
  #lowerBound(key: Uint8Array): number {
    let low = 0;
    let high = this.termCount;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#compare(middle, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #corrupt(rank: number, what: string): CairnError {
    return new CairnError('CORRUPT', `${this.#path}: ${what} (term ${rank} of the section at offset ${this.#offset})`, { path: this.#path, offset: this.#offset });
  }
}
