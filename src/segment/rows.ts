/** Row sections of an open segment, as typed-array views over the loaded sections: no object per row. Checked once, at open. */
import type { ContainerReader } from '../format/container-reader.ts';
import { CHUNK_KINDS, EDGE_KINDS, SYMBOL_KINDS } from '../format/doc-layout.ts';
import type { SourceStamp } from '../format/doc.ts';
import { CairnError } from '../util/errors.ts';
import { ColumnReader } from './columns.ts';
import { DOC_NOTE, DOC_SOURCE, TAG, type SegmentMeta } from './layout.ts';
import { compareBytes } from './utf8-order.ts';

type Load = (tag: number) => Promise<{ readonly bytes: Buffer; readonly columns: ColumnReader }>;

export interface ChunkColumns {
  readonly startLines: Uint32Array;
  readonly endLines: Uint32Array;
  /** Symbol id + 1, 0 = none. */
  readonly symbols: Uint32Array;
  readonly lengths: Uint32Array;
  readonly textStarts: Uint32Array;
  readonly kinds: Uint8Array;
}

export interface SymbolColumns {
  /** Rank in the dictionary of the name field. */
  readonly names: Uint32Array;
  readonly qualified: Uint32Array;
  readonly startLines: Uint32Array;
  readonly endLines: Uint32Array;
  readonly parents: Uint32Array;
  readonly kinds: Uint8Array;
}

export interface EdgeColumns {
  readonly froms: Uint32Array;
  /** Rank in the dictionary of the target field. */
  readonly targets: Uint32Array;
  readonly lines: Uint32Array;
  readonly kinds: Uint8Array;
}

export async function readChunks(load: Load, meta: SegmentMeta): Promise<ChunkColumns> {
  const { columns } = await load(TAG.chunks);
  const n = meta.chunks;
  const rows = { startLines: columns.u32(n), endLines: columns.u32(n), symbols: columns.below(n, meta.symbols + 1), lengths: columns.u32(n), textStarts: columns.u32(n) };
  const kinds = columns.codes(n, CHUNK_KINDS.length);
  columns.end();
  return { ...rows, kinds };
}

export async function readSymbols(load: Load, meta: SegmentMeta, nameTerms: number): Promise<SymbolColumns> {
  const { columns } = await load(TAG.symbols);
  const n = meta.symbols;
  const names = { names: columns.below(n, nameTerms), qualified: columns.below(n, nameTerms) };
  const rows = { startLines: columns.u32(n), endLines: columns.u32(n), parents: columns.below(n, n + 1), kinds: columns.codes(n, SYMBOL_KINDS.length) };
  columns.end();
  return { ...names, ...rows };
}

export async function readEdges(load: Load, meta: SegmentMeta, targetTerms: number): Promise<EdgeColumns> {
  return edgeColumns((await load(TAG.edges)).columns, meta, targetTerms);
}

export function edgeColumns(columns: ColumnReader, meta: SegmentMeta, targetTerms: number): EdgeColumns {
  const n = meta.edges;
  const rows = { froms: columns.below(n, meta.symbols + 1), targets: columns.below(n, targetTerms), lines: columns.u32(n), kinds: columns.codes(n, EDGE_KINDS.length) };
  columns.end();
  return rows;
}

export class DocRows {
  readonly count: number;
  readonly chunkStarts: Uint32Array;
  readonly symbolStarts: Uint32Array;
  readonly edgeStarts: Uint32Array;
  readonly commentLengths: Uint32Array;
  readonly flags: Uint8Array;
  readonly #keys: Buffer;
  readonly #keyEnds: Uint32Array;
  readonly #languages: readonly string[];
  readonly #notes: readonly string[];
  readonly #languageOf: Uint32Array;
  readonly #noteOf: Uint32Array;
  readonly #sizes: BigUint64Array;
  readonly #times: BigInt64Array;
  readonly #hashes: Buffer;

  private constructor(columns: ColumnReader, meta: SegmentMeta, keys: Buffer, labels: { readonly languages: readonly string[]; readonly notes: readonly string[] }) {
    const n = meta.docs;
    this.count = n;
    this.#keys = keys;
    this.#languages = labels.languages;
    this.#notes = labels.notes;
    this.#keyEnds = columns.ends(n, keys.length);
    this.chunkStarts = columns.starts(n, meta.chunks);
    this.symbolStarts = columns.starts(n, meta.symbols);
    this.edgeStarts = columns.starts(n, meta.edges);
    this.commentLengths = columns.u32(n);
    this.#languageOf = columns.below(n, labels.languages.length);
    this.#noteOf = columns.below(n, labels.notes.length + 1);
    this.#sizes = columns.u64(n);
    this.#times = columns.i64(n);
    this.#hashes = columns.bytes(n * 16);
    this.flags = columns.u8(n);
    columns.end();
  }

  static async read(load: Load, meta: SegmentMeta): Promise<DocRows> {
    const { bytes: keys } = await load(TAG.docKeys);
    const labels = readLabels((await load(TAG.labels)).columns);
    return new DocRows((await load(TAG.docs)).columns, meta, keys, labels);
  }

  key(doc: number): string {
    this.#check(doc);
    return this.#keys.toString('utf8', this.#keyStart(doc), this.#keyEnds[doc]);
  }

  /** A view. */
  keyBytes(doc: number): Buffer {
    return this.#keys.subarray(this.#keyStart(doc), this.#keyEnds[doc]);
  }

  /** -1 when it is not there. */
  find(key: string): number {
    const wanted = Buffer.from(key, 'utf8');
    let low = 0;
    let high = this.count - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const order = compareBytes(this.#keys, this.#keyStart(middle), this.#keyEnds[middle] as number, wanted);
      if (order === 0) return middle;
      if (order < 0) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }

  /** A language that is listed and that no doc has; null when there is none. */
  unusedLanguage(): string | null {
    const used = new Set(this.#languageOf);
    return this.#languages.find((_, id) => !used.has(id)) ?? null;
  }

  language(doc: number): string {
    this.#check(doc);
    return this.#languages[this.#languageOf[doc] as number] as string;
  }

  source(doc: number): SourceStamp | null {
    this.#check(doc);
    const flags = this.flags[doc] as number;
    if ((flags & DOC_SOURCE) === 0) return null;
    return {
      size: Number(this.#sizes[doc]),
      mtimeNs: this.#times[doc] as bigint,
      hash: Uint8Array.from(this.#hashes.subarray(doc * 16, doc * 16 + 16)),
      note: (flags & DOC_NOTE) === 0 ? null : (this.#notes[(this.#noteOf[doc] as number) - 1] ?? null),
    };
  }

  has(doc: number, flag: number): boolean {
    return ((this.flags[doc] ?? 0) & flag) !== 0;
  }

  /** Number of docs with the flag. */
  countOf(flag: number): number {
    let count = 0;
    for (const flags of this.flags) if ((flags & flag) !== 0) count += 1;
    return count;
  }

  #keyStart(doc: number): number {
    return doc === 0 ? 0 : (this.#keyEnds[doc - 1] as number);
  }

  #check(doc: number): void {
    if (doc < 0 || doc >= this.count) throw new CairnError('INTERNAL', `doc ${doc} of ${this.count}`);
  }
}

/** Doc of each row: the inverse of starts. */
export function ownersOf(starts: Uint32Array): Uint32Array {
  const owners = new Uint32Array(starts.at(-1) ?? 0);
  for (let doc = 0; doc + 1 < starts.length; doc++) owners.fill(doc, starts[doc], starts[doc + 1]);
  return owners;
}

function readLabels(columns: ColumnReader): { readonly languages: readonly string[]; readonly notes: readonly string[] } {
  const counts = columns.u32(2);
  const [languages, notes] = [counts[0] as number, counts[1] as number];
  const ends = columns.u32(languages + notes);
  const bytes = columns.bytes(ends.at(-1) ?? 0);
  columns.end();
  const texts = Array.from(ends, (end, i) => bytes.toString('utf8', i === 0 ? 0 : ends[i - 1], end));
  return { languages: texts.slice(0, languages), notes: texts.slice(languages) };
}

/** How the readers above get a section: verified, with its position for errors. */
export function sectionLoader(container: ContainerReader): Load {
  return async (tag) => {
    const bytes = await container.load(tag);
    return { bytes, columns: new ColumnReader(bytes, container.path, container.section(tag).offset) };
  };
}
