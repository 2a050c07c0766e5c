/**
 * What is in an index, for people: its languages, and its documents in the order of their ids. Reads a snapshot, in slices; the
 * daemon shows it in `inspect`. [0.1]
 */
import type { SourceStamp } from '../format/doc.ts';
import { Slices } from './slices.ts';
import type { PartView, Snapshot } from './snapshot.ts';

export interface LanguageCount {
  /** Empty for documents without one. */
  readonly language: string;
  readonly docs: number;
  readonly chunks: number;
}

export interface DocumentRow {
  readonly id: string;
  readonly language: string;
  readonly chunks: number;
  readonly source: SourceStamp | null;
  /** As stored, one for each chunk; null unless asked for. */
  readonly vectors: readonly Float32Array[] | null;
}

/** Most frequent first. */
export async function languagesOf(snapshot: Snapshot): Promise<LanguageCount[]> {
  const found = new Map<string, { docs: number; chunks: number }>();
  for await (const { part, doc } of liveRows(snapshot)) {
    const language = part.docLanguage(doc);
    const count = found.get(language) ?? { docs: 0, chunks: 0 };
    found.set(language, { docs: count.docs + 1, chunks: count.chunks + part.chunkStart(doc + 1) - part.chunkStart(doc) });
  }
  return [...found].map(([language, count]) => ({ language, ...count })).sort((a, b) => b.docs - a.docs || (a.language < b.language ? -1 : 1));
}

/** The first `limit` documents whose id is above `after`, and the id to go on from, null at the end. */
export async function documentsOf(snapshot: Snapshot, options: { readonly after: string | null; readonly limit: number; readonly vectors: boolean }): Promise<{ readonly rows: DocumentRow[]; readonly next: string | null }> {
  const { after, limit } = options;
  const rows: { readonly id: string; readonly part: PartView['part']; readonly doc: number }[] = [];
  for await (const { part, doc } of liveRows(snapshot)) {
    const id = part.docKey(doc);
    if (after === null || id > after) rows.push({ id, part, doc });
  }
  rows.sort((a, b) => (a.id < b.id ? -1 : 1));
  const page = rows.slice(0, limit);
  return { rows: page.map(({ id, part, doc }) => rowOf(id, part, doc, options.vectors)), next: rows.length > limit ? (page.at(-1)?.id ?? null) : null };
}

function rowOf(id: string, part: PartView['part'], doc: number, withVectors: boolean): DocumentRow {
  const [from, to] = [part.chunkStart(doc), part.chunkStart(doc + 1)];
  const stored = withVectors ? part.vectors : null;
  const vectors = stored === null ? null : Array.from({ length: to - from }, (_, i) => stored.readVector(from + i));
  return { id, language: part.docLanguage(doc), chunks: to - from, source: part.docSource(doc), vectors };
}

async function* liveRows(snapshot: Snapshot): AsyncGenerator<{ readonly part: PartView['part']; readonly doc: number }> {
  const slices = new Slices();
  for (const { part, docCount, live } of snapshot.parts) {
    for (let doc = 0; doc < docCount; doc++) {
      await slices.next();
      if (live === null || live.has(doc)) yield { part, doc };
    }
  }
}
