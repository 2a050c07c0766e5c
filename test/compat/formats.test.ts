/** Indexes written by older versions open with their content. The fixtures are never rewritten. */
import assert from 'node:assert/strict';
import { cpSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { asEpoch, Engine, encodeDoc, type DocRecord } from '../../src/api.ts';
import { assertSnapshotEquals, bodyPostings, modelPostings } from '../model/index-model.ts';
import { docsFromJson } from '../support/doc-json.ts';
import { checkLeaks } from '../support/leaks.ts';
import { seededRandom } from '../support/random-docs.ts';
import { randomDoc } from '../support/sample-docs.ts';
import { tempDir } from '../support/temp-dir.ts';

checkLeaks();

const FIXTURES = fileURLToPath(new URL('./fixtures/', import.meta.url));

for (const format of readdirSync(FIXTURES).filter((name) => name.startsWith('format-'))) {
  test(`[1.4] [1.5] an index of ${format} opens, equals what was written, and goes on`, async (t) => {
    const dataDir = tempDir(t);
    cpSync(join(FIXTURES, format, 'index'), join(dataDir, 'indexes', 'fixture'), { recursive: true });
    const model = new Map<string, DocRecord>(docsFromJson(readFileSync(join(FIXTURES, format, 'expected.json'), 'utf8')).map((doc) => [doc.key, doc]));
    const engine = await Engine.open({ dataDir, lease: { epoch: asEpoch(8), assertHeld: () => undefined } });
    t.after(() => engine.close());
    let index = await engine.get('fixture');
    assert.deepEqual(index.recovery.degraded, []);
    assert.equal(index.recovery.replayedBatches, 2);
    assert.equal(index.metadata.sourceRoot, '/source/of/fixture');
    const check = (): void => {
      const snapshot = index.snapshot();
      assertSnapshotEquals(snapshot, model, ['src/c.ts', 'src/d.ts']);
      for (const term of [...model.values()].flatMap((doc) => [...(doc.chunks[0]?.terms.keys() ?? [])].slice(0, 2))) {
        assert.deepEqual(new Map([...bodyPostings(snapshot, term)].sort()), new Map([...modelPostings(model, term)].sort()));
      }
      snapshot.release();
    };
    check();
    assert.deepEqual((await index.verify({ deep: true })).damages, []);
    const added = randomDoc(seededRandom(1), 'src/new.ts', { dimension: 4 });
    await index.commit({ puts: [encodeDoc(added)], deletes: ['src/b.ts'] });
    model.set(added.key, added);
    model.delete('src/b.ts');
    await index.persist('test');
    await engine.release('fixture');
    index = await engine.get('fixture');
    check();
  });
}
