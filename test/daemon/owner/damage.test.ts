// Damage in service and at opening: the rest answers, the state says so, only what was lost is read from the tree again.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { Snapshot } from '../../../src/api.ts';
import { withSnapshot } from '../../../daemon/handlers/search.ts';
import type { IndexOwner } from '../../../daemon/handlers/services.ts';
import { flipByte, newestManifest, sectionOffset, segmentFiles } from '../../support/damage.ts';
import { checkLeaks } from '../../support/leaks.ts';
import { never, RealDaemon, tableOf, until, type Running } from './real-owners.ts';

checkLeaks();

const FIRST = 12;
const SECOND = 3;
/** Tag of a section that opening reads. */
const DOCS = 2;

interface Indexed {
  readonly daemon: RealDaemon;
  readonly running: Running;
  readonly owner: IndexOwner;
  readonly dir: string;
}

/** Two segments: 12 files, then 3 others. */
async function twoSegments(t: TestContext, embed = true): Promise<Indexed> {
  const daemon = new RealDaemon(t);
  for (let i = 0; i < FIRST; i++) daemon.write(`first/f${i}.ts`, `/** Number ${i}. */\nexport function first${i}(): number {\n  return ${i};\n}\n`);
  const running = await daemon.start({ embed, watch: false });
  const owner = await running.owners.create({ root: daemon.root, lexicalOnly: !embed });
  await owner.settled({ signal: never() });
  await owner.flush();
  for (let i = 0; i < SECOND; i++) daemon.write(`second/g${i}.ts`, `export const second${i} = ${i};\n`);
  await owner.fresh(never());
  await owner.flush();
  const dir = join(daemon.dataDir, 'indexes', owner.name);
  assert.equal(segmentFiles(dir).length, 2);
  return { daemon, running, owner, dir };
}

function readEveryText(owner: IndexOwner): Promise<{ readonly keys: string[]; readonly state: string; readonly reasons: readonly string[] }> {
  return withSnapshot(owner, async (snapshot: Snapshot) => {
    const keys: string[] = [];
    for (const { part, docCount, live } of snapshot.parts) {
      for (let doc = 0; doc < docCount; doc++) {
        if (live !== null && !live.has(doc)) continue;
        for (let chunk = part.chunkStart(doc); chunk < part.chunkStart(doc + 1); chunk++) {
          part.chunkText(chunk);
          part.vectors?.readVector(chunk);
        }
        keys.push(part.docKey(doc));
      }
    }
    return { keys, ...owner.status() };
  });
}

/** As after a restart: nothing of a segment is in memory. */
async function restarted({ daemon, running }: Indexed, embed = true): Promise<IndexOwner> {
  await running.stop();
  const again = await daemon.start({ embed, watch: false });
  return again.owners.resolve({ root: daemon.root });
}

for (const [what, tag] of [['texts', 7], ['vectors', 32]] as const) {
  test(`[0.21, 4.7] damaged ${what} met by a query: it answers from the rest and says so; the files come back from the tree, their vectors from the cache`, async (t) => {
    const indexed = await twoSegments(t);
    const { dir } = indexed;
    const owner = await restarted(indexed);
    await owner.settled({ signal: never() });
    assert.equal(owner.status().state, 'ready');
    const [victim = ''] = segmentFiles(dir);
    flipByte(join(dir, victim), (await sectionOffset(join(dir, victim), tag)) + 3);
    const answer = await readEveryText(owner);
    assert.equal(answer.keys.length, SECOND, 'the intact segment answers');
    assert.equal(answer.state, 'degraded');
    assert.match(answer.reasons.join('\n'), new RegExp(`${victim}: ${FIRST} documents are lost until they are indexed again: .*checksum at offset \\d+`));
    await until('the index to be whole again', () => owner.status().state === 'ready');
    assert.deepEqual(new Map([...(await tableOf(owner))].sort()), new Map([...indexed.daemon.disk()].sort()));
    assert.equal((await readEveryText(owner)).keys.length, FIRST + SECOND);
    const { textsEmbedded, cacheHits } = owner.status().embedding;
    assert.equal(textsEmbedded, 0, 'nothing is embedded again');
    assert.ok(cacheHits >= FIRST);
    await until('the loss to be settled', () => owner.index.losses.length === 0);
    assert.match(owner.status().reasons.join('\n'), /mended from the source tree/);
    assert.deepEqual((await owner.index.listQuarantine()).map(({ file }) => file), [`quarantine/${victim}.1`]);
    assert.equal((await owner.index.verify({ deep: true })).ok, true);
  });
}

test('[0.21] a damaged segment at opening: only its files are embedded again when the cache is gone', async (t) => {
  const indexed = await twoSegments(t);
  const { daemon, dir, running } = indexed;
  await running.stop();
  const victim = segmentFiles(dir)[1] as string;
  flipByte(join(dir, victim), await sectionOffset(join(dir, victim), DOCS));
  rmSync(join(daemon.dataDir, 'embeddings'), { recursive: true });
  const again = await daemon.start({ embed: true, watch: false });
  const owner = await again.owners.resolve({ root: daemon.root });
  const { files, embedded } = await owner.settled({ signal: never() });
  assert.equal(files, FIRST + SECOND);
  const { textsEmbedded } = owner.status().embedding;
  assert.equal(embedded, textsEmbedded);
  assert.ok(textsEmbedded >= SECOND && textsEmbedded <= 2 * SECOND, `${textsEmbedded} texts for ${SECOND} files of one chunk (and their paths)`);
  assert.equal(owner.status().state, 'ready');
  assert.equal((await owner.index.listQuarantine()).length, 1);
});

test('[4.7] a loss is not forgotten by a restart: while the tree is away every answer says what is lost', async (t) => {
  const indexed = await twoSegments(t, false);
  const { daemon, dir, running } = indexed;
  await running.stop();
  const victim = join(dir, segmentFiles(dir)[1] as string);
  flipByte(victim, await sectionOffset(victim, DOCS));
  renameSync(daemon.root, `${daemon.root}-away`);
  for (let life = 1; life <= 2; life++) {
    const again = await daemon.start({ watch: false });
    const owner = await again.owners.resolve({ index: indexed.owner.name });
    await until('the missing root to be noticed', () => owner.status().state === 'detached');
    assert.match(owner.status().reasons.join('\n'), /3 documents are lost/, `life ${life}`);
    assert.equal(owner.index.stats().docs, FIRST);
    await again.stop();
  }
  renameSync(`${daemon.root}-away`, daemon.root);
  const last = await daemon.start({ watch: false });
  const owner = await last.owners.resolve({ index: indexed.owner.name });
  await owner.settled({ signal: never() });
  assert.equal(owner.index.stats().docs, FIRST + SECOND);
  await until('the loss to be settled', () => owner.index.losses.length === 0 && owner.status().state === 'ready');
});

test('[1.31] a damaged manifest or log in the middle: the older state, the log and the tree make it whole', async (t) => {
  for (const what of ['manifest', 'log'] as const) {
    await t.test(what, async (one) => {
      const indexed = await twoSegments(one, false);
      const { daemon, dir, running } = indexed;
      daemon.write('third/h.ts', 'export const third = 1;\n');
      await indexed.owner.fresh(never());
      daemon.write('third/i.ts', 'export const fourth = 1;\n');
      await indexed.owner.fresh(never());
      await running.stop({ persist: false });
      if (what === 'manifest') flipByte(join(dir, newestManifest(dir)), 60);
      else {
        const log = readdirSync(join(dir, 'wal')).sort().at(-1) as string;
        flipByte(join(dir, 'wal', log), 64 + 30);
      }
      const again = await daemon.start({ watch: false });
      const owner = await again.owners.resolve({ root: daemon.root });
      assert.match(owner.status().reasons.join('\n'), what === 'manifest' ? /was passed over/ : /are lost: .*\.wal: .* at offset \d+/);
      await owner.settled({ signal: never() });
      assert.deepEqual(new Map([...(await tableOf(owner))].sort()), new Map([...daemon.disk()].sort()));
      assert.equal(owner.status().state, 'ready');
      assert.ok((await owner.index.listQuarantine()).length > 0);
    });
  }
});

test('[3.9] damaged metadata fails that index alone; the mirror in the manifest brings it back', async (t) => {
  const indexed = await twoSegments(t, false);
  const { daemon, running, dir } = indexed;
  await running.stop();
  const text = (value: string): void => writeFileSync(join(dir, 'metadata.json'), value);
  const other = join(daemon.base, 'other');
  for (const damaged of ['', '{', JSON.stringify({ schemaVersion: 1 })]) {
    text(damaged);
    const again = await daemon.start({ watch: false });
    assert.equal(again.owners.failed().length, 1);
    if (!existsSync(other)) {
      daemon.write('../other/x.ts');
      await (await again.owners.create({ root: other, lexicalOnly: true })).settled({ signal: never() });
    }
    const intact = await again.owners.resolve({ root: other });
    await until('the other index to serve', () => intact.status().state === 'ready');
    const action = await again.owners.restoreMetadata(indexed.owner.name, { dryRun: true });
    assert.equal(action?.done, false);
    assert.equal((await again.owners.restoreMetadata(indexed.owner.name, { dryRun: false }))?.done, true);
    const owner = await again.owners.resolve({ index: indexed.owner.name });
    await owner.settled({ signal: never() });
    assert.equal(owner.index.stats().docs, FIRST + SECOND);
    await again.stop();
  }
});
