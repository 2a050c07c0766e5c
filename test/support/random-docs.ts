/** Document records for tests: a seeded generator (any size) and a fast-check arbitrary (odd values, shrinks). */
import fc from 'fast-check';
import type { ChunkRecord, DocRecord, EdgeRecord, SourceStamp, SymbolRecord } from '../../src/format/doc.ts';
import { CHUNK_KINDS, EDGE_KINDS, SYMBOL_KINDS } from '../../src/format/doc-layout.ts';
import { testSeed as seedOfRun } from './random.ts';

/** Mulberry32: numbers in [0, 1), the same for the same seed on every machine. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Seed of this run, printed so that a failure can be repeated. */
export function testSeed(): number {
  const seed = seedOfRun();
  console.log(`CAIRN_SEED=${seed}`);
  return seed;
}

const PLAIN = { noNullPrototype: true } as const;
const WORDS = ['wal', 'flush', 'segment', 'x', 'index', 'größe', '検索', '🪨', 'a b', 'manifest', 'lsn', 'term', 'posting', 'read', 'zz', '￿'];
const word = fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...WORDS) }, { weight: 1, arbitrary: fc.string({ minLength: 0, maxLength: 24, unit: 'grapheme' }) })
  .filter((text) => text.isWellFormed());
const termMap = (max: number): fc.Arbitrary<Map<string, number>> =>
  fc.array(fc.tuple(word, fc.oneof(fc.constantFrom(1, 1, 1, 2, 7, 127, 128), fc.integer({ min: 1, max: 100_000 }))), { maxLength: max }).map((entries) => new Map(entries));

/** Any bit pattern: NaN with payload, -0, denormals and infinities included. */
const vector = (dimension: number): fc.Arbitrary<Float32Array> =>
  fc.oneof(
    { weight: 4, arbitrary: fc.array(fc.float({ noNaN: true, min: -2, max: 2 }), { minLength: dimension, maxLength: dimension }).map((v) => Float32Array.from(v)) },
    {
      weight: 1,
      arbitrary: fc.array(fc.nat(0xffff_ffff), { minLength: dimension, maxLength: dimension }).map((bits) => new Float32Array(Uint32Array.from(bits).buffer)),
    },
  );

const source: fc.Arbitrary<SourceStamp | null> = fc.option(
  fc.record({
    size: fc.oneof(fc.nat(100_000), fc.constant(Number.MAX_SAFE_INTEGER)),
    mtimeNs: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    hash: fc.uint8Array({ minLength: 16, maxLength: 16 }),
    note: fc.constantFrom(null, null, 'binary', 'lines: parse budget', ''),
  }, PLAIN),
);

const lines = fc.tuple(fc.oneof(fc.integer({ min: 1, max: 5000 }), fc.constant(0xffff_0000)), fc.nat(300)).map(([start, span]) => ({ startLine: start, endLine: start + span }));
const symbolIndex = (symbols: number): fc.Arbitrary<number> => fc.integer({ min: -1, max: symbols - 1 });

const symbol = (symbols: number): fc.Arbitrary<SymbolRecord> =>
  fc.tuple(lines, word, fc.option(word), fc.constantFrom(...SYMBOL_KINDS), symbolIndex(symbols), fc.uniqueArray(word, { maxLength: 4 }))
    .map(([span, name, outer, kind, parent, terms]) => ({ ...span, name, qualified: outer === null ? name : `${outer}.${name}`, kind, parent, terms }));
const edge = (symbols: number): fc.Arbitrary<EdgeRecord> =>
  fc.record({ kind: fc.constantFrom(...EDGE_KINDS), from: symbolIndex(symbols), target: word, line: fc.integer({ min: 1, max: 9999 }) }, PLAIN);
const chunk = (symbols: number, dimension: number): fc.Arbitrary<ChunkRecord> =>
  fc.tuple(lines, fc.constantFrom(...CHUNK_KINDS), symbolIndex(symbols), fc.array(word, { maxLength: 12 }), termMap(8), dimension === 0 ? fc.constant(null) : vector(dimension))
    .map(([span, kind, at, words, terms, row]) => ({ ...span, kind, symbol: at, text: words.join(' '), terms, vector: row }));

/** A valid record; with a dimension some records still come without vectors (no chunks, or not embedded). */
export function docArbitrary(options: { readonly dimension: number; readonly maxChunks?: number }): fc.Arbitrary<DocRecord> {
  return fc.tuple(fc.nat(4), fc.integer({ min: 0, max: 9 })).chain(([symbols, dice]) => {
    const dimension = dice === 0 ? 0 : options.dimension;
    return fc.record({
      key: fc.array(word.filter((text) => text !== ''), { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/')),
      language: fc.constantFrom('typescript', 'markdown', 'text', ''),
      source,
      chunks: fc.array(chunk(symbols, dimension), { maxLength: options.maxChunks ?? 4 }),
      symbols: fc.array(symbol(symbols), { minLength: symbols, maxLength: symbols }),
      edges: fc.array(edge(symbols), { maxLength: 4 }),
      pathTerms: termMap(4),
      commentTerms: termMap(4),
      pairs: fc.uniqueArray(word, { maxLength: 3 }),
      stem: fc.oneof(word, fc.constant('')),
      pathVector: dimension === 0 ? fc.constant(null) : fc.option(vector(dimension)),
      payload: fc.option(fc.uint8Array({ maxLength: 40 })),
    }, PLAIN);
  });
}

export interface MadeDocOptions {
  readonly chunks: number;
  readonly dimension: number;
  /** Occurrences per chunk. */
  readonly terms: number;
}

/** A plausible source file: terms by Zipf's law over a vocabulary of 50,000, a symbol per chunk, an edge or two. */
export function makeDoc(random: () => number, key: string, options: MadeDocOptions): DocRecord {
  const term = (): string => `t${Math.floor(50_000 ** random())}`;
  const counted = (n: number): Map<string, number> => {
    const map = new Map<string, number>();
    for (let i = 0; i < n; i++) {
      const t = term();
      map.set(t, (map.get(t) ?? 0) + 1);
    }
    return map;
  };
  const row = (): Float32Array | null => (options.dimension === 0 ? null : unit(Float32Array.from({ length: options.dimension }, () => random() - 0.5)));
  const symbols = Array.from({ length: options.chunks }, (_, i): SymbolRecord => {
    const name = `${term()}${term()}`;
    return { name, qualified: `Outer.${name}`, kind: 'function', startLine: i * 30 + 1, endLine: i * 30 + 30, parent: -1, terms: [name, name.slice(0, 3)] };
  });
  return {
    key,
    language: 'typescript',
    source: { size: options.chunks * 1200, mtimeNs: 1_700_000_000_000_000_000n, hash: Uint8Array.from({ length: 16 }, () => random() * 256), note: null },
    chunks: symbols.map((s, i): ChunkRecord => {
      const terms = counted(options.terms);
      const text = [...terms].map(([t, n]) => `${t} `.repeat(n)).join('').repeat(2);
      return { startLine: s.startLine, endLine: s.endLine, kind: 'declaration', symbol: i, text, terms, vector: row() };
    }),
    symbols,
    edges: symbols.flatMap((s, i): EdgeRecord[] => [{ kind: 'call', from: i, target: term(), line: s.startLine + 2 }]),
    pathTerms: counted(5),
    commentTerms: counted(40),
    pairs: [...new Set([`${term()} ${term()}`, `${term()} ${term()}`])],
    stem: term(),
    pathVector: row(),
    payload: null,
  };
}

function unit(values: Float32Array): Float32Array {
  const norm = Math.hypot(...values);
  return norm === 0 ? values : values.map((v) => v / norm);
}
