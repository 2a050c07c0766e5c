/** An IndexPart over plain maps and exact float vectors: obviously right and slow; the yardstick for parts and for the query layer. */
import type { DocRecord } from '../../src/format/doc.ts';
import type { Snapshot } from '../../src/index/snapshot.ts';
import type { CodeMatrix, EdgeRow, Field, IndexPart, Postings, SymbolRow, TermReader, VectorColumns } from '../../src/segment/part.ts';
import { Bitset } from '../../src/util/bitset.ts';
import { asGeneration, asLsn } from '../../src/util/ids.ts';

class SimpleField implements TermReader {
  readonly #lists = new Map<string, [number, number][]>();

  add(term: string, id: number, value: number): void {
    const list = this.#lists.get(term);
    if (list === undefined) this.#lists.set(term, [[id, value]]);
    else list.push([id, value]);
  }

  get termCount(): number {
    return this.#lists.size;
  }

  lookup(term: string): Postings | null {
    const list = this.#lists.get(term);
    if (list === undefined) return null;
    return { count: list.length, ids: Int32Array.from(list, ([id]) => id), values: Int32Array.from(list, ([, value]) => value) };
  }

  withPrefix(prefix: string, limit: number): string[] {
    return [...this.terms()].filter((term) => term.startsWith(prefix)).slice(0, limit);
  }

  terms(): Iterable<string> {
    return [...this.#lists.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  }
}

function matrix(rows: readonly (Float32Array | null)[]): CodeMatrix {
  const dot = (a: Float32Array | null, b: Float32Array): number => (a === null ? 0 : a.reduce((sum, x, i) => sum + x * (b[i] as number), 0));
  return {
    rows: rows.length,
    norms: Float32Array.from(rows, (row) => (row === null ? 0 : Math.sqrt(dot(row, row)))),
    dots(query, from, to, out) {
      for (let row = from; row < to; row++) out[row - from] = dot(rows[row] ?? null, query.vector);
    },
  };
}

function centroid(vectors: readonly Float32Array[]): Float32Array | null {
  const first = vectors[0];
  if (first === undefined) return null;
  const sum = first.map((_, i) => vectors.reduce((total, v) => total + (v[i] as number), 0));
  const norm = Math.sqrt(sum.reduce((total, x) => total + x * x, 0)) || 1;
  return sum.map((x) => x / norm);
}

export class SimplePart implements IndexPart {
  readonly id: string;
  readonly docs: readonly DocRecord[];
  readonly chunkDocs: Uint32Array;
  readonly symbolDocs: Uint32Array;
  readonly chunkLengths: Uint32Array;
  readonly commentLengths: Uint32Array;
  readonly vectors: VectorColumns | null;
  readonly memoryBytes = 0;
  readonly #fields = new Map<Field, SimpleField>();
  readonly #chunkStarts: number[] = [0];
  readonly #symbolStarts: number[] = [0];
  readonly #edgeStarts: number[] = [0];

  constructor(docs: readonly DocRecord[], id = 'simple') {
    this.id = id;
    this.docs = docs;
    const sum = (counts: Iterable<number>): number => [...counts].reduce((a, b) => a + b, 0);
    docs.forEach((doc, d) => this.#addDoc(doc, d));
    const chunks = docs.flatMap((doc) => doc.chunks);
    this.chunkDocs = Uint32Array.from(docs.flatMap((doc, d) => doc.chunks.map(() => d)));
    this.symbolDocs = Uint32Array.from(docs.flatMap((doc, d) => doc.symbols.map(() => d)));
    this.chunkLengths = Uint32Array.from(chunks, (chunk) => sum(chunk.terms.values()));
    this.commentLengths = Uint32Array.from(docs, (doc) => sum(doc.commentTerms.values()));
    const dimension = chunks.find((chunk) => chunk.vector !== null)?.vector?.length;
    this.vectors = dimension === undefined ? null : {
      dimension,
      chunks: matrix(chunks.map((chunk) => chunk.vector)),
      centroids: matrix(docs.map((doc) => centroid(doc.chunks.flatMap((chunk) => chunk.vector ?? [])))),
      paths: matrix(docs.map((doc) => doc.pathVector)),
      readVector: (chunk) => chunks[chunk]?.vector ?? new Float32Array(dimension),
    };
  }

  #addDoc(doc: DocRecord, d: number): void {
    const chunkStart = this.#chunkStarts[d] as number;
    const symbolStart = this.#symbolStarts[d] as number;
    const edgeStart = this.#edgeStarts[d] as number;
    doc.chunks.forEach((chunk, i) => chunk.terms.forEach((count, term) => this.field('body').add(term, chunkStart + i, count)));
    doc.pathTerms.forEach((weight, term) => this.field('path').add(term, d, weight));
    doc.commentTerms.forEach((count, term) => this.field('comment').add(term, d, count));
    for (const pair of doc.pairs) this.field('pair').add(pair, d, 1);
    this.field('stem').add(doc.stem, d, 1);
    doc.symbols.forEach((symbol, i) => {
      const isWhole = (at: number): boolean => at === 0 && symbol.terms.length > 1;
      symbol.terms.forEach((term, at) => this.field('definition').add(term, symbolStart + i, isWhole(at) ? 2 : 1));
      for (const name of new Set([symbol.name, symbol.qualified])) this.field('name').add(name, symbolStart + i, 1);
    });
    doc.edges.forEach((edge, i) => this.field('target').add(edge.target, edgeStart + i, 1));
    this.#chunkStarts.push(chunkStart + doc.chunks.length);
    this.#symbolStarts.push(symbolStart + doc.symbols.length);
    this.#edgeStarts.push(edgeStart + doc.edges.length);
  }

  field(name: Field): SimpleField {
    let field = this.#fields.get(name);
    if (field === undefined) {
      field = new SimpleField();
      this.#fields.set(name, field);
    }
    return field;
  }

  get docCount(): number {
    return this.docs.length;
  }
  get chunkCount(): number {
    return this.#chunkStarts[this.docs.length] as number;
  }
  get symbolCount(): number {
    return this.#symbolStarts[this.docs.length] as number;
  }
  get edgeCount(): number {
    return this.#edgeStarts[this.docs.length] as number;
  }
  chunkStart(doc: number): number {
    return this.#chunkStarts[doc] as number;
  }
  symbolStart(doc: number): number {
    return this.#symbolStarts[doc] as number;
  }
  edgeStart(doc: number): number {
    return this.#edgeStarts[doc] as number;
  }
  #doc(doc: number): DocRecord {
    return this.docs[doc] as DocRecord;
  }
  docKey(doc: number): string {
    return this.#doc(doc).key;
  }
  docLanguage(doc: number): string {
    return this.#doc(doc).language;
  }
  docSource(doc: number): DocRecord['source'] {
    return this.#doc(doc).source;
  }
  docPayload(doc: number): Uint8Array | null {
    return this.#doc(doc).payload;
  }
  findDoc(key: string): number {
    return this.docs.findLastIndex((doc) => doc.key === key);
  }
  chunk(chunk: number): { doc: number; startLine: number; endLine: number; kind: DocRecord['chunks'][number]['kind']; symbol: number } {
    const doc = this.chunkDocs[chunk] as number;
    const record = this.#doc(doc).chunks[chunk - this.chunkStart(doc)] as DocRecord['chunks'][number];
    return { doc, startLine: record.startLine, endLine: record.endLine, kind: record.kind, symbol: record.symbol < 0 ? -1 : this.symbolStart(doc) + record.symbol };
  }
  chunkText(chunk: number): string {
    const doc = this.chunkDocs[chunk] as number;
    return (this.#doc(doc).chunks[chunk - this.chunkStart(doc)] as DocRecord['chunks'][number]).text;
  }
  symbolKind(symbol: number): SymbolRow['kind'] {
    return this.symbol(symbol).kind;
  }

  symbol(symbol: number): SymbolRow {
    const doc = this.symbolDocs[symbol] as number;
    const { terms: _, ...row } = this.#doc(doc).symbols[symbol - this.symbolStart(doc)] as DocRecord['symbols'][number];
    return { ...row, doc, parent: row.parent < 0 ? -1 : this.symbolStart(doc) + row.parent };
  }
  async loadEdges(): Promise<void> {}

  edge(edge: number): EdgeRow {
    const doc = this.#edgeStarts.findLastIndex((start, d) => start <= edge && d < this.docs.length);
    const row = this.#doc(doc).edges[edge - this.edgeStart(doc)] as DocRecord['edges'][number];
    return { ...row, doc, from: row.from < 0 ? -1 : this.symbolStart(doc) + row.from };
  }
}

/** A snapshot of parts; `dead` lists the doc ids of each part that are not live. */
export function snapshotOf(parts: readonly IndexPart[], dead: readonly (readonly number[])[] = []): Snapshot {
  const views = parts.map((part, p) => {
    const gone = dead[p] ?? [];
    const live = gone.length === 0 ? null : Bitset.full(part.docCount);
    let liveChunks = part.chunkCount;
    for (const doc of gone) {
      live?.delete(doc);
      liveChunks -= part.chunkStart(doc + 1) - part.chunkStart(doc);
    }
    return { part, docCount: part.docCount, chunkCount: part.chunkCount, live, liveDocs: live?.count() ?? part.docCount, liveChunks };
  });
  return {
    lsn: asLsn(1),
    generation: asGeneration(1),
    parts: views,
    find(key) {
      for (const view of views) {
        const doc = view.part.findDoc(key);
        if (doc >= 0 && view.live?.has(doc) !== false) return { view, doc };
      }
      return null;
    },
    release() {},
  };
}
