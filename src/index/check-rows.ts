/** References between the rows of one part: nothing points outside, nothing is left over. Bytes are checked elsewhere (segment/verify.ts). [0.15] */
import type { PartView } from './snapshot.ts';
import { requireNotCancelled } from '../util/cancel.ts';
import { CairnError, isCairnError } from '../util/errors.ts';
import { Slices } from './slices.ts';

/** The problems found, as CORRUPT errors. */
export async function* checkRows(view: PartView, dimension: number, signal?: AbortSignal): AsyncIterable<CairnError> {
  const { part } = view;
  const slices = new Slices();
  try {
    await part.loadEdges();
  } catch (error) {
    if (!isCairnError(error, 'CORRUPT', 'TRUNCATED')) throw error;
    yield error;
    return;
  }
  const wrong = (what: string): CairnError => new CairnError('CORRUPT', `${part.id}: ${what}`);
  if ((part.vectors === null) !== (dimension === 0)) yield wrong(part.vectors === null ? 'chunks without vectors' : 'vectors in an index without vectors');
  if (part.vectors !== null && part.vectors.chunks.rows < view.chunkCount) yield wrong(`${part.vectors.chunks.rows} vectors for ${view.chunkCount} chunks`);
  if (part.vectors !== null && part.vectors.dimension !== dimension) yield wrong(`vectors of dimension ${part.vectors.dimension}, not ${dimension}`);
  for (let doc = 0; doc < view.docCount; doc++) {
    await slices.next();
    requireNotCancelled(signal, 'the check');
    yield* checkDoc(view, doc, wrong);
  }
}

function* checkDoc({ part }: PartView, doc: number, wrong: (what: string) => CairnError): Iterable<CairnError> {
  const key = JSON.stringify(part.docKey(doc));
  for (const [name, start, end] of [
    ['chunks', part.chunkStart(doc), part.chunkStart(doc + 1)],
    ['symbols', part.symbolStart(doc), part.symbolStart(doc + 1)],
    ['edges', part.edgeStart(doc), part.edgeStart(doc + 1)],
  ] as const) {
    if (end < start) yield wrong(`${name} of ${key} end before they begin`);
  }
  const isOwnSymbol = (symbol: number): boolean => symbol === -1 || (symbol >= part.symbolStart(doc) && symbol < part.symbolStart(doc + 1));
  for (let chunk = part.chunkStart(doc); chunk < part.chunkStart(doc + 1); chunk++) {
    const row = part.chunk(chunk);
    if (row.doc !== doc || part.chunkDocs[chunk] !== doc) yield wrong(`chunk ${chunk} belongs to doc ${row.doc}, not to ${key}`);
    if (!isOwnSymbol(row.symbol)) yield wrong(`chunk ${chunk} of ${key} names symbol ${row.symbol} of another document`);
  }
  for (let symbol = part.symbolStart(doc); symbol < part.symbolStart(doc + 1); symbol++) {
    const row = part.symbol(symbol);
    if (row.doc !== doc || part.symbolDocs[symbol] !== doc) yield wrong(`symbol ${symbol} belongs to doc ${row.doc}, not to ${key}`);
    if (!isOwnSymbol(row.parent)) yield wrong(`symbol ${symbol} of ${key} lies in symbol ${row.parent} of another document`);
  }
  for (let edge = part.edgeStart(doc); edge < part.edgeStart(doc + 1); edge++) {
    const row = part.edge(edge);
    if (row.doc !== doc || !isOwnSymbol(row.from)) yield wrong(`edge ${edge} of ${key} leads from another document`);
  }
}
