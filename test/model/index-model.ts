/**
 * The obviously right index: a Map from key to record, and the comparison of a real index (any snapshot of it) with it.
 */
import assert from 'node:assert/strict';
import type { DocRecord } from '../../src/format/doc.ts';
import type { PartView, Snapshot } from '../../src/index/snapshot.ts';
import { assertDocEquals } from '../support/sample-docs.ts';

export type Model = ReadonlyMap<string, DocRecord>;

/** Every live doc of the snapshot, found by walking the parts (not by key). */
export function liveDocs(snapshot: Snapshot): { readonly view: PartView; readonly doc: number }[] {
  const found: { view: PartView; doc: number }[] = [];
  for (const view of snapshot.parts) {
    for (let doc = 0; doc < view.docCount; doc++) if (view.live === null || view.live.has(doc)) found.push({ view, doc });
  }
  return found;
}

/** Keys, rows, texts, vectors (bit by bit), counts, lookups of present and absent keys. */
export function assertSnapshotEquals(snapshot: Snapshot, model: Model, absent: readonly string[] = []): void {
  const found = liveDocs(snapshot);
  assert.deepEqual(found.map(({ view, doc }) => view.part.docKey(doc)).sort(), [...model.keys()].sort());
  for (const { view, doc } of found) assertDocEquals(view, doc, model.get(view.part.docKey(doc)) as DocRecord);
  for (const view of snapshot.parts) {
    const own = found.filter((item) => item.view === view);
    assert.equal(view.liveDocs, own.length, `live docs of ${view.part.id}`);
    assert.equal(view.liveChunks, own.reduce((n, { doc }) => n + view.part.chunkStart(doc + 1) - view.part.chunkStart(doc), 0), `live chunks of ${view.part.id}`);
  }
  for (const key of model.keys()) {
    const at = snapshot.find(key);
    assert.ok(at !== null, `${key} is not found`);
    assert.equal(at.view.part.docKey(at.doc), key);
    assert.ok(found.some((item) => item.view === at.view && item.doc === at.doc), `${key} is found in a dead row`);
  }
  for (const key of absent) if (!model.has(key)) assert.equal(snapshot.find(key), null, `${key} should be absent`);
}

/** What BM25 reads for `term`: for each live chunk its frequency and length, by key and position. */
export function bodyPostings(snapshot: Snapshot, term: string): Map<string, readonly [number, number]> {
  const result = new Map<string, readonly [number, number]>();
  for (const view of snapshot.parts) {
    const postings = view.part.field('body').lookup(term);
    for (let i = 0; postings !== null && i < postings.count; i++) {
      const chunk = postings.ids[i] as number;
      if (chunk >= view.chunkCount) continue;
      const doc = view.part.chunkDocs[chunk] as number;
      if (view.live !== null && !view.live.has(doc)) continue;
      result.set(`${view.part.docKey(doc)}#${chunk - view.part.chunkStart(doc)}`, [postings.values[i] as number, view.part.chunkLengths[chunk] as number]);
    }
  }
  return result;
}

export function modelPostings(model: Model, term: string): Map<string, readonly [number, number]> {
  const result = new Map<string, readonly [number, number]>();
  for (const record of model.values()) {
    record.chunks.forEach((chunk, i) => {
      const frequency = chunk.terms.get(term);
      const length = [...chunk.terms.values()].reduce((a, b) => a + b, 0);
      if (frequency !== undefined) result.set(`${record.key}#${i}`, [frequency, length]);
    });
  }
  return result;
}

/** Terms of other fields, by key: definition and name terms of symbols, targets of edges, doc-level fields. */
export function docsWithTerm(snapshot: Snapshot, field: 'path' | 'comment' | 'pair' | 'stem' | 'target' | 'definition', term: string): string[] {
  const keys = new Set<string>();
  for (const view of snapshot.parts) {
    const postings = view.part.field(field).lookup(term);
    for (let i = 0; postings !== null && i < postings.count; i++) {
      const id = postings.ids[i] as number;
      const doc = field === 'target' ? view.part.edge(id).doc : field === 'definition' ? (view.part.symbolDocs[id] as number) : id;
      if (doc < view.docCount && (view.live === null || view.live.has(doc))) keys.add(view.part.docKey(doc));
    }
  }
  return [...keys].sort();
}

export function modelDocsWithTerm(model: Model, field: 'path' | 'comment' | 'pair' | 'stem' | 'target' | 'definition', term: string): string[] {
  const has = (record: DocRecord): boolean => {
    switch (field) {
      case 'path': return record.pathTerms.has(term);
      case 'comment': return record.commentTerms.has(term);
      case 'pair': return record.pairs.includes(term);
      case 'stem': return record.stem === term;
      case 'target': return record.edges.some((edge) => edge.target === term);
      case 'definition': return record.symbols.some((symbol) => symbol.terms.includes(term));
    }
  };
  return [...model.values()].filter(has).map((record) => record.key).sort();
}
