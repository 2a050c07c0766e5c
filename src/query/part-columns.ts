/**
 * What the ranking needs to know of each doc of a part beyond what the part stores: derived from keys and counts, kept beside
 * the part for as long as the part lives, extended when a live memtable has grown. Never persisted.
 */
import { countWordTerms, eachWord, pathParts, sideKinds, textTerms, type SideFile, type SideKind } from '../text/index.ts';
import { identifierParts } from '../text/split.ts';
import type { Snapshot } from '../index/snapshot.ts';
import type { IndexPart } from '../segment/part.ts';
import { Slices } from './slices.ts';

const SIDE_BIT: Readonly<Record<SideKind, number>> = { test: 1, example: 2, barrel: 4, typings: 8, windows: 16, changelog: 32 };
/** What `sideKinds` says, by the bits of its kinds: a kind has one factor, whatever the path. */
const SIDE_FILES: (readonly SideFile[])[] = [];

/** Words of a file stem, for the features that compare it with the query. */
export interface StemWords {
  readonly terms: readonly string[];
  /** `letterBit` of all terms. */
  readonly letters: number;
  /** Number of parts; the whole name of a stem with several parts does not count. */
  readonly simple: number;
  readonly directories: number;
}

/** One of 32 bits by the first character: words without a bit in common do not begin alike. */
export function letterBit(word: string): number {
  return 1 << (word.charCodeAt(0) & 31);
}

/** Of one part; about 200 bytes each. A limit below the number of its docs would empty the cache with every query. */
const MAX_STEMS = 32_768;

export class PartColumns {
  /** Terms of the path, with their weights; added to the length of each chunk. */
  pathLengths = new Uint16Array(0);
  /** Per chunk: its terms and those of the path. */
  chunkLengths = new Uint32Array(0);
  /** Terms of all chunks of the doc, path terms included. */
  textLengths = new Float64Array(0);
  /** Order of docs with equal scores: shallow first, then by a hash of the key. The same for the same key in any part. */
  ties = new Float64Array(0);
  #sides = new Uint8Array(0);
  /** Per symbol: 1 for fields and properties, whose names say little about what a file is for. */
  members = new Uint8Array(0);
  readonly #part: IndexPart;
  readonly #stems = new Map<number, StemWords>();
  readonly #directoryLengths = new Map<string, number>();
  #docs = 0;

  constructor(part: IndexPart) {
    this.#part = part;
  }

  /** Makes all columns valid for docs 0..docCount-1. */
  extend(docCount: number): void {
    if (docCount <= this.#docs) return;
    if (docCount > this.pathLengths.length) this.#grow(Math.max(docCount, this.pathLengths.length * 2));
    const chunks = this.#part.chunkStart(docCount);
    if (chunks > this.chunkLengths.length) this.chunkLengths = grown(new Uint32Array(Math.max(this.#part.chunkCount, chunks)), this.chunkLengths);
    const symbols = this.#part.symbolStart(docCount);
    if (symbols > this.members.length) this.members = grown(new Uint8Array(Math.max(this.#part.symbolCount, symbols)), this.members);
    for (let doc = this.#docs; doc < docCount; doc++) this.#add(doc);
    this.#docs = docCount;
  }

  /** What makes the doc a side file; empty for ordinary files. */
  sideFiles(doc: number): readonly SideFile[] {
    return SIDE_FILES[this.#sides[doc] as number] ?? [];
  }

  stemWords(doc: number): StemWords {
    let words = this.#stems.get(doc);
    if (words === undefined) {
      const { stem, directories } = pathParts(this.#part.docKey(doc));
      const terms = [...new Set(textTerms(stem))];
      const parts = identifierParts(stem).length;
      words = { terms, letters: terms.reduce((bits, term) => bits | letterBit(term), 0), simple: parts > 1 ? terms.length - 1 : terms.length, directories: directories.length };
      if (this.#stems.size >= MAX_STEMS) this.#stems.clear();
      this.#stems.set(doc, words);
    }
    return words;
  }

  #grow(capacity: number): void {
    this.pathLengths = grown(new Uint16Array(capacity), this.pathLengths);
    this.textLengths = grown(new Float64Array(capacity), this.textLengths);
    this.ties = grown(new Float64Array(capacity), this.ties);
    this.#sides = grown(new Uint8Array(capacity), this.#sides);
  }

  #add(doc: number): void {
    const part = this.#part;
    const key = part.docKey(doc);
    const { stem, directories } = pathParts(key);
    let length = 2 * termCount(stem);
    for (const directory of directories.slice(-3)) length += this.#directoryLength(directory);
    this.pathLengths[doc] = length;
    const from = part.chunkStart(doc);
    const to = part.chunkStart(doc + 1);
    let total = (to - from) * length;
    for (let chunk = from; chunk < to; chunk++) {
      total += part.chunkLengths[chunk] as number;
      this.chunkLengths[chunk] = (part.chunkLengths[chunk] as number) + length;
    }
    this.textLengths[doc] = total;
    this.ties[doc] = directories.length * 2 ** 32 + hash(key);
    const sides = sideKinds(key);
    const bits = sides.reduce((sum, { kind }) => sum | SIDE_BIT[kind], 0);
    SIDE_FILES[bits] ??= sides;
    this.#sides[doc] = bits;
    for (let symbol = part.symbolStart(doc); symbol < part.symbolStart(doc + 1); symbol++) {
      const kind = part.symbolKind(symbol);
      if (kind === 'field' || kind === 'property') this.members[symbol] = 1;
    }
  }

  #directoryLength(directory: string): number {
    let length = this.#directoryLengths.get(directory);
    if (length === undefined) {
      length = termCount(directory);
      this.#directoryLengths.set(directory, length);
    }
    return length;
  }
}

function grown<T extends Uint8Array | Uint16Array | Uint32Array | Float64Array>(next: T, old: T): T {
  next.set(old);
  return next;
}

const columnsOf = new WeakMap<IndexPart, PartColumns>();

/** The columns of a part, valid for its first `docCount` docs. */
export function partColumns(part: IndexPart, docCount: number): PartColumns {
  let columns = columnsOf.get(part);
  if (columns === undefined) {
    columns = new PartColumns(part);
    columnsOf.set(part, columns);
  }
  columns.extend(docCount);
  return columns;
}

/** Makes the columns of a snapshot's parts before the first search needs them, in slices that let others run. */
export async function warmColumns(snapshot: Snapshot, signal?: AbortSignal): Promise<void> {
  const slices = new Slices(Number.POSITIVE_INFINITY, signal);
  for (const { part, docCount } of snapshot.parts) {
    for (let docs = 0; docs < docCount; ) {
      docs = Math.min(docCount, docs + 256);
      partColumns(part, docs);
      await slices.pause();
    }
  }
}

function termCount(text: string): number {
  let count = 0;
  eachWord(text, (word) => {
    count += countWordTerms(word);
  });
  return count;
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value >>> 0;
}
