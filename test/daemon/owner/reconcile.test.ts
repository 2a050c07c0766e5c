import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import type { CrawledFile } from '../../../src/api.ts';
import type { FileRow } from '../../../daemon/owner/file-table.ts';
import { reconcile, type ReconcilePort } from '../../../daemon/owner/reconcile.ts';
import { isCairnError } from '../../../src/util/errors.ts';
import { tempDir } from '../../support/temp-dir.ts';

interface Setup {
  readonly rows?: readonly string[];
  readonly crawled?: readonly string[];
  /** Files that exist on the disk (for rows that the crawl does not name). */
  readonly onDisk?: readonly string[];
  readonly unreadable?: readonly string[];
  readonly identities?: readonly (string | null)[];
  readonly indexedIdentity?: string | null;
  readonly verified?: readonly string[];
  readonly crawlError?: Error;
}

const file = (path: string): CrawledFile => ({ path: path.replace('*', ''), size: path.includes('*') ? 2 : 1, mtimeNs: 5n });
const row = (): FileRow => ({ size: 1, mtimeNs: 5n, note: null });

/** A path with a star is crawled with another size than its row has. */
async function walk(t: TestContext, setup: Setup) {
  const root = tempDir(t);
  for (const path of setup.onDisk ?? []) {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), '');
  }
  const identities = [...(setup.identities ?? ['1', '1'])];
  const changed: string[] = [];
  const port: ReconcilePort = {
    root,
    signal: new AbortController().signal,
    tree: {
      isIgnored: () => false,
      async *crawl({ unreadable }) {
        for (const path of setup.unreadable ?? []) unreadable(path, 'EACCES');
        for (const path of setup.crawled ?? []) yield [file(path)];
        if (setup.crawlError !== undefined) throw setup.crawlError;
      },
    },
    rootIdentity: async () => identities.shift() ?? null,
    indexedIdentity: setup.indexedIdentity ?? null,
    fileTable: async () => new Map((setup.rows ?? []).map((path) => [path, row()])),
    isVerified: (path) => setup.verified?.includes(path) ?? false,
    changed: (paths) => void changed.push(...paths),
  };
  return { report: reconcile(port), changed };
}

test('[6.2] new, changed and gone files are found by size and mtime; equal ones are left alone', async (t) => {
  const { report, changed } = await walk(t, { rows: ['same', 'edited', 'gone/x'], crawled: ['same', 'edited*', 'new'] });
  const { added, changed: edited, gone, files } = await report;
  assert.deepEqual({ added, edited, gone, files }, { added: 1, edited: 1, gone: ['gone/x'], files: 3 });
  assert.deepEqual(changed, ['edited', 'new']);
});

test('a file that was compared by content before is not read again', async (t) => {
  const { report, changed } = await walk(t, { rows: ['touched'], crawled: ['touched*'], verified: ['touched'] });
  assert.equal((await report).changed, 0);
  assert.deepEqual(changed, []);
});

test('a row that the crawl does not name but that exists is looked at again, not assumed gone', async (t) => {
  const { report } = await walk(t, { rows: ['now-ignored', 'a'], crawled: ['a'], onDisk: ['now-ignored'] });
  assert.deepEqual((await report).gone, ['now-ignored']);
});

test('rows that cannot be reached are kept and reported', async (t) => {
  // A name that is too long for the file system cannot be looked at, like one behind a closed directory.
  const unreachable = 'x'.repeat(300);
  const { report } = await walk(t, { rows: [unreachable, 'a'], crawled: ['a'], unreadable: ['locked'] });
  const { gone, unreadable } = await report;
  assert.deepEqual(gone, []);
  assert.deepEqual([...unreadable], [['locked', 'EACCES'], [unreachable, 'ENAMETOOLONG']]);
});

test('[4.5] a missing root, a root that changes on the way, an empty stranger: refused, nothing is gone', async (t) => {
  const rows = ['a', 'b'];
  const cases: readonly Setup[] = [
    { rows, identities: [null] },
    { rows, crawled: ['a'], identities: ['1', '2'] },
    { rows, crawled: ['a'], identities: ['1', null] },
    { rows, crawled: [], identities: ['2', '2'], indexedIdentity: '1' },
    { rows, crawled: [], identities: ['1', '1'], indexedIdentity: null },
  ];
  for (const setup of cases) {
    const { report } = await walk(t, setup);
    await assert.rejects(report, (error: unknown) => isCairnError(error, 'ROOT_DETACHED'));
  }
});

test('a tree that was emptied while we knew its directory is empty', async (t) => {
  const { report } = await walk(t, { rows: ['a', 'b'], crawled: [], identities: ['1', '1'], indexedIdentity: '1' });
  assert.deepEqual((await report).gone, ['a', 'b']);
});

test('what is gone is reported in the order of the table, whatever order the disk answers in', async (t) => {
  const rows = Array.from({ length: 5000 }, (_, i) => `d${i % 7}/f${i}`);
  const { report } = await walk(t, { rows, crawled: [], identities: ['1', '1'], indexedIdentity: '1' });
  assert.deepEqual((await report).gone, rows);
});

test('a crawl that fails midway reports nothing as gone', async (t) => {
  const { report, changed } = await walk(t, { rows: ['a', 'b'], crawled: ['a', 'new'], crawlError: new Error('EIO') });
  await assert.rejects(report, /EIO/);
  assert.deepEqual(changed, ['new']);
});

test('[4.24] a walk over a large table gives the event loop its turns', async (t) => {
  const rows = new Map(Array.from({ length: 60_000 }, (_, i) => [`src/f${i}`, row()]));
  // A millisecond passes between two looks at the clock, however fast the machine is.
  let now = 0;
  t.mock.method(performance, 'now', () => ++now);
  let turns = 0;
  let isOver = false;
  const count = (): void => {
    turns++;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  const report = await reconcile({
    root: '/',
    signal: new AbortController().signal,
    tree: {
      isIgnored: () => false,
      async *crawl() {
        yield [...rows.keys()].map(file);
      },
    },
    rootIdentity: async () => '1',
    indexedIdentity: '1',
    fileTable: async () => rows,
    isVerified: () => false,
    changed: () => undefined,
  });
  isOver = true;
  assert.equal(report.files, 60_000);
  assert.ok(turns > 200, `${turns} turns: both the files and the rows are gone through in slices`);
});
