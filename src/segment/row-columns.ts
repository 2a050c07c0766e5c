/**
 * Collects the rows of a segment that is built from documents (docs, chunks, symbols, edges) and writes their sections.
 * Names and targets are references that are turned into term ranks only when the dictionaries are complete.
 */
import type { ContainerWriter } from '../format/container-writer.ts';
import { GrowableU32 } from '../format/growable-u32.ts';
import { writeColumns } from './columns.ts';
import { DocColumns, type DocFacts, type RowStarts } from './doc-columns.ts';
import { TAG } from './layout.ts';

/** Rank of a term in its dictionary, from what the rows hold of it. */
export type Rank = (reference: number) => number;

export class RowColumns {
  readonly #docs = new DocColumns();
  readonly chunks = { startLines: new GrowableU32(), endLines: new GrowableU32(), symbols: new GrowableU32(), lengths: new GrowableU32(), kinds: new GrowableU32() };
  readonly symbols = {
    names: new GrowableU32(), qualified: new GrowableU32(), startLines: new GrowableU32(), endLines: new GrowableU32(), parents: new GrowableU32(), kinds: new GrowableU32(),
  };
  readonly edges = { froms: new GrowableU32(), targets: new GrowableU32(), lines: new GrowableU32(), kinds: new GrowableU32() };

  get docCount(): number {
    return this.#docs.count;
  }
  get chunkCount(): number {
    return this.chunks.kinds.length;
  }
  get symbolCount(): number {
    return this.symbols.kinds.length;
  }
  get edgeCount(): number {
    return this.edges.kinds.length;
  }

  get #ends(): RowStarts {
    return { chunk: this.chunkCount, symbol: this.symbolCount, edge: this.edgeCount };
  }

  /** Starts a doc; its chunks, symbols and edges follow. Keys must ascend in byte order (INVALID_ARGUMENT). */
  beginDoc(doc: DocFacts): void {
    this.#docs.add(doc, this.#ends);
  }

  async write(container: ContainerWriter, nameRank: Rank, targetRank: Rank, textStarts: Uint32Array): Promise<void> {
    await this.#docs.write(container, this.#ends);
    await writeColumns(await container.section(TAG.chunks), [
      this.chunks.startLines.view(), this.chunks.endLines.view(), this.chunks.symbols.view(), this.chunks.lengths.view(), textStarts, bytes(this.chunks.kinds),
    ]);
    const { symbols, edges } = this;
    await writeColumns(await container.section(TAG.symbols), [
      symbols.names.view().map(nameRank), symbols.qualified.view().map(nameRank),
      symbols.startLines.view(), symbols.endLines.view(), symbols.parents.view(), bytes(symbols.kinds),
    ]);
    await writeColumns(await container.section(TAG.edges), [edges.froms.view(), edges.targets.view().map(targetRank), edges.lines.view(), bytes(edges.kinds)]);
  }
}

const bytes = (column: GrowableU32): Uint8Array => Uint8Array.from(column.view());
