/** The obviously right IndexPart: every member computed from the documents by plain loops, compared with a real part. */
import assert from 'node:assert/strict';
import type { DocRecord } from '../../src/format/doc.ts';
import { prepareQuery, quantizeRow, rowNorm, codeStride } from '../../src/quantize/index.ts';
import { canonicalDoc, DocReader, type DumpablePart } from '../../src/segment/dump.ts';
import { FIELDS, type CodeMatrix, type Field, type IndexPart } from '../../src/segment/part.ts';

type Naive = Map<string, Map<number, number>>;

const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** field → term → id → value */
export function naivePostings(docs: readonly DocRecord[]): Record<Field, Naive> {
  const fields = Object.fromEntries(FIELDS.map((name) => [name, new Map()])) as Record<Field, Naive>;
  const put = (field: Field, term: string, id: number, value: number): void => {
    const ids = fields[field].get(term) ?? new Map<number, number>();
    fields[field].set(term, ids.set(id, value));
  };
  const next = { chunk: 0, symbol: 0, edge: 0 };
  docs.forEach((doc, docId) => {
    for (const chunk of doc.chunks) {
      for (const [term, count] of chunk.terms) put('body', term, next.chunk, count);
      next.chunk++;
    }
    for (const symbol of doc.symbols) {
      symbol.terms.forEach((term, i) => put('definition', term, next.symbol, i === 0 && symbol.terms.length > 1 ? 2 : 1));
      put('name', symbol.name, next.symbol, 1);
      put('name', symbol.qualified, next.symbol, 1);
      next.symbol++;
    }
    for (const edge of doc.edges) put('target', edge.target, next.edge++, 1);
    for (const [term, weight] of doc.pathTerms) put('path', term, docId, weight);
    for (const [term, count] of doc.commentTerms) put('comment', term, docId, count);
    for (const pair of doc.pairs) put('pair', pair, docId, 1);
    if (doc.stem !== '') put('stem', doc.stem, docId, 1);
  });
  return fields;
}

/** Everything in IndexPart against `docs`, which stand in the order of their ids. */
export function assertPart(part: DumpablePart, docs: readonly DocRecord[], dimension: number): void {
  assertCounts(part, docs);
  assertFields(part, docs);
  assertRows(part, docs);
  if (dimension === 0) assert.equal(part.vectors, null);
  else assertVectors(part, docs, dimension);
  const reader = new DocReader(part);
  docs.forEach((doc, id) => assertDoc(reader.read(id), canonicalDoc(doc)));
  assert.ok(part.memoryBytes > 0);
}

function assertCounts(part: IndexPart, docs: readonly DocRecord[]): void {
  const sum = (count: (doc: DocRecord) => number): number => docs.reduce((total, doc) => total + count(doc), 0);
  assert.deepEqual(
    [part.docCount, part.chunkCount, part.symbolCount, part.edgeCount],
    [docs.length, sum((d) => d.chunks.length), sum((d) => d.symbols.length), sum((d) => d.edges.length)],
  );
}

function assertFields(part: IndexPart, docs: readonly DocRecord[]): void {
  const naive = naivePostings(docs);
  for (const name of FIELDS) {
    const reader = part.field(name);
    const terms = [...naive[name].keys()].sort(byBytes);
    assert.equal(reader.termCount, terms.length, name);
    assert.deepEqual([...reader.terms()], terms, name);
    for (const term of terms) {
      const postings = reader.lookup(term);
      assert.ok(postings !== null, `${name} ${term}`);
      const entries = [...(naive[name].get(term) ?? [])].sort(([a], [b]) => a - b);
      assert.equal(postings.count, entries.length);
      assert.deepEqual([...postings.ids.subarray(0, postings.count)], entries.map(([id]) => id));
      assert.deepEqual([...postings.values.subarray(0, postings.count)], entries.map(([, value]) => value));
    }
    for (const absent of ['', 'nowhere', 'w', '\uffff\uffff', '🪨🪨']) if (!naive[name].has(absent)) assert.equal(reader.lookup(absent), null);
    for (const prefix of ['', 'w', 'se', 'größe', '🪨', 'zzz']) {
      const expected = terms.filter((term) => term.startsWith(prefix));
      assert.deepEqual(reader.withPrefix(prefix, 3), expected.slice(0, 3));
      assert.deepEqual(reader.withPrefix(prefix, terms.length + 1), expected);
    }
    assert.deepEqual(reader.withPrefix('', 0), []);
  }
}

function assertRows(part: IndexPart, docs: readonly DocRecord[]): void {
  let [chunk, symbol, edge] = [0, 0, 0];
  const total = (terms: ReadonlyMap<string, number>): number => [...terms.values()].reduce((a, b) => a + b, 0);
  const newest = new Map(docs.map((doc, id) => [doc.key, id]));
  docs.forEach((doc, id) => {
    assert.equal(part.docKey(id), doc.key);
    assert.equal(part.findDoc(doc.key), newest.get(doc.key));
    assert.equal(part.docLanguage(id), doc.language);
    assert.deepEqual(plainSource(part.docSource(id)), plainSource(doc.source));
    assert.deepEqual(part.docPayload(id) && [...(part.docPayload(id) as Uint8Array)], doc.payload && [...doc.payload]);
    assert.deepEqual([part.chunkStart(id), part.symbolStart(id), part.edgeStart(id)], [chunk, symbol, edge]);
    assert.equal(part.commentLengths[id], total(doc.commentTerms));
    const symbolBase = symbol;
    const global = (local: number): number => (local < 0 ? -1 : symbolBase + local);
    for (const c of doc.chunks) {
      assert.deepEqual({ ...part.chunk(chunk) }, { doc: id, startLine: c.startLine, endLine: c.endLine, kind: c.kind, symbol: global(c.symbol) });
      assert.equal(part.chunkText(chunk), c.text);
      assert.equal(part.chunkDocs[chunk], id);
      assert.equal(part.chunkLengths[chunk], total(c.terms));
      chunk++;
    }
    for (const s of doc.symbols) {
      const { terms: _terms, ...row } = s;
      assert.deepEqual({ ...part.symbol(symbol) }, { ...row, doc: id, parent: global(s.parent) });
      assert.equal(part.symbolDocs[symbol], id);
      symbol++;
    }
    for (const e of doc.edges) assert.deepEqual({ ...part.edge(edge++) }, { ...e, doc: id, from: global(e.from) });
  });
  assert.deepEqual([part.chunkStart(docs.length), part.symbolStart(docs.length), part.edgeStart(docs.length)], [chunk, symbol, edge]);
  for (const absent of ['', 'no/such/key', '\uffff', '!']) if (!newest.has(absent)) assert.equal(part.findDoc(absent), -1);
}

function assertVectors(part: IndexPart, docs: readonly DocRecord[], dimension: number): void {
  const { vectors } = part;
  assert.ok(vectors !== null);
  assert.equal(vectors.dimension, dimension);
  const rows = docs.flatMap((doc) => doc.chunks.map((chunk) => chunk.vector));
  const zero = new Float32Array(dimension);
  rows.forEach((row, chunk) => assert.deepEqual(bits(vectors.readVector(chunk)), bits(row ?? zero)));
  assertMatrix(vectors.chunks, rows.map((row) => row ?? zero));
  assertMatrix(vectors.centroids, docs.map((doc) => naiveCentroid(doc, dimension)));
  assertMatrix(vectors.paths, docs.map((doc) => doc.pathVector ?? zero));
}

function assertMatrix(matrix: CodeMatrix, rows: readonly Float32Array[]): void {
  assert.equal(matrix.rows, rows.length);
  assert.deepEqual([...matrix.norms.subarray(0, rows.length)], rows.map((row) => Math.fround(rowNorm(row))));
  const dimension = rows[0]?.length ?? 0;
  if (dimension === 0) return;
  const query = prepareQuery(Float32Array.from({ length: dimension }, (_, i) => Math.sin(i + 1)));
  const expected = rows.map((row) => {
    const codes = new Int8Array(codeStride(dimension));
    const scale = quantizeRow(row, codes, 0);
    return Math.fround(codes.reduce((sum, code, i) => sum + code * (query.codes[i] as number), 0) * scale * query.scale);
  });
  const out = new Float32Array(rows.length);
  matrix.dots(query, 0, rows.length, out);
  assert.deepEqual([...out], expected);
}

function naiveCentroid(doc: DocRecord, dimension: number): Float32Array {
  const sum = new Float64Array(dimension);
  for (const chunk of doc.chunks) chunk.vector?.forEach((value, i) => (sum[i] = (sum[i] as number) + value));
  const norm = Math.sqrt(sum.reduce((total, value) => total + value * value, 0));
  return Float32Array.from(sum, (value) => (norm > 0 && Number.isFinite(norm) ? value / norm : 0));
}

export const bits = (values: Float32Array | null): number[] | null => values && [...new Uint32Array(values.slice().buffer)];
const plainSource = (source: DocRecord['source']): unknown => source && { ...source, hash: [...source.hash] };

/** Equal in every field, floats bit by bit, maps and lists in order. */
export function assertDoc(actual: DocRecord, expected: DocRecord): void {
  const plain = (doc: DocRecord): unknown => ({
    ...doc,
    source: plainSource(doc.source),
    chunks: doc.chunks.map((chunk) => ({ ...chunk, terms: [...chunk.terms], vector: bits(chunk.vector) })),
    pathTerms: [...doc.pathTerms],
    commentTerms: [...doc.commentTerms],
    pathVector: bits(doc.pathVector),
    payload: doc.payload && [...doc.payload],
  });
  assert.deepStrictEqual(plain(actual), plain(expected));
}
