// Writes test/compat/fixtures/format-<n>: a small index as this version of cairn leaves it on disk, and its expected content.
// A fixture is made once for each format and never again: later versions must open it as it is.
// Usage: node scripts/make-fixture.ts <directory that does not exist>
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { asEpoch, Engine, encodeDoc, type DocRecord } from '../src/api.ts';
import { docsToJson } from '../test/support/doc-json.ts';
import { seededRandom } from '../test/support/random-docs.ts';
import { randomDoc } from '../test/support/sample-docs.ts';

const [target] = process.argv.slice(2);
if (target === undefined || existsSync(target)) throw new Error('name a directory that does not exist');
const DIMENSION = 4;
const random = seededRandom(20250101);
const content = new Map<string, DocRecord>();
mkdirSync(`${target}.work`, { recursive: true });
const engine = await Engine.open({ dataDir: `${target}.work`, lease: { epoch: asEpoch(7), assertHeld: () => undefined } });
const index = await engine.create({ name: 'fixture', kind: 'code', dimension: DIMENSION, sourceRoot: '/source/of/fixture' });

async function commit(keys: readonly string[], deletes: readonly string[] = []): Promise<void> {
  const docs = keys.map((key) => randomDoc(random, key, { dimension: DIMENSION, maxChunks: 2, textBytes: 40 }));
  await index.commit({ puts: docs.map(encodeDoc), deletes });
  for (const key of deletes) content.delete(key);
  for (const doc of docs) content.set(doc.key, doc);
}

await commit(['src/a.ts', 'src/b.ts', 'src/c.ts', 'docs/größe.md']);
await index.persist('fixture');
await commit(['src/b.ts', 'src/d.ts'], ['src/c.ts']);
await index.persist('fixture');
await commit(['src/e.ts', 'src/a.ts']);
await commit([], ['src/d.ts']);
await engine.close();
mkdirSync(target, { recursive: true });
renameSync(join(`${target}.work`, 'indexes', 'fixture'), join(target, 'index'));
rmSync(`${target}.work`, { recursive: true });
writeFileSync(join(target, 'expected.json'), docsToJson([...content.values()]));
