/** Which docs survive a merge, in key order, and where each row of each source goes. */
import type { Field } from './part.ts';
import type { MergeSource } from './merge.ts';
import type { Segment } from './segment.ts';

export interface MergedDoc {
  readonly segment: Segment;
  /** Position of the segment among the sources. */
  readonly source: number;
  /** Id in its segment. */
  readonly doc: number;
}

/** New id of each old one; DEAD for what does not survive. */
export const DEAD = 0xffff_ffff;

interface IdMaps {
  readonly doc: Uint32Array;
  readonly chunk: Uint32Array;
  readonly symbol: Uint32Array;
  readonly edge: Uint32Array;
}

export class MergePlan {
  readonly segments: readonly Segment[];
  readonly docCount: number;
  readonly #sourceOf: Uint32Array;
  readonly #docOf: Uint32Array;
  readonly #maps: readonly IdMaps[];

  constructor(sources: readonly MergeSource[]) {
    this.segments = sources.map(({ segment }) => segment);
    const order = [...inKeyOrder(sources)];
    this.docCount = order.length;
    this.#sourceOf = Uint32Array.from(order, ({ source }) => source);
    this.#docOf = Uint32Array.from(order, ({ doc }) => doc);
    this.#maps = this.#mapIds();
  }

  *docs(): Generator<MergedDoc> {
    for (let i = 0; i < this.docCount; i++) {
      const source = this.#sourceOf[i] as number;
      yield { segment: this.segments[source] as Segment, source, doc: this.#docOf[i] as number };
    }
  }

  /** New ids of the rows that the postings of a field speak of. */
  idsOf(source: number, field: Field): Uint32Array {
    const maps = this.#maps[source] as IdMaps;
    if (field === 'body') return maps.chunk;
    if (field === 'definition' || field === 'name') return maps.symbol;
    return field === 'target' ? maps.edge : maps.doc;
  }

  #mapIds(): IdMaps[] {
    const dead = (length: number): Uint32Array => new Uint32Array(length).fill(DEAD);
    const maps = this.segments.map((s) => ({ doc: dead(s.docCount), chunk: dead(s.chunkCount), symbol: dead(s.symbolCount), edge: dead(s.edgeCount) }));
    const next = { doc: 0, chunk: 0, symbol: 0, edge: 0 };
    for (const { segment, source, doc } of this.docs()) {
      const map = maps[source] as IdMaps;
      map.doc[doc] = next.doc++;
      for (let row = segment.chunkStart(doc); row < segment.chunkStart(doc + 1); row++) map.chunk[row] = next.chunk++;
      for (let row = segment.symbolStart(doc); row < segment.symbolStart(doc + 1); row++) map.symbol[row] = next.symbol++;
      for (let row = segment.edgeStart(doc); row < segment.edgeStart(doc + 1); row++) map.edge[row] = next.edge++;
    }
    return maps;
  }
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
