/** Which docs survive a merge, in key order, and where each row of each source goes. */
import type { Field } from './part.ts';
import type { MergeSource } from './merge.ts';
import type { StoredSegment } from './stored-segment.ts';

export interface MergedDoc {
  readonly segment: StoredSegment;
  /** Position of the segment among the sources. */
  readonly source: number;
  /** Id in its segment. */
  readonly doc: number;
}

/** New id of each old one; DEAD for what does not survive. */
export const DEAD = 0xffff_ffff;

/** A kind of rows: those of a doc lie between two starts. */
export type RowKind = 'doc' | 'chunk' | 'symbol' | 'edge';

export class MergePlan {
  readonly segments: readonly StoredSegment[];
  readonly docCount: number;
  readonly #sourceOf: Uint32Array;
  readonly #docOf: Uint32Array;

  constructor(sources: readonly MergeSource[]) {
    this.segments = sources.map(({ segment }) => segment);
    const order = [...inKeyOrder(sources)];
    this.docCount = order.length;
    this.#sourceOf = Uint32Array.from(order, ({ source }) => source);
    this.#docOf = Uint32Array.from(order, ({ doc }) => doc);
  }

  *docs(): Generator<MergedDoc> {
    for (let i = 0; i < this.docCount; i++) {
      const source = this.#sourceOf[i] as number;
      yield { segment: this.segments[source] as StoredSegment, source, doc: this.#docOf[i] as number };
    }
  }

  /** New ids of all rows of one kind, for each source. */
  newIds(kind: RowKind): Uint32Array[] {
    const ids = this.segments.map((segment) => new Uint32Array(rowEnd(segment, kind, segment.docCount - 1)).fill(DEAD));
    let next = 0;
    for (const { segment, source, doc } of this.docs()) {
      const map = ids[source] as Uint32Array;
      for (let row = rowStart(segment, kind, doc); row < rowEnd(segment, kind, doc); row++) map[row] = next++;
    }
    return ids;
  }
}

/** What the postings of a field speak of. */
export function rowKindOf(field: Field): RowKind {
  if (field === 'body') return 'chunk';
  if (field === 'definition' || field === 'name') return 'symbol';
  return field === 'target' ? 'edge' : 'doc';
}

export function rowStart(segment: StoredSegment, kind: RowKind, doc: number): number {
  if (kind === 'doc') return doc;
  if (kind === 'chunk') return segment.chunkStart(doc);
  return kind === 'symbol' ? segment.symbolStart(doc) : segment.edgeStart(doc);
}

export function rowEnd(segment: StoredSegment, kind: RowKind, doc: number): number {
  return rowStart(segment, kind, doc + 1);
}

/** Live docs of all sources by key. Sources are few, so the smallest head is found by looking at each. */
function* inKeyOrder(sources: readonly MergeSource[]): Generator<{ readonly source: number; readonly doc: number }> {
  const heads = sources.map((source) => nextLive(source, 0));
  for (;;) {
    let first = -1;
    for (let s = 0; s < sources.length; s++) {
      if (heads[s] === -1) continue;
      if (first < 0 || Buffer.compare(headKey(sources, heads, s), headKey(sources, heads, first)) < 0) first = s;
    }
    if (first < 0) return;
    const doc = heads[first] as number;
    yield { source: first, doc };
    heads[first] = nextLive(sources[first] as MergeSource, doc + 1);
  }
}

function headKey(sources: readonly MergeSource[], heads: readonly number[], s: number): Uint8Array {
  return (sources[s] as MergeSource).segment.docKeyBytes(heads[s] as number);
}

function nextLive({ segment, live }: MergeSource, from: number): number {
  let doc = from;
  while (doc < segment.docCount && live !== null && !live.has(doc)) doc += 1;
  return doc < segment.docCount ? doc : -1;
}
