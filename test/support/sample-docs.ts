/** Random but reproducible documents for storage tests, and a plain comparison of what an index gives back. */
import assert from 'node:assert/strict';
import type { ChunkRecord, DocRecord, EdgeRecord, SymbolRecord } from '../../src/format/doc.ts';
import type { PartView } from '../../src/index/snapshot.ts';

export type Rng = () => number;

export const below = (random: Rng, n: number): number => Math.floor(random() * n);
export const pick = <T>(random: Rng, items: readonly T[]): T => items[below(random, items.length)] as T;

export const WORDS: readonly string[] = Array.from({ length: 200 }, (_, i) => `w${i.toString(36)}${'xyz'[i % 3]}`);

/** Some values that arithmetic or a careless copy would change: NaN payloads, -0, denormals, infinities. */
const ODD_BITS = new Uint32Array([0x7fc00001, 0xffc12345, 0x80000000, 0x00000001, 0x7f800000, 0xff800000]);

export function randomVector(random: Rng, dimension: number): Float32Array {
  const vector = Float32Array.from({ length: dimension }, () => random() * 2 - 1);
  if (random() < 0.02) new Uint32Array(vector.buffer)[below(random, dimension)] = pick(random, [...ODD_BITS]);
  return vector;
}

export interface SampleOptions {
  readonly dimension: number;
  readonly maxChunks?: number;
  readonly textBytes?: number;
}

export function randomDoc(random: Rng, key: string, { dimension, maxChunks = 4, textBytes = 80 }: SampleOptions): DocRecord {
  const symbols = Array.from({ length: below(random, 4) }, (_, i): SymbolRecord => {
    const name = `${pick(random, WORDS)}Of${i}`;
    return { name, qualified: `Outer.${name}`, kind: pick(random, ['function', 'class', 'method'] as const), startLine: i + 1, endLine: i + 3, parent: i === 0 ? -1 : below(random, i), terms: [name.toLowerCase(), pick(random, WORDS)] };
  });
  const symbol = (): number => below(random, symbols.length + 1) - 1;
  const chunks = Array.from({ length: below(random, maxChunks + 1) }, (_, i): ChunkRecord => {
    const words = Array.from({ length: 3 + below(random, textBytes / 4) }, () => pick(random, WORDS));
    const terms = new Map<string, number>();
    for (const word of words) terms.set(word, (terms.get(word) ?? 0) + 1);
    return { startLine: i * 10 + 1, endLine: i * 10 + 9, kind: 'declaration', symbol: symbol(), text: `${words.join(' ')} — ü${i}`, terms, vector: dimension === 0 ? null : randomVector(random, dimension) };
  });
  const edges = Array.from({ length: below(random, 5) }, (_, i): EdgeRecord => ({ kind: pick(random, ['call', 'import'] as const), from: symbol(), target: pick(random, WORDS), line: i + 1 }));
  return {
    key,
    language: pick(random, ['typescript', 'python', 'markdown']),
    source: random() < 0.2 ? null : { size: below(random, 1e6), mtimeNs: BigInt(below(random, 1e9)) * 1_000_003n, hash: Uint8Array.from({ length: 16 }, () => below(random, 256)), note: chunks.length === 0 ? 'empty' : null },
    chunks, symbols, edges,
    pathTerms: new Map([[pick(random, WORDS), 2]]),
    commentTerms: random() < 0.5 ? new Map() : new Map([[pick(random, WORDS), 1 + below(random, 9)]]),
    pairs: random() < 0.5 ? [] : [`${pick(random, WORDS)} ${pick(random, WORDS)}`],
    stem: key.replace(/[^a-z0-9]/g, ''),
    pathVector: dimension > 0 && random() < 0.8 ? randomVector(random, dimension) : null,
    payload: random() < 0.1 ? Uint8Array.from([1, 2, 3, below(random, 256)]) : null,
  };
}

export const bitsOf = (vector: Float32Array): Uint32Array => new Uint32Array(vector.slice().buffer);

/** The doc of a part equals the record: every column, texts, vectors bit by bit. */
export function assertDocEquals(view: PartView, doc: number, expected: DocRecord): void {
  const { part } = view;
  assert.equal(part.docKey(doc), expected.key);
  assert.equal(part.docLanguage(doc), expected.language);
  assert.deepEqual(part.docSource(doc), expected.source === null ? null : { ...expected.source, hash: part.docSource(doc)?.hash });
  if (expected.source !== null) assert.deepEqual(Buffer.from(part.docSource(doc)?.hash ?? []), Buffer.from(expected.source.hash));
  assert.deepEqual(part.docPayload(doc) === null ? null : Buffer.from(part.docPayload(doc) as Uint8Array), expected.payload === null ? null : Buffer.from(expected.payload));
  const firstChunk = part.chunkStart(doc);
  const firstSymbol = part.symbolStart(doc);
  const firstEdge = part.edgeStart(doc);
  assert.equal(part.chunkStart(doc + 1) - firstChunk, expected.chunks.length, `chunks of ${expected.key}`);
  assert.equal(part.symbolStart(doc + 1) - firstSymbol, expected.symbols.length, `symbols of ${expected.key}`);
  assert.equal(part.edgeStart(doc + 1) - firstEdge, expected.edges.length, `edges of ${expected.key}`);
  const local = (symbol: number): number => (symbol < 0 ? -1 : symbol - firstSymbol);
  expected.chunks.forEach((chunk, i) => {
    const row = part.chunk(firstChunk + i);
    assert.deepEqual({ doc: row.doc, startLine: row.startLine, endLine: row.endLine, kind: row.kind, symbol: local(row.symbol) }, { doc, startLine: chunk.startLine, endLine: chunk.endLine, kind: chunk.kind, symbol: chunk.symbol });
    assert.equal(part.chunkDocs[firstChunk + i], doc);
    assert.equal(part.chunkText(firstChunk + i), chunk.text);
    if (chunk.vector === null) assert.equal(part.vectors, null);
    else assert.deepEqual(bitsOf(part.vectors?.readVector(firstChunk + i) as Float32Array), bitsOf(chunk.vector), `vector ${i} of ${expected.key}`);
  });
  expected.symbols.forEach((symbol, i) => {
    const row = part.symbol(firstSymbol + i);
    assert.deepEqual({ doc: row.doc, name: row.name, qualified: row.qualified, kind: row.kind, startLine: row.startLine, endLine: row.endLine, parent: local(row.parent) }, { doc, name: symbol.name, qualified: symbol.qualified, kind: symbol.kind, startLine: symbol.startLine, endLine: symbol.endLine, parent: symbol.parent });
  });
  expected.edges.forEach((edge, i) => {
    const row = part.edge(firstEdge + i);
    assert.deepEqual({ doc: row.doc, kind: row.kind, from: local(row.from), target: row.target, line: row.line }, { doc, kind: edge.kind, from: edge.from, target: edge.target, line: edge.line });
  });
}
