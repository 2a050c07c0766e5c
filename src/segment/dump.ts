/**
 * Reads whole documents back out of a part: for verify, repair and tests. Nothing is tokenized: terms come from the postings.
 * A part has no forward index, so the first read of a field inverts its postings back (one pass over all of them, 8 bytes each);
 * use one DocReader for many documents.
 *
 * What comes back is the canonical form of what was written (`canonicalDoc`): terms and pairs, which are sets, in byte order,
 * the whole name of a symbol first.
 */
import type { ChunkRecord, DocRecord, EdgeRecord, SymbolRecord } from '../format/doc.ts';
import { WHOLE_NAME } from './inverter.ts';
import type { Field, IndexPart } from './part.ts';
import { compareUtf8 } from './utf8-order.ts';

/** What a part must offer beyond IndexPart to give back whole documents. */
export interface DumpablePart extends IndexPart {
  /** False for a document that was written without chunk vectors. */
  docHasVectors(doc: number): boolean;
  /** Bit-exact; null when the document was written without one. */
  readPathVector(doc: number): Float32Array | null;
}

/** One document; reads all postings of the part, see DocReader for more than one. */
export function readDoc(part: DumpablePart, doc: number): DocRecord {
  return new DocReader(part).read(doc);
}

export class DocReader {
  readonly #part: DumpablePart;
  readonly #forward = new Map<Field, ForwardField>();

  constructor(part: DumpablePart) {
    this.#part = part;
  }

  read(doc: number): DocRecord {
    const part = this.#part;
    const range = (start: (doc: number) => number): number[] => Array.from({ length: start(doc + 1) - start(doc) }, (_, i) => start(doc) + i);
    return {
      key: part.docKey(doc),
      language: part.docLanguage(doc),
      source: part.docSource(doc),
      chunks: range((d) => part.chunkStart(d)).map((chunk) => this.#chunk(doc, chunk)),
      symbols: range((d) => part.symbolStart(d)).map((symbol) => this.#symbol(doc, symbol)),
      edges: range((d) => part.edgeStart(d)).map((edge) => this.#edge(doc, edge)),
      pathTerms: new Map(this.#entries('path', doc)),
      commentTerms: new Map(this.#entries('comment', doc)),
      pairs: this.#entries('pair', doc).map(([pair]) => pair),
      stem: this.#entries('stem', doc)[0]?.[0] ?? '',
      pathVector: part.readPathVector(doc),
      payload: part.docPayload(doc),
    };
  }

  #chunk(doc: number, chunk: number): ChunkRecord {
    const { startLine, endLine, kind, symbol } = this.#part.chunk(chunk);
    return {
      startLine, endLine, kind,
      symbol: symbol < 0 ? -1 : symbol - this.#part.symbolStart(doc),
      text: this.#part.chunkText(chunk),
      terms: new Map(this.#entries('body', chunk)),
      vector: this.#part.docHasVectors(doc) ? (this.#part.vectors?.readVector(chunk) ?? null) : null,
    };
  }

  #symbol(doc: number, id: number): SymbolRecord {
    const { name, qualified, kind, startLine, endLine, parent } = this.#part.symbol(id);
    const entries = this.#entries('definition', id);
    const whole = entries.filter(([, value]) => value === WHOLE_NAME);
    const rest = entries.filter(([, value]) => value !== WHOLE_NAME);
    return {
      name, qualified, kind, startLine, endLine,
      parent: parent < 0 ? -1 : parent - this.#part.symbolStart(doc),
      terms: [...whole, ...rest].map(([term]) => term),
    };
  }

  #edge(doc: number, id: number): EdgeRecord {
    const { kind, from, target, line } = this.#part.edge(id);
    return { kind, from: from < 0 ? -1 : from - this.#part.symbolStart(doc), target, line };
  }

  #entries(field: Field, id: number): [string, number][] {
    let forward = this.#forward.get(field);
    if (forward === undefined) {
      forward = new ForwardField(this.#part, field);
      this.#forward.set(field, forward);
    }
    return forward.entries(id);
  }
}

/** Postings of one field turned around: per id its terms in byte order, with values. */
class ForwardField {
  readonly #terms: string[];
  readonly #starts: Uint32Array;
  readonly #termOf: Uint32Array;
  readonly #valueOf: Uint32Array;

  constructor(part: IndexPart, field: Field) {
    const reader = part.field(field);
    this.#terms = [...reader.terms()];
    const ids = idCount(part, field);
    this.#starts = new Uint32Array(ids + 1);
    for (const term of this.#terms) {
      const postings = reader.lookup(term);
      for (let i = 0; i < (postings?.count ?? 0); i++) this.#starts[(postings?.ids[i] as number) + 1]! += 1;
    }
    for (let id = 0; id < ids; id++) this.#starts[id + 1]! += this.#starts[id] as number;
    const next = this.#starts.slice();
    this.#termOf = new Uint32Array(this.#starts[ids] as number);
    this.#valueOf = new Uint32Array(this.#starts[ids] as number);
    this.#terms.forEach((term, t) => {
      const postings = reader.lookup(term);
      for (let i = 0; i < (postings?.count ?? 0); i++) {
        const at = next[postings?.ids[i] as number]!++;
        this.#termOf[at] = t;
        this.#valueOf[at] = postings?.values[i] as number;
      }
    });
  }

  entries(id: number): [string, number][] {
    const out: [string, number][] = [];
    for (let at = this.#starts[id] as number; at < (this.#starts[id + 1] as number); at++) {
      out.push([this.#terms[this.#termOf[at] as number] as string, this.#valueOf[at] as number]);
    }
    return out;
  }
}

function idCount(part: IndexPart, field: Field): number {
  if (field === 'body') return part.chunkCount;
  if (field === 'definition' || field === 'name') return part.symbolCount;
  return field === 'target' ? part.edgeCount : part.docCount;
}

/** The form in which a part gives a document back. */
export function canonicalDoc(doc: DocRecord): DocRecord {
  const sorted = (terms: ReadonlyMap<string, number>): Map<string, number> => new Map([...terms].sort(([a], [b]) => compareUtf8(a, b)));
  return {
    ...doc,
    chunks: doc.chunks.map((chunk) => ({ ...chunk, terms: sorted(chunk.terms) })),
    symbols: doc.symbols.map((symbol) => ({ ...symbol, terms: [...symbol.terms.slice(0, 1), ...symbol.terms.slice(1).sort(compareUtf8)] })),
    pathTerms: sorted(doc.pathTerms),
    commentTerms: sorted(doc.commentTerms),
    pairs: [...doc.pairs].sort(compareUtf8),
  };
}
