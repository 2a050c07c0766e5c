/** One pointer for everything: whatever is published while a reader looks, its text, vector, symbols, edges and postings are of one state. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { encodeDoc } from '../../src/format/doc-codec.ts';
import type { DocRecord } from '../../src/format/doc.ts';
import type { Snapshot } from '../../src/index/snapshot.ts';
import { checkLeaks } from '../support/leaks.ts';
import { tinyDoc } from '../support/tiny-doc.ts';
import { liveDocs } from '../model/index-model.ts';
import { newTestIndex } from './harness.ts';

checkLeaks();

const KEYS = Array.from({ length: 12 }, (_, i) => `k${i}`);

/** Every part of it names the version. */
function docOf(key: string, version: number): DocRecord {
  const doc = tinyDoc(key, version, 4);
  const [symbol] = doc.symbols;
  if (symbol === undefined) throw new Error('no symbol');
  return { ...doc, symbols: [{ ...symbol, name: `fn${version}`, qualified: `fn${version}`, terms: [`fn${version}`] }], pairs: [`pair ${version}`], commentTerms: new Map([[`c${version}`, 1]]) };
}

/** The one version of everything in the snapshot; throws when there are two. */
function versionOf(snapshot: Snapshot): number {
  const versions = new Set<string>();
  const keys: string[] = [];
  for (const { view: { part }, doc } of liveDocs(snapshot)) {
    const chunk = part.chunkStart(doc);
    const symbol = part.symbolStart(doc);
    const version = part.chunkText(chunk).split(' ')[1] as string;
    const has = (field: 'body' | 'comment' | 'name' | 'pair' | 'target', term: string, id: number): boolean => part.field(field).lookup(term)?.ids.includes(id) === true;
    assert.deepEqual(
      [part.vectors?.readVector(chunk)[1], part.symbol(symbol).name, part.edge(part.edgeStart(doc)).target],
      [Number(version), `fn${version}`, `v${version}`],
    );
    assert.ok(has('body', `v${version}`, chunk) && has('comment', `c${version}`, doc) && has('target', `v${version}`, part.edgeStart(doc)), `postings of ${version}`);
    assert.equal([part.chunkStart(doc + 1) - chunk, part.symbolStart(doc + 1) - symbol].join(), '1,1');
    versions.add(version);
    keys.push(part.docKey(doc));
  }
  assert.equal(versions.size, 1, `versions ${[...versions].join(', ')} in one snapshot`);
  assert.deepEqual(keys.sort(), [...KEYS].sort());
  return Number([...versions][0]);
}

test('[4.8] readers see one state of postings, chunks, vectors, symbols and edges, whatever is published meanwhile', async (t) => {
  const { index } = await newTestIndex(t, { options: { compactionFanIn: 2 } });
  const write = (version: number): Promise<unknown> => index.commit({ puts: KEYS.map((key) => encodeDoc(docOf(key, version))), deletes: [] });
  await write(1);
  let isDone = false;
  const writing = (async () => {
    for (let version = 2; version <= 40; version++) {
      await write(version);
      if (version % 3 === 0) await index.persist('test');
      if (version % 6 === 0) await index.compact();
    }
  })().finally(() => (isDone = true));
  const seen = new Set<number>();
  const generations = new Set<number>();
  let last = 0;
  while (!isDone) {
    const snapshot = index.snapshot();
    const first = versionOf(snapshot);
    assert.ok(first >= last, 'never an older state');
    await setImmediate();
    assert.equal(versionOf(snapshot), first, 'a snapshot stays as it is');
    generations.add(snapshot.generation);
    snapshot.release();
    seen.add((last = first));
  }
  await writing;
  assert.ok(seen.size > 3 && generations.size > 3, `${seen.size} versions and ${generations.size} generations were seen`);
});
