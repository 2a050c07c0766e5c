// Every kind of file of a small data directory, damaged in every way: opening never crashes, hangs or gives out wrong data, and each
// damage that matters is named. The long run: node scripts/corruption-sweep.ts --damages 50000
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cpSync, lstatSync, mkdirSync, readdirSync, renameSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { encodeDoc } from '../../src/format/doc-codec.ts';
import { openIndex } from '../../src/index/open-index.ts';
import { CairnError } from '../../src/util/errors.ts';
import { newTestIndex, versions } from '../index/harness.ts';
import { runSweep } from '../support/corruption/sweep.ts';
import { testSeed } from '../support/random.ts';
import { tinyDoc } from '../support/tiny-doc.ts';

const DAMAGES = 3_000;
const MAX_RSS_BYTES = 2 ** 30;
const seed = testSeed(1);

test(`[0.3, 0.12, 1.31, 1.73, 3.9] ${DAMAGES} damages (CAIRN_SEED=${seed}): refused, reported, named or provably harmless; nothing wrong is given out`, async (t) => {
  const report = await runSweep({ seed, wanted: DAMAGES });
  t.diagnostic(JSON.stringify(report));
  assert.deepEqual(report.violations, []);
  assert.equal(report.damages, DAMAGES);
  for (const kind of ['CURRENT', 'manifest', 'metadata.json', 'segment', 'tombstones', 'wal', 'quarantine', 'cache.dat', 'cache.keys']) assert.ok((report.files[kind] ?? 0) > 0, `no damage of ${kind}`);
  for (const outcome of ['refused', 'reported', 'named'] as const) assert.ok(report.outcomes[outcome] > 0, outcome);
  // How much a process of the runner takes is the machine's; what a believed length of four bytes asks for is more. The script holds 256 MB.
  assert.ok(report.maxRssBytes < MAX_RSS_BYTES, `${report.maxRssBytes} bytes`);
});

/** What a MemoryEnv does not have: links, and directories of a real file system. */
test('[1.73] a link or a directory in the place of any file: a typed error that names it, or the rest serves and it is reported', async (t) => {
  const testIndex = await newTestIndex(t);
  for (const key of ['a', 'b']) {
    await testIndex.index.commit({ puts: [encodeDoc(tinyDoc(key, 1, 4))], deletes: [] });
    await testIndex.index.persist(key);
  }
  await testIndex.index.commit({ puts: [encodeDoc(tinyDoc('a', 2, 4))], deletes: [] });
  await testIndex.index.persist('tombstones');
  await testIndex.index.commit({ puts: [encodeDoc(tinyDoc('c', 1, 4))], deletes: [] });
  await testIndex.index.close();
  const { dir: original, env } = testIndex;
  const files = [...readdirSync(original), ...readdirSync(join(original, 'wal')).map((name) => `wal/${name}`)];
  const whole: Readonly<Record<string, number>> = { a: 2, b: 1, c: 1 };
  for (const [n, name] of files.entries()) {
    for (const kind of ['link', 'directory'] as const) {
      const dir = `${original}-${n}-${kind}`;
      cpSync(original, dir, { recursive: true });
      const path = join(dir, name);
      renameSync(path, `${dir}-away`);
      if (kind === 'link') symlinkSync(`${dir}-away`, path);
      else mkdirSync(path);
      const what = `${name} as ${kind}`;
      try {
        const index = await openIndex(env, dir, testIndex.services());
        const { degraded, warnings } = index.recovery;
        const found = versions(index);
        await index.close();
        if (JSON.stringify(found) !== JSON.stringify(whole)) assert.ok(degraded.length > 0, `${what}: ${JSON.stringify(found)} without a word`);
        for (const [key, version] of Object.entries(found)) assert.ok(version <= (whole[key] ?? 0), `${what}: ${[...degraded, ...warnings].join()}`);
      } catch (error) {
        assert.ok(error instanceof CairnError && error.code !== 'INTERNAL', `${what}: ${String(error)}`);
        assert.ok(`${error.message} ${error.path}`.includes(name), `${what}: ${error.message}`);
        assert.ok(lstatSync(path)[kind === 'link' ? 'isSymbolicLink' : 'isDirectory'](), `${what}: opening was refused and changed it`);
      }
    }
  }
});
