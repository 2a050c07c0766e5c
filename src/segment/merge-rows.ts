/**
 * Row sections of a merge: column by column, each a pass over the surviving docs, so that no merged column is in memory. The
 * sources' rows of one section are.
 */
import type { ContainerWriter, SectionSink } from '../format/container-writer.ts';
import { ColumnStream } from './columns.ts';
import { DocColumns, type RowStarts } from './doc-columns.ts';
import { TAG } from './layout.ts';
import { rowEnd, rowStart, type MergePlan, type RowKind } from './merge-plan.ts';
import type { ChunkColumns, EdgeColumns, SymbolColumns } from './rows.ts';

/** Per source: new rank of each old one. Undefined content for terms that did not survive. */
type TermMaps = readonly Uint32Array[];

/** Terms of a field, for each source: how many it has, and where they went. */
export interface MovedTerms {
  readonly counts: readonly number[];
  readonly ranks: TermMaps;
}

export async function mergeRows(container: ContainerWriter, plan: MergePlan, names: MovedTerms, targets: MovedTerms, textStarts: Uint32Array): Promise<RowStarts> {
  const total = await mergeDocs(container, plan);
  await mergeChunks(container, plan, textStarts);
  await mergeSymbols(container, plan, names);
  await mergeEdges(container, plan, targets);
  return total;
}

async function mergeDocs(container: ContainerWriter, plan: MergePlan): Promise<RowStarts> {
  const docs = new DocColumns();
  let next: RowStarts = { chunk: 0, symbol: 0, edge: 0 };
  for (const { segment, doc } of plan.docs()) {
    docs.add({
      key: segment.docKey(doc), language: segment.docLanguage(doc), source: segment.docSource(doc), commentLength: segment.docs.commentLengths[doc] as number,
      hasChunkVectors: segment.docHasVectors(doc), hasPathVector: segment.docHasPathVector(doc), hasPayload: segment.storedPayload(doc) !== null,
    }, next);
    const rows = (kind: RowKind): number => rowEnd(segment, kind, doc) - rowStart(segment, kind, doc);
    next = { chunk: next.chunk + rows('chunk'), symbol: next.symbol + rows('symbol'), edge: next.edge + rows('edge') };
  }
  await docs.write(container, next);
  return next;
}

async function mergeChunks(container: ContainerWriter, plan: MergePlan, textStarts: Uint32Array): Promise<void> {
  const columns = plan.segments.map(({ chunks }) => chunks);
  const out = new MergedColumns<ChunkColumns>(await container.section(TAG.chunks), plan, 'chunk', columns);
  await out.copied((from) => from.startLines);
  await out.copied((from) => from.endLines);
  await out.moved((from) => from.symbols);
  await out.copied((from) => from.lengths);
  await out.stream.whole(textStarts);
  await out.codes((from) => from.kinds);
  await out.stream.end();
}

async function mergeSymbols(container: ContainerWriter, plan: MergePlan, names: MovedTerms): Promise<void> {
  const columns: SymbolColumns[] = [];
  for (const [i, segment] of plan.segments.entries()) columns.push(await segment.readSymbols(names.counts[i] as number));
  const out = new MergedColumns<SymbolColumns>(await container.section(TAG.symbols), plan, 'symbol', columns);
  await out.ranked((from) => from.names, names.ranks);
  await out.ranked((from) => from.qualified, names.ranks);
  await out.copied((from) => from.startLines);
  await out.copied((from) => from.endLines);
  await out.moved((from) => from.parents);
  await out.codes((from) => from.kinds);
  await out.stream.end();
}

async function mergeEdges(container: ContainerWriter, plan: MergePlan, targets: MovedTerms): Promise<void> {
  const columns: EdgeColumns[] = [];
  for (const [i, segment] of plan.segments.entries()) columns.push(await segment.readEdges(targets.counts[i] as number));
  const out = new MergedColumns<EdgeColumns>(await container.section(TAG.edges), plan, 'edge', columns);
  await out.moved((from) => from.froms);
  await out.ranked((from) => from.targets, targets.ranks);
  await out.copied((from) => from.lines);
  await out.codes((from) => from.kinds);
  await out.stream.end();
}

/** Columns of one kind of rows, from the columns of each source. */
class MergedColumns<C> {
  readonly stream: ColumnStream;
  readonly #plan: MergePlan;
  readonly #kind: RowKind;
  readonly #sources: readonly C[];

  constructor(sink: SectionSink, plan: MergePlan, kind: RowKind, sources: readonly C[]) {
    this.stream = new ColumnStream(sink);
    this.#plan = plan;
    this.#kind = kind;
    this.#sources = sources;
  }

  copied(column: (from: C) => Uint32Array): Promise<void> {
    return this.#write(4, column, (value) => value);
  }

  codes(column: (from: C) => Uint8Array): Promise<void> {
    return this.#write(1, column, (value) => value);
  }

  ranked(column: (from: C) => Uint32Array, ranks: TermMaps): Promise<void> {
    return this.#write(4, column, (value, source) => (ranks[source] as Uint32Array)[value] as number);
  }

  /** References to symbols are id + 1 with 0 for none: they move by the same distance as the symbols of the doc. */
  moved(column: (from: C) => Uint32Array): Promise<void> {
    return this.#write(4, column, (value, _source, distance) => (value === 0 ? 0 : value + distance));
  }

  async #write(width: 4 | 1, column: (from: C) => Uint32Array | Uint8Array, valueOf: (value: number, source: number, distance: number) => number): Promise<void> {
    const columns = this.#sources.map(column);
    let symbols = 0;
    for (const { segment, source, doc } of this.#plan.docs()) {
      const from = columns[source] as Uint32Array | Uint8Array;
      const distance = symbols - segment.symbolStart(doc);
      for (let row = rowStart(segment, this.#kind, doc), end = rowEnd(segment, this.#kind, doc); row < end; row++) this.stream.push(valueOf(from[row] as number, source, distance));
      symbols += segment.symbolStart(doc + 1) - segment.symbolStart(doc);
      await this.stream.next(width);
    }
    await this.stream.endColumn(width);
  }
}
